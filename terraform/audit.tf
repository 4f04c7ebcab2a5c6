# Who or what began which run, over which tables, with which lease of a secret, and how it ended. Functions may only add to
# it (roles.tf), and it outlives their logs.

resource "aws_cloudwatch_log_group" "audit" {
  name                        = local.audit_group
  retention_in_days           = var.retention.audit_days
  kms_key_id                  = aws_kms_key.logs.arn
  deletion_protection_enabled = local.protected
}
