# What is made in Snowflake, and what a variable refuses.

mock_provider "snowflake" {}

variables {
  database    = "ANALYTICS"
  schema      = "SHOP"
  public_keys = ["-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxGY2BCPzqJzcvv5X4h0D\nGG9RtCZB5zQq0pGnSBmwrzQzXqX7x0n0cF3Y2bnn0Mtw1m8Zr1xB1cMn1VYq2m5U\nOo7ZJZ5n3bQ0K1r7l5Q0mC3o6v1l0mO0v9k8s3o8q2W6n1p4r5t7y9u2i3o5p7a9\ns1d3f5g7h9j2k4l6z8x1c3v5b7n9m2q4w6e8r1t3y5u7i9o2p4a6s8d1f3g5h7j9\nk2l4z6x8c1v3b5n7m9q2w4e6r8t1y3u5i7o9p2a4s6d8f1g3h5j7k9l2z4x6c8v1\nb3n5m7q9w2e4r6t8y1u3i5o7p9QIDAQAB\n-----END PUBLIC KEY-----\n"]
  network     = { endpoints = ["vpce-0a1b2c3d4e5f60718"], stage_endpoints = ["vpce-0a1b2c3d4e5f60719"] }
}

run "the_names_are_those_that_the_engine_expects" {
  command = plan

  assert {
    condition     = output.settings == { database = "ANALYTICS", schema = "SHOP", state_schema = "BOREALIS", warehouse = "BOREALIS", role = "BOREALIS_LOADER", user = "BOREALIS_LOADER" }
    error_message = "as in docs/configuration.md"
  }
}

run "an_idle_warehouse_costs_nothing_and_a_busy_one_has_a_limit" {
  command = plan

  assert {
    condition     = snowflake_warehouse.main.auto_suspend == 60 && snowflake_warehouse.main.auto_resume == "true" && snowflake_warehouse.main.initially_suspended
    error_message = "suspended after a minute, resumed by the next statement"
  }
  assert {
    condition     = snowflake_warehouse.main.resource_monitor == snowflake_resource_monitor.main.name && snowflake_resource_monitor.main.credit_quota == 100
    error_message = "a monitor bounds the month"
  }
}

run "the_user_is_a_service_with_a_key_and_nothing_else" {
  command = plan

  assert {
    condition     = !strcontains(snowflake_service_user.loader.rsa_public_key, "-") && !strcontains(snowflake_service_user.loader.rsa_public_key, "\n") && snowflake_service_user.loader.rsa_public_key_2 == null
    error_message = "the key as Snowflake takes it, in one line"
  }
  assert {
    condition     = snowflake_service_user.loader.default_secondary_roles_option == "NONE" && snowflake_service_user.loader.default_role == "BOREALIS_LOADER"
    error_message = "no rights but those of its role"
  }
}

run "two_keys_are_valid_while_they_are_rotated" {
  command = plan
  variables { public_keys = [var.public_keys[0], replace(var.public_keys[0], "MIIB", "MIIC")] }

  assert {
    condition     = startswith(snowflake_service_user.loader.rsa_public_key, "MIIB") && startswith(snowflake_service_user.loader.rsa_public_key_2, "MIIC")
    error_message = "one a slot"
  }
}

run "by_private_link_no_public_address_is_let_in" {
  command = plan

  assert {
    condition     = { for key, rule in snowflake_network_rule.main : key => "${rule.type} ${rule.mode} ${join(",", rule.value_list)}" } == { ENDPOINTS = "AWSVPCEID INGRESS vpce-0a1b2c3d4e5f60718", PUBLIC = "IPV4 INGRESS 0.0.0.0/0", STAGE_ENDPOINTS = "AWSVPCEID INTERNAL_STAGE vpce-0a1b2c3d4e5f60719" }
    error_message = "a rule of endpoints leaves public addresses allowed until another blocks them"
  }
  assert {
    condition     = snowflake_service_user.loader.network_policy == snowflake_network_policy.main[0].name
    error_message = "the user's policy"
  }
}

run "without_private_link_only_the_addresses_of_nat_are" {
  command = plan
  variables { network = { addresses = ["192.0.2.10/32"] } }

  assert {
    condition     = { for key, rule in snowflake_network_rule.main : key => "${rule.type} ${join(",", rule.value_list)}" } == { ADDRESSES = "IPV4 192.0.2.10/32" }
    error_message = "what is not allowed is refused"
  }
}

run "until_it_is_known_where_the_functions_are_the_account_decides" {
  command = plan
  variables { network = null }

  assert {
    condition     = length(snowflake_network_policy.main) + length(snowflake_network_rule.main) == 0
    error_message = "no policy, and so none that locks out what is made next"
  }
}

run "readers_get_their_right_where_landing_tables_are_made" {
  command = plan
  variables { readers = ["ANALYST"] }

  assert {
    condition     = snowflake_grant_privileges_to_account_role.readers_tables["ANALYST"].on_schema_object[0].future[0].in_schema == "\"ANALYTICS\".\"BOREALIS\"" && snowflake_grant_privileges_to_account_role.readers_schema["ANALYST"].on_schema[0].schema_name == "\"ANALYTICS\".\"SHOP\""
    error_message = "a rename or swap brings no future grants of the target schema"
  }
}

run "an_external_stage_takes_an_integration" {
  command = plan
  variables { storage_integration = { name = "BOREALIS_S3", role_arn = "arn:aws:iam::123456789012:role/snowflake-reads-borealis-stage", url = "s3://acme-borealis-stage/prod/" } }

  assert {
    condition     = snowflake_storage_integration_aws.main[0].storage_allowed_locations == toset(["s3://acme-borealis-stage/prod/"]) && snowflake_grant_privileges_to_account_role.integration[0].privileges == toset(["USAGE"])
    error_message = "that prefix, and no other"
  }
}

run "a_private_key" {
  command = plan
  variables { public_keys = [replace(var.public_keys[0], "PUBLIC", "PRIVATE")] }
  expect_failures = [var.public_keys]
}

run "three_keys" {
  command = plan
  variables { public_keys = [var.public_keys[0], var.public_keys[0], var.public_keys[0]] }
  expect_failures = [var.public_keys]
}

run "a_name_that_the_engine_would_fold" {
  command = plan
  variables { schema = "shop" }
  expect_failures = [var.schema]
}

run "one_schema_for_both" {
  command = plan
  variables { state_schema = "SHOP" }
  expect_failures = [var.state_schema]
}

run "a_size_that_there_is_not" {
  command = plan
  variables { warehouse = { size = "TINY" } }
  expect_failures = [var.warehouse]
}

run "a_warehouse_that_never_sleeps" {
  command = plan
  variables { warehouse = { auto_suspend_s = 0 } }
  expect_failures = [var.warehouse]
}

run "the_whole_internet" {
  command = plan
  variables { network = { addresses = ["0.0.0.0/0"] } }
  expect_failures = [var.network]
}

run "from_nowhere" {
  command = plan
  variables { network = {} }
  expect_failures = [var.network]
}

run "an_integration_with_a_whole_bucket_by_mistake" {
  command = plan
  variables { storage_integration = { name = "BOREALIS_S3", role_arn = "arn:aws:iam::123456789012:role/snowflake", url = "s3://acme-borealis-stage" } }
  expect_failures = [var.storage_integration]
}
