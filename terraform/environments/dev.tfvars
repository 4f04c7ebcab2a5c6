environment   = "dev"
region        = "us-east-1"
configuration = "environments/dev.toml"
package       = { s3 = { bucket = "acme-borealis-packages", key = "borealis-arm64.zip" } }
layers        = ["arn:aws:lambda:us-east-1:210987654321:layer:rds-ca:1"] # certificates of Aurora: docs/infrastructure.md

# A VPC of a network team, Vault inside it, Snowflake without PrivateLink: the least that works.
vpc = {
  id              = "vpc-0a1b2c3d4e5f60718"
  subnet_ids      = ["subnet-0a1b2c3d4e5f60711", "subnet-0a1b2c3d4e5f60712"]
  route_table_ids = ["rtb-0a1b2c3d4e5f60711"]
  endpoints       = { dynamodb = "", s3 = "", sts = "sg-0a1b2c3d4e5f60713" }
}
aurora    = { security_group_id = "sg-0a1b2c3d4e5f60714", rds_iam = ["cluster-ABCDEFGHIJKLMNOP/borealis"] }
snowflake = { stage_bucket = "sfc-va-ds1-customer-stage" }
vault     = { address = "https://vault.dev.example.com:8200", security_group_id = "sg-0a1b2c3d4e5f60715" }

alerts = { emails = ["data-platform@example.com"] }

schedules = {
  orders  = { expression = "rate(15 minutes)", group = "orders", missed_after_minutes = 40 }
  nightly = { expression = "cron(0 2 * * ? *)", timezone = "America/New_York", group = "nightly", missed_after_minutes = 1560 }
}
