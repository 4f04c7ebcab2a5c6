"""Scanners that know more of AWS than we do: checkov and trivy on the sources, cfn-lint on what is rendered.

They live in an environment of their own (`SCANNERS`, made by `make check-terraform`). An exception stands beside the
line that it is about, in the .tf, with its reason.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.terraform.running import ROOT, TREE, Rendered
from tests.terraform.test_faults import Fault, broken

BIN = ROOT / os.environ.get("SCANNERS", ".scanners") / "bin"
MISTAKEN = ("Done.OutputPath",)
"""What cfn-lint refuses although it is so in the States Language: Succeed has an OutputPath."""
SKIP = re.compile(r"#\s*(checkov:skip=\w+|trivy:ignore:[\w-]+)(.*)")


def scanned(tool: str, *arguments: str, cwd: Path = ROOT) -> tuple[int, str]:
    """Its exit code, and what it printed. Skipped where it is not installed, but not in CI."""
    if not (BIN / tool).exists() and not os.environ.get("CI"):
        pytest.skip(f"there is no {tool}; make check-terraform installs it")
    ran = subprocess.run(
        [BIN / tool, *arguments], cwd=cwd, check=False, capture_output=True, text=True, timeout=280,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
    )  # fmt: skip
    return ran.returncode, ran.stdout + ran.stderr


def checkov(tree: Path) -> list[str]:
    _, told = scanned(
        "checkov", "-d", str(tree), "--framework", "terraform", "--skip-download", "--compact", "--quiet", "-o", "json"
    )
    found = json.loads(told[told.index("{") :])
    assert found["summary"]["passed"] > 50, told
    return [f"{each['check_id']} {each['resource']}" for each in found["results"]["failed_checks"]]


def trivy(tree: Path) -> list[str]:
    arguments = "--skip-check-update --skip-version-check --disable-telemetry --quiet --format json".split()
    _, told = scanned("trivy", "config", *arguments, str(tree))
    found = json.loads(told[told.index("{") :])
    return [
        f"{each['ID']} {result['Target']}:{each['CauseMetadata'].get('StartLine')} {each['Title']}"
        for result in found["Results"]
        for each in result.get("Misconfigurations", ())
    ]


def test_checkov_has_nothing_to_say():
    assert checkov(TREE) == []


def test_trivy_has_nothing_to_say():
    assert trivy(TREE) == []


def test_every_exception_has_its_reason():
    """On its line, or on the line above."""
    for file in TREE.rglob("*.tf"):
        above = ""
        for line in file.read_text(encoding="utf-8").splitlines():
            if found := SKIP.search(line):
                reason = found[2].strip(" :") or above.lstrip("# ") * above.lstrip().startswith("#")
                assert len(reason) > 10, f"{file.name}: {found[0]} without a reason"
            above = line


def lint(rendered: Rendered, directory: Path) -> list[str]:
    """What cfn-lint says of policies, trusts and the state machine, as CloudFormation has them."""
    resources: dict[str, dict] = {}
    for number, each in enumerate(rendered.all("aws_iam_role")):
        policies = [
            {"PolicyName": one["name"], "PolicyDocument": json.loads(one["policy"])}
            for one in rendered.all("aws_iam_role_policy")
            if one["role"] == each["name"]
        ]
        trust = json.loads(each["assume_role_policy"])
        resources[f"Role{number}"] = _of("AWS::IAM::Role", AssumeRolePolicyDocument=trust, Policies=policies)
    for number, each in enumerate(rendered.all("aws_iam_policy")):
        document = json.loads(each["policy"])
        resources[f"Policy{number}"] = _of("AWS::IAM::ManagedPolicy", PolicyDocument=document)
    for number, each in enumerate(rendered.all("aws_sfn_state_machine")):
        definition = json.loads(each["definition"])
        resources[f"Machine{number}"] = _of(
            "AWS::StepFunctions::StateMachine", Definition=definition, RoleArn=each["role_arn"]
        )
    template = directory / "template.json"
    template.write_text(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}))
    code, told = scanned("cfn-lint", "--format", "json", "--regions", rendered.variables["region"], "--", str(template))
    found = json.loads(told) if told.strip() else []
    assert bool(code) == bool(found), told
    return [
        f"{each['Rule']['Id']} {'.'.join(map(str, each['Location']['Path'] or []))}: {each['Message'][:200]}"
        for each in found
        if not any(".".join(map(str, each["Location"]["Path"] or [])).endswith(place) for place in MISTAKEN)
    ]


def _of(kind: str, **properties) -> dict:
    return {"Type": kind, "Properties": properties}


def test_cfn_lint_has_nothing_to_say(rendered, tmp_path):
    assert lint(rendered, tmp_path) == []


BROKEN = [
    Fault("state.tf", "recovery {\n    enabled = true", "recovery {\n    enabled = false", "", ""),
    Fault("roles.tf", '"dynamodb:PutItem"', '"dynamodb:PutItems"', "", ""),
    Fault("state_machine.asl.json", '"TimeoutSeconds": 910', '"Timeoutseconds": 910', "", ""),
]  # fmt: skip


def test_what_they_do_find(changed, prod, tmp_path):
    """A scanner that never said anything would be none."""
    for fault in BROKEN:
        broken(changed, fault)
    assert any("aws_dynamodb_table.state" in each for each in checkov(changed.directory))
    assert any("state.tf" in each for each in trivy(changed.directory))
    told = "\n".join(lint(changed.render("prod", like=prod), tmp_path))
    assert "putitems" in told
    assert "Timeoutseconds" in told
