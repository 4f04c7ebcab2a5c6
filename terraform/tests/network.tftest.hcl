# The ways to shape the network: which resources there are, and which there must not be.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }
}

variables {
  environment   = "dev"
  region        = "us-east-1"
  configuration = "environments/dev.toml"
  package       = { s3 = { bucket = "acme-borealis-packages", key = "borealis-arm64.zip" } }
  vpc           = { cidr = "10.0.0.0/16", zones = ["us-east-1a", "us-east-1b"] }
  vault         = { address = "https://vault.example.com:8200", cidrs = ["10.0.30.0/24"] }
  snowflake = {
    service_name = "com.amazonaws.vpce.us-east-1.vpce-svc-0a1b2c3d4e5f60718"
    stage_bucket = "sfc-va-ds1-customer-stage"
    hosts        = ["ab12345.us-east-1.privatelink.snowflakecomputing.com", "acme-dev.privatelink.snowflakecomputing.com"]
  }
}

run "a_vpc_made_here_has_private_and_database_subnets_and_no_way_out" {
  command = plan

  assert {
    condition     = [for zone in ["us-east-1a", "us-east-1b"] : aws_subnet.private[zone].cidr_block] == ["10.0.1.0/24", "10.0.2.0/24"]
    error_message = "private subnets are the document's"
  }
  assert {
    condition     = aws_subnet.database["us-east-1a"].cidr_block == "10.0.10.0/24"
    error_message = "the database subnet is the document's"
  }
  assert {
    condition     = length(aws_nat_gateway.main) + length(aws_internet_gateway.main) + length(aws_route.nat) + length(aws_route.internet) + length(aws_subnet.public) + length(aws_eip.nat) == 0
    error_message = "nothing leads to the internet where Vault is inside and Snowflake by PrivateLink"
  }
  assert {
    condition     = alltrue([for rule in concat(values(aws_vpc_security_group_egress_rule.aurora_address), values(aws_vpc_security_group_egress_rule.vault_address), values(aws_vpc_security_group_egress_rule.snowflake_outside)) : rule.cidr_ipv4 != "0.0.0.0/0"])
    error_message = "the functions may not reach the whole internet"
  }
  assert {
    condition     = keys(aws_network_acl.main) == ["database", "private"]
    error_message = "private and database subnets have ACLs of their own"
  }
  assert {
    condition     = keys(aws_vpc_endpoint.gateway) == ["dynamodb", "s3"] && keys(aws_vpc_endpoint.interface) == ["lambda", "logs", "sns", "sqs", "states", "sts"]
    error_message = "endpoints are those of the services that the code calls"
  }
  assert {
    condition     = length(aws_default_security_group.main) == 1 && keys(aws_flow_log.main) == ["vpc"]
    error_message = "the default security group is locked, and flows are logged"
  }
  assert {
    condition     = keys(aws_vpc_security_group_egress_rule.aurora_address) == ["10.0.10.0/24", "10.0.11.0/24"] && length(aws_vpc_security_group_egress_rule.aurora_group) == 0
    error_message = "without another word Aurora is in the database subnets"
  }
}

run "vault_outside_takes_a_nat_gateway_a_zone" {
  command = plan
  variables { vault = { address = "https://vault.example.com:8200", outside = true } }

  assert {
    condition     = keys(aws_nat_gateway.main) == ["us-east-1a", "us-east-1b"] && length(aws_internet_gateway.main) == 1 && keys(aws_route.nat) == ["us-east-1a", "us-east-1b"]
    error_message = "a NAT gateway and a route a zone, and an internet gateway"
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.vault_address["0.0.0.0/0"].from_port == 8200 && length(aws_vpc_security_group_egress_rule.snowflake_outside) == 0
    error_message = "the functions may leave for the port of Vault, and for no other"
  }
  assert {
    condition     = [for key, rule in aws_network_acl_rule.main : rule.from_port if startswith(key, "public-out") && rule.cidr_block == "0.0.0.0/0"] == [8200]
    error_message = "the public subnets let out what goes to Vault"
  }
}

run "vault_at_the_port_of_https_needs_no_number" {
  command = plan
  variables { vault = { address = "https://vault.example.com", outside = true } }

  assert {
    condition     = aws_vpc_security_group_egress_rule.vault_address["0.0.0.0/0"].to_port == 443
    error_message = "https is 443"
  }
}

