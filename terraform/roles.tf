# One role a function, with what its code calls and no more: the tests run every handler under these policies, and without
# each action. What a key may do stands apart (function_keys): its id is known only once it is made.

locals {
  assumed_by = { for service in ["lambda", "states", "scheduler", "chatbot"] : service => {
    Effect    = "Allow"
    Principal = { Service = "${service}.amazonaws.com" }
    Action    = "sts:AssumeRole"
  } }

  # Which function does what; nobody but these.
  does = {
    coordinates   = ["scheduled", "parallel", "snapshot", "benchmark"] # leases, plans, receipts
    works         = ["worker"]                                         # the same, and deletes nothing
    reads_source  = ["scheduled", "parallel", "worker", "snapshot", "health", "benchmark"]
    stages_files  = ["scheduled", "parallel", "worker", "benchmark"]
    tidies_stage  = ["scheduled", "parallel", "snapshot", "benchmark"]
    tells         = ["scheduled", "parallel"]             # of failures, by queue and topic
    fans_out      = ["scheduled", "parallel"]             # starts the state machine
    goes_on       = ["scheduled", "parallel", "snapshot"] # in an invocation of its own
    keeps_results = ["benchmark"]
    audits        = ["scheduled", "parallel", "worker", "snapshot", "benchmark"]
    signs         = var.sign_receipts ? ["scheduled", "parallel", "benchmark"] : [] # the receipts of what they publish
  }

  network_actions = [
    "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
  ]

  function_statements = { for key, function in local.functions : key => [for statement in [
    {
      Sid      = "Log"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${local.arn["logs"]}:log-group:/aws/lambda/${function.name}:*"
    },
    !contains(local.does.audits, key) ? null : {
      Sid      = "Audit"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${local.arn["logs"]}:log-group:${local.audit_group}:*"
    },
    {
      Sid      = "Trace" # X-Ray knows no resources
      Effect   = "Allow"
      Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
      Resource = "*"
    },
    {
      Sid      = "JoinTheNetwork" # nor do these: Lambda does it, before there is an interface
      Effect   = "Allow"
      Action   = local.network_actions
      Resource = "*"
    },
    {
      Sid       = "NotFromCode" # Lambda needs them; what runs in the function does not
      Effect    = "Deny"
      Action    = concat(local.network_actions, ["ec2:DetachNetworkInterface"])
      Resource  = "*"
      Condition = { ArnEquals = { "lambda:SourceFunctionArn" = function.arn } }
    },
    {
      Sid      = "ReadConfiguration"
      Effect   = "Allow"
      Action   = "s3:GetObjectVersion"
      Resource = "${local.bucket_arns.kept}/borealis.toml"
    },
    !contains(concat(local.does.coordinates, local.does.works), key) ? null : {
      Sid    = "Coordinate"
      Effect = "Allow"
      Action = concat(
        ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"],
        contains(local.does.works, key) ? [] : ["dynamodb:DeleteItem"],
      )
      Resource = local.state_table_arn
    },
    key != "health" ? null : {
      Sid      = "SeeLeases"
      Effect   = "Allow"
      Action   = "dynamodb:Query"
      Resource = local.state_table_arn
    },
    !contains(local.does.reads_source, key) || length(var.aurora.rds_iam) == 0 ? null : {
      Sid      = "LogInToAurora"
      Effect   = "Allow"
      Action   = "rds-db:connect"
      Resource = [for each in var.aurora.rds_iam : "${local.arn["rds-db"]}:dbuser:${each}"]
    },
    !contains(local.does.stages_files, key) || var.stage == null ? null : {
      Sid      = "StageFiles"
      Effect   = "Allow"
      Action   = ["s3:AbortMultipartUpload", "s3:PutObject"]
      Resource = "${local.bucket_arns.stage}/${local.stage_prefix}/*"
    },
    !contains(local.does.tidies_stage, key) || var.stage == null ? null : {
      Sid      = "RemoveStagedFiles"
      Effect   = "Allow"
      Action   = ["s3:AbortMultipartUpload", "s3:DeleteObject"]
      Resource = "${local.bucket_arns.stage}/${local.stage_prefix}/*"
    },
    !contains(local.does.tidies_stage, key) || var.stage == null ? null : {
      Sid      = "FindStagedFiles"
      Effect   = "Allow"
      Action   = ["s3:ListBucket", "s3:ListBucketMultipartUploads"]
      Resource = local.bucket_arns.stage
    },
    !contains(local.does.tells, key) ? null : {
      Sid      = "LayIntoTheQueue" # itself, and Lambda for it: the destination of what failed
      Effect   = "Allow"
      Action   = "sqs:SendMessage"
      Resource = local.dead_letters_arn
    },
    !contains(local.does.tells, key) ? null : {
      Sid      = "TellOfFailures"
      Effect   = "Allow"
      Action   = "sns:Publish"
      Resource = local.topic_arn
    },
    !contains(local.does.fans_out, key) ? null : {
      Sid      = "FanOut"
      Effect   = "Allow"
      Action   = "states:StartExecution"
      Resource = local.state_machine_arn
    },
    !contains(concat(local.does.goes_on, local.does.fans_out), key) ? null : {
      Sid      = "GoOn"
      Effect   = "Allow"
      Action   = "lambda:InvokeFunction"
      Resource = concat(["${function.arn}:live"], key == "parallel" ? ["${local.functions.snapshot.arn}:live"] : [])
    },
    !contains(local.does.keeps_results, key) ? null : {
      Sid      = "KeepResults"
      Effect   = "Allow"
      Action   = "s3:PutObject"
      Resource = "${local.bucket_arns.kept}/benchmarks/*"
    },
  ] : statement if statement != null] }
}

