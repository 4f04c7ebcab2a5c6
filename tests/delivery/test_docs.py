"""What docs/delivery.md tells, and the rights that Terraform gives to the steps, held to the program."""

import re

from delivery.__main__ import app
from package.build import REPOSITORY
from tests.delivery.test_workflows import TEXT as WORKFLOWS

DOCS = (REPOSITORY / "docs" / "delivery.md").read_text()
PEOPLE = (REPOSITORY / "terraform" / "people.tf").read_text()
POLICY = re.search(r'resource "aws_iam_policy" "deployer" \{.+?\n\}\n', PEOPLE, re.DOTALL)[0]

ACTIONS = {
    "lambdas.get_alias": "lambda:GetAlias",
    "lambdas.update_alias": "lambda:UpdateAlias",
    "lambdas.invoke": "lambda:InvokeFunction",
    "lambdas.get_function_configuration": "lambda:GetFunctionConfiguration",
    "lambdas.update_function_code": "lambda:UpdateFunctionCode",
    "lambdas.publish_version": "lambda:PublishVersion",
    "lambdas.get_waiter": "lambda:GetFunction",  # of function_updated_v2
    "alarms.get_paginator": "cloudwatch:DescribeAlarms",
    "states.describe_execution": "states:DescribeExecution",
}


def test_every_command_is_told_and_no_other():
    commands = {each.name or each.callback.__name__ for each in app.registered_commands}
    table = DOCS[DOCS.index("## The commands") : DOCS.index("## What is refused")]
    assert set(re.findall(r"^\| `(\w+)", table, re.MULTILINE)) - {"python"} == commands


def test_the_role_of_the_steps_may_do_what_the_program_does_and_nothing_else():
    """Beside it the key of the functions' variables, which Lambda asks for when a version is published."""
    called = set(
        re.findall(r"self\.((?:lambdas|alarms|states)\.\w+)\(", (REPOSITORY / "delivery/functions.py").read_text())
    )
    allowed = re.findall(r'"((?:lambda|states|cloudwatch):[A-Z]\w+)"', POLICY)
    assert called == ACTIONS.keys()
    assert sorted(allowed) == sorted(ACTIONS.values())


def test_every_variable_of_the_workflows_is_told():
    named = set(re.findall(r"\$\{\{ (?:vars|secrets)\.(\w+) \}\}", "\n".join(WORKFLOWS.values())))
    assert named
    assert {name for name in named if f"`{name}`" not in DOCS} == set()
