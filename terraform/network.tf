# The VPC, made here or given, and what may leave the functions. Nothing may enter them.
# docs/network.md has it as a table: from, to, port, way, resource.

locals {
  vpc_made    = var.vpc.cidr != null
  zones       = local.vpc_made ? { for n, zone in var.vpc.zones : zone => n } : {}
  vpc_id      = local.vpc_made ? aws_vpc.main[0].id : var.vpc.id
  subnet_ids  = local.vpc_made ? [for zone in var.vpc.zones : aws_subnet.private[zone].id] : var.vpc.subnet_ids
  route_ids   = local.vpc_made ? [for zone in var.vpc.zones : aws_route_table.private[zone].id] : var.vpc.route_table_ids
  privatelink = var.snowflake.service_name != null
  # Over the internet, and so by NAT: Vault where it is outside; Snowflake where no endpoint leads to it.
  vault_outside     = var.vault == null ? false : var.vault.outside
  snowflake_outside = !local.privatelink && var.snowflake.security_group_id == null
  nat               = local.vpc_made && (local.vault_outside || local.snowflake_outside)
  vault_port        = var.vault == null ? null : try(tonumber(regex("^https://[^/:]+:([0-9]+)", var.vault.address)[0]), 443)
  # Subnets are a 256th of the VPC: 10.0.1.0/24, 10.0.2.0/24 private; 10.0.10.0/24.. database; 10.0.20.0/24.. public.
  private_cidrs  = { for zone, n in local.zones : zone => cidrsubnet(var.vpc.cidr, 8, 1 + n) }
  database_cidrs = { for zone, n in local.zones : zone => cidrsubnet(var.vpc.cidr, 8, 10 + n) }
  public_cidrs   = local.nat ? { for zone, n in local.zones : zone => cidrsubnet(var.vpc.cidr, 8, 20 + n) } : {}
  # Where Aurora and Vault are to be found, as addresses: those given, else what this VPC has routes to.
  aurora_cidrs = var.aurora.security_group_id != null ? [] : length(var.aurora.cidrs) > 0 ? var.aurora.cidrs : values(local.database_cidrs)
  vault_cidrs  = var.vault == null ? [] : var.vault.outside ? ["0.0.0.0/0"] : var.vault.cidrs
}

# --- a VPC of our own -------------------------------------------------------------------------------------------

# Flow logs: aws_flow_log.main, which the scanner does not follow to here.
# trivy:ignore:AWS-0178
resource "aws_vpc" "main" {
  count = local.vpc_made ? 1 : 0

  cidr_block           = var.vpc.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true # private DNS of endpoints needs both
  tags                 = { Name = local.name }
}

resource "aws_default_security_group" "main" {
  count = local.vpc_made ? 1 : 0

  vpc_id = aws_vpc.main[0].id # without rules: nothing goes in or out by it
  tags   = { Name = "${local.name}-default-unused" }
}

resource "aws_subnet" "private" {
  for_each = local.zones

  vpc_id            = aws_vpc.main[0].id
  availability_zone = each.key
  cidr_block        = local.private_cidrs[each.key]
  tags              = { Name = "${local.name}-private-${each.key}" }

  timeouts {
    delete = "45m" # Lambda gives its network interfaces back late
  }
}

resource "aws_subnet" "database" {
  for_each = local.zones

  vpc_id            = aws_vpc.main[0].id
  availability_zone = each.key
  cidr_block        = local.database_cidrs[each.key]
  tags              = { Name = "${local.name}-database-${each.key}" }
}

resource "aws_db_subnet_group" "main" {
  count = local.vpc_made ? 1 : 0

  name        = local.name
  description = "Where an Aurora cluster in the VPC of ${local.name} belongs"
  subnet_ids  = [for zone in var.vpc.zones : aws_subnet.database[zone].id]
}

resource "aws_subnet" "public" {
  for_each = local.public_cidrs

  vpc_id            = aws_vpc.main[0].id
  availability_zone = each.key
  cidr_block        = each.value
  tags              = { Name = "${local.name}-public-${each.key}" }
}

resource "aws_internet_gateway" "main" {
  count = local.nat ? 1 : 0

  vpc_id = aws_vpc.main[0].id
  tags   = { Name = local.name }
}

resource "aws_eip" "nat" {
  for_each = local.public_cidrs

  domain = "vpc"
  tags   = { Name = "${local.name}-nat-${each.key}" }
}

resource "aws_nat_gateway" "main" {
  for_each = local.public_cidrs # one a zone: the loss of a zone stops nobody in another

  allocation_id = aws_eip.nat[each.key].id
  subnet_id     = aws_subnet.public[each.key].id
  tags          = { Name = "${local.name}-${each.key}" }
  depends_on    = [aws_internet_gateway.main]
}

