name = "borealis-staging"

principals = [
  "arn:aws:iam::123456789012:role/borealis-staging-scheduled",
  "arn:aws:iam::123456789012:role/borealis-staging-parallel",
  "arn:aws:iam::123456789012:role/borealis-staging-worker",
  "arn:aws:iam::123456789012:role/borealis-staging-snapshot",
  "arn:aws:iam::123456789012:role/borealis-staging-health",
  "arn:aws:iam::123456789012:role/borealis-staging-benchmark",
]

auth = { server_id = "vault.staging.example.com", region = "us-east-1" }
kv   = { paths = ["borealis/staging/snowflake"] }

database = {
  host = "shop.cluster-abcdefghijkl.us-east-1.rds.amazonaws.com"
  name = "shop"
}
