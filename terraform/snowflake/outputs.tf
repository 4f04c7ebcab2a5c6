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

output "stage_reader" {
  description = "Who Snowflake is when it reads an external stage: stage.reader of the main configuration."
  value = var.storage_integration == null ? null : {
    user_arn    = snowflake_storage_integration_aws.main[0].describe_output[0].iam_user_arn
    external_id = snowflake_storage_integration_aws.main[0].describe_output[0].external_id
  }
}
