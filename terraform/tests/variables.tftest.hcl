# What a variable refuses. Every run fails at the variable that it names, and at nothing else.

mock_provider "aws" {}

variables {
  environment   = "dev"
  region        = "us-east-1"
  configuration = "environments/dev.toml"
  package       = { s3 = { bucket = "acme-borealis-packages", key = "borealis-arm64.zip" } }
  vpc           = { cidr = "10.0.0.0/16", zones = ["us-east-1a", "us-east-1b"] }
  snowflake     = { stage_bucket = "sfc-va-ds1-customer-stage" }
}

run "an_environment_that_there_is_not" {
  command = plan
  variables { environment = "production" }
  expect_failures = [var.environment]
}

run "a_region_that_is_a_zone" {
  command = plan
  variables { region = "us-east-1a" }
  expect_failures = [var.region]
}

run "a_package_in_two_places" {
  command = plan
  variables { package = { file = "a.zip", s3 = { bucket = "b", key = "k" } } }
  expect_failures = [var.package]
}

run "a_configuration_that_is_not_there" {
  command = plan
  variables { configuration = "environments/absent.toml" }
  expect_failures = [var.configuration]
}

run "a_function_that_there_is_not" {
  command = plan
  variables { functions = { wroker = { memory_mb = 1024 } } }
  expect_failures = [var.functions]
}

run "less_memory_than_the_engine_takes" {
  command = plan
  variables { functions = { worker = { memory_mb = 256 } } }
  expect_failures = [var.functions]
}

run "more_time_than_lambda_gives" {
  command = plan
  variables { functions = { worker = { timeout_s = 901 } } }
  expect_failures = [var.functions]
}

run "more_disk_than_lambda_gives" {
  command = plan
  variables { functions = { worker = { ephemeral_mb = 10241 } } }
  expect_failures = [var.functions]
}

run "a_function_that_may_not_run" {
  command = plan
  variables { functions = { worker = { concurrency = 0 } } }
  expect_failures = [var.functions]
}

run "no_workers" {
  command = plan
  variables { workers = 0 }
  expect_failures = [var.workers]
}

run "a_variable_of_somebody_else" {
  command = plan
  variables { environment_variables = { PATH = "/opt" } }
  expect_failures = [var.environment_variables]
}

run "a_secret_in_a_variable" {
  command = plan
  variables { environment_variables = { BOREALIS_TARGET__PASSWORD = "x" } }
  expect_failures = [var.environment_variables]
}

run "a_layer_without_a_version" {
  command = plan
  variables { layers = ["arn:aws:lambda:us-east-1:123456789012:layer:collector"] }
  expect_failures = [var.layers]
}

run "a_schedule_with_five_fields" {
  command = plan
  variables { schedules = { nightly = { expression = "cron(0 2 * * *)" } } }
  expect_failures = [var.schedules]
}

run "a_schedule_of_both_a_group_and_tables" {
  command = plan
  variables { schedules = { nightly = { expression = "rate(1 day)", group = "a", tables = ["public.b"] } } }
  expect_failures = [var.schedules]
}

run "a_schedule_with_a_name_that_is_taken" {
  command = plan
  variables { schedules = { health = { expression = "rate(1 day)" } } }
  expect_failures = [var.schedules]
}

run "an_alarm_that_looks_back_too_far" {
  command = plan
  variables { schedules = { weekly = { expression = "rate(7 days)", missed_after_minutes = 20000 } } }
  expect_failures = [var.schedules]
}

run "an_address_that_is_none" {
  command = plan
  variables { alerts = { emails = ["data-platform"] } }
  expect_failures = [var.alerts]
}

run "a_channel_by_its_name" {
  command = plan
  variables { alerts = { slack = { workspace = "T0123ABCD", channel = "#alerts" } } }
  expect_failures = [var.alerts]
}

run "a_lag_of_nothing" {
  command = plan
  variables { thresholds = { lag_minutes = 0 } }
  expect_failures = [var.thresholds]
}

run "a_share_above_the_whole" {
  command = plan
  variables { thresholds = { duration_share = 1.5 } }
  expect_failures = [var.thresholds]
}

run "days_that_cloudwatch_does_not_offer" {
  command = plan
  variables { retention = { logs_days = 31 } }
  expect_failures = [var.retention]
}

run "a_stage_without_a_name" {
  command = plan
  variables { stage = { storage_integration = "" } }
  expect_failures = [var.stage]
}

run "a_vpc_that_exists_and_is_made" {
  command = plan
  variables {
    vpc = {
      id         = "vpc-0a1b2c3d4e5f60718"
      subnet_ids = ["subnet-0a1b2c3d4e5f60711", "subnet-0a1b2c3d4e5f60712"]
      cidr       = "10.0.0.0/16"
      zones      = ["us-east-1a", "us-east-1b"]
    }
  }
  expect_failures = [var.vpc]
}

run "a_vpc_in_one_zone" {
  command = plan
  variables { vpc = { cidr = "10.0.0.0/16", zones = ["us-east-1a"] } }
  expect_failures = [var.vpc]
}

run "a_vpc_that_is_too_small" {
  command = plan
  variables { vpc = { cidr = "10.0.0.0/24", zones = ["us-east-1a", "us-east-1b"] } }
  expect_failures = [var.vpc]
}

run "zones_of_another_region" {
  command = plan
  variables { vpc = { cidr = "10.0.0.0/16", zones = ["eu-west-1a", "eu-west-1b"] } }
  expect_failures = [var.vpc]
}

run "an_aurora_that_is_the_whole_internet" {
  command = plan
  variables { aurora = { cidrs = ["0.0.0.0/0"] } }
  expect_failures = [var.aurora]
}

run "a_login_at_every_cluster" {
  command = plan
  variables { aurora = { rds_iam = ["*/borealis"] } }
  expect_failures = [var.aurora]
}

run "a_private_link_without_names" {
  command = plan
  variables {
    snowflake = {
      stage_bucket = "sfc-va-ds1-customer-stage"
      service_name = "com.amazonaws.vpce.us-east-1.vpce-svc-0f1e2d3c4b5a69788"
    }
  }
  expect_failures = [var.snowflake]
}

run "names_outside_the_private_link" {
  command = plan
  variables {
    snowflake = {
      stage_bucket = "sfc-va-ds1-customer-stage"
      service_name = "com.amazonaws.vpce.us-east-1.vpce-svc-0f1e2d3c4b5a69788"
      hosts        = ["acme.snowflakecomputing.com"]
    }
  }
  expect_failures = [var.snowflake]
}

run "a_vault_without_tls" {
  command = plan
  variables { vault = { address = "http://vault.example.com:8200", outside = true } }
  expect_failures = [var.vault]
}

run "a_vault_that_is_inside_and_outside" {
  command = plan
  variables { vault = { address = "https://vault.example.com", outside = true, cidrs = ["10.9.0.0/24"] } }
  expect_failures = [var.vault]
}
