# Each alarm's description ends with the heading of docs/runbook.md that says what to do. Metrics of the engine have the
# dimensions service and function (docs/telemetry.md).

locals {
  runs = ["scheduled", "parallel"] # who ends tables, and tells of it

  alarm_defaults = {
    namespace  = "Borealis"
    statistic  = "Sum"
    comparison = "GreaterThanThreshold"
    threshold  = 0
    period     = 300
    periods    = 1
    datapoints = 1
    missing    = "notBreaching"
  }

  engine_dimensions = { for key, function in local.functions : key => { service = local.name, function = function.name } }

  alarms = { for name, alarm in merge(
    { for key, function in local.functions : "errors-${key}" => {
      heading    = "errors"
      says       = "${function.name} ended with an error"
      namespace  = "AWS/Lambda"
      metric     = "Errors"
      dimensions = { FunctionName = function.name }
      threshold  = key == "worker" ? 4 : 0 # what a worker fails at the state machine tries again
    } },
    { for key, function in local.functions : "duration-${key}" => {
      heading    = "duration"
      says       = "${function.name} came near its time limit of ${function.timeout_s} s"
      namespace  = "AWS/Lambda"
      metric     = "Duration"
      dimensions = { FunctionName = function.name }
      statistic  = "Maximum"
      threshold  = floor(function.timeout_s * 1000 * var.thresholds.duration_share)
    } },
    { for key, function in local.functions : "throttles-${key}" => {
      heading    = "throttles"
      says       = "Lambda refused to start ${function.name}: its concurrency, or the account's, is used up"
      namespace  = "AWS/Lambda"
      metric     = "Throttles"
      dimensions = { FunctionName = function.name }
    } },
    { dead-letters = {
      heading    = "dead-letters"
      says       = "Events that failed for good wait in ${local.dead_letters}"
      namespace  = "AWS/SQS"
      metric     = "ApproximateNumberOfMessagesVisible"
      dimensions = { QueueName = local.dead_letters }
      statistic  = "Maximum"
    } },
    { for key in local.runs : "failures-${key}" => {
      heading    = "failures"
      says       = "A run of a table has failed in ${local.functions[key].name}"
      metric     = "Failures"
      dimensions = local.engine_dimensions[key]
    } },
    { for key in local.runs : "lag-${key}" => {
      heading    = "lag"
      says       = "A table is more than ${coalesce(var.thresholds.lag_minutes, 0)} minutes behind its source"
      metric     = "LagSeconds"
      dimensions = local.engine_dimensions[key]
      statistic  = "Maximum"
      threshold  = coalesce(var.thresholds.lag_minutes, 0) * 60
    } if var.thresholds.lag_minutes != null },
    { for key in local.runs : "losses-${key}" => {
      heading    = "losses"
      says       = "Values had no exact form at the target, and were changed as their column's policy says"
      metric     = "LossyRows"
      dimensions = local.engine_dimensions[key]
    } },
    { for key in concat(local.runs, ["worker"]) : "backed-off-${key}" => {
      heading    = "backed-off"
      says       = "The source was spared again and again for an hour"
      metric     = "BackedOff"
      dimensions = local.engine_dimensions[key]
      threshold  = 20 # a run that begins or ends beside others takes a step or two
      period     = 3600
    } },
    { unhealthy = {
      heading    = "unhealthy"
      says       = "The canary finds a part unwell, or does not run"
      metric     = "Unhealthy"
      dimensions = local.engine_dimensions.health
      statistic  = "Maximum"
      period     = 900 # as often as it looks
      periods    = 3
      datapoints = 2
      missing    = "breaching"
    } },
    { for suffix, metric in { "" = "ExecutionsFailed", "-timed-out" = "ExecutionsTimedOut", "-aborted" = "ExecutionsAborted" } :
      "executions-failed${suffix}" => {
        heading    = "executions-failed"
        says       = "An execution of ${local.state_machine} did not succeed"
        namespace  = "AWS/States"
        metric     = metric
        dimensions = { StateMachineArn = local.state_machine_arn }
    } },
  ) : name => merge(local.alarm_defaults, alarm) }

  # Looks back in steps of five minutes, or of an hour beyond a day: an alarm sees at most a day, or seven.
  heartbeats = { for name, each in var.schedules : name => {
    period  = each.missed_after_minutes <= 1440 ? 300 : 3600
    seconds = each.missed_after_minutes * 60
  } if each.enabled && each.missed_after_minutes != null }

  alarm_names = [for key in concat(keys(local.alarms), [for name in keys(local.heartbeats) : "missed-${name}"]) : "${local.name}-${key}"]
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${local.name}-${each.key}"
  alarm_description   = "${each.value.says}: docs/runbook.md#${each.value.heading}"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.datapoints
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
}

# Nothing is told of what did not happen, so no data is the alarm. FILL because an alarm without data takes older data for new.
resource "aws_cloudwatch_metric_alarm" "missed" {
  for_each = local.heartbeats

  alarm_name          = "${local.name}-missed-${each.key}"
  alarm_description   = "The schedule ${each.key} has not run for ${var.schedules[each.key].missed_after_minutes} minutes: docs/runbook.md#missed"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  evaluation_periods  = ceil(each.value.seconds / each.value.period)
  datapoints_to_alarm = ceil(each.value.seconds / each.value.period)
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]

  metric_query {
    id          = "attempts"
    label       = each.key
    expression  = "FILL(seen, 0)"
    return_data = true
  }

  metric_query {
    id = "seen"

    metric {
      namespace   = "AWS/Scheduler"
      metric_name = "InvocationAttemptCount"
      dimensions  = { ScheduleGroup = aws_scheduler_schedule_group.this[each.key].name }
      stat        = "Sum"
      period      = each.value.period
    }
  }
}
