"""The pipeline of Harness: its form by a strict schema of what is used, and that all which it names exists.

Harness publishes a schema of all of its YAML, which lets unknown words through in most places; ours does not.
"""

import copy
import json
import os
import re
import subprocess
import sys

import pytest
import typer.main
import yaml
from jsonschema import Draft202012Validator

from delivery.__main__ import app
from delivery.functions import FUNCTIONS
from package.build import REPOSITORY

HARNESS = REPOSITORY / ".harness"
TEXT = (HARNESS / "deliver.yaml").read_text()
PIPELINE = yaml.safe_load(TEXT)
VALIDATOR = Draft202012Validator(json.loads((HARNESS / "schema.json").read_text()))
STAGES = {each["stage"]["identifier"]: each["stage"] for each in PIPELINE["pipeline"]["stages"]}
STEP = HARNESS / "step"


def flat(steps: list) -> list[dict]:
    """Steps in their order, those of groups among them."""
    return [
        step for each in steps for step in (flat(each["stepGroup"]["steps"]) if "stepGroup" in each else [each["step"]])
    ]


def told(stage: str) -> list[str]:
    """What each step of a stage does, in one word."""
    kinds = {"HarnessApproval": "approval", "GitClone": "checkout"}
    return [
        step["spec"]["runType"] if step["type"] == "TerraformCloudRun"
        else kinds.get(step["type"]) or step["spec"]["command"].split()[1]
        for step in flat(STAGES[stage]["spec"]["execution"]["steps"])
    ]  # fmt: skip


def runs() -> list[dict]:
    every = [step for stage in STAGES.values() for steps in stage["spec"]["execution"].values() for step in flat(steps)]
    return [step["spec"] for step in every if step["type"] == "Run"]


def test_the_schema_is_one():
    Draft202012Validator.check_schema(VALIDATOR.schema)


def test_the_pipeline_is_of_the_form_that_the_schema_lets_through():
    assert [error.message for error in VALIDATOR.iter_errors(PIPELINE)] == []


def test_the_pipeline_repeats_itself_where_yaml_would_let_it_refer():
    """Harness does not say that it resolves anchors."""
    assert not re.search(r"(?:: |- )[&*]\w|<<:", TEXT)