# --- routes -----------------------------------------------------------------------------------------------------

resource "aws_route_table" "private" {
  for_each = local.zones

  vpc_id = aws_vpc.main[0].id
  tags   = { Name = "${local.name}-private-${each.key}" }
}

resource "aws_route_table_association" "private" {
  for_each = local.zones

  route_table_id = aws_route_table.private[each.key].id
  subnet_id      = aws_subnet.private[each.key].id
}

resource "aws_route" "nat" {
  for_each = local.public_cidrs

  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.main[each.key].id
}

resource "aws_route" "peer" {
  for_each = { for pair in setproduct(keys(local.zones), keys(var.vpc.peers)) : "${pair[0]} ${pair[1]}" => { zone = pair[0], cidr = pair[1] } }

  route_table_id            = aws_route_table.private[each.value.zone].id
  destination_cidr_block    = each.value.cidr
  vpc_peering_connection_id = var.vpc.peers[each.value.cidr]
}

resource "aws_route_table" "database" {
  count = local.vpc_made ? 1 : 0

  vpc_id = aws_vpc.main[0].id # the VPC itself, and nothing else
  tags   = { Name = "${local.name}-database" }
}

resource "aws_route_table_association" "database" {
  for_each = local.zones

  route_table_id = aws_route_table.database[0].id
  subnet_id      = aws_subnet.database[each.key].id
}

resource "aws_route_table" "public" {
  count = local.nat ? 1 : 0

  vpc_id = aws_vpc.main[0].id
  tags   = { Name = "${local.name}-public" }
}

resource "aws_route_table_association" "public" {
  for_each = local.public_cidrs

  route_table_id = aws_route_table.public[0].id
  subnet_id      = aws_subnet.public[each.key].id
}

resource "aws_route" "internet" {
  count = local.nat ? 1 : 0

  route_table_id         = aws_route_table.public[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.main[0].id
}

# --- the functions' security group: what they may reach -----------------------------------------------------------

resource "aws_security_group" "function" {
  name        = "${local.name}-function"
  description = "Functions of ${local.name}: nothing comes in, and out only what the rules name"
  vpc_id      = local.vpc_id
  tags        = { Name = "${local.name}-function" }

  timeouts {
    delete = "45m"
  }
}

resource "aws_vpc_security_group_egress_rule" "aurora_group" {
  count = var.aurora.security_group_id == null ? 0 : 1

  security_group_id            = aws_security_group.function.id
  description                  = "PostgreSQL of the source"
  referenced_security_group_id = var.aurora.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.aurora.port
  to_port                      = var.aurora.port
}

resource "aws_vpc_security_group_ingress_rule" "aurora_group" {
  count = var.aurora.security_group_id == null ? 0 : 1

  security_group_id            = var.aurora.security_group_id
  description                  = "Functions of ${local.name}"
  referenced_security_group_id = aws_security_group.function.id
  ip_protocol                  = "tcp"
  from_port                    = var.aurora.port
  to_port                      = var.aurora.port
}

resource "aws_vpc_security_group_egress_rule" "aurora_address" {
  for_each = toset(local.aurora_cidrs)

  security_group_id = aws_security_group.function.id
  description       = "PostgreSQL of the source"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = var.aurora.port
  to_port           = var.aurora.port
}

resource "aws_vpc_security_group_egress_rule" "vault_group" {
  count = try(var.vault.security_group_id, null) == null ? 0 : 1

  security_group_id            = aws_security_group.function.id
  description                  = "Vault"
  referenced_security_group_id = var.vault.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = local.vault_port
  to_port                      = local.vault_port
}

resource "aws_vpc_security_group_ingress_rule" "vault_group" {
  count = try(var.vault.security_group_id, null) == null ? 0 : 1

  security_group_id            = var.vault.security_group_id
  description                  = "Functions of ${local.name}"
  referenced_security_group_id = aws_security_group.function.id
  ip_protocol                  = "tcp"
  from_port                    = local.vault_port
  to_port                      = local.vault_port
}

# A Vault outside has no address that stays; its one port, and TLS, say who it is.
# trivy:ignore:AWS-0104
resource "aws_vpc_security_group_egress_rule" "vault_address" {
  for_each = toset(local.vault_cidrs)

  security_group_id = aws_security_group.function.id
  description       = each.key == "0.0.0.0/0" ? "Vault, outside, by NAT" : "Vault"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = local.vault_port
  to_port           = local.vault_port
}

# Nor has Snowflake.
# trivy:ignore:AWS-0104
resource "aws_vpc_security_group_egress_rule" "snowflake_outside" {
  for_each = local.snowflake_outside && !(local.vault_outside && local.vault_port == 443) ? toset(["443"]) : toset([])

  security_group_id = aws_security_group.function.id
  description       = "Snowflake without PrivateLink, by NAT"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
