# Who or what began which run, over which tables, with which lease of a secret, and how it ended. Functions may only add to
# it (roles.tf), and it outlives their logs.

resource "aws_cloudwatch_log_group" "audit" {
  name                        = local.audit_group
  retention_in_days           = var.retention.audit_days
  kms_key_id                  = aws_kms_key.logs.arn
  deletion_protection_enabled = local.protected
}

# For the role of an auditor: reads all of it, and can change nothing of it whatever else that role allows.
resource "aws_iam_policy" "auditor" {
  name        = "${local.name}-auditor"
  description = "Reads the audit log of ${local.name}"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Read"
        Effect   = "Allow"
        Action   = ["logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents", "logs:StartQuery"]
        Resource = ["${local.arn["logs"]}:log-group:${local.audit_group}", "${local.arn["logs"]}:log-group:${local.audit_group}:*"]
      },
      {
        Sid      = "FindIt" # these know no resources
        Effect   = "Allow"
        Action   = ["logs:DescribeLogGroups", "logs:GetQueryResults", "logs:StopQuery"]
        Resource = "*"
      },
      {
        Sid    = "ChangeNothing"
        Effect = "Deny"
        Action = [
          "logs:CreateLogStream", "logs:DeleteLogGroup", "logs:DeleteLogStream", "logs:DeleteRetentionPolicy",
          "logs:DisassociateKmsKey", "logs:PutLogEvents", "logs:PutLogGroupDeletionProtection", "logs:PutRetentionPolicy",
        ]
        Resource = ["${local.arn["logs"]}:log-group:${local.audit_group}", "${local.arn["logs"]}:log-group:${local.audit_group}:*"]
      },
    ]
  })
}
