variable "database" {
  description = "target.database: made here. Names are stored in upper case, as the engine does, unless they hold anything else."
  type        = string

  validation {
    condition     = can(regex("^[A-Z_][A-Z0-9_$]*$", var.database))
    error_message = "database is a name in upper case."
  }
}

variable "schema" {
  description = "target.schema: that of the replicated tables."
  type        = string

  validation {
    condition     = can(regex("^[A-Z_][A-Z0-9_$]*$", var.schema))
    error_message = "schema is a name in upper case."
  }
}

variable "state_schema" {
  description = "target.state_schema: that of landing tables, stage, ledger and watermarks."
  type        = string
  default     = "BOREALIS"

  validation {
    condition     = can(regex("^[A-Z_][A-Z0-9_$]*$", var.state_schema)) && var.state_schema != var.schema
    error_message = "state_schema is a name in upper case, and not that of the tables."
  }
}

variable "name" {
  description = "Name of the warehouse, of its resource monitor and of the network policy, and with _LOADER of role and user: target.warehouse, target.role, target.user. Another one for each environment that shares the account."
  type        = string
  default     = "BOREALIS"

  validation {
    condition     = can(regex("^[A-Z_][A-Z0-9_]*$", var.name))
    error_message = "name is in upper case."
  }
}

variable "public_keys" {
  description = "Public keys of the user, PEM: the one that is in use, and while keys are rotated the next one. The private key is in Vault, and nowhere here."
  type        = list(string)

  validation {
    condition     = length(var.public_keys) >= 1 && length(var.public_keys) <= 2
    error_message = "public_keys are one or two: a user has two slots."
  }
  validation {
    condition     = alltrue([for key in var.public_keys : !strcontains(key, "PRIVATE") && can(regex("^(-----BEGIN PUBLIC KEY-----)?[A-Za-z0-9+/=\\s]{300,}(-----END PUBLIC KEY-----\\s*)?$", key))])
    error_message = "public_keys are RSA keys of 2048 bits or more as openssl rsa -pubout writes them, never private ones."
  }
}

variable "warehouse" {
  description = "size of the warehouse; auto_suspend_s, seconds without a statement after which it costs nothing more; credits a month at which it stops, of which 75 % are told to notify (users of Snowflake with an address)."
  type = object({
    size           = optional(string, "XSMALL")
    auto_suspend_s = optional(number, 60)
    credits        = optional(number, 100)
    notify         = optional(set(string), [])
  })
  default = {}

  validation {
    condition     = contains(["XSMALL", "SMALL", "MEDIUM", "LARGE", "XLARGE", "XXLARGE", "XXXLARGE", "X4LARGE"], var.warehouse.size)
    error_message = "warehouse: size is XSMALL, SMALL, MEDIUM, LARGE, XLARGE, XXLARGE, XXXLARGE or X4LARGE."
  }
  validation {
    condition     = var.warehouse.auto_suspend_s >= 30 && var.warehouse.auto_suspend_s <= 3600
    error_message = "warehouse: auto_suspend_s is 30 to 3600; each start is billed for 60 seconds."
  }
  validation {
    condition     = var.warehouse.credits >= 1
    error_message = "warehouse: credits are at least 1 a month."
  }
}

variable "network" {
  description = "Where the user may come from: endpoints and stage_endpoints, ids of VPC endpoints (output snowflake_endpoints of the main configuration), and then from no public address; or addresses, as of the NAT gateways (output nat_addresses). null, to be written, as long as neither is known: then the policy of the account holds."
  type = object({
    endpoints       = optional(set(string), [])
    stage_endpoints = optional(set(string), [])
    addresses       = optional(set(string), [])
  })

  validation {
    condition     = var.network == null ? true : alltrue([for id in setunion(var.network.endpoints, var.network.stage_endpoints) : can(regex("^vpce-[0-9a-f]+$", id))])
    error_message = "network: endpoints are ids, vpce-...."
  }
  validation {
    condition     = var.network == null ? true : (length(var.network.endpoints) > 0) != (length(var.network.addresses) > 0) && (length(var.network.stage_endpoints) == 0 || length(var.network.endpoints) > 0)
    error_message = "network has either endpoints, with stage_endpoints or without, or addresses."
  }
  validation {
    condition     = var.network == null ? true : alltrue([for cidr in var.network.addresses : can(cidrhost(cidr, 0)) && !endswith(cidr, "/0")])
    error_message = "network: addresses are ranges such as 192.0.2.10/32, and not the whole internet."
  }
}

variable "storage_integration" {
  description = "Only with an external stage (docs/external-stage.md): name of the integration, stage.storage_integration; role_arn that Snowflake assumes and url of bucket and prefix, output stage of the main configuration."
  type        = object({ name = string, role_arn = string, url = string })
  default     = null

  validation {
    condition     = var.storage_integration == null ? true : can(regex("^[A-Z_][A-Z0-9_$]*$", var.storage_integration.name)) && can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$", var.storage_integration.role_arn)) && can(regex("^s3://[^/]+/(.+/)?$", var.storage_integration.url))
    error_message = "storage_integration: name is in upper case, role_arn the ARN of a role, url s3://bucket/prefix/ with the slash at its end."
  }
}

variable "readers" {
  description = "Roles that read the replicated tables."
  type        = set(string)
  default     = []
}
