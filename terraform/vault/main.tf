# How the functions log in to Vault, and what they may read there: docs/secrets.md, as code. No secret passes through here.

# --- login: the AWS identity of a function's role -----------------------------------------------------------------

resource "vault_auth_backend" "aws" {
  count = contains(var.existing, "auth") ? 0 : 1

  type = "aws"
  path = var.auth.mount
}

resource "vault_aws_auth_backend_client" "main" {
  count = contains(var.existing, "auth") ? 0 : 1

  backend                    = vault_auth_backend.aws[0].path
  iam_server_id_header_value = var.auth.server_id
  sts_endpoint               = var.auth.region == null ? null : "https://sts.${var.auth.region}.amazonaws.com"
  sts_region                 = var.auth.region
}

resource "vault_aws_auth_backend_role" "main" {
  backend                  = contains(var.existing, "auth") ? var.auth.mount : vault_auth_backend.aws[0].path
  role                     = var.name
  auth_type                = "iam"
  bound_iam_principal_arns = var.principals
  resolve_aws_unique_ids   = var.auth.resolve_ids
  token_policies           = [vault_policy.main.name]
  token_ttl                = var.token.ttl_s
  token_max_ttl            = var.token.max_ttl_s
}

# --- rights -----------------------------------------------------------------------------------------------------

locals {
  # The policy `default`, which every token has, allows the rest: finding a path's mount, renewing the token and its leases.
  readable = concat(
    [for path in var.kv.paths : "${var.kv.mount}/data/${path}"],
    var.database == null ? [] : ["${var.database.mount}/creds/${var.database.role}"],
  )
}

resource "vault_policy" "main" {
  name   = var.name
  policy = join("", [for path in local.readable : "path \"${path}\" { capabilities = [\"read\"] }\n"])
}

# --- stored secrets: `vault kv put` writes them ---------------------------------------------------------------------

resource "vault_mount" "kv" {
  count = contains(var.existing, "kv") ? 0 : 1

  path        = var.kv.mount
  type        = "kv"
  options     = { version = "2" }
  description = "Secrets of Borealis"
}

# --- dynamic logins to the source ------------------------------------------------------------------------------------

resource "vault_mount" "database" {
  count = var.database == null || contains(var.existing, "database") ? 0 : 1

  path        = var.database.mount
  type        = "database"
  description = "Logins to the source of Borealis"
}

resource "vault_database_secret_backend_connection" "main" {
  count = var.database == null ? 0 : 1

  backend           = contains(var.existing, "database") ? var.database.mount : vault_mount.database[0].path
  name              = var.database.connection
  plugin_name       = "postgresql-database-plugin"
  allowed_roles     = [var.database.role]
  verify_connection = false # the password comes by hand: vault write database/config/aurora password=-, then rotate-root

  postgresql {
    connection_url = "postgresql://{{username}}:{{password}}@${var.database.host}:${var.database.port}/${var.database.name}?sslmode=verify-full"
    username       = var.database.username
  }
}

resource "vault_database_secret_backend_role" "main" {
  count = var.database == null ? 0 : 1

  backend             = vault_database_secret_backend_connection.main[0].backend
  name                = var.database.role
  db_name             = vault_database_secret_backend_connection.main[0].name
  default_ttl         = var.database.ttl_s
  max_ttl             = var.database.max_ttl_s
  creation_statements = ["CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE ${var.database.reader}"]
}
