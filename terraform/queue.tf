# What failed for good, and who is told. A letter waits 14 days, SQS's longest, for `borealis replay`.

resource "aws_sqs_queue" "dead_letters" {
  name                       = local.dead_letters
  message_retention_seconds  = 14 * 24 * 3600
  visibility_timeout_seconds = 120
  kms_master_key_id          = aws_kms_key.data.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = local.dead_letters_arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

# Lambda and Scheduler send to it themselves; no other queue shall end here.
resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  queue_url            = aws_sqs_queue.dead_letters.id
  redrive_allow_policy = jsonencode({ redrivePermission = "denyAll" })
}

resource "aws_sns_topic" "alerts" {
  name              = local.topic
  display_name      = "Borealis ${var.environment}"
  kms_master_key_id = aws_kms_key.data.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AlarmsOfThisAccount"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = local.topic_arn
        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
      },
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = local.topic_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each = toset(var.alerts.emails)

  topic_arn = aws_sns_topic.alerts.arn
  protocol  = "email"
  endpoint  = each.value
}

# Amazon Q Developer in chat applications, AWS Chatbot before: it shows alarms with their graphs.
resource "aws_chatbot_slack_channel_configuration" "alerts" {
  count = var.alerts.slack == null ? 0 : 1

  configuration_name    = local.name
  slack_team_id         = var.alerts.slack.workspace
  slack_channel_id      = var.alerts.slack.channel
  iam_role_arn          = aws_iam_role.chat[0].arn
  guardrail_policy_arns = ["arn:${local.partition}:iam::aws:policy/CloudWatchReadOnlyAccess"]
  sns_topic_arns        = [aws_sns_topic.alerts.arn]
  logging_level         = "ERROR"
}
