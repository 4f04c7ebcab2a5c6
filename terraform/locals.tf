data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  name       = "borealis-${var.environment}"
  protected  = var.environment == "prod"
  account    = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  dns_suffix = data.aws_partition.current.dns_suffix

  # Put together from names rather than taken from the resources: functions, state machine and roles name each other, which
  # no order of creation could serve, and a plan shows every policy in full.
  arn = { for service in ["dynamodb", "lambda", "logs", "rds-db", "sns", "sqs", "states"] :
    service => "arn:${local.partition}:${service}:${var.region}:${local.account}"
  }
  root              = "arn:${local.partition}:iam::${local.account}:root"
  state_table       = "${local.name}-state"
  state_table_arn   = "${local.arn["dynamodb"]}:table/${local.state_table}"
  state_machine     = "${local.name}-run"
  state_machine_arn = "${local.arn["states"]}:stateMachine:${local.state_machine}"
  dead_letters      = "${local.name}-dead-letters"
  dead_letters_arn  = "${local.arn["sqs"]}:${local.dead_letters}"
  dead_letters_url  = "https://sqs.${var.region}.${local.dns_suffix}/${local.account}/${local.dead_letters}"
  topic             = "${local.name}-alerts"
  topic_arn         = "${local.arn["sns"]}:${local.topic}"
  audit_group       = "/borealis/${var.environment}/audit"

  # Seconds and megabytes of each function; var.functions says what differs.
  defaults = {
    scheduled = { memory_mb = 3538, timeout_s = 900, ephemeral_mb = 4096, concurrency = null }
    parallel  = { memory_mb = 1769, timeout_s = 900, ephemeral_mb = 512, concurrency = null }
    worker    = { memory_mb = 3538, timeout_s = 900, ephemeral_mb = 4096, concurrency = null }
    snapshot  = { memory_mb = 1769, timeout_s = 900, ephemeral_mb = 512, concurrency = null }
    health    = { memory_mb = 1769, timeout_s = 60, ephemeral_mb = 512, concurrency = null }
    benchmark = { memory_mb = 3538, timeout_s = 900, ephemeral_mb = 4096, concurrency = null }
  }
  functions = { for key, default in local.defaults : key => merge(
    default,
    { for setting, value in try(var.functions[key], {}) : setting => value if value != null },
    { name = "${local.name}-${key}", arn = "${local.arn["lambda"]}:function:${local.name}-${key}" },
  ) }
}