resource "aws_iam_role" "function" {
  for_each = local.functions

  name               = each.value.name
  description        = "Of the function ${each.value.name}, and of nobody else"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [local.assumed_by.lambda] })
}

resource "aws_iam_role_policy" "function" {
  for_each = local.functions

  name   = "does"
  role   = aws_iam_role.function[each.key].id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.function_statements[each.key] })
}

# Only through the services that hold what is encrypted: no code can decrypt by itself.
locals {
  key_services = { for key in keys(local.functions) : key => {
    Decrypt = concat(["dynamodb", "lambda", "s3"], contains(local.does.tells, key) ? ["sns", "sqs"] : [])
    GenerateDataKey = concat(
      contains(local.does.tells, key) ? ["sns", "sqs"] : [],
      contains(local.does.keeps_results, key) || (var.stage != null && contains(local.does.stages_files, key)) ? ["s3"] : [],
    )
  } }
}

resource "aws_iam_role_policy" "function_keys" {
  for_each = local.functions

  name = "keys"
  role = aws_iam_role.function[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [for action, services in local.key_services[each.key] : {
        Sid       = action
        Effect    = "Allow"
        Action    = "kms:${action}"
        Resource  = aws_kms_key.data.arn
        Condition = { StringEquals = { "kms:ViaService" = [for service in services : "${service}.${var.region}.${local.dns_suffix}"] } }
      } if length(services) > 0],
      [for key in aws_kms_key.receipts : {
        Sid      = "SignReceipts"
        Effect   = "Allow"
        Action   = "kms:Sign"
        Resource = key.arn
      } if contains(local.does.signs, each.key)],
    )
  })
}

# --- the state machine ------------------------------------------------------------------------------------------

resource "aws_iam_role" "state_machine" {
  name        = local.state_machine
  description = "Of the state machine ${local.state_machine}"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [merge(local.assumed_by.states, { Condition = { StringEquals = { "aws:SourceAccount" = local.account } } })]
  })
}

resource "aws_iam_role_policy" "state_machine" {
  name = "does"
  role = aws_iam_role.state_machine.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "PlanCopyFinish"
        Effect   = "Allow"
        Action   = "lambda:InvokeFunction"
        Resource = [for key in ["parallel", "worker"] : "${local.functions[key].arn}:live"]
      },
      {
        Sid      = "StartWorkers" # the distributed map runs them as executions of its own
        Effect   = "Allow"
        Action   = "states:StartExecution"
        Resource = local.state_machine_arn
      },
      {
        Sid      = "FollowWorkers"
        Effect   = "Allow"
        Action   = ["states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"]
        Resource = [for name in [local.state_machine, "${local.state_machine}/Work"] : "${local.arn["states"]}:execution:${name}:*"]
      },
      {
        Sid      = "LayIntoTheQueue"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = local.dead_letters_arn
      },
      {
        Sid      = "TellOfFailures"
        Effect   = "Allow"
        Action   = "sns:Publish"
        Resource = local.topic_arn
      },
      {
        Sid    = "Log" # the rights that Step Functions asks for to deliver logs; they know no resources
        Effect = "Allow"
        Action = [
          "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
          "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
        ]
        Resource = "*"
      },
      {
        Sid      = "Trace"
        Effect   = "Allow"
        Action   = ["xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      },
    ]
  })
}

