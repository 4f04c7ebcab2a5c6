# What is set up in Vault, as docs/secrets.md spells it out, and what a variable refuses.

mock_provider "vault" {}

variables {
  name       = "borealis-prod"
  principals = ["arn:aws:iam::123456789012:role/borealis-prod-worker"]
  auth       = { server_id = "vault.example.com", region = "us-east-1" }
  kv         = { paths = ["borealis/prod/snowflake"] }
  database   = { host = "shop.cluster-abc.us-east-1.rds.amazonaws.com", name = "shop" }
}

run "a_login_is_bound_to_the_roles_of_the_functions" {
  command = plan

  assert {
    condition     = vault_aws_auth_backend_role.main.auth_type == "iam" && vault_aws_auth_backend_role.main.bound_iam_principal_arns == var.principals && vault_aws_auth_backend_role.main.resolve_aws_unique_ids
    error_message = "to these ARNs, and to the roles that bear them now"
  }
  assert {
    condition     = vault_aws_auth_backend_client.main[0].sts_endpoint == "https://sts.us-east-1.amazonaws.com" && vault_aws_auth_backend_client.main[0].sts_region == "us-east-1" && vault_aws_auth_backend_client.main[0].iam_server_id_header_value == "vault.example.com"
    error_message = "signed for the STS of one region, and for this server"
  }
}

run "a_token_reads_its_secrets_and_nothing_else" {
  command = plan

  assert {
    condition     = vault_policy.main.policy == "path \"kv/data/borealis/prod/snowflake\" { capabilities = [\"read\"] }\npath \"database/creds/borealis\" { capabilities = [\"read\"] }\n"
    error_message = "the policy of docs/secrets.md"
  }
  assert {
    condition     = vault_aws_auth_backend_role.main.token_policies == toset(["borealis-prod"]) && vault_aws_auth_backend_role.main.token_ttl == 3600
    error_message = "is that of the login"
  }
  assert {
    condition     = output.paths == ["kv/borealis/prod/snowflake", "database/creds/borealis"]
    error_message = "paths as the engine's settings take them"
  }
}

run "logins_to_the_source_end_by_themselves" {
  command = plan

  assert {
    condition     = vault_database_secret_backend_role.main[0].creation_statements == tolist(["CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE borealis_reader"])
    error_message = "the statement of docs/secrets.md"
  }
  assert {
    condition     = endswith(vault_database_secret_backend_connection.main[0].postgresql[0].connection_url, "@shop.cluster-abc.us-east-1.rds.amazonaws.com:5432/shop?sslmode=verify-full") && vault_database_secret_backend_connection.main[0].postgresql[0].password == null
    error_message = "by TLS, and without a password in the state"
  }
}

run "what_vault_has_already_stays_untouched" {
  command = plan
  variables { existing = ["auth", "kv", "database"] }

  assert {
    condition     = length(vault_auth_backend.aws) + length(vault_aws_auth_backend_client.main) + length(vault_mount.kv) + length(vault_mount.database) == 0 && vault_aws_auth_backend_role.main.backend == "aws" && vault_database_secret_backend_connection.main[0].backend == "database"
    error_message = "only role, policy and connection are made"
  }
}

run "a_source_with_another_login_needs_no_database_mount" {
  command = plan
  variables { database = null }

  assert {
    condition     = length(vault_mount.database) + length(vault_database_secret_backend_role.main) == 0 && vault_policy.main.policy == "path \"kv/data/borealis/prod/snowflake\" { capabilities = [\"read\"] }\n"
    error_message = "nor a right to it"
  }
}

run "anybodys_role" {
  command = plan
  variables { principals = ["arn:aws:iam::123456789012:role/*"] }
  expect_failures = [var.principals]
}

run "a_session_in_place_of_its_role" {
  command = plan
  variables { principals = ["arn:aws:sts::123456789012:assumed-role/borealis-prod-worker/session"] }
  expect_failures = [var.principals]
}

run "a_path_of_everything" {
  command = plan
  variables { kv = { paths = ["borealis/*"] } }
  expect_failures = [var.kv]
}

run "a_path_of_the_api" {
  command = plan
  variables { kv = { paths = ["data/borealis/prod/snowflake"] } }
  expect_failures = [var.kv]
}

run "a_token_that_ends_before_a_function_does" {
  command = plan
  variables { token = { ttl_s = 60 } }
  expect_failures = [var.token]
}

run "a_login_to_the_source_that_ends_before_a_function_does" {
  command = plan
  variables { database = { host = "shop.example.com", name = "shop", ttl_s = 60 } }
  expect_failures = [var.database]
}

run "no_server_id" {
  command = plan
  variables { auth = { server_id = "" } }
  expect_failures = [var.auth]
}

run "something_that_vault_cannot_have" {
  command = plan
  variables { existing = ["pki"] }
  expect_failures = [var.existing]
}
