variable "name" {
  description = "vault.role: name of the role of the functions and of its policy, such as borealis-prod."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9_-]+$", var.name))
    error_message = "name is in lower case."
  }
}

variable "principals" {
  description = "ARNs of the roles of the functions, the values of output roles of the main configuration: of roles, not of their sessions."
  type        = set(string)

  validation {
    condition     = length(var.principals) > 0 && alltrue([for arn in var.principals : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/[^*]+$", arn))])
    error_message = "principals are ARNs of roles, arn:aws:iam::123456789012:role/NAME, without wildcards."
  }
}

variable "existing" {
  description = "What Vault has already and is not made here: auth (the AWS method with its configuration), kv, database (mounts)."
  type        = set(string)
  default     = []

  validation {
    condition     = length(setsubtract(var.existing, ["auth", "kv", "database"])) == 0
    error_message = "existing are auth, kv, database."
  }
}

variable "auth" {
  description = "The AWS auth method: its mount, vault.mount; server_id that logins must name, vault.server_id; region of the STS endpoint that Vault asks, vault.region (null: the global one); resolve_ids, whether Vault looks up the roles' unique ids (it needs iam:GetRole), so that a role that is deleted and made anew under the same name is not the same."
  type = object({
    mount       = optional(string, "aws")
    server_id   = string
    region      = optional(string)
    resolve_ids = optional(bool, true)
  })

  validation {
    condition     = length(var.auth.server_id) > 0
    error_message = "auth: server_id is a name, best Vault's own host: a login signed for another server is then refused here."
  }
  validation {
    condition     = var.auth.region == null ? true : can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.auth.region))
    error_message = "auth: region is a region's name, such as us-east-1."
  }
}

variable "token" {
  description = "Seconds that a login lives, and until when it may be renewed."
  type        = object({ ttl_s = optional(number, 3600), max_ttl_s = optional(number, 86400) })
  default     = {}

  validation {
    condition     = var.token.ttl_s >= 900 && var.token.max_ttl_s >= var.token.ttl_s
    error_message = "token: ttl_s is at least 900, a function's longest life, and max_ttl_s no less than it."
  }
}

variable "kv" {
  description = "Secrets that somebody writes and rotates: the mount, KV version 2, and paths in it, as of target.vault without the mount."
  type = object({
    mount = optional(string, "kv")
    paths = set(string)
  })

  validation {
    condition     = length(var.kv.paths) > 0 && alltrue([for path in var.kv.paths : can(regex("^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", path)) && !startswith(path, "data/")])
    error_message = "kv: paths are as `vault kv get` takes them behind the mount, such as borealis/prod/snowflake, without data/ and wildcards."
  }
}

variable "database" {
  description = <<-EOT
    Logins to the source that Vault makes and takes back; null where source.vault is not such a path. role: the last part of
    source.vault, database/creds/ROLE; connection: name of the connection; host, port and name of the database; username of
    Vault's own login there, whose password Terraform never sees; reader: role in the database with SELECT on the tables;
    max_ttl_s: longer than the longest run.
  EOT
  type = object({
    mount      = optional(string, "database")
    role       = optional(string, "borealis")
    connection = optional(string, "aurora")
    host       = string
    port       = optional(number, 5432)
    name       = string
    username   = optional(string, "vault")
    reader     = optional(string, "borealis_reader")
    ttl_s      = optional(number, 3600)
    max_ttl_s  = optional(number, 86400)
  })
  default = null

  validation {
    condition     = var.database == null ? true : var.database.ttl_s >= 900 && var.database.max_ttl_s >= var.database.ttl_s
    error_message = "database: ttl_s is at least 900, a function's longest life, and max_ttl_s no less than it."
  }
  validation {
    condition     = var.database == null ? true : can(regex("^[A-Za-z0-9.-]+$", var.database.host)) && can(regex("^[a-z_][a-z0-9_]*$", var.database.reader)) && can(regex("^[A-Za-z0-9_-]+$", var.database.name))
    error_message = "database: host is a host name, name and reader are plain names."
  }
}
