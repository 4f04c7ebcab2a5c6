"""Faults, one at a time in a copy of the tree: each turns a check red, in words that name it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from pydantic import ValidationError

from engine.errors import BorealisError
from tests.terraform import checks
from tests.terraform.running import Rendered, TerraformError, Tree


@dataclass(frozen=True)
class Fault:
    """`old` becomes `new` in a file, once; then `seen_by` says so."""

    file: str
    old: str
    new: str
    seen_by: Callable[[Rendered], None] | str
    """A check, or the command of Terraform that refuses."""
    says: str


FAULTS = {
    "a wrong argument": Fault(
        "state.tf", "hash_key ", "hashkey ", "validate", "Unsupported argument"
    ),
    "a wrong type": Fault(
        "functions.tf", "timeout                        = each.value.timeout_s", 'timeout = "soon"', "validate",
        "a number is required",
    ),
    "a reference to nothing": Fault(
        "schedules.tf", "aws_iam_role.scheduler.arn", "aws_iam_role.schedular.arn", "validate", "undeclared resource"
    ),
    "a variable that there is not": Fault(
        "alarms.tf", "var.thresholds.lag_minutes", "var.tresholds.lag_minutes", "validate", "undeclared input variable"
    ),
    "more time than Lambda gives": Fault(
        "locals.tf", "timeout_s = 900, ephemeral_mb = 4096", "timeout_s = 901, ephemeral_mb = 4096", "plan", "timeout"
    ),
    "a handler that there is not": Fault(
        "functions.tf", '"handlers.${each.key}.handler"', '"handlers.${each.key}.handle"',
        checks.functions_are_those_of_the_package, "there is no handlers.benchmark.handle",
    ),
    "a setting that there is not": Fault(
        "functions.tf", "BOREALIS_STATE__TABLE ", "BOREALIS_STATE__TABEL ",
        checks.their_environment_is_a_configuration, "BOREALIS_STATE__TABEL",
    ),
    "the queue of nobody": Fault(
        "locals.tf", "sqs.${var.region}.${local.dns_suffix}/${local.account}/${local.dead_letters}",
        "sqs.${var.region}.${local.dns_suffix}/${local.account}/dead-letters",
        checks.their_environment_is_a_configuration, "dead-letters",
    ),
    "a time to live that the engine does not write": Fault(
        "state.tf", 'attribute_name = "expires"', 'attribute_name = "expires_at"', checks.the_state_is_the_engines,
        "items never expire",
    ),
    "a state without a way back": Fault(
        "state.tf", "point_in_time_recovery {\n    enabled = true", "point_in_time_recovery {\n    enabled = false",
        checks.the_state_is_the_engines, "cannot be had back",
    ),
    "a table without our key": Fault(
        "state.tf", "    kms_key_arn = aws_kms_key.data.arn\n", "", checks.what_is_kept_is_encrypted,
        "aws_dynamodb_table.state is not encrypted",
    ),
    "a log for ever": Fault(
        "logs.tf", "retention_in_days = var.retention.logs_days", "retention_in_days = 0",
        checks.what_is_kept_has_an_end, "is kept for ever",
    ),
    "a security group that is open": Fault(
        "network.tf",
        "  referenced_security_group_id = aws_security_group.function.id\n", '  cidr_ipv4 = "0.0.0.0/0"\n',
        checks.nothing_comes_in_from_everywhere, "is open to everywhere",
    ),
    "a URL for everybody": Fault(
        "functions.tf", 'authorization_type = "AWS_IAM"', 'authorization_type = "NONE"',
        checks.nothing_comes_in_from_everywhere, "asks nobody",
    ),
    "a role for a table that is not there": Fault(
        "locals.tf", "table/${local.state_table}", "table/${local.name}", checks.every_arn_is_of_something,
        "table/borealis-prod, which is nowhere",
    ),
    "a placeholder that nobody fills": Fault(
        "state_machine.asl.json", "${topic_arn}", "${topic}", "plan", "topic"
    ),
    "a placeholder that is not filled": Fault(
        "state_machine.asl.json", "${topic_arn}", "$${topic_arn}",
        checks.the_state_machine_is_the_one_that_is_interpreted, "a placeholder is left",
    ),
    "a state that is not there": Fault(
        "state_machine.asl.json", '"Next": "WhatIsLeft"', '"Next": "WhatIsLeftOver"',
        checks.the_state_machine_is_the_one_that_is_interpreted, "['WhatIsLeft', 'WhatIsLeftOver'] dangle",
    ),
    "an alarm on what nobody emits": Fault(
        "alarms.tf", 'metric     = "LossyRows"', 'metric     = "LostRows"', checks.metrics_are_emitted,
        "nobody emits LostRows",
    ),
    "an alarm on what AWS has not": Fault(
        "alarms.tf", 'metric     = "Throttles"', 'metric     = "Throttled"', checks.metrics_are_emitted,
        "AWS/Lambda has no Throttled",
    ),
    "an alarm that nobody explains": Fault(
        "alarms.tf", 'heading    = "losses"', 'heading    = "loss"', checks.alarms_are_heard_and_explained,
        "has no heading loss",
    ),
    "an alarm that nobody hears": Fault(
        "alarms.tf", "alarm_actions       = [aws_sns_topic.alerts.arn]", "alarm_actions       = []",
        checks.alarms_are_heard_and_explained, "tells nobody",
    ),
    "a group of tables that there is not": Fault(
        "environments/prod.tfvars", 'group = "nightly"', 'group = "nightli"', checks.schedules_run_something,
        "no table has the group nightli",
    ),
    "a schedule that runs twice": Fault(
        "schedules.tf", "<aws.scheduler.execution-id>", "<aws.scheduler.attempt-number>",
        checks.schedules_run_something, "may run twice",
    ),
    "a schedule with a field too few": Fault(
        "environments/prod.tfvars", "cron(0 2 * * ? *)", "cron(0 2 * * ?)", "plan", "six fields"
    ),
    "a schedule at an hour that there is not": Fault(
        "environments/prod.tfvars", "cron(0 2 * * ? *)", "cron(0 25 * * ? *)", checks.schedules_have_a_time,
        "25 is no hour",
    ),
    "a schedule in a zone that there is not": Fault(
        "environments/prod.tfvars", "America/New_York", "America/New_Yrok", checks.schedules_have_a_time,
        "America/New_Yrok",
    ),
    "graphs that lie over each other": Fault(
        "dashboard.tf", "x          = index % 3 * 8", "x          = index % 3 * 7", checks.the_dashboard_can_be_drawn,
        "lies over",
    ),
}  # fmt: skip


def broken(tree: Tree, fault: Fault) -> Tree:
    file = tree.directory / fault.file
    text = file.read_text(encoding="utf-8")
    assert fault.old in text, f"{fault.file} has no longer what this breaks: {fault.old}"
    file.write_text(text.replace(fault.old, fault.new, 1), encoding="utf-8")
    return tree


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_seen(changed, prod, name):
    fault = FAULTS[name]
    tree = broken(changed, fault)
    with pytest.raises((AssertionError, TerraformError, BorealisError, ValidationError)) as seen:
        check(tree, fault, prod)
    assert fault.says in re.sub(r"\s*[│╷╵]?\s*\n[│\s]*", " ", str(seen.value)), seen.value


def check(tree: Tree, fault: Fault, like: Rendered) -> None:
    if fault.seen_by == "validate":
        tree.validate()
    elif fault.seen_by == "plan":
        tree.plan("prod")
    elif callable(fault.seen_by):
        fault.seen_by(tree.render("prod", like=like))
