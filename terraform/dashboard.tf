# How much and how fast, then how long and how dear, then what goes wrong. Three graphs a row.

locals {
  of_engine = { for key, dimensions in local.engine_dimensions : key => ["service", dimensions.service, "function", dimensions.function] }
  lambdas   = values(local.functions)[*].name

  graphs = [
    {
      title = "Rows a second"
      stat  = "Sum"
      metrics = concat(
        [for index, key in local.runs : [{ expression = "rows${index} / PERIOD(rows${index})", label = key }]],
        [for index, key in local.runs : concat(["Borealis", "Rows"], local.of_engine[key], [{ id = "rows${index}", visible = false }])],
      )
    },
    {
      title   = "Bytes: read as CSV, staged compressed"
      stat    = "Sum"
      metrics = [for pair in setproduct(["BytesRead", "BytesStaged"], local.runs) : concat(["Borealis", pair[0]], local.of_engine[pair[1]])]
    },
    {
      title   = "Lag behind the source, seconds"
      stat    = "Maximum"
      metrics = [for key in local.runs : concat(["Borealis", "LagSeconds"], local.of_engine[key])]
    },
    {
      title   = "Seconds of a run, by phase"
      stat    = "Average"
      metrics = [for phase in ["Plan", "Read", "Wait", "Put", "Load", "Gates", "Publish", "Total"] : concat(["Borealis", "${phase}Seconds"], local.of_engine.scheduled)]
    },
    {
      title   = "Duration of invocations, ms"
      stat    = "Maximum"
      metrics = [for name in local.lambdas : ["AWS/Lambda", "Duration", "FunctionName", name]]
    },
    {
      title   = "Functions at once"
      stat    = "Maximum"
      metrics = [for name in local.lambdas : ["AWS/Lambda", "ConcurrentExecutions", "FunctionName", name]]
    },
    {
      title   = "Cost, dollars (estimate)"
      stat    = "Sum"
      metrics = [for key in concat(local.runs, ["worker", "snapshot"]) : concat(["Borealis", "CostEstimate"], local.of_engine[key])]
    },
    {
      title   = "Schedules: invocations"
      stat    = "Sum"
      metrics = [for key in keys(local.schedules) : ["AWS/Scheduler", "InvocationAttemptCount", "ScheduleGroup", "${local.name}-${key}"]]
    },
    {
      title   = "Executions of the state machine"
      stat    = "Sum"
      metrics = [for metric in ["ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"] : ["AWS/States", metric, "StateMachineArn", local.state_machine_arn]]
    },
    {
      title   = "Tables that failed, or go on in the next function"
      stat    = "Sum"
      metrics = [for pair in setproduct(["Failures", "Partial", "LossyRows"], local.runs) : concat(["Borealis", pair[0]], local.of_engine[pair[1]])]
    },
    {
      title   = "Errors and throttles"
      stat    = "Sum"
      metrics = [for pair in setproduct(["Errors", "Throttles"], local.lambdas) : ["AWS/Lambda", pair[0], "FunctionName", pair[1]]]
    },
    {
      title = "Dead letters"
      stat  = "Maximum"
      metrics = [
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", local.dead_letters],
        ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", local.dead_letters, { yAxis = "right" }],
      ]
    },
  ]

  widgets = concat(
    [{
      type       = "alarm"
      x          = 0
      y          = 0
      width      = 24
      height     = 3
      properties = { title = "Alarms", alarms = [for name in local.alarm_names : "arn:${local.partition}:cloudwatch:${var.region}:${local.account}:alarm:${name}"] }
    }],
    [for index, graph in local.graphs : {
      type       = "metric"
      x          = index % 3 * 8
      y          = 3 + floor(index / 3) * 6
      width      = 8
      height     = 6
      properties = { title = graph.title, stat = graph.stat, metrics = graph.metrics, region = var.region, period = 300, view = "timeSeries" }
    }],
    [for index, query in [
      {
        title = "Refused by the network"
        query = "SOURCE '${local.flow_log_group}' | filter action = 'REJECT' | stats count(*) as refused by srcAddr, dstAddr, dstPort | sort refused desc | limit 20"
      },
      {
        title = "The newest failures"
        query = "SOURCE ${join(" | SOURCE ", [for key in local.runs : "'/aws/lambda/${local.functions[key].name}'"])} | filter event in ['invocation_failed', 'table_finished'] and ispresent(error.message) | sort @timestamp desc | limit 20 | display @timestamp, table, error.code, error.message"
      },
      ] : {
      type       = "log"
      x          = index * 12
      y          = 3 + ceil(length(local.graphs) / 3) * 6
      width      = 12
      height     = 6
      properties = { title = query.title, query = query.query, region = var.region, view = "table" }
    }],
  )
}

resource "aws_cloudwatch_dashboard" "main" {
  dashboard_name = local.name
  dashboard_body = jsonencode({ widgets = local.widgets })
}
