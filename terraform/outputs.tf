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
