# --- what and where ---------------------------------------------------------------------------------------------

variable "environment" {
  description = "Which of the environments this is; it ends the names of all resources, and prod is protected from deletion."
  type        = string

  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "environment is dev, staging or prod."
  }
}

variable "region" {
  description = "AWS region of everything here: that of the Aurora cluster, and best that of the Snowflake account."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region is a region's name, such as us-east-1."
  }
}

variable "package" {
  description = "What the functions are created with: the zip of `make package`, as a path from here or as an object in S3. Later versions are deployed by the pipeline, and Terraform leaves them alone."
  type = object({
    file = optional(string)
    s3   = optional(object({ bucket = string, key = string, version = optional(string) }))
  })

  validation {
    condition     = (var.package.file == null) != (var.package.s3 == null)
    error_message = "package has either file or s3."
  }
}

variable "configuration" {
  description = "Path from here of the borealis.toml of this environment. It becomes an object in S3; each version of a function keeps the version of it that it was made with."
  type        = string

  validation {
    condition     = fileexists("${path.module}/${var.configuration}")
    error_message = "configuration is the path of a file, from the directory terraform."
  }
}

# --- the functions ----------------------------------------------------------------------------------------------

variable "functions" {
  description = "What differs from the defaults in locals.tf, by function: memory_mb (1769 is one vCPU), timeout_s, ephemeral_mb of /tmp, concurrency (reserved; null takes it from the account's pool)."
  type = map(object({
    memory_mb    = optional(number)
    timeout_s    = optional(number)
    ephemeral_mb = optional(number)
    concurrency  = optional(number)
  }))
  default = {}

  validation {
    condition     = length(setsubtract(keys(var.functions), ["scheduled", "parallel", "worker", "snapshot", "health", "benchmark"])) == 0
    error_message = "functions are scheduled, parallel, worker, snapshot, health, benchmark."
  }
  validation {
    condition     = alltrue([for each in values(var.functions) : each.memory_mb == null ? true : each.memory_mb >= 512 && each.memory_mb <= 10240])
    error_message = "functions: memory_mb is 512 to 10240."
  }
  validation {
    condition     = alltrue([for each in values(var.functions) : each.timeout_s == null ? true : each.timeout_s >= 10 && each.timeout_s <= 900])
    error_message = "functions: timeout_s is 10 to 900, Lambda's limit."
  }
  validation {
    condition     = alltrue([for each in values(var.functions) : each.ephemeral_mb == null ? true : each.ephemeral_mb >= 512 && each.ephemeral_mb <= 10240])
    error_message = "functions: ephemeral_mb is 512 to 10240."
  }
  validation {
    condition     = alltrue([for each in values(var.functions) : each.concurrency == null ? true : each.concurrency >= 1 && floor(each.concurrency) == each.concurrency])
    error_message = "functions: concurrency is a whole number from 1; to stop a function, disable its schedules."
  }
}

variable "workers" {
  description = "Functions that copy at once where the state machine fans a run out: the engine's limits.workers."
  type        = number
  default     = 8

  validation {
    condition     = var.workers >= 1 && var.workers <= 1000 && floor(var.workers) == var.workers
    error_message = "workers is a whole number, 1 to 1000."
  }
}

variable "environment_variables" {
  description = "More of the functions' environment: OTEL_* (docs/telemetry.md) and BOREALIS_* settings that Terraform does not set. No secrets: they belong into Vault."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.environment_variables) : can(regex("^(OTEL|DD|NEW_RELIC|BOREALIS|POWERTOOLS)_[A-Z0-9_]+$", name))])
    error_message = "environment_variables begin with OTEL_, DD_, NEW_RELIC_, BOREALIS_ or POWERTOOLS_."
  }
  validation {
    condition     = alltrue([for name in keys(var.environment_variables) : !can(regex("PASSWORD|SECRET|TOKEN|PRIVATE_KEY", name))])
    error_message = "environment_variables: secrets belong into Vault, not into the state of Terraform."
  }
}

variable "layers" {
  description = "ARNs of layers for all functions, such as the collector of ADOT or the extension of Datadog; arm64."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.layers) <= 5 && alltrue([for arn in var.layers : can(regex("^arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:layer:[A-Za-z0-9_-]+:[0-9]+$", arn))])
    error_message = "layers are at most 5 ARNs of layer versions."
  }
}

# --- when -------------------------------------------------------------------------------------------------------

variable "schedules" {
  description = "When which tables run, by name: EventBridge Scheduler's expression and timezone, a group of tables of the configuration or names of tables (neither: all), full to reload them. The alarm `missed` sounds where missed_after_minutes pass without a run: the longest time between two, and some more; null: no alarm."
  type = map(object({
    expression           = string
    timezone             = optional(string, "UTC")
    group                = optional(string)
    tables               = optional(list(string), [])
    full                 = optional(bool, false)
    enabled              = optional(bool, true)
    missed_after_minutes = optional(number)
  }))
  default = {}

  validation {
    condition     = alltrue([for name in keys(var.schedules) : can(regex("^[a-z][a-z0-9-]{0,30}$", name)) && name != "health"])
    error_message = "schedules: a name has lower-case letters, digits and hyphens, at most 31; health is taken."
  }
  validation {
    condition     = alltrue([for each in values(var.schedules) : can(regex("^(rate\\([1-9][0-9]* (minute|hour|day)s?\\)|cron\\([^()]+\\)|at\\([0-9T:-]{19}\\))$", each.expression)) && (!startswith(each.expression, "cron") || length(split(" ", each.expression)) == 6)])
    error_message = "schedules: an expression is rate(1 hour), cron(0 2 * * ? *) with six fields, or at(2026-11-23T02:00:00)."
  }
  validation {
    condition     = alltrue([for each in values(var.schedules) : each.group == null || length(each.tables) == 0])
    error_message = "schedules: group and tables exclude each other."
  }
  validation {
    condition     = alltrue([for each in values(var.schedules) : each.missed_after_minutes == null ? true : each.missed_after_minutes >= 5 && each.missed_after_minutes <= 10080])
    error_message = "schedules: missed_after_minutes is 5 to 10080 (7 days, the most that an alarm can look back)."
  }
}