run "vault_by_its_security_group_gets_a_rule_there_and_may_use_the_endpoints" {
  command = plan
  variables { vault = { address = "https://vault.example.com:8200", security_group_id = "sg-0a1b2c3d4e5f60715" } }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.vault_group[0].from_port == 8200 && aws_vpc_security_group_egress_rule.vault_group[0].referenced_security_group_id == "sg-0a1b2c3d4e5f60715"
    error_message = "both ends of the way to Vault"
  }
  assert {
    condition     = keys(aws_vpc_security_group_ingress_rule.endpoint_clients) == ["sg-0a1b2c3d4e5f60715"]
    error_message = "Vault asks STS by the endpoint"
  }
}

run "snowflake_without_private_link_takes_nat" {
  command = plan
  variables { snowflake = { stage_bucket = "sfc-va-ds1-customer-stage" } }

  assert {
    condition     = length(aws_nat_gateway.main) == 2 && aws_vpc_security_group_egress_rule.snowflake_outside["443"].cidr_ipv4 == "0.0.0.0/0"
    error_message = "by NAT"
  }
  assert {
    condition     = length(aws_vpc_endpoint.snowflake) + length(aws_vpc_endpoint.stage) + length(aws_route53_zone.snowflake) + length(aws_route53_zone.stage) == 0
    error_message = "no endpoint, no names"
  }
}

run "private_link_has_its_names_and_the_stage_one_of_its_own" {
  command = plan

  assert {
    condition     = aws_vpc_endpoint.snowflake[0].service_name == var.snowflake.service_name && aws_route53_zone.snowflake[0].name == "privatelink.snowflakecomputing.com"
    error_message = "the endpoint, and the zone of its names"
  }
  assert {
    condition     = toset(keys(aws_route53_record.snowflake)) == toset(var.snowflake.hosts)
    error_message = "a record a host"
  }
  assert {
    condition     = aws_vpc_endpoint.stage[0].service_name == "com.amazonaws.us-east-1.s3" && aws_vpc_endpoint.stage[0].vpc_endpoint_type == "Interface"
    error_message = "an S3 interface endpoint"
  }
  assert {
    condition     = aws_route53_zone.stage[0].name == "sfc-va-ds1-customer-stage.s3.us-east-1.amazonaws.com" && aws_route53_record.stage[0].name == aws_route53_zone.stage[0].name
    error_message = "a zone of that name alone: one of s3.us-east-1.amazonaws.com would hide all other buckets"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.snowflake[0].from_port == 443 && aws_vpc_security_group_ingress_rule.snowflake[0].to_port == 443
    error_message = "HTTPS and nothing else"
  }
}

run "the_stage_may_take_the_gateway" {
  command = plan
  variables {
    snowflake = {
      service_name   = "com.amazonaws.vpce.us-east-1.vpce-svc-0a1b2c3d4e5f60718"
      stage_bucket   = "sfc-va-ds1-customer-stage"
      stage_endpoint = false
      hosts          = ["acme-dev.privatelink.snowflakecomputing.com"]
    }
  }

  assert {
    condition     = length(aws_vpc_endpoint.stage) + length(aws_route53_zone.stage) == 0 && length(aws_vpc_endpoint.snowflake) == 1
    error_message = "the gateway endpoint leads to the bucket too"
  }
}

run "endpoints_admit_the_own_account_and_the_stage_of_snowflake" {
  command = plan

  assert {
    condition = alltrue([for endpoint in values(aws_vpc_endpoint.interface) :
      jsondecode(endpoint.policy).Statement[*].Condition.StringEquals["aws:PrincipalAccount"] == ["123456789012"]
    ])
    error_message = "interface endpoints admit identities of this account"
  }
  assert {
    condition     = jsondecode(aws_vpc_endpoint.gateway["s3"].policy).Statement[1].Resource == ["arn:aws:s3:::sfc-va-ds1-customer-stage", "arn:aws:s3:::sfc-va-ds1-customer-stage/*"]
    error_message = "and the gateway of S3 one bucket more"
  }
  assert {
    condition     = length(jsondecode(aws_vpc_endpoint.gateway["dynamodb"].policy).Statement) == 1 && length(jsondecode(aws_vpc_endpoint.stage[0].policy).Statement) == 1
    error_message = "the others nothing more"
  }
}

