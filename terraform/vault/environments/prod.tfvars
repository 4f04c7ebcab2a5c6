name = "borealis-prod"

principals = [
  "arn:aws:iam::123456789012:role/borealis-prod-scheduled",
  "arn:aws:iam::123456789012:role/borealis-prod-parallel",
  "arn:aws:iam::123456789012:role/borealis-prod-worker",
  "arn:aws:iam::123456789012:role/borealis-prod-snapshot",
  "arn:aws:iam::123456789012:role/borealis-prod-health",
  "arn:aws:iam::123456789012:role/borealis-prod-benchmark",
]

auth = { server_id = "vault.example.com", region = "us-east-1" }
kv   = { paths = ["borealis/prod/snowflake"] }

database = {
  host = "shop.cluster-abcdefghijkl.us-east-1.rds.amazonaws.com"
  name = "shop"
}
