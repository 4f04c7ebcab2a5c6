# What the environments differ in, and what follows from a variable. Mock providers make everything; no account is touched.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }
}

variables {
  environment   = "dev"
  region        = "us-east-1"
  configuration = "environments/dev.toml"
  package       = { s3 = { bucket = "acme-borealis-packages", key = "borealis-arm64.zip" } }
  vpc           = { cidr = "10.0.0.0/16", zones = ["us-east-1a", "us-east-1b"] }
  snowflake     = { stage_bucket = "sfc-va-ds1-customer-stage" }
}

run "prod_cannot_be_deleted_by_mistake" {
  command = plan
  variables { environment = "prod" }

  assert {
    condition     = aws_dynamodb_table.state.deletion_protection_enabled && aws_cloudwatch_log_group.audit.deletion_protection_enabled && !aws_s3_bucket.this["kept"].force_destroy
    error_message = "state, audit log and configuration of prod are protected"
  }
}

run "dev_can_be_taken_down" {
  command = plan

  assert {
    condition     = !aws_dynamodb_table.state.deletion_protection_enabled && !aws_cloudwatch_log_group.audit.deletion_protection_enabled && aws_s3_bucket.this["kept"].force_destroy
    error_message = "nothing of dev is protected"
  }
}

run "a_function_keeps_what_is_not_said_of_it" {
  command = plan
  variables { functions = { worker = { memory_mb = 7076, concurrency = 16 } } }

  assert {
    condition     = aws_lambda_function.this["worker"].memory_size == 7076 && aws_lambda_function.this["worker"].reserved_concurrent_executions == 16
    error_message = "what is said is taken"
  }
  assert {
    condition     = aws_lambda_function.this["worker"].timeout == 900 && aws_lambda_function.this["scheduled"].reserved_concurrent_executions == -1
    error_message = "the rest is as it was"
  }
}

run "many_workers_are_as_many_in_the_state_machine_and_in_the_engine" {
  command = plan
  variables { workers = 24 }

  assert {
    condition     = jsondecode(aws_sfn_state_machine.run.definition).States.Work.MaxConcurrency == 24
    error_message = "the map starts as many"
  }
  assert {
    condition     = local.environment_variables.BOREALIS_LIMITS__WORKERS == "24"
    error_message = "the plan makes as many groups"
  }
}

run "without_a_stage_of_ours_nobody_may_write_one" {
  command = plan

  assert {
    condition     = keys(aws_s3_bucket.this) == ["kept"] && !strcontains(aws_iam_role_policy.function["worker"].policy, "StageFiles")
    error_message = "one bucket, and no right on another"
  }
}

run "receipts_are_signed_by_a_key_that_functions_reach" {
  command = plan
  variables { sign_receipts = true }

  assert {
    condition     = contains(keys(aws_vpc_endpoint.interface), "kms") && aws_kms_key.receipts[0].key_usage == "SIGN_VERIFY"
    error_message = "a key that signs, and a way to it"
  }
  assert {
    condition     = tolist(local.does.signs) == tolist(["scheduled", "parallel", "benchmark"])
    error_message = "those sign that publish"
  }
}

run "a_stage_of_ours_has_its_bucket_its_rights_and_its_settings" {
  command = plan
  variables { stage = { storage_integration = "BOREALIS_S3" } }

  assert {
    condition     = keys(aws_s3_bucket.this) == ["kept", "stage"] && strcontains(aws_iam_role_policy.function["worker"].policy, "StageFiles")
    error_message = "a bucket, and the right to write to it"
  }
  assert {
    condition     = local.environment_variables.BOREALIS_STAGE__URL == "s3://borealis-dev-stage-123456789012-us-east-1/files"
    error_message = "functions are told of it"
  }
}

run "snowflake_alone_reads_a_stage_of_ours" {
  command = apply
  variables { stage = { storage_integration = "BOREALIS_S3", reader = { user_arn = "arn:aws:iam::210987654321:user/abc1-b-self1234", external_id = "ACME_SFCRole=1" } } }

  assert {
    condition     = jsondecode(aws_iam_role.stage_reader[0].assume_role_policy).Statement[0].Principal.AWS == "arn:aws:iam::210987654321:user/abc1-b-self1234" && jsondecode(aws_iam_role.stage_reader[0].assume_role_policy).Statement[0].Condition.StringEquals["sts:ExternalId"] == "ACME_SFCRole=1"
    error_message = "its user, with its external id"
  }
  assert {
    condition     = !strcontains(aws_iam_role_policy.stage_reader[0].policy, "s3:Put") && !strcontains(aws_iam_role_policy.stage_reader[0].policy, "s3:Delete")
    error_message = "it only reads"
  }
}

