output "settings" {
  description = "What [target] of borealis.toml says."
  value = {
    database     = snowflake_database.main.name
    schema       = snowflake_schema.target.name
    state_schema = snowflake_schema.state.name
    warehouse    = snowflake_warehouse.main.name
    role         = snowflake_account_role.loader.name
    user         = snowflake_service_user.loader.name
  }
}

output "storage_integration" {
  description = "Who Snowflake is when it assumes the role of the integration, for that role's trust."
  value = var.storage_integration == null ? null : {
    iam_user_arn = snowflake_storage_integration_aws.main[0].describe_output[0].iam_user_arn
    external_id  = snowflake_storage_integration_aws.main[0].describe_output[0].external_id
  }
}