run "a_vpc_that_is_given_stays_as_it_is" {
  command = plan
  variables {
    vpc = {
      id               = "vpc-0a1b2c3d4e5f60718"
      subnet_ids       = ["subnet-0a1b2c3d4e5f60711", "subnet-0a1b2c3d4e5f60712"]
      route_table_ids  = ["rtb-0a1b2c3d4e5f60711"]
      endpoints        = { s3 = "", sqs = "sg-0a1b2c3d4e5f60713" }
      endpoint_clients = ["sg-0a1b2c3d4e5f60716"]
      services         = ["xray"]
    }
    aurora = { security_group_id = "sg-0a1b2c3d4e5f60714", port = 5433 }
    vault  = { address = "https://vault.example.com:8200", outside = true }
  }

  assert {
    condition     = length(aws_vpc.main) + length(aws_subnet.private) + length(aws_network_acl.main) + length(aws_nat_gateway.main) + length(aws_default_security_group.main) + length(aws_db_subnet_group.main) == 0
    error_message = "no VPC, no subnets, no ACLs, no NAT: its owner has them"
  }
  assert {
    condition     = aws_lambda_function.this["worker"].vpc_config[0].subnet_ids == toset(var.vpc.subnet_ids)
    error_message = "the functions are in the subnets that were given"
  }
  assert {
    condition     = keys(aws_vpc_endpoint.gateway) == ["dynamodb"] && keys(aws_vpc_endpoint.interface) == ["lambda", "logs", "sns", "states", "sts", "xray"]
    error_message = "only endpoints that it has not, and those asked for"
  }
  assert {
    condition     = keys(aws_vpc_security_group_egress_rule.endpoints_given) == ["sg-0a1b2c3d4e5f60713"] && keys(aws_vpc_security_group_ingress_rule.endpoint_clients) == ["sg-0a1b2c3d4e5f60716"]
    error_message = "the functions reach the endpoints that were there, others those made here"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.aurora_group[0].security_group_id == "sg-0a1b2c3d4e5f60714" && aws_vpc_security_group_ingress_rule.aurora_group[0].from_port == 5433 && length(aws_vpc_security_group_egress_rule.aurora_address) == 0
    error_message = "both ends of the way to Aurora"
  }
  assert {
    condition     = toset(keys(aws_flow_log.main)) == toset(var.vpc.subnet_ids)
    error_message = "flows of the functions' subnets are logged, and not those of everybody"
  }
}

run "endpoints_that_are_there_are_used_by_one_rule_a_group" {
  command = plan
  variables {
    vpc = {
      id              = "vpc-0a1b2c3d4e5f60718"
      subnet_ids      = ["subnet-0a1b2c3d4e5f60711", "subnet-0a1b2c3d4e5f60712"]
      route_table_ids = ["rtb-0a1b2c3d4e5f60711"]
      endpoints       = { sqs = "sg-0a1b2c3d4e5f60717", sns = "sg-0a1b2c3d4e5f60717" }
    }
    aurora    = { cidrs = ["10.0.10.0/24"] }
    snowflake = { stage_bucket = "sfc-va-ds1-customer-stage", security_group_id = "sg-0a1b2c3d4e5f60717" }
  }

  assert {
    condition     = keys(aws_vpc_security_group_egress_rule.endpoints_given) == ["sg-0a1b2c3d4e5f60717"]
    error_message = "AWS refuses the same rule twice"
  }
  assert {
    condition     = length(aws_vpc_endpoint.snowflake) + length(aws_vpc_security_group_egress_rule.snowflake) + length(aws_vpc_security_group_egress_rule.snowflake_outside) == 0
    error_message = "no endpoint of ours, and no way to the internet"
  }
}

run "https_to_the_internet_is_one_rule_for_vault_and_snowflake" {
  command = plan
  variables {
    vault     = { address = "https://vault.example.com", outside = true }
    snowflake = { stage_bucket = "sfc-va-ds1-customer-stage" }
  }

  assert {
    condition     = length(aws_vpc_security_group_egress_rule.vault_address) == 1 && length(aws_vpc_security_group_egress_rule.snowflake_outside) == 0
    error_message = "AWS refuses the same rule twice"
  }
}

