name = "borealis-dev"

principals = [
  "arn:aws:iam::123456789012:role/borealis-dev-scheduled",
  "arn:aws:iam::123456789012:role/borealis-dev-parallel",
  "arn:aws:iam::123456789012:role/borealis-dev-worker",
  "arn:aws:iam::123456789012:role/borealis-dev-snapshot",
  "arn:aws:iam::123456789012:role/borealis-dev-health",
  "arn:aws:iam::123456789012:role/borealis-dev-benchmark",
]

auth = { server_id = "vault.dev.example.com", region = "us-east-1" }
kv   = { paths = ["borealis/dev/snowflake"] }
