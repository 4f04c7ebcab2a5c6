# Two keys: one for what the engine keeps (state, queue, topic, buckets, environment of the functions), one for logs, which
# CloudWatch Logs must use for itself. Both rotate each year; deleting one takes 30 days in which it can be cancelled. A
# third, where it is asked for, signs receipts.

locals {
  # Whoever may use a key is said by IAM policies of this account; without this statement nobody could even mend the policy.
  key_administration = {
    Sid       = "AccountDecidesByItsPolicies"
    Effect    = "Allow"
    Principal = { AWS = local.root }
    Action    = "kms:*"
    Resource  = "*"
  }
}

resource "aws_kms_key" "data" {
  description             = "${local.name}: state, dead letters, alerts, buckets, environment of the functions"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      local.key_administration,
      {
        Sid       = "AlarmsAndSchedulesReachTopicAndQueue"
        Effect    = "Allow"
        Principal = { Service = ["cloudwatch.amazonaws.com", "sns.amazonaws.com"] }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
      },
    ]
  })
}

resource "aws_kms_alias" "data" {
  name          = "alias/${local.name}-data"
  target_key_id = aws_kms_key.data.key_id
}

resource "aws_kms_key" "logs" {
  description             = "${local.name}: log groups"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      local.key_administration,
      {
        Sid       = "LogGroupsOfThisAccount"
        Effect    = "Allow"
        Principal = { Service = "logs.${var.region}.amazonaws.com" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
        Resource  = "*"
        Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "${local.arn["logs"]}:log-group:*" } }
      },
    ]
  })
}

resource "aws_kms_alias" "logs" {
  name          = "alias/${local.name}-logs"
  target_key_id = aws_kms_key.logs.key_id
}

# An asymmetric key does not rotate: a new one signs from then on, and receipts of before are audited with the old one.
resource "aws_kms_key" "receipts" {
  # checkov:skip=CKV_AWS_7: KMS rotates symmetric keys only
  count = var.sign_receipts ? 1 : 0

  description              = "${local.name}: signs receipts"
  key_usage                = "SIGN_VERIFY"
  customer_master_key_spec = "ECC_NIST_P256"
  deletion_window_in_days  = 30
  policy                   = jsonencode({ Version = "2012-10-17", Statement = [local.key_administration] })
}

resource "aws_kms_alias" "receipts" {
  count = var.sign_receipts ? 1 : 0

  name          = "alias/${local.name}-receipts"
  target_key_id = aws_kms_key.receipts[0].key_id
}
