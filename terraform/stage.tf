# Two buckets: what is kept (the configuration, results of benchmarks) and, where files wait in a bucket of ours rather than
# Snowflake's, the external stage.

locals {
  buckets = merge(
    { kept = "${local.name}-kept-${local.account}-${var.region}" },
    var.stage == null ? {} : { stage = "${local.name}-stage-${local.account}-${var.region}" },
  )
  bucket_arns  = { for key, name in local.buckets : key => "arn:${local.partition}:s3:::${name}" }
  stage_prefix = "files"
}

# trivy:ignore:AWS-0089 trivy:ignore:AWS-0090
resource "aws_s3_bucket" "this" {
  # checkov:skip=CKV_AWS_18: who read and wrote is in CloudTrail's data events; a log of accesses takes a bucket more
  # checkov:skip=CKV_AWS_21: what is kept has versions; a staged file that was deleted shall be gone
  # checkov:skip=CKV_AWS_144: the configuration stands in the repository, staged files live for minutes
  # checkov:skip=CKV2_AWS_61: each has rules of its own, below
  # checkov:skip=CKV2_AWS_62: nothing begins by itself when an object arrives
  for_each = local.buckets

  bucket        = each.value
  force_destroy = !local.protected
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = local.buckets

  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.data.arn
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [local.bucket_arns[each.key], "${local.bucket_arns[each.key]}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.this]
}

# Versions keep each configuration that a version of a function was made with. The stage has none: a deleted file is gone.
resource "aws_s3_bucket_versioning" "kept" {
  bucket = aws_s3_bucket.this["kept"].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "kept" {
  bucket = aws_s3_bucket.this["kept"].id

  rule {
    id     = "results"
    status = "Enabled"

    filter {
      prefix = "benchmarks/"
    }

    expiration {
      days = var.retention.results_days
    }

    noncurrent_version_expiration {
      noncurrent_days = 30
    }
  }

  rule {
    id     = "uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 3
    }
  }

  depends_on = [aws_s3_bucket_versioning.kept]
}

# Below the engine's own sweep, which removes what is a day old: docs/external-stage.md.
resource "aws_s3_bucket_lifecycle_configuration" "stage" {
  count = var.stage == null ? 0 : 1

  bucket = aws_s3_bucket.this["stage"].id

  rule {
    id     = "leftovers"
    status = "Enabled"

    filter {}

    expiration {
      days = 3
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 3
    }
  }
}

resource "aws_s3_object" "configuration" {
  bucket       = aws_s3_bucket.this["kept"].id
  key          = "borealis.toml"
  content      = file("${path.module}/${var.configuration}")
  content_type = "application/toml"

  depends_on = [aws_s3_bucket_versioning.kept, aws_s3_bucket_server_side_encryption_configuration.this]
}
