# The ways to AWS services and to Snowflake that never leave AWS's network, and the private names that lead to them.

locals {
  # What our code calls out of the VPC, and nothing more: engine/aws.py makes its clients. Logs, metrics and spans of functions
  # are taken by Lambda itself; only the audit log goes through `logs`. `sts` is for a Vault inside, which asks it who a login is.
  gateways   = setsubtract(["dynamodb", "s3"], keys(var.vpc.endpoints))
  interfaces = setsubtract(setunion(["lambda", "logs", "sns", "sqs", "states", "sts"], var.sign_receipts ? ["kms"] : [], var.vpc.services), keys(var.vpc.endpoints))

  stage_host     = "${var.snowflake.stage_bucket}.s3.${var.region}.${local.dns_suffix}"
  stage_endpoint = local.privatelink && var.snowflake.stage_endpoint

  # Others whose calls come to the endpoints too, since their private names hold for the whole VPC.
  endpoint_clients = toset(concat(var.vpc.endpoint_clients, compact([try(var.vault.security_group_id, null)])))

  own_account = {
    Sid       = "OwnIdentitiesToOwnResources"
    Effect    = "Allow"
    Principal = "*"
    Action    = "*"
    Resource  = "*"
    Condition = {
      StringEquals         = { "aws:PrincipalAccount" = local.account }
      StringEqualsIfExists = { "aws:ResourceAccount" = local.account } # sts:GetCallerIdentity has no resource
    }
  }
  # The connector comes here with credentials of Snowflake's own account, which decide what it may do there.
  snowflake_stage = {
    Sid       = "SnowflakesInternalStage"
    Effect    = "Allow"
    Principal = "*"
    Action    = "s3:*"
    Resource  = ["arn:${local.partition}:s3:::${var.snowflake.stage_bucket}", "arn:${local.partition}:s3:::${var.snowflake.stage_bucket}/*"]
  }
  endpoint_policy       = jsonencode({ Version = "2012-10-17", Statement = [local.own_account] })
  endpoint_policy_s3    = jsonencode({ Version = "2012-10-17", Statement = [local.own_account, local.snowflake_stage] })
  endpoint_policy_stage = jsonencode({ Version = "2012-10-17", Statement = [local.snowflake_stage] })
}

# --- gateway endpoints: routes, without charge ------------------------------------------------------------------

resource "aws_vpc_endpoint" "gateway" {
  for_each = local.gateways

  vpc_id            = local.vpc_id
  service_name      = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = local.route_ids
  policy            = each.key == "s3" ? local.endpoint_policy_s3 : local.endpoint_policy
  tags              = { Name = "${local.name}-${each.key}" }
}

data "aws_ec2_managed_prefix_list" "gateway" {
  for_each = toset(["dynamodb", "s3"])

  name = "com.amazonaws.${var.region}.${each.key}"
}