resource "aws_iam_role_policy" "state_machine_keys" {
  name = "keys"
  role = aws_iam_role.state_machine.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "ThroughServices"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = aws_kms_key.data.arn
      Condition = { StringEquals = { "kms:ViaService" = [
        for service in ["sns", "sqs"] : "${service}.${var.region}.${local.dns_suffix}"
      ] } }
    }]
  })
}

# --- the scheduler ----------------------------------------------------------------------------------------------

resource "aws_iam_role" "scheduler" {
  name        = "${local.name}-scheduler"
  description = "Of the schedules of ${local.name}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [merge(local.assumed_by.scheduler, { Condition = {
      StringEquals = { "aws:SourceAccount" = local.account }
      ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:scheduler:${var.region}:${local.account}:schedule-group/${local.name}-*" }
    } })]
  })
}

resource "aws_iam_role_policy" "scheduler" {
  name = "does"
  role = aws_iam_role.scheduler.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Run"
        Effect   = "Allow"
        Action   = "lambda:InvokeFunction"
        Resource = [for key in ["scheduled", "health"] : "${local.functions[key].arn}:live"]
      },
      {
        Sid      = "LayIntoTheQueue"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = local.dead_letters_arn
      },
    ]
  })
}

resource "aws_iam_role_policy" "scheduler_keys" {
  name = "keys"
  role = aws_iam_role.scheduler.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "ThroughTheQueue"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = aws_kms_key.data.arn
      Condition = { StringEquals = { "kms:ViaService" = "sqs.${var.region}.${local.dns_suffix}" } }
    }]
  })
}

# --- Slack ------------------------------------------------------------------------------------------------------

resource "aws_iam_role" "chat" {
  count = var.alerts.slack == null ? 0 : 1

  name               = "${local.name}-chat"
  description        = "What people in the Slack channel may look at"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [local.assumed_by.chatbot] })
}

resource "aws_iam_role_policy" "chat" {
  count = var.alerts.slack == null ? 0 : 1

  name = "does"
  role = aws_iam_role.chat[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ShowAlarms"
        Effect   = "Allow"
        Action   = "cloudwatch:DescribeAlarms"
        Resource = "arn:${local.partition}:cloudwatch:${var.region}:${local.account}:alarm:*"
      },
      {
        Sid      = "ShowGraphs" # metrics know no resources
        Effect   = "Allow"
        Action   = ["cloudwatch:GetMetricData", "cloudwatch:GetMetricStatistics", "cloudwatch:ListMetrics"]
        Resource = "*"
      },
    ]
  })
}

# --- Snowflake, where it reads files from a bucket of ours ------------------------------------------------------

resource "aws_iam_role" "stage_reader" {
  count = var.stage == null ? 0 : 1

  name        = "${local.name}-stage-reader"
  description = "Snowflake's storage integration: reads staged files, and nothing else"
  assume_role_policy = jsonencode({ # without a reader this account, whose own policies let nobody in
    Version = "2012-10-17"
    Statement = [merge(
      { Effect = "Allow", Action = "sts:AssumeRole", Principal = { AWS = try(var.stage.reader.user_arn, local.root) } },
      try({ Condition = { StringEquals = { "sts:ExternalId" = var.stage.reader.external_id } } }, {}),
    )]
  })
}

resource "aws_iam_role_policy" "stage_reader" {
  count = var.stage == null ? 0 : 1

  name = "does"
  role = aws_iam_role.stage_reader[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Find"
        Effect   = "Allow"
        Action   = ["s3:GetBucketLocation", "s3:ListBucket"]
        Resource = local.bucket_arns.stage
      },
      {
        Sid      = "Read"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:GetObjectVersion"]
        Resource = "${local.bucket_arns.stage}/${local.stage_prefix}/*"
      },
      {
        Sid       = "Decrypt"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = aws_kms_key.data.arn
        Condition = { StringEquals = { "kms:ViaService" = "s3.${var.region}.${local.dns_suffix}" } }
      },
    ]
  })
}
