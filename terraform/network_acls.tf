# What may cross the border of a subnet, whatever security groups say. Network ACLs do not remember connections: replies need
# rules of their own, to the ports 1024-65535 that Lambda and NAT gateways use. Only for a VPC made here.

locals {
  inside  = concat([var.vpc.cidr], keys(var.vpc.peers))
  anybody = ["0.0.0.0/0"]
  replies = [1024, 65535]
  private = values(local.private_cidrs)

  vault_ports = local.vault_port == null || local.vault_port == 443 ? [] : [local.vault_port]
  nat_ports   = distinct(concat(local.vault_outside ? [local.vault_port] : [], local.snowflake_outside ? [443] : []))

  acl_rules = !local.vpc_made ? {} : {
    private = {
      in = concat(
        [{ ports = [443, 443], cidrs = local.private }],    # endpoints, from functions in any zone
        [{ ports = local.replies, cidrs = local.anybody }], # S3 and DynamoDB answer from public addresses
      )
      out = concat(
        [{ ports = [443, 443], cidrs = local.anybody }],
        [{ ports = [var.aurora.port, var.aurora.port], cidrs = local.inside }],
        [for port in local.vault_ports : { ports = [port, port], cidrs = local.vault_outside ? local.anybody : local.inside }],
        [{ ports = local.replies, cidrs = local.private }],
      )
    }
    database = {
      in  = [{ ports = [var.aurora.port, var.aurora.port], cidrs = local.inside }]
      out = [{ ports = local.replies, cidrs = local.inside }]
    }
    public = !local.nat ? { in = [], out = [] } : {
      in = concat(
        [for port in local.nat_ports : { ports = [port, port], cidrs = local.private }],
        [{ ports = local.replies, cidrs = local.anybody }],
      )
      out = concat(
        [for port in local.nat_ports : { ports = [port, port], cidrs = local.anybody }],
        [{ ports = local.replies, cidrs = local.private }],
      )
    }
  }

  # One rule an address: "private-in-100" and so on.
  acl_rules_flat = merge([
    for acl, directions in local.acl_rules : merge([
      for direction, rules in directions : {
        for n, rule in flatten([for rule in rules : [for cidr in rule.cidrs : { ports = rule.ports, cidr = cidr }]]) :
        "${acl}-${direction}-${100 + n}" => merge(rule, { acl = acl, egress = direction == "out", number = 100 + n })
      }
    ]...)
  ]...)

  acl_subnets = {
    private  = [for zone, subnet in aws_subnet.private : subnet.id]
    database = [for zone, subnet in aws_subnet.database : subnet.id]
    public   = [for zone, subnet in aws_subnet.public : subnet.id]
  }
}

resource "aws_network_acl" "main" {
  for_each = toset(concat(local.vpc_made ? ["private", "database"] : [], local.nat ? ["public"] : []))

  vpc_id     = local.vpc_id
  subnet_ids = local.acl_subnets[each.key]
  tags       = { Name = "${local.name}-${each.key}" }
}

# Replies of S3, DynamoDB and what is outside: from any address, to ports from 1024 on; security groups let in none but these.
# trivy:ignore:AWS-0105
resource "aws_network_acl_rule" "main" {
  for_each = local.acl_rules_flat

  network_acl_id = aws_network_acl.main[each.value.acl].id
  rule_number    = each.value.number
  egress         = each.value.egress
  rule_action    = "allow"
  protocol       = "tcp"
  cidr_block     = each.value.cidr
  from_port      = each.value.ports[0]
  to_port        = each.value.ports[1]
}