resource "aws_vpc_security_group_egress_rule" "gateway" {
  for_each = data.aws_ec2_managed_prefix_list.gateway

  security_group_id = aws_security_group.function.id
  description       = "${each.key} by its gateway endpoint"
  prefix_list_id    = each.value.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# --- interface endpoints of AWS services -------------------------------------------------------------------------

resource "aws_security_group" "endpoints" {
  name        = "${local.name}-endpoints"
  description = "Interface endpoints of ${local.name}: HTTPS from the functions"
  vpc_id      = local.vpc_id
  tags        = { Name = "${local.name}-endpoints" }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  security_group_id            = aws_security_group.endpoints.id
  description                  = "Functions"
  referenced_security_group_id = aws_security_group.function.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_ingress_rule" "endpoint_clients" {
  for_each = local.endpoint_clients

  security_group_id            = aws_security_group.endpoints.id
  description                  = "Others in the VPC"
  referenced_security_group_id = each.key
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "endpoints" {
  security_group_id            = aws_security_group.function.id
  description                  = "AWS services by interface endpoints"
  referenced_security_group_id = aws_security_group.endpoints.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "endpoints_given" {
  for_each = toset(compact(concat(values(var.vpc.endpoints), [var.snowflake.security_group_id]))) # one group may be of many

  security_group_id            = aws_security_group.function.id
  description                  = "Interface endpoints that were there before"
  referenced_security_group_id = each.key
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_endpoint" "interface" {
  for_each = local.interfaces

  vpc_id              = local.vpc_id
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = local.subnet_ids
  security_group_ids  = [aws_security_group.endpoints.id]
  private_dns_enabled = true
  policy              = local.endpoint_policy
  tags                = { Name = "${local.name}-${each.key}" }
}

# --- Snowflake PrivateLink ------------------------------------------------------------------------------------------

resource "aws_security_group" "snowflake" {
  count = local.privatelink ? 1 : 0

  name        = "${local.name}-snowflake"
  description = "Endpoint of Snowflake PrivateLink of ${local.name}: HTTPS from the functions"
  vpc_id      = local.vpc_id
  tags        = { Name = "${local.name}-snowflake" }
}

resource "aws_vpc_security_group_ingress_rule" "snowflake" {
  count = local.privatelink ? 1 : 0

  security_group_id            = aws_security_group.snowflake[0].id
  description                  = "Functions"
  referenced_security_group_id = aws_security_group.function.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

# Not 80, which Snowflake's pages name for OCSP: connector 5 asks nobody whether a certificate was revoked unless it is told to.
resource "aws_vpc_security_group_egress_rule" "snowflake" {
  count = local.privatelink ? 1 : 0

  security_group_id            = aws_security_group.function.id
  description                  = "Snowflake by PrivateLink"
  referenced_security_group_id = aws_security_group.snowflake[0].id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_endpoint" "snowflake" {
  count = local.privatelink ? 1 : 0

  vpc_id              = local.vpc_id
  service_name        = var.snowflake.service_name
  vpc_endpoint_type   = "Interface"
  subnet_ids          = local.subnet_ids
  security_group_ids  = [aws_security_group.snowflake[0].id]
  private_dns_enabled = false # a service of Snowflake's has no private names of its own: the zone below gives them
  tags                = { Name = "${local.name}-snowflake" }
}

resource "aws_route53_zone" "snowflake" {
  count = local.privatelink ? 1 : 0

  name    = "privatelink.snowflakecomputing.com"
  comment = "Snowflake by PrivateLink, for ${local.name}"

  vpc {
    vpc_id = local.vpc_id
  }
}

resource "aws_route53_record" "snowflake" {
  for_each = local.privatelink ? toset(var.snowflake.hosts) : toset([])

  zone_id = aws_route53_zone.snowflake[0].zone_id
  name    = each.key
  type    = "CNAME"
  ttl     = 300
  records = [aws_vpc_endpoint.snowflake[0].dns_entry[0].dns_name]
}

# --- Snowflake's internal stage, a bucket in S3 -----------------------------------------------------------------------

resource "aws_vpc_endpoint" "stage" {
  count = local.stage_endpoint ? 1 : 0

  vpc_id              = local.vpc_id
  service_name        = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = local.subnet_ids
  security_group_ids  = [aws_security_group.endpoints.id]
  private_dns_enabled = false # only the bucket of the stage goes this way; all others take the gateway endpoint
  policy              = local.endpoint_policy_stage
  tags                = { Name = "${local.name}-stage" }
}

resource "aws_route53_zone" "stage" {
  count = local.stage_endpoint ? 1 : 0

  name    = local.stage_host # this one name, so that no other of S3 is hidden
  comment = "Snowflake's internal stage by an S3 interface endpoint, for ${local.name}"

  vpc {
    vpc_id = local.vpc_id
  }
}

resource "aws_route53_record" "stage" {
  count = local.stage_endpoint ? 1 : 0

  zone_id = aws_route53_zone.stage[0].zone_id
  name    = local.stage_host
  type    = "A"

  alias {
    name                   = replace(aws_vpc_endpoint.stage[0].dns_entry[0].dns_name, "*", "\\052") # as Route 53 gives it back
    zone_id                = aws_vpc_endpoint.stage[0].dns_entry[0].hosted_zone_id
    evaluate_target_health = false
  }
}
