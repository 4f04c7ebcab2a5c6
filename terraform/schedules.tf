# Each schedule has a group of its own, because Scheduler's metrics know groups only, and the alarm `missed` must tell one
# schedule from another. The canary is one of them.

locals {
  schedules = merge(
    { for name, each in var.schedules : name => {
      expression = each.expression
      timezone   = each.timezone
      enabled    = each.enabled
      function   = "scheduled"
      age_s      = 3600
      input = merge(
        { idempotency_key = "<aws.scheduler.execution-id>", schedule = "<aws.scheduler.schedule-arn>", full = each.full },
        each.group == null ? {} : { group = each.group },
        length(each.tables) == 0 ? {} : { tables = each.tables },
      )
    } },
    { health = {
      expression = "rate(15 minutes)"
      timezone   = "UTC"
      enabled    = true
      function   = "health"
      age_s      = 300
      input      = { deep = true }
    } },
  )
}

resource "aws_scheduler_schedule_group" "this" {
  for_each = local.schedules

  name = "${local.name}-${each.key}"
}

resource "aws_scheduler_schedule" "this" {
  # checkov:skip=CKV_AWS_297: its input is the name of a group; a key of ours would be one more way for runs to stop
  for_each = local.schedules

  name                         = each.key
  group_name                   = aws_scheduler_schedule_group.this[each.key].name
  schedule_expression          = each.value.expression
  schedule_expression_timezone = each.value.timezone
  state                        = each.value.enabled ? "ENABLED" : "DISABLED"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_alias.live[each.value.function].arn
    role_arn = aws_iam_role.scheduler.arn
    input    = replace(replace(jsonencode(each.value.input), "\\u003c", "<"), "\\u003e", ">") # as Scheduler looks for them

    retry_policy {
      maximum_event_age_in_seconds = each.value.age_s
      maximum_retry_attempts       = 10
    }

    dynamic "dead_letter_config" { # nobody needs a look that was missed
      for_each = each.value.function == "health" ? [] : [1]

      content {
        arn = aws_sqs_queue.dead_letters.arn
      }
    }
  }

  depends_on = [aws_iam_role_policy.scheduler]
}
