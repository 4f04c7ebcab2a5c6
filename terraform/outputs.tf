output "functions" {
  description = "ARNs of the functions, by key; what is invoked is their alias `live`."
  value       = { for key, function in local.functions : key => function.arn }
}

output "state_machine" {
  description = "ARN of the state machine: aws.state_machine."
  value       = local.state_machine_arn
}

output "state_table" {
  description = "Name of the DynamoDB table: state.table."
  value       = local.state_table
}

output "dead_letter_queue" {
  description = "URL of the queue of what failed for good: aws.dead_letter_queue, read by `borealis replay`."
  value       = local.dead_letters_url
}

output "topic" {
  description = "ARN of the topic that tells of failures and alarms: aws.topic."
  value       = local.topic_arn
}

output "audit_log_group" {
  description = "Name of the log group of the audit log: aws.audit_log_group."
  value       = local.audit_group
}

output "kept_bucket" {
  description = "Bucket of the configuration and of results: aws.results_bucket."
  value       = local.buckets.kept
}

output "stage" {
  description = "Of the external stage, where there is one: url and role_arn for the storage integration (terraform/snowflake)."
  value       = one([for role in aws_iam_role.stage_reader : { url = "s3://${local.buckets.stage}/${local.stage_prefix}/", role_arn = role.arn }])
}

output "roles" {
  description = "ARNs of the functions' roles, by key: bound_iam_principal_arn of Vault's role (terraform/vault)."
  value       = { for key, role in aws_iam_role.function : key => role.arn }
}

output "health_url" {
  description = "URL of the health function; a caller signs with SigV4 and needs the policy health_caller."
  value       = aws_lambda_function_url.health.function_url
}

output "policies" {
  description = "ARNs of policies for roles of others: deployer brings packages to the functions, operator does what the runbook says, health_caller may ask the health function by its URL, auditor reads the audit log."
  value = {
    deployer      = aws_iam_policy.deployer.arn
    operator      = aws_iam_policy.operator.arn
    health_caller = aws_iam_policy.health_caller.arn
    auditor       = aws_iam_policy.auditor.arn
  }
}

# --- network ----------------------------------------------------------------------------------------------------

output "vpc_id" {
  description = "The VPC, made here or given."
  value       = local.vpc_id
}

output "function_security_group" {
  description = "Security group of the functions: what lets them in, as a Vault that is not managed here, names it."
  value       = aws_security_group.function.id
}

output "database_subnet_group" {
  description = "Where an Aurora cluster in a VPC made here belongs."
  value       = one(aws_db_subnet_group.main[*].name)
}

output "snowflake_endpoints" {
  description = "Ids of the endpoints that lead to Snowflake and to its stage, for the network policy there (terraform/snowflake: network)."
  value       = { service = one(aws_vpc_endpoint.snowflake[*].id), stage = one(aws_vpc_endpoint.stage[*].id) }
}

output "nat_addresses" {
  description = "Public addresses that the functions come from, for the firewall of a Vault outside and for terraform/snowflake (network); none without NAT."
  value       = [for zone, address in aws_eip.nat : address.public_ip]
}