# --- who is told, and how long things are kept ------------------------------------------------------------------

variable "alerts" {
  description = "Who is told of failures and alarms: e-mail addresses, which each confirm once, and a Slack channel (ids of workspace and channel; the workspace is authorised once, by hand, in Amazon Q Developer in chat applications)."
  type = object({
    emails = optional(list(string), [])
    slack  = optional(object({ workspace = string, channel = string }))
  })
  default = {}

  validation {
    condition     = alltrue([for address in var.alerts.emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "alerts: emails are addresses."
  }
  validation {
    condition     = var.alerts.slack == null ? true : can(regex("^T[A-Z0-9]+$", var.alerts.slack.workspace)) && can(regex("^[CG][A-Z0-9]+$", var.alerts.slack.channel))
    error_message = "alerts: slack.workspace is an id that begins with T, slack.channel one with C or G."
  }
}

variable "thresholds" {
  description = "When alarms sound: lag_minutes, how far an incremental table may be behind its source (null: no alarm); duration_share, of a function's time limit."
  type = object({
    lag_minutes    = optional(number)
    duration_share = optional(number, 0.95)
  })
  default = {}

  validation {
    condition     = var.thresholds.lag_minutes == null ? true : var.thresholds.lag_minutes > 0
    error_message = "thresholds: lag_minutes is positive."
  }
  validation {
    condition     = var.thresholds.duration_share > 0 && var.thresholds.duration_share < 1
    error_message = "thresholds: duration_share is between 0 and 1."
  }
}

variable "retention" {
  description = "Days that things are kept: logs of functions, state machine and network; the audit log; results of benchmarks."
  type = object({
    logs_days    = optional(number, 30)
    audit_days   = optional(number, 731)
    results_days = optional(number, 365)
  })
  default = {}

  validation {
    condition     = alltrue([for days in [var.retention.logs_days, var.retention.audit_days] : contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], days)])
    error_message = "retention: logs_days and audit_days are 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
  validation {
    condition     = var.retention.results_days >= 1 && floor(var.retention.results_days) == var.retention.results_days
    error_message = "retention: results_days is a whole number from 1."
  }
}

variable "stage" {
  description = "Where staged files wait: null for Snowflake's internal stage, else a bucket that is made here for the storage integration of that name (docs/external-stage.md)."
  type        = object({ storage_integration = string })
  default     = null

  validation {
    condition     = var.stage == null ? true : can(regex("^[A-Za-z_][A-Za-z0-9_$]*$", var.stage.storage_integration))
    error_message = "stage: storage_integration is the name of an integration."
  }
}

# --- network (its resources: network.tf, endpoints.tf, flow_logs.tf) ------------------------------------------------

variable "vpc" {
  description = "The VPC: either id and subnet_ids (two private ones or more) of one that exists, or the cidr of one that is made here."
  type = object({
    id         = optional(string)
    subnet_ids = optional(list(string), [])
    cidr       = optional(string)
  })

  validation {
    condition     = (var.vpc.id == null) != (var.vpc.cidr == null)
    error_message = "vpc has either id and subnet_ids, or cidr."
  }
}

variable "aurora" {
  description = "The source: the security group of the cluster or the cidr of its subnets, its port, and for logins without a password rds_iam, such as cluster-ABCDEFGHIJKLMNOP/borealis."
  type = object({
    security_group_id = optional(string)
    cidr              = optional(string)
    port              = optional(number, 5432)
    rds_iam           = optional(list(string), [])
  })

  validation {
    condition     = alltrue([for each in var.aurora.rds_iam : can(regex("^(cluster|db|prx)-[A-Za-z0-9]+/[^/*]+$", each))])
    error_message = "aurora: rds_iam are pairs of resource id and user, such as cluster-ABCDEFGHIJKLMNOP/borealis."
  }
}

variable "snowflake" {
  description = "Snowflake PrivateLink, from SYSTEM$GET_PRIVATELINK_CONFIG: service name of the endpoint and the host names that resolve to it, that of the stage too; null: no endpoint."
  type = object({
    service_name = string
    hosts        = list(string)
  })
  default = null
}

variable "vault" {
  description = "HashiCorp Vault: its address; outside where it is reached over the internet, which takes a NAT gateway; null: no Vault."
  type = object({
    address = string
    outside = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.vault == null ? true : startswith(var.vault.address, "https://")
    error_message = "vault: address is an https URL."
  }
}
