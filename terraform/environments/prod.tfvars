environment   = "prod"
region        = "us-east-1"
configuration = "environments/prod.toml"
package       = { s3 = { bucket = "acme-borealis-packages", key = "borealis-arm64.zip" } }
layers        = ["arn:aws:lambda:us-east-1:210987654321:layer:rds-ca:1"] # certificates of Aurora: docs/infrastructure.md

# The VPC of the architecture document: Aurora in its database subnets, Snowflake by PrivateLink, Vault outside, by NAT.
vpc    = { cidr = "10.0.0.0/16", zones = ["us-east-1a", "us-east-1b"] }
aurora = { security_group_id = "sg-0f1e2d3c4b5a69788" }
snowflake = {
  service_name = "com.amazonaws.vpce.us-east-1.vpce-svc-0f1e2d3c4b5a69788"
  stage_bucket = "sfc-va-ds1-customer-stage"
  hosts = [
    "cd67890.us-east-1.privatelink.snowflakecomputing.com",
    "acme-analytics.privatelink.snowflakecomputing.com",
  ]
}
vault = { address = "https://vault.example.com", outside = true }

# Concurrency that nobody else in the account can take: for two fanned-out runs at once.
workers   = 16
functions = { worker = { concurrency = 32 }, scheduled = { concurrency = 8 }, snapshot = { concurrency = 4 } }

alerts = {
  emails = ["data-platform@example.com"]
  slack  = { workspace = "T0123ABCD", channel = "C0123ABCD" }
}

schedules = {
  orders  = { expression = "rate(15 minutes)", group = "orders", missed_after_minutes = 40 }
  nightly = { expression = "cron(0 2 * * ? *)", timezone = "America/New_York", group = "nightly", missed_after_minutes = 1560 }
}

thresholds = { lag_minutes = 60 }
