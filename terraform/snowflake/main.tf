# What Borealis needs in Snowflake: where it loads with what, as whom, from where, and the rights that its statements need
# (engine/sql/target.py; tests/terraform/test_snowflake.py holds the two to each other).

# --- compute ----------------------------------------------------------------------------------------------------

resource "snowflake_resource_monitor" "main" {
  name            = var.name
  credit_quota    = var.warehouse.credits
  frequency       = "MONTHLY"
  start_timestamp = "IMMEDIATELY"
  notify_triggers = [75]
  notify_users    = var.warehouse.notify
  suspend_trigger = 100 # statements that run may end
}

resource "snowflake_warehouse" "main" {
  name                = var.name
  comment             = "Loads of Borealis"
  warehouse_type      = "STANDARD"
  warehouse_size      = var.warehouse.size
  auto_suspend        = var.warehouse.auto_suspend_s
  auto_resume         = "true"
  initially_suspended = true
  resource_monitor    = snowflake_resource_monitor.main.name
}

# --- places -----------------------------------------------------------------------------------------------------

resource "snowflake_database" "main" {
  name    = var.database
  comment = "Target of Borealis"

  lifecycle {
    prevent_destroy = true # the rows are here
  }
}

resource "snowflake_schema" "target" {
  database            = snowflake_database.main.name
  name                = var.schema
  with_managed_access = "false" # a landing table is renamed into this schema, which managed access forbids

  lifecycle {
    prevent_destroy = true
  }
}

resource "snowflake_schema" "state" {
  database            = snowflake_database.main.name
  name                = var.state_schema
  with_managed_access = "false"

  lifecycle {
    prevent_destroy = true # ledger and watermarks say where each table stands
  }
}

resource "snowflake_stage_internal" "main" {
  database = snowflake_database.main.name
  schema   = snowflake_schema.state.name
  name     = "STAGE"
  comment  = "Staged files of Borealis"

  encryption {
    snowflake_full {} # encrypted by the connector too, before they leave the function
  }
}

resource "snowflake_storage_integration_aws" "main" {
  count = var.storage_integration == null ? 0 : 1

  name                      = var.storage_integration.name
  enabled                   = true
  storage_provider          = "S3"
  storage_aws_role_arn      = var.storage_integration.role_arn
  storage_allowed_locations = [var.storage_integration.url]
}

# --- identity ---------------------------------------------------------------------------------------------------

resource "snowflake_account_role" "loader" {
  name    = "${var.name}_LOADER"
  comment = "What Borealis may do"
}

resource "snowflake_grant_account_role" "administrators" {
  role_name        = snowflake_account_role.loader.name
  parent_role_name = "SYSADMIN" # so that administrators reach the tables that the role owns
}

resource "snowflake_service_user" "loader" {
  name                           = "${var.name}_LOADER"
  comment                        = "Borealis; a user of type SERVICE has no password"
  rsa_public_key                 = local.public_keys[0]
  rsa_public_key_2               = try(local.public_keys[1], null)
  default_role                   = snowflake_account_role.loader.name
  default_secondary_roles_option = "NONE"
  default_warehouse              = snowflake_warehouse.main.name
  network_policy                 = one(snowflake_network_policy.main[*].name)
}

resource "snowflake_grant_account_role" "loader" {
  role_name = snowflake_account_role.loader.name
  user_name = snowflake_service_user.loader.name
}

locals {
  # Snowflake takes a key without its first and last line.
  public_keys = [for key in var.public_keys : replace(key, "/-----[A-Z ]+-----|\\s/", "")]
}

# --- network policy of the user ---------------------------------------------------------------------------------------

locals {
  from = var.network == null ? { endpoints = [], stage_endpoints = [], addresses = [] } : var.network
  network_rules = { for key, rule in {
    ENDPOINTS = { type = "AWSVPCEID", mode = "INGRESS", values = local.from.endpoints, allowed = true }
    # A rule of endpoints says nothing of public addresses, which stay allowed until a rule blocks them.
    PUBLIC = { type = "IPV4", mode = "INGRESS", values = length(local.from.endpoints) == 0 ? [] : ["0.0.0.0/0"], allowed = false }
    # Heeded once the account has ENFORCE_NETWORK_RULES_FOR_INTERNAL_STAGES.
    STAGE_ENDPOINTS = { type = "AWSVPCEID", mode = "INTERNAL_STAGE", values = local.from.stage_endpoints, allowed = true }
    ADDRESSES       = { type = "IPV4", mode = "INGRESS", values = local.from.addresses, allowed = true }
  } : key => rule if length(rule.values) > 0 }
}

resource "snowflake_network_rule" "main" {
  for_each = local.network_rules

  database   = snowflake_database.main.name
  schema     = snowflake_schema.state.name
  name       = "${var.name}_${each.key}"
  type       = each.value.type
  mode       = each.value.mode
  value_list = each.value.values
}

resource "snowflake_network_policy" "main" {
  count = var.network == null ? 0 : 1

  name                      = var.name
  comment                   = "Where the functions of Borealis come from"
  allowed_network_rule_list = [for key, rule in local.network_rules : snowflake_network_rule.main[key].fully_qualified_name if rule.allowed]
  blocked_network_rule_list = [for key, rule in local.network_rules : snowflake_network_rule.main[key].fully_qualified_name if !rule.allowed]
}