run "peers_are_routed_to_and_let_through" {
  command = plan
  variables {
    vpc    = { cidr = "10.0.0.0/16", zones = ["us-east-1a", "us-east-1b"], peers = { "10.9.0.0/16" = "pcx-0a1b2c3d4e5f60718" } }
    aurora = { cidrs = ["10.9.1.0/24"] }
  }

  assert {
    condition     = keys(aws_route.peer) == ["us-east-1a 10.9.0.0/16", "us-east-1b 10.9.0.0/16"]
    error_message = "a route a zone"
  }
  assert {
    condition     = length([for rule in aws_network_acl_rule.main : rule if rule.cidr_block == "10.9.0.0/16" && rule.egress && rule.from_port == 5432]) == 1
    error_message = "the private subnets let PostgreSQL out to it"
  }
}

# --- what is refused (more in variables.tftest.hcl) -----------------------------------------------------------------

run "subnets_of_one_zone" {
  command = plan
  variables {
    vpc    = { id = "vpc-0a1b2c3d4e5f60718", subnet_ids = ["subnet-0a1b2c3d4e5f60711"], route_table_ids = ["rtb-0a1b2c3d4e5f60711"] }
    aurora = { cidrs = ["10.0.10.0/24"] }
  }
  expect_failures = [var.vpc]
}

run "gateways_without_route_tables" {
  command = plan
  variables {
    vpc    = { id = "vpc-0a1b2c3d4e5f60718", subnet_ids = ["subnet-0a1b2c3d4e5f60711", "subnet-0a1b2c3d4e5f60712"], endpoints = { s3 = "" } }
    aurora = { cidrs = ["10.0.10.0/24"] }
  }
  expect_failures = [var.vpc]
}

run "an_endpoint_without_its_security_group" {
  command = plan
  variables {
    vpc = {
      id         = "vpc-0a1b2c3d4e5f60718"
      subnet_ids = ["subnet-0a1b2c3d4e5f60711", "subnet-0a1b2c3d4e5f60712"]
      endpoints  = { s3 = "", dynamodb = "", sqs = "" }
    }
    aurora = { cidrs = ["10.0.10.0/24"] }
  }
  expect_failures = [var.vpc]
}

run "an_aurora_nowhere_in_a_vpc_that_is_given" {
  command = plan
  variables {
    vpc = { id = "vpc-0a1b2c3d4e5f60718", subnet_ids = ["subnet-0a1b2c3d4e5f60711", "subnet-0a1b2c3d4e5f60712"], route_table_ids = ["rtb-0a1b2c3d4e5f60711"] }
  }
  expect_failures = [var.aurora]
}

run "a_peer_that_is_no_peering_connection" {
  command = plan
  variables { vpc = { cidr = "10.0.0.0/16", zones = ["us-east-1a", "us-east-1b"], peers = { "10.9.0.0/16" = "tgw-0a1b2c3d4e5f60718" } } }
  expect_failures = [var.vpc]
}

run "a_vault_both_inside_and_outside" {
  command = plan
  variables { vault = { address = "https://vault.example.com:8200", outside = true, cidrs = ["10.0.30.0/24"] } }
  expect_failures = [var.vault]
}

run "a_vault_nowhere" {
  command = plan
  variables { vault = { address = "https://vault.example.com:8200" } }
  expect_failures = [var.vault]
}

run "a_stage_by_its_host_name" {
  command = plan
  variables { snowflake = { stage_bucket = "sfc-va-ds1-customer-stage.s3.us-east-1.amazonaws.com" } }
  expect_failures = [var.snowflake]
}

run "an_endpoint_of_snowflake_made_and_given" {
  command = plan
  variables {
    snowflake = {
      service_name      = "com.amazonaws.vpce.us-east-1.vpce-svc-0a1b2c3d4e5f60718"
      stage_bucket      = "sfc-va-ds1-customer-stage"
      hosts             = ["acme-dev.privatelink.snowflakecomputing.com"]
      security_group_id = "sg-0a1b2c3d4e5f60717"
    }
  }
  expect_failures = [var.snowflake]
}
