# Which addresses talk to which, refused or not: of the VPC made here, or of the subnets of the functions in one that was given.

locals {
  flow_log_sources = local.vpc_made ? { vpc = { vpc_id = local.vpc_id, subnet_id = null } } : {
    for id in var.vpc.subnet_ids : id => { vpc_id = null, subnet_id = id }
  }
  flow_log_group     = "/borealis/${var.environment}/flow"
  flow_log_group_arn = "${local.arn["logs"]}:log-group:${local.flow_log_group}"
}

resource "aws_cloudwatch_log_group" "flow" {
  name              = local.flow_log_group
  retention_in_days = var.retention.logs_days
  kms_key_id        = aws_kms_key.logs.arn
}

resource "aws_iam_role" "flow" {
  name = "${local.name}-flow-logs"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "vpc-flow-logs.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "flow" {
  name = "write"
  role = aws_iam_role.flow.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
      Resource = "${local.flow_log_group_arn}:*"
    }]
  })
}

resource "aws_flow_log" "main" {
  for_each = local.flow_log_sources

  vpc_id                   = each.value.vpc_id
  subnet_id                = each.value.subnet_id
  traffic_type             = "ALL"
  log_destination_type     = "cloud-watch-logs"
  log_destination          = aws_cloudwatch_log_group.flow.arn
  iam_role_arn             = aws_iam_role.flow.arn
  max_aggregation_interval = 600
  tags                     = { Name = local.name }
}