def paths(value, path=()):
    """Of everything in the pipeline."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield (*path, key)
        yield from paths(below, (*path, key))


def changed(path, change) -> object:
    pipeline = copy.deepcopy(PIPELINE)
    parent = pipeline
    for key in path[:-1]:
        parent = parent[key]
    change(parent, path[-1])
    return pipeline


FREE = {"description", "tags", "delegateSelectors", "variables", "envVariables"}
"""What may be left out."""


def test_no_word_of_it_can_be_misspelt():
    """Every key but the names of environment variables, one after the other."""
    for path in paths(PIPELINE):
        if isinstance(path[-1], str) and not {"tags", "envVariables"} & set(path[:-1]):
            misspelt = changed(path, lambda parent, key: parent.__setitem__(f"{key}s", parent.pop(key)))
            assert not VALIDATOR.is_valid(misspelt), path


def test_no_part_of_it_can_be_left_out():
    for path in paths(PIPELINE):
        if isinstance(path[-1], str) and not FREE & set(path):
            without = changed(path, lambda parent, key: parent.pop(key))
            assert not VALIDATOR.is_valid(without), path


@pytest.mark.parametrize(
    ("word", "other"),
    [
        ("StageRollback", "Rollback"), ("runType: Plan", "runType: PlanOnly"), ("minimumCount: 1", "minimumCount: 0"),
        ("timeout: 30m", "timeout: 30"), ("KubernetesDirect", "Kubernetes"), ("identifier: dev", "identifier: dev-1"),
        ("step tools", "step tools; true"), ("type: commitSha", "type: branch"), ("shell: Bash", "shell: Sh"),
    ],
)  # fmt: skip
def test_no_value_of_it_can_be_another(word, other):
    assert word in TEXT
    assert not VALIDATOR.is_valid(yaml.safe_load(TEXT.replace(word, other)))


# --- what it does -----------------------------------------------------------------------------------------------


def test_the_stages_are_those_of_the_architecture_in_their_order():
    release = ["checkout", "tools"]
    assert list(STAGES) == ["dev", "staging", "prod"]
    assert told("dev") == ["Plan", "Apply", *release, "deploy", "smoke"]
    assert told("staging") == ["Plan", "Apply", *release, "deploy", "accept", "conformance", "approval"]
    canary = ["canary", "health", "watch", "promote", "watch"]
    assert told("prod") == ["Plan", "approval", "Apply", *release, *canary]


@pytest.mark.parametrize("stage", STAGES)
def test_what_fails_is_rolled_back_from_the_first_step_that_deploys(stage):
    execution = STAGES[stage]["spec"]["execution"]
    assert [step["spec"].get("command", "").split(" ")[-1] for step in flat(execution["rollbackSteps"])][
        -1
    ] == "rollback"
    assert STAGES[stage]["failureStrategies"][0]["onFailure"]["action"] == {"type": "StageRollback"}
    for step in flat(execution["steps"]):
        own = step.get("failureStrategies", STAGES[stage]["failureStrategies"])[0]["onFailure"]["action"]["type"]
        assert own == ("Abort" if step["type"] in {"TerraformCloudRun", "HarnessApproval"} else "StageRollback")


def test_nobody_approves_their_own_deployment_to_production():
    approvals = [
        step for step in flat(STAGES["prod"]["spec"]["execution"]["steps"]) if step["type"] == "HarnessApproval"
    ]
    assert [each["spec"]["approvers"]["disallowPipelineExecutor"] for each in approvals] == [True]


def test_a_step_has_time_for_what_it_does():
    for step in flat(STAGES["prod"]["spec"]["execution"]["steps"]):
        minutes = re.search(r"--minutes (\d+)", step["spec"].get("command", ""))
        if minutes:
            count, unit = int(step["timeout"][:-1]), step["timeout"][-1]
            assert count * {"m": 1, "h": 60}[unit] > int(minutes[1]) + 10


def test_the_token_of_artifactory_is_given_to_the_steps_that_read_there_alone():
    reading = {spec["command"].split()[1] for spec in runs() if "ARTIFACTORY_TOKEN" in spec.get("envVariables", {})}
    assert reading == {"deploy", "canary"}


# --- what it names ----------------------------------------------------------------------------------------------


def test_every_environment_is_one_of_terraform_s():
    assert {path.stem for path in (REPOSITORY / "terraform" / "environments").glob("*.tfvars")} == set(STAGES)


def test_every_command_and_option_is_one_of_the_program():
    """Options are parsed as the program does; what comes from the environment is what the step is given."""
    commands = typer.main.get_command(app).commands
    for spec in runs():
        _, name, *options = spec["command"].split()
        if f"\n  {name})" in STEP.read_text():
            continue
        given = spec["envVariables"]
        needed = [each for each in commands[name].params if each.required]
        assert {each.envvar for each in needed} <= given.keys(), name
        filled = [part for each in needed for part in (each.opts[0], given[each.envvar])]
        commands[name].make_context(name, [*options, *filled])


def test_every_expression_names_something():
    inputs = {each["name"] for each in PIPELINE["pipeline"]["variables"]}
    for expression in re.findall(r"<\+(.+?)>", TEXT):
        known = (
            expression in {"input", "stage.identifier", "pipeline.executionUrl"}
            or expression.removeprefix("pipeline.variables.") in inputs
            or re.fullmatch(r"variable\.\w+|secrets\.getValue\(\"\w+\"\)", expression)
        )
        assert known, expression


def test_every_variable_secret_and_connector_is_told_in_the_docs():
    docs = (REPOSITORY / "docs" / "delivery.md").read_text()
    named = re.findall(
        r"<\+variable\.(\w+)>|getValue\(\"(\w+)\"\)|(?:connectorRef|namespace): (\S+)|userGroups: \[(\w+)\]", TEXT
    )
    assert named
    assert [name for found in named for name in found if name and f"`{name}`" not in docs] == []


def test_the_functions_of_the_program_are_those_of_terraform():
    text = (REPOSITORY / "terraform" / "locals.tf").read_text()
    assert sorted(re.findall(r"^    (\w+)\s+= \{ memory_mb", text, re.MULTILINE)) == FUNCTIONS
    assert 'name       = "borealis-${var.environment}"' in text
    assert '"${local.name}-${key}"' in text


def test_a_step_runs_the_program_with_the_tools_that_were_installed(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    environment = {**os.environ, "TOOLS": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([STEP, "notes", "v0"], check=False, env=environment, capture_output=True, text=True, cwd="/")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("delivery: the tag is v0, ")
