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
    condition     = alltrue([for each in values(var.schedules) : can(regex("^(rate\\((1 (minute|hour|day)|([2-9]|[1-9][0-9]+) (minutes|hours|days))\\)|at\\([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\)|cron\\([^ ()?]+ [^ ()?]+ ([^ ()]+ [^ ()?]+ [?]|[?] [^ ()?]+ [^ ()?]+) [^ ()?]+\\))$", each.expression))])
    error_message = "schedules: an expression is rate(1 hour), at(2026-11-23T02:00:00) or cron(0 2 * * ? *): six fields, with ? for the day of the month or of the week."
  }
  validation {
    condition     = alltrue([for each in values(var.schedules) : can(regex("^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$", each.timezone))])
    error_message = "schedules: a timezone is a name of the tz database, such as Europe/Berlin."
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
  description = "When alarms sound: lag_minutes, how far an incremental table may be behind its source (null: no alarm); duration_share, of a function's time limit: the engine stops by itself at 0.967 of 900 s."
  type = object({
    lag_minutes    = optional(number)
    duration_share = optional(number, 0.98)
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

variable "sign_receipts" {
  description = "Whether a key of KMS signs the receipts of runs (docs/receipts.md): a key, and an endpoint of KMS in the VPC."
  type        = bool
  default     = false
}

variable "stage" {
  description = "Where staged files wait: null for Snowflake's internal stage, else a bucket that is made here for the storage integration of that name (docs/external-stage.md). reader, from DESC INTEGRATION once it is made: STORAGE_AWS_IAM_USER_ARN and STORAGE_AWS_EXTERNAL_ID; until then the role that it names lets nobody in."
  type = object({
    storage_integration = string
    reader              = optional(object({ user_arn = string, external_id = string }))
  })
  default = null

  validation {
    condition     = var.stage == null ? true : can(regex("^[A-Za-z_][A-Za-z0-9_$]*$", var.stage.storage_integration))
    error_message = "stage: storage_integration is the name of an integration."
  }
  validation {
    condition     = try(var.stage.reader, null) == null ? true : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:user/.+$", var.stage.reader.user_arn)) && length(var.stage.reader.external_id) > 0
    error_message = "stage: reader has the ARN of Snowflake's user, arn:aws:iam::...:user/..., and an external id."
  }
}

# --- network (its resources: network.tf, network_acls.tf, endpoints.tf, flow_logs.tf) ---------------------------------

variable "vpc" {
  description = <<-EOT
    The VPC, one of two:
    made here: its cidr (/16 to /20), the zones that its subnets are in, and peers, the connections to other VPCs, as of Aurora
    or Vault, by their addresses;
    given: its id, subnet_ids of private subnets in two zones or more, route_table_ids of these (for gateway endpoints),
    endpoints that it has already, by service, with the security group of each ("" for gateways), and endpoint_clients, security
    groups of others there whose calls come to the endpoints made here, since the names of these hold for the whole VPC.
    services: AWS services beyond those of the engine that get an endpoint, such as xray for a collector in a layer.
  EOT
  type = object({
    cidr             = optional(string)
    zones            = optional(list(string), [])
    peers            = optional(map(string), {})
    id               = optional(string)
    subnet_ids       = optional(list(string), [])
    route_table_ids  = optional(list(string), [])
    endpoints        = optional(map(string), {})
    endpoint_clients = optional(list(string), [])
    services         = optional(set(string), [])
  })

  validation {
    condition     = (var.vpc.id == null) != (var.vpc.cidr == null)
    error_message = "vpc has either cidr and zones, or id and subnet_ids."
  }
  validation {
    condition     = var.vpc.cidr == null ? true : can(cidrsubnet(var.vpc.cidr, 8, 25)) && can(regex("/(1[6-9]|20)$", var.vpc.cidr))
    error_message = "vpc: cidr is a range of /16 to /20, such as 10.0.0.0/16."
  }
  validation {
    condition     = var.vpc.cidr == null ? length(var.vpc.zones) == 0 : length(distinct(var.vpc.zones)) == length(var.vpc.zones) && length(var.vpc.zones) >= 2 && length(var.vpc.zones) <= 6
    error_message = "vpc: zones are two to six different ones of a VPC made here."
  }
  validation {
    condition     = alltrue([for zone in var.vpc.zones : startswith(zone, var.region)])
    error_message = "vpc: zones are in the region, such as us-east-1a."
  }
  validation {
    condition     = var.vpc.id == null ? true : can(regex("^vpc-[0-9a-f]+$", var.vpc.id)) && length(distinct(var.vpc.subnet_ids)) >= 2 && alltrue([for id in var.vpc.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "vpc: id is vpc-..., subnet_ids are two or more of subnet-...."
  }
  validation {
    condition     = var.vpc.id == null ? true : length(var.vpc.route_table_ids) > 0 || alltrue([for gateway in ["dynamodb", "s3"] : contains(keys(var.vpc.endpoints), gateway)])
    error_message = "vpc: route_table_ids are needed for the gateway endpoints of dynamodb and s3, unless endpoints names both."
  }
  validation {
    condition     = alltrue([for id in var.vpc.route_table_ids : can(regex("^rtb-[0-9a-f]+$", id))])
    error_message = "vpc: route_table_ids are rtb-...."
  }
  validation {
    condition     = var.vpc.cidr == null ? length(var.vpc.peers) == 0 : length(var.vpc.subnet_ids) + length(var.vpc.route_table_ids) + length(var.vpc.endpoints) + length(var.vpc.endpoint_clients) == 0
    error_message = "vpc: peers belong to a VPC made here; subnet_ids, route_table_ids, endpoints and endpoint_clients to one that is given."
  }
  validation {
    condition     = alltrue([for cidr, id in var.vpc.peers : can(cidrhost(cidr, 0)) && can(regex("^pcx-[0-9a-f]+$", id))])
    error_message = "vpc: peers are ids of peering connections by the addresses behind them, such as \"10.9.0.0/16\" = \"pcx-...\"."
  }
  validation {
    condition     = alltrue([for service, id in var.vpc.endpoints : contains(["dynamodb", "s3"], service) ? id == "" : can(regex("^sg-[0-9a-f]+$", id))])
    error_message = "vpc: endpoints have the security group (sg-...) of each service, and \"\" for dynamodb and s3."
  }
  validation {
    condition     = alltrue([for id in var.vpc.endpoint_clients : can(regex("^sg-[0-9a-f]+$", id))])
    error_message = "vpc: endpoint_clients are security groups, sg-...."
  }
  validation {
    condition     = alltrue([for service in var.vpc.services : can(regex("^[a-z][a-z0-9.-]+$", service)) && !contains(["dynamodb", "s3"], service)])
    error_message = "vpc: services are names as in com.amazonaws.REGION.NAME, such as xray."
  }
}

variable "aurora" {
  description = "The source: the security_group_id of the cluster, which gets a rule for the functions, or the cidrs of its subnets (neither: the database subnets of a VPC made here); its port; and for logins without a password rds_iam, such as cluster-ABCDEFGHIJKLMNOP/borealis."
  type = object({
    security_group_id = optional(string)
    cidrs             = optional(list(string), [])
    port              = optional(number, 5432)
    rds_iam           = optional(list(string), [])
  })
  default = {}

  validation {
    condition     = var.aurora.security_group_id == null ? length(var.aurora.cidrs) > 0 || var.vpc.cidr != null : length(var.aurora.cidrs) == 0 && can(regex("^sg-[0-9a-f]+$", var.aurora.security_group_id))
    error_message = "aurora has either security_group_id (sg-...) or cidrs, and needs one of them in a VPC that is given."
  }
  validation {
    condition     = alltrue([for cidr in var.aurora.cidrs : can(cidrhost(cidr, 0)) && cidr != "0.0.0.0/0"])
    error_message = "aurora: cidrs are ranges of addresses, such as 10.0.10.0/24, and not the whole internet."
  }
  validation {
    condition     = var.aurora.port >= 1 && var.aurora.port <= 65535 && floor(var.aurora.port) == var.aurora.port
    error_message = "aurora: port is 1 to 65535."
  }
  validation {
    condition     = alltrue([for each in var.aurora.rds_iam : can(regex("^(cluster|db|prx)-[A-Za-z0-9]+/[^/*]+$", each))])
    error_message = "aurora: rds_iam are pairs of resource id and user, such as cluster-ABCDEFGHIJKLMNOP/borealis."
  }
}

variable "snowflake" {
  description = <<-EOT
    The way to Snowflake. stage_bucket: bucket of its internal stage, the first part of privatelink-internal-stage in
    SYSTEM$GET_PRIVATELINK_CONFIG, or of a STAGE host in SYSTEM$ALLOWLIST; large results are fetched there with any stage.
    With PrivateLink (Business Critical): service_name is privatelink-vpce-id, hosts are the host names of
    privatelink-account-url and regionless-privatelink-account-url; stage_endpoint false leaves the stage to the gateway
    endpoint of S3. Where the VPC has an endpoint and its names already: security_group_id of that endpoint instead. With
    neither Snowflake is reached over the internet, by NAT.
  EOT
  type = object({
    stage_bucket      = string
    service_name      = optional(string)
    hosts             = optional(list(string), [])
    stage_endpoint    = optional(bool, true)
    security_group_id = optional(string)
  })

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.snowflake.stage_bucket))
    error_message = "snowflake: stage_bucket is the name of a bucket, without .s3.REGION.amazonaws.com."
  }
  validation {
    condition     = var.snowflake.service_name == null ? true : can(regex("^com\\.amazonaws\\.vpce\\.[a-z0-9-]+\\.vpce-svc-[0-9a-f]+$", var.snowflake.service_name))
    error_message = "snowflake: service_name is com.amazonaws.vpce.REGION.vpce-svc-...."
  }
  validation {
    condition     = (var.snowflake.service_name == null) == (length(var.snowflake.hosts) == 0)
    error_message = "snowflake: service_name and hosts belong together."
  }
  validation {
    condition     = alltrue([for host in var.snowflake.hosts : can(regex("^[a-z0-9._-]+\\.privatelink\\.snowflakecomputing\\.com$", host))])
    error_message = "snowflake: hosts are names in privatelink.snowflakecomputing.com, in lower case, without https://."
  }
  validation {
    condition     = var.snowflake.security_group_id == null ? true : var.snowflake.service_name == null && can(regex("^sg-[0-9a-f]+$", var.snowflake.security_group_id))
    error_message = "snowflake: security_group_id (sg-...) is that of an endpoint that exists, so there is no service_name."
  }
}

variable "vault" {
  description = "HashiCorp Vault: its address; where it is inside, its security_group_id, which gets a rule for the functions, or its cidrs; outside where it is reached over the internet, which takes a NAT gateway. null: no Vault."
  type = object({
    address           = string
    outside           = optional(bool, false)
    security_group_id = optional(string)
    cidrs             = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.vault == null ? true : can(regex("^https://[^/:]+(:[0-9]+)?/?$", var.vault.address))
    error_message = "vault: address is an https URL without a path, such as https://vault.example.com:8200."
  }
  validation {
    condition     = var.vault == null ? true : length([for way in [var.vault.outside, var.vault.security_group_id != null, length(var.vault.cidrs) > 0] : way if way]) == 1
    error_message = "vault has one of outside, security_group_id and cidrs."
  }
  validation {
    condition     = var.vault == null ? true : alltrue([for cidr in var.vault.cidrs : can(cidrhost(cidr, 0)) && cidr != "0.0.0.0/0"]) && (var.vault.security_group_id == null ? true : can(regex("^sg-[0-9a-f]+$", var.vault.security_group_id)))
    error_message = "vault: security_group_id is sg-..., cidrs are ranges of addresses, and not the whole internet."
  }
}
