# Rights of the role. Tables it makes itself, and owns: a swap needs no less than ownership of both.

locals {
  target_schema = "\"${snowflake_schema.target.database}\".\"${snowflake_schema.target.name}\""
  state_schema  = "\"${snowflake_schema.state.database}\".\"${snowflake_schema.state.name}\""
}

resource "snowflake_grant_privileges_to_account_role" "warehouse" {
  account_role_name = snowflake_account_role.loader.name
  privileges        = ["USAGE"]

  on_account_object {
    object_type = "WAREHOUSE"
    object_name = snowflake_warehouse.main.name
  }
}

resource "snowflake_grant_privileges_to_account_role" "database" {
  account_role_name = snowflake_account_role.loader.name
  privileges        = ["USAGE", "CREATE SCHEMA"] # the function `benchmark` loads into a schema aside

  on_account_object {
    object_type = "DATABASE"
    object_name = snowflake_database.main.name
  }
}

resource "snowflake_grant_privileges_to_account_role" "target" {
  account_role_name = snowflake_account_role.loader.name
  privileges        = ["USAGE", "CREATE TABLE"]

  on_schema {
    schema_name = local.target_schema
  }
}

resource "snowflake_grant_privileges_to_account_role" "state" {
  account_role_name = snowflake_account_role.loader.name
  privileges        = ["USAGE", "CREATE TABLE", "CREATE STAGE"]

  on_schema {
    schema_name = local.state_schema
  }
}

resource "snowflake_grant_privileges_to_account_role" "stage" {
  account_role_name = snowflake_account_role.loader.name
  privileges        = ["READ", "WRITE"]

  on_schema_object {
    object_type = "STAGE"
    object_name = snowflake_stage_internal.main.fully_qualified_name
  }
}

resource "snowflake_grant_privileges_to_account_role" "integration" {
  count = var.storage_integration == null ? 0 : 1

  account_role_name = snowflake_account_role.loader.name
  privileges        = ["USAGE"]

  on_account_object {
    object_type = "INTEGRATION"
    object_name = snowflake_storage_integration_aws.main[0].name
  }
}

# SHOW STREAMS lists only those that a role has a right on; a table whose stream stayed unseen would be swapped from under it.
resource "snowflake_grant_privileges_to_account_role" "streams" {
  for_each = toset(["all", "future"])

  account_role_name = snowflake_account_role.loader.name
  privileges        = ["SELECT"]

  on_schema_object {
    dynamic "all" {
      for_each = each.key == "all" ? [1] : []
      content {
        object_type_plural = "STREAMS"
        in_database        = snowflake_database.main.name
      }
    }
    dynamic "future" {
      for_each = each.key == "future" ? [1] : []
      content {
        object_type_plural = "STREAMS"
        in_database        = snowflake_database.main.name
      }
    }
  }
}

# --- readers ----------------------------------------------------------------------------------------------------
# A table is published by a rename or swap out of the state schema, to which future grants of the target schema do not apply
# (Snowflake: GRANT <privileges>). So a landing table gets the right when it is made; nobody reads it there without USAGE.

resource "snowflake_grant_privileges_to_account_role" "readers_database" {
  for_each = var.readers

  account_role_name = each.key
  privileges        = ["USAGE"]

  on_account_object {
    object_type = "DATABASE"
    object_name = snowflake_database.main.name
  }
}

resource "snowflake_grant_privileges_to_account_role" "readers_schema" {
  for_each = var.readers

  account_role_name = each.key
  privileges        = ["USAGE"]

  on_schema {
    schema_name = local.target_schema
  }
}

resource "snowflake_grant_privileges_to_account_role" "readers_tables" {
  for_each = var.readers

  account_role_name = each.key
  privileges        = ["SELECT"]

  on_schema_object {
    future {
      object_type_plural = "TABLES"
      in_schema          = local.state_schema
    }
  }
}
