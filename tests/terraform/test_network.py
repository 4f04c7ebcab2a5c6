"""Packets that must arrive, and packets that must not, through security groups, network ACLs and routes of the plan."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from tests.terraform.running import ROOT, TREE, Rendered, Resource

FUNCTIONS = {"prod": ("10.0.1.20", "10.0.2.20"), "staging": ("10.1.1.20", "10.1.2.20")}
"""An address of a function in each zone."""
INTERNET = "198.51.100.7"
S3 = "52.216.1.1"
REPLY_PORTS = (1024, 40000, 65535)
FILES = ("network.tf", "network_acls.tf", "endpoints.tf", "flow_logs.tf")
NO_WAY_NEEDED = {"xray", "ec2", "rds-db", "kms"}
"""Lambda and S3 do these themselves, or the answer is made without asking anybody."""


@dataclass(frozen=True, slots=True)
class Packet:
    environment: str
    to: str
    port: int
    group: str | None = None
    """Name of the security group there, if it is one of ours, or its id."""
    prefix: str | None = None
    """The gateway endpoint whose prefix list the address is in."""


ARRIVE = {
    "Aurora, by its security group": Packet("prod", "10.0.10.50", 5432, "sg-0f1e2d3c4b5a69788"),
    "Aurora, by its subnet": Packet("staging", "10.1.11.50", 5432),
    "AWS by an interface endpoint": Packet("prod", "10.0.2.100", 443, "endpoints"),
    "Snowflake": Packet("prod", "10.0.2.101", 443, "snowflake"),
    "S3 by its gateway": Packet("prod", S3, 443, prefix="s3"),
    "S3 without any NAT": Packet("staging", S3, 443, prefix="s3"),
    "Vault outside": Packet("prod", INTERNET, 443),
    "Vault behind a peering connection": Packet("staging", "10.9.4.7", 8200),
}
DO_NOT = {
    "anything outside where Vault is inside": Packet("staging", INTERNET, 443),
    "another port outside": Packet("prod", INTERNET, 22),
    "plain HTTP outside": Packet("prod", INTERNET, 80),
    "a database outside": Packet("prod", INTERNET, 5432),
    "a shell at the database": Packet("prod", "10.0.10.50", 22, "sg-0f1e2d3c4b5a69788"),
    "plain HTTP at Snowflake": Packet("prod", "10.0.2.101", 80, "snowflake"),
    "plain HTTP at AWS": Packet("prod", "10.0.2.100", 80, "endpoints"),
    "S3 without TLS": Packet("prod", S3, 80, prefix="s3"),
    "another address behind the peering connection": Packet("staging", "10.9.5.7", 8200),
    "another function": Packet("prod", "10.0.2.21", 443, "function"),
}


@pytest.mark.parametrize("name", ARRIVE)
def test_what_a_function_needs_arrives_and_is_answered(every, name):
    packet = ARRIVE[name]
    rendered = every[packet.environment]
    for function in FUNCTIONS[packet.environment]:
        assert _groups_let(rendered, packet)
        assert _subnets_let(rendered, function, packet)


@pytest.mark.parametrize("name", DO_NOT)
def test_what_a_function_does_not_need_never_leaves(every, name):
    packet = DO_NOT[name]
    assert not _groups_let(every[packet.environment], packet)


def test_a_rule_of_a_security_group_opens_one_port(rendered):
    rules = [
        *rendered.all("aws_vpc_security_group_egress_rule"),
        *rendered.all("aws_vpc_security_group_ingress_rule"),
    ]
    assert not [each.address for each in rules if each["ip_protocol"] != "tcp" or each["from_port"] != each["to_port"]]


def test_nobody_can_call_a_function(rendered):
    ours = rendered.one("aws_security_group.function")["id"]
    rules = rendered.all("aws_vpc_security_group_ingress_rule")
    assert not [each.address for each in rules if each["security_group_id"] == ours]
    assert not [each.address for each in rules if each["cidr_ipv4"]], "all others name who may come"


@pytest.mark.parametrize("environment", FUNCTIONS)
def test_each_subnet_of_functions_has_routes_to_the_gateways_and_to_nat_in_its_own_zone(every, environment):
    rendered = every[environment]
    tables = {
        str(each["subnet_id"]): str(each["route_table_id"])
        for each in rendered.all("aws_route_table_association")
        if each.name == "private"
    }
    zones = {
        str(each["id"]): each["availability_zone"] for each in rendered.all("aws_subnet") if each.name != "database"
    }
    functions = set(rendered.one('aws_lambda_function.this["worker"]')["vpc_config"][0]["subnet_ids"])
    assert functions == tables.keys()
    for each in rendered.all("aws_vpc_endpoint"):
        if each.name == "gateway":
            assert set(each["route_table_ids"]) == set(tables.values())
    gateways = {each["id"]: zones[each["subnet_id"]] for each in rendered.all("aws_nat_gateway")}
    routes = {
        each["route_table_id"]: gateways[each["nat_gateway_id"]]
        for each in rendered.all("aws_route")
        if each.name == "nat"
    }
    assert routes == ({tables[subnet]: zones[subnet] for subnet in tables} if environment == "prod" else {})


@pytest.mark.parametrize(("port", "subnet"), [(22, "10.0.1.20"), (443, "10.0.10.50"), (5432, "10.0.10.50")])
def test_the_internet_does_not_enter_a_subnet(prod, port, subnet):
    assert not _let(prod, _acl(prod, subnet), INTERNET, port, egress=False)


def test_a_service_that_a_function_may_call_has_a_way_there_and_every_way_is_used(every):
    """A right without a way hangs until the time limit; a way without a right is paid for."""
    rendered = every["prod"]
    policies = [json.loads(each["policy"]) for each in rendered.all("aws_iam_role_policy") if "function" in each.name]
    called = {action.partition(":")[0] for policy in policies for action in _allowed(policy)} - NO_WAY_NEEDED
    ways = {
        str(each["service_name"]).rpartition(".")[2]
        for each in rendered.all("aws_vpc_endpoint")
        if each.name in ("gateway", "interface")
    }
    assert called | {"sts"} == ways


def test_every_resource_of_the_network_stands_in_the_document(prod):
    document = (ROOT / "docs" / "network.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(aws_\w+\.\w+)", document))
    made = {
        ".".join(found)
        for file in FILES
        for found in re.findall(r'^resource "(\w+)" "(\w+)"', (TREE / file).read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert made <= named
    assert named <= made | {f"{each.type}.{each.name}" for each in prod.resources}


# --- security groups --------------------------------------------------------------------------------------------


def _groups_let(rendered: Rendered, packet: Packet) -> bool:
    function = rendered.one("aws_security_group.function")["id"]
    group = _group(rendered, packet.group)
    out = any(
        _names(rule, packet, group)
        for rule in rendered.all("aws_vpc_security_group_egress_rule")
        if rule["security_group_id"] == function and rule["from_port"] <= packet.port <= rule["to_port"]
    )
    into = group is None or any(
        rule["security_group_id"] == group
        and rule["referenced_security_group_id"] == function
        and rule["from_port"] <= packet.port <= rule["to_port"]
        for rule in rendered.all("aws_vpc_security_group_ingress_rule")
    )
    return out and into


def _group(rendered: Rendered, name: str | None) -> str | None:
    if name is None or name.startswith("sg-"):
        return name
    return next(str(each["id"]) for each in rendered.all("aws_security_group") if each.name == name)


def _names(rule: Resource, packet: Packet, group: str | None) -> bool:
    if rule["referenced_security_group_id"]:
        return bool(rule["referenced_security_group_id"] == group)
    if rule["prefix_list_id"]:
        return packet.prefix is not None and f'"{packet.prefix}"' in rule.address
    return _within(packet.to, rule["cidr_ipv4"])


# --- subnets ----------------------------------------------------------------------------------------------------


def _subnets_let(rendered: Rendered, function: str, packet: Packet) -> bool:
    """There and back. Each border that is crossed asks who is on its other side."""
    home, there = _subnet(rendered, function), _subnet(rendered, packet.to)
    if home == there:
        return True
    borders = [(_acl(rendered, function), packet.to, True)]
    if there is not None:
        borders.append((_acl(rendered, packet.to), function, False))
    elif packet.to == INTERNET:
        public = _acl(rendered, _nat(rendered))
        borders += [(public, function, False), (public, packet.to, True)]
    return all(
        _let(rendered, acl, other, packet.port, egress=outward)
        and all(_let(rendered, acl, other, port, egress=not outward) for port in REPLY_PORTS)
        for acl, other, outward in borders
    )


def _nat(rendered: Rendered) -> str:
    """An address in the subnet of the NAT gateway that the private subnet's route leads to."""
    gateway = rendered.all("aws_nat_gateway")[0]
    assert any(each["nat_gateway_id"] == gateway["id"] for each in rendered.all("aws_route"))
    subnet = next(each for each in rendered.all("aws_subnet") if each["id"] == gateway["subnet_id"])
    return str(ipaddress.ip_network(subnet["cidr_block"])[9])


def _subnet(rendered: Rendered, address: str) -> Resource | None:
    return next((each for each in rendered.all("aws_subnet") if _within(address, each["cidr_block"])), None)


def _acl(rendered: Rendered, address: str) -> str | None:
    subnet = _subnet(rendered, address)
    acls = rendered.all("aws_network_acl")
    return None if subnet is None else next(str(each["id"]) for each in acls if subnet["id"] in each["subnet_ids"])


def _let(rendered: Rendered, acl: str | None, other: str, port: int, *, egress: bool) -> bool:
    return any(
        rule["egress"] == egress and rule["from_port"] <= port <= rule["to_port"] and _within(other, rule["cidr_block"])
        for rule in rendered.all("aws_network_acl_rule")
        if rule["network_acl_id"] == acl
    )


def _within(address: str, cidr: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(cidr)


def _allowed(policy: dict) -> Iterable[str]:
    for statement in policy["Statement"]:
        if statement["Effect"] == "Allow":
            actions = statement["Action"]
            yield from [actions] if isinstance(actions, str) else actions
