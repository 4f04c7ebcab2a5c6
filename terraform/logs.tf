resource "aws_cloudwatch_log_group" "function" {
  for_each = local.functions

  name              = "/aws/lambda/${each.value.name}"
  retention_in_days = var.retention.logs_days
  kms_key_id        = aws_kms_key.logs.arn
}

resource "aws_cloudwatch_log_group" "state_machine" {
  name              = "/aws/vendedlogs/states/${local.state_machine}" # the prefix that AWS allows itself to deliver to
  retention_in_days = var.retention.logs_days
  kms_key_id        = aws_kms_key.logs.arn
}
