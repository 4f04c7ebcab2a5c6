environment   = "dev"
region        = "us-east-1"
configuration = "environments/dev.toml"
package       = { s3 = { bucket = "acme-borealis-packages", key = "borealis-arm64.zip" } }

vpc    = { cidr = "10.0.0.0/16" }
aurora = { cidr = "10.0.10.0/24" }
vault  = { address = "https://vault.example.com:8200" }


alerts = { emails = ["data-platform@example.com"] }

schedules = {
  orders  = { expression = "rate(15 minutes)", group = "orders", missed_after_minutes = 40 }
  nightly = { expression = "cron(0 2 * * ? *)", timezone = "America/New_York", group = "nightly", missed_after_minutes = 1560 }
}
