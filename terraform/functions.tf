# The six functions. Terraform makes them and their settings; which code runs is the pipeline's to say: it uploads a package,
# publishes a version and moves the alias `live`, in steps and back again. So Terraform does not look at the code after
# the first time, nor at where the alias points. A setting that is changed here becomes a new version too, which is live
# once the pipeline has moved the alias to it.

locals {
  environment_variables = merge(
    {
      BOREALIS_CONFIG                 = "s3://${local.buckets.kept}/${aws_s3_object.configuration.key}?versionId=${aws_s3_object.configuration.version_id}"
      BOREALIS_STATE__TABLE           = local.state_table
      BOREALIS_LIMITS__WORKERS        = tostring(var.workers)
      BOREALIS_AWS__REGION            = var.region
      BOREALIS_AWS__STATE_MACHINE     = local.state_machine_arn
      BOREALIS_AWS__SNAPSHOT_FUNCTION = "${local.functions.snapshot.arn}:live"
      BOREALIS_AWS__DEAD_LETTER_QUEUE = local.dead_letters_url
      BOREALIS_AWS__TOPIC             = local.topic_arn
      BOREALIS_AWS__RESULTS_BUCKET    = local.buckets.kept
      BOREALIS_AWS__AUDIT_LOG_GROUP   = local.audit_group
      POWERTOOLS_SERVICE_NAME         = local.name # a dimension of the metrics, so that environments of one account stay apart
    },
    var.vault == null ? {} : {
      BOREALIS_VAULT__ADDRESS = var.vault.address
      BOREALIS_VAULT__REGION  = var.region
    },
    var.sign_receipts ? { BOREALIS_AWS__SIGNING_KEY = aws_kms_key.receipts[0].arn } : {},
    var.stage == null ? {} : {
      BOREALIS_STAGE__URL                 = "s3://${local.buckets.stage}/${local.stage_prefix}"
      BOREALIS_STAGE__STORAGE_INTEGRATION = var.stage.storage_integration
    },
    var.environment_variables,
  )

  # Seconds and tries of an event that came asynchronously, and whether it is one that `borealis replay` could send again. The
  # worker's come from the state machine, which waits for it.
  asynchronous = {
    scheduled = { age_s = 3600, retries = 2, replayed = true }
    parallel  = { age_s = 3600, retries = 2, replayed = true }
    snapshot  = { age_s = 300, retries = 1, replayed = false } # who asked waits for it, starts another, and writes the letter
    health    = { age_s = 300, retries = 0, replayed = false } # the next look is soon
    benchmark = { age_s = 3600, retries = 0, replayed = false }
  }
}

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_116: aws_lambda_function_event_invoke_config.live sends the same events, with the answer
  # checkov:skip=CKV_AWS_272: the pipeline deploys by SHA-256 what it built, with provenance, and Lambda checks the digest
  for_each = local.functions

  function_name = each.value.name
  description   = "Borealis ${var.environment}: ${each.key}"
  role          = aws_iam_role.function[each.key].arn
  handler       = "handlers.${each.key}.handler"
  runtime       = "python3.13"
  architectures = ["arm64"]
  layers        = var.layers
  publish       = true

  filename          = var.package.file
  source_code_hash  = var.package.file == null ? null : filebase64sha256(var.package.file)
  s3_bucket         = try(var.package.s3.bucket, null)
  s3_key            = try(var.package.s3.key, null)
  s3_object_version = try(var.package.s3.version, null)

  memory_size                    = each.value.memory_mb
  timeout                        = each.value.timeout_s
  reserved_concurrent_executions = coalesce(each.value.concurrency, -1)
  kms_key_arn                    = aws_kms_key.data.arn

  ephemeral_storage {
    size = each.value.ephemeral_mb
  }

  vpc_config {
    subnet_ids         = local.subnet_ids
    security_group_ids = [aws_security_group.function.id]
  }

  environment {
    variables = local.environment_variables
  }

  logging_config {
    log_format = "Text" # lines and metrics are JSON already; Lambda's own stay as its tools expect them
    log_group  = aws_cloudwatch_log_group.function[each.key].name
  }

  tracing_config {
    mode = "Active"
  }

  lifecycle {
    ignore_changes = [filename, source_code_hash, s3_bucket, s3_key, s3_object_version]
  }

  depends_on = [aws_iam_role_policy.function, aws_iam_role_policy.function_keys]
}

resource "aws_lambda_alias" "live" {
  for_each = local.functions

  name             = "live"
  description      = "What everybody invokes; the pipeline moves it"
  function_name    = aws_lambda_function.this[each.key].function_name
  function_version = aws_lambda_function.this[each.key].version

  lifecycle {
    ignore_changes = [function_version, routing_config, description] # the description says what was live before
  }
}

# An event that failed for good goes to the queue with what the function answered, in the form that `borealis replay` reads.
# A dead_letter_config beside it would send each a second time, without the answer.
resource "aws_lambda_function_event_invoke_config" "live" {
  for_each = local.asynchronous

  function_name                = aws_lambda_function.this[each.key].function_name
  qualifier                    = aws_lambda_alias.live[each.key].name
  maximum_event_age_in_seconds = each.value.age_s
  maximum_retry_attempts       = each.value.retries

  dynamic "destination_config" {
    for_each = each.value.replayed ? [1] : []

    content {
      on_failure {
        destination = aws_sqs_queue.dead_letters.arn
      }
    }
  }
}

resource "aws_lambda_function_url" "health" {
  function_name      = aws_lambda_function.this["health"].function_name
  qualifier          = aws_lambda_alias.live["health"].name
  authorization_type = "AWS_IAM"
}
