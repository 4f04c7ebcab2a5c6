environment   = "staging"
region        = "us-east-1"
configuration = "environments/staging.toml"
package       = { s3 = { bucket = "acme-borealis-packages", key = "borealis-arm64.zip" } }
layers        = ["arn:aws:lambda:us-east-1:210987654321:layer:rds-ca:1"] # certificates of Aurora: docs/infrastructure.md

# A VPC of its own as in prod, but Vault in a VPC beside it: no NAT, no way to the internet at all.
vpc = {
  cidr  = "10.1.0.0/16"
  zones = ["us-east-1a", "us-east-1b"]
  peers = { "10.9.0.0/16" = "pcx-0a1b2c3d4e5f60718" }
}
snowflake = {
  service_name = "com.amazonaws.vpce.us-east-1.vpce-svc-0a1b2c3d4e5f60718"
  stage_bucket = "sfc-va-ds1-customer-stage"
  hosts = [
    "ab12345.us-east-1.privatelink.snowflakecomputing.com",
    "acme-staging.privatelink.snowflakecomputing.com",
  ]
}
vault = { address = "https://vault.staging.example.com:8200", cidrs = ["10.9.4.0/24"] }

# Rows wait in a bucket of this account rather than in Snowflake's.
stage = { storage_integration = "BOREALIS_S3_STAGING" }

alerts = { emails = ["data-platform@example.com"] }

schedules = {
  orders  = { expression = "rate(15 minutes)", group = "orders", missed_after_minutes = 40 }
  nightly = { expression = "cron(0 2 * * ? *)", timezone = "America/New_York", group = "nightly", missed_after_minutes = 1560 }
}

thresholds = { lag_minutes = 120 }