run "a_reader_that_is_no_user" {
  command = plan
  variables { stage = { storage_integration = "BOREALIS_S3", reader = { user_arn = "arn:aws:iam::210987654321:root", external_id = "x" } } }
  expect_failures = [var.stage]
}

run "a_login_without_a_password_is_a_right" {
  command = plan
  variables { aurora = { rds_iam = ["cluster-ABCDEFGHIJKLMNOP/borealis"] } }

  assert {
    condition     = strcontains(aws_iam_role_policy.function["snapshot"].policy, "arn:aws:rds-db:us-east-1:123456789012:dbuser:cluster-ABCDEFGHIJKLMNOP/borealis")
    error_message = "that user of that cluster"
  }
}

run "slack_is_told_where_there_is_a_channel" {
  command = plan
  variables { alerts = { slack = { workspace = "T0123ABCD", channel = "C0123ABCD" } } }

  assert {
    condition     = length(aws_chatbot_slack_channel_configuration.alerts) == 1 && length(aws_sns_topic_subscription.email) == 0
    error_message = "Slack, and no e-mail"
  }
}

run "schedules_are_watched_as_long_as_they_are_on" {
  command = plan
  variables {
    schedules = {
      often  = { expression = "rate(15 minutes)", group = "orders", missed_after_minutes = 40 }
      weekly = { expression = "cron(0 2 ? * SUN *)", missed_after_minutes = 10080 }
      off    = { expression = "rate(1 day)", enabled = false, missed_after_minutes = 1440 }
      alone  = { expression = "rate(1 day)" }
    }
  }

  assert {
    condition     = keys(aws_cloudwatch_metric_alarm.missed) == ["often", "weekly"]
    error_message = "those that are on and say when they are late"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.missed["often"].evaluation_periods == 8 && aws_cloudwatch_metric_alarm.missed["weekly"].evaluation_periods == 168
    error_message = "40 minutes in steps of five minutes, a week in steps of an hour"
  }
  assert {
    condition     = aws_scheduler_schedule.this["off"].state == "DISABLED" && aws_scheduler_schedule.this["often"].state == "ENABLED"
    error_message = "off is off"
  }
  assert {
    condition     = jsondecode(aws_scheduler_schedule.this["often"].target[0].input).group == "orders" && strcontains(aws_scheduler_schedule.this["often"].target[0].input, "<aws.scheduler.execution-id>")
    error_message = "the group, and the placeholder as Scheduler looks for it"
  }
}

run "lag_is_watched_where_a_limit_is_set" {
  command = plan
  variables { thresholds = { lag_minutes = 60 } }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["lag-scheduled"].threshold == 3600
    error_message = "an hour, in seconds"
  }
}

run "nobody_watches_a_lag_without_a_limit" {
  command = plan

  assert {
    condition     = length([for name in keys(aws_cloudwatch_metric_alarm.this) : name if startswith(name, "lag")]) == 0
    error_message = "no limit, no alarm"
  }
}

run "every_kind_of_schedule" {
  command = plan
  variables {
    schedules = {
      each-minute = { expression = "rate(1 minute)" }
      days        = { expression = "rate(10 days)" }
      weekdays    = { expression = "cron(15,45 8-18/2 ? * MON-FRI *)", timezone = "America/Argentina/Buenos_Aires" }
      month-end   = { expression = "cron(0 2 L * ? 2026-2030)" }
      once        = { expression = "at(2026-11-23T02:00:00)" }
    }
  }
}

run "a_cron_with_both_days" {
  command = plan
  variables { schedules = { nightly = { expression = "cron(0 2 * * * *)" } } }
  expect_failures = [var.schedules]
}

run "a_rate_of_one_in_the_plural" {
  command = plan
  variables { schedules = { hourly = { expression = "rate(1 hours)" } } }
  expect_failures = [var.schedules]
}

run "a_time_zone_by_its_offset" {
  command = plan
  variables { schedules = { nightly = { expression = "rate(1 day)", timezone = "+01:00" } } }
  expect_failures = [var.schedules]
}
