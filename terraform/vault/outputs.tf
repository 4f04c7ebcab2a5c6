output "settings" {
  description = "What [vault] of borealis.toml says."
  value = {
    role      = vault_aws_auth_backend_role.main.role
    mount     = var.auth.mount
    server_id = var.auth.server_id
    region    = var.auth.region
  }
}

output "paths" {
  description = "What source.vault and target.vault can be."
  value = concat(
    [for path in var.kv.paths : "${var.kv.mount}/${path}"],
    var.database == null ? [] : ["${var.database.mount}/creds/${var.database.role}"],
  )
}
