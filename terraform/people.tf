# Policies for the roles of others, to be attached to them (output `policies`): the pipeline, operators, monitors, auditors.

# For the role that Harness or a person deploys with: what `python -m delivery` calls, and nothing that Terraform makes.
resource "aws_iam_policy" "deployer" {
  name        = "${local.name}-deployer"
  description = "Brings packages to the functions of ${local.name}"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "PublishAndMoveTheAlias"
        Effect = "Allow"
        Action = [
          "lambda:GetAlias", "lambda:GetFunction", "lambda:GetFunctionConfiguration", "lambda:PublishVersion",
          "lambda:UpdateAlias", "lambda:UpdateFunctionCode",
        ]
        Resource = flatten([for function in local.functions : [function.arn, "${function.arn}:*"]])
      },
      {
        Sid      = "Try" # the health of what was deployed, and a trial run
        Effect   = "Allow"
        Action   = "lambda:InvokeFunction"
        Resource = [for key in ["health", "parallel", "scheduled"] : "${local.functions[key].arn}:*"]
      },
      {
        Sid      = "FollowTheTrial"
        Effect   = "Allow"
        Action   = "states:DescribeExecution"
        Resource = "${local.arn["states"]}:execution:${local.state_machine}:*"
      },
      {
        Sid      = "Watch"
        Effect   = "Allow"
        Action   = "cloudwatch:DescribeAlarms"
        Resource = "arn:${local.partition}:cloudwatch:${var.region}:${local.account}:alarm:*"
      },
      {
        Sid      = "VersionsOfTheEnvironment" # a new version is lent the key to its variables
        Effect   = "Allow"
        Action   = ["kms:CreateGrant", "kms:Decrypt"]
        Resource = aws_kms_key.data.arn
        Condition = {
          StringEquals = { "kms:ViaService" = "lambda.${var.region}.${local.dns_suffix}" }
          BoolIfExists = { "kms:GrantIsForAWSResource" = "true" }
        }
      },
    ]
  })
}

# For whoever is called by an alarm: `borealis check --cloud`, `status`, `run` and `replay` of the runbook.
resource "aws_iam_policy" "operator" {
  name        = "${local.name}-operator"
  description = "Looks after ${local.name}: state, dead letters, runs, logs"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "SeeAndShareTheState"
        Effect = "Allow"
        Action = [
          "dynamodb:DeleteItem", "dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive",
          "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem",
        ]
        Resource = local.state_table_arn
      },
      {
        Sid      = "SendDeadLettersAgain"
        Effect   = "Allow"
        Action   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
        Resource = local.dead_letters_arn
      },
      {
        Sid      = "Run"
        Effect   = "Allow"
        Action   = ["lambda:GetFunctionConfiguration", "lambda:InvokeFunction"]
        Resource = [for function in local.functions : "${function.arn}:live"]
      },
      {
        Sid      = "RunOverManyFunctions"
        Effect   = "Allow"
        Action   = ["states:DescribeStateMachine", "states:ListExecutions", "states:StartExecution"]
        Resource = local.state_machine_arn
      },
      {
        Sid      = "FollowIt"
        Effect   = "Allow"
        Action   = ["states:DescribeExecution", "states:GetExecutionHistory", "states:StopExecution"]
        Resource = "${local.arn["states"]}:execution:${local.state_machine}:*"
      },
      {
        Sid      = "WhoIsTold"
        Effect   = "Allow"
        Action   = "sns:ListSubscriptionsByTopic"
        Resource = local.topic_arn
      },
      {
        Sid      = "Audit" # what is run or rolled back from a laptop is written down too
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${local.arn["logs"]}:log-group:${local.audit_group}:*"
      },
      {
        Sid      = "WhetherItIsDue"
        Effect   = "Allow"
        Action   = ["lambda:GetFunctionConcurrency", "scheduler:GetSchedule"]
        Resource = concat(values(local.functions)[*].arn, ["arn:${local.partition}:scheduler:${var.region}:${local.account}:schedule/${local.name}-*/*"])
      },
      {
        Sid    = "ReadLogs"
        Effect = "Allow"
        Action = ["logs:FilterLogEvents", "logs:StartQuery"]
        Resource = flatten([for prefix in ["/aws/lambda/${local.name}-", "/borealis/${var.environment}/flow"] : [
          "${local.arn["logs"]}:log-group:${prefix}*", "${local.arn["logs"]}:log-group:${prefix}*:*",
        ]])
      },
      {
        Sid      = "KnowNoResources"
        Effect   = "Allow"
        Action   = ["lambda:GetAccountSettings", "logs:DescribeLogGroups", "logs:GetQueryResults"]
        Resource = "*"
      },
      {
        Sid      = "ThroughServices"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = aws_kms_key.data.arn
        Condition = { StringEquals = { "kms:ViaService" = [
          for service in ["dynamodb", "sqs"] : "${service}.${var.region}.${local.dns_suffix}"
        ] } }
      },
    ]
  })
}

# For the role of whoever watches from outside: nobody else may call the URL, and this does not allow another way in.
resource "aws_iam_policy" "health_caller" {
  name        = "${local.name}-health-caller"
  description = "May ask the health function by its URL"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "CallTheUrl"
        Effect    = "Allow"
        Action    = "lambda:InvokeFunctionUrl"
        Resource  = "${local.functions.health.arn}:live"
        Condition = { StringEquals = { "lambda:FunctionUrlAuthType" = "AWS_IAM" } }
      },
      {
        Sid       = "OnlyByTheUrl"
        Effect    = "Allow"
        Action    = "lambda:InvokeFunction"
        Resource  = "${local.functions.health.arn}:live"
        Condition = { Bool = { "lambda:InvokedViaFunctionUrl" = "true" } }
      },
    ]
  })
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
