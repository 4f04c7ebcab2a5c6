"""Terraform as the tests run it: on a copy of the tree, with state on disk, and what it renders as plain values.

A plan leaves unknown what AWS decides (the id of a key, and with it every policy that names the key). So after each
plan Terraform applies the same configuration to mock providers, as `terraform test` does, with answers such as AWS
gives; what comes out has every value, whichever provider is behind, and no account is touched.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.terraform.answers import ACCOUNT, AVAILABILITY_ZONES, answers

ROOT = Path(__file__).parents[2]
TREE = ROOT / "terraform"
ENVIRONMENTS = ("dev", "staging", "prod")
COMMAND_S_MAX = 280
INIT_S_MAX = 280
OFFLINE = re.compile("registry service|Failed to query available provider packages|could not connect", re.IGNORECASE)
LOCAL = 'terraform {\n  backend "local" {}\n}\n'
OURS = shutil.ignore_patterns(".terraform", "*.tfstate*", "*_override.tf")


class TerraformError(Exception):
    """What Terraform said."""


class Unreachable(Exception):  # noqa: N818 - nobody's fault
    """There is no terraform, or none of its providers."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource, or instance of one, with every value known."""

    address: str
    type: str
    name: str
    values: Mapping[str, Any]

    def __getitem__(self, attribute: str) -> Any:
        return self.values[attribute]


@dataclass(frozen=True)
class Rendered:
    """An environment as it would stand in AWS."""

    environment: str
    plan: Mapping[str, Any]
    resources: tuple[Resource, ...]

    def all(self, kind: str) -> list[Resource]:
        return [each for each in self.resources if each.type == kind]

    def one(self, address: str) -> Resource:
        found = [each for each in self.resources if each.address == address]
        assert found, f"{self.environment} has no {address}"
        return found[0]

    @cached_property
    def variables(self) -> dict[str, Any]:
        return {name: each.get("value") for name, each in self.plan["variables"].items()}


class Tree:
    """A copy of a root of Terraform in a directory of the test, initialised when it is first planned."""

    def __init__(self, directory: Path, source: Path = TREE, *, data: Path | None = None) -> None:
        shutil.copytree(source, directory, ignore=OURS)
        (directory / "local_override.tf").write_text(LOCAL, encoding="utf-8")  # in the place of Terraform Cloud
        self.directory = directory
        self._data = data or directory.with_name(f"{directory.name}.data")
        self._ready = data is not None

    def run(self, *arguments: str) -> str:
        """Its standard output. Raises TerraformError, Unreachable."""
        return run(*arguments, cwd=self.directory, data=self._data)

    def init(self) -> None:
        if not self._ready:
            self.run("init", "-input=false", "-no-color")
            self._ready = True

    def copy(self, directory: Path) -> Tree:
        """One to change, with the providers of this one."""
        self.init()
        return Tree(directory, self.directory, data=self._data)

    def validate(self) -> None:
        self.init()
        self.run("validate", "-no-color")

    def test(self) -> None:
        self.init()
        self.run("test", "-no-color")

    def plan(self, environment: str, **other: Any) -> dict[str, Any]:
        """With `other` values of variables than the environment has."""
        self.init()
        variables = self._variables(environment, other)
        self.run("plan", "-input=false", "-no-color", "-lock=false", "-out=plan", *variables)
        planned: dict[str, Any] = json.loads(self.run("show", "-json", "plan"))
        return planned

    def render(self, environment: str, *, like: Rendered | None = None, **other: Any) -> Rendered:
        """`like` has a plan with the same addresses, which then need not be made again."""
        planned = like.plan if like else self.plan(environment, **other)
        tests = self.directory / "rendering"
        tests.mkdir(exist_ok=True)
        variables = self._variables(environment, other)
        (tests / "rendering.tftest.hcl").write_text(_test(planned), encoding="utf-8")
        try:
            told = self.run("test", "-json", "-verbose", f"-test-directory={tests.name}", *variables)
        except TerraformError as error:
            raise TerraformError(_faults(str(error))) from None
        return Rendered(environment, planned, tuple(_resources(told)))

    def _variables(self, environment: str, other: Mapping[str, Any]) -> list[str]:
        (self.directory / "other.tfvars.json").write_text(json.dumps(other), encoding="utf-8")
        return [f"-var-file=environments/{environment}.tfvars", "-var-file=other.tfvars.json"]


def run(*arguments: str, cwd: Path, data: Path | None = None) -> str:
    """Raises TerraformError, Unreachable."""
    own = {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"} | ({"TF_DATA_DIR": str(data)} if data else {})
    try:
        ran = subprocess.run(
            [*command(), *arguments], cwd=cwd, env={**os.environ, **own}, check=False,
            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=COMMAND_S_MAX,
        )  # fmt: skip
    except FileNotFoundError as absent:
        raise Unreachable(f"there is no {absent.filename}: install terraform, or name it in TERRAFORM") from None
    if ran.returncode == 0:
        return ran.stdout
    told = ran.stderr + ran.stdout
    if arguments[0] == "init" and OFFLINE.search(told):
        raise Unreachable("the registry of Terraform's providers cannot be reached")
    raise TerraformError(told)


def command() -> list[str]:
    """`TERRAFORM` names it, as seen from the repository."""
    first, *rest = shlex.split(os.environ.get("TERRAFORM") or "terraform")
    return [str((ROOT / first).resolve()) if "/" in first else first, *rest]


def _test(planned: Mapping[str, Any]) -> str:
    """A test that applies everything to mock providers, which answer as AWS would."""
    region = planned["variables"]["region"]["value"]
    zones = json.dumps([f"{region}{zone}" for zone in AVAILABILITY_ZONES])
    overrides = "\n".join(
        f"  override_resource {{\n    target = {each['address']}\n    values = {_hcl(known)}\n  }}"
        for each in planned["resource_changes"]
        if each["mode"] == "managed" and (known := answers(each["type"], each["address"], each["change"], region))
    )
    return f"""\
mock_provider "aws" {{
  mock_data "aws_caller_identity" {{
    defaults = {{ account_id = "{ACCOUNT}" }}
  }}
  mock_data "aws_partition" {{
    defaults = {{ partition = "aws", dns_suffix = "amazonaws.com" }}
  }}
  mock_data "aws_region" {{
    defaults = {{ id = "{region}", region = "{region}" }}
  }}
  mock_data "aws_availability_zones" {{
    defaults = {{ names = {zones} }}
  }}
{overrides}
}}

run "apply" {{
  command = apply
}}
"""


def _hcl(values: Mapping[str, Any]) -> str:
    return "{ " + ", ".join(f"{name} = {json.dumps(value)}" for name, value in values.items()) + " }"


def _resources(told: str) -> Iterator[Resource]:
    """Of the state that a test tells of, line by line."""
    for line in map(json.loads, told.splitlines()):
        if line["type"] == "test_state":
            module = line["test_state"]["root_module"]
            assert "child_modules" not in module, "one flat root"
            for each in module["resources"]:
                if each["mode"] == "managed":
                    yield Resource(each["address"], each["type"], each["name"], each["values"])


def _faults(told: str) -> str:
    """Of what a test told, line by line."""
    lines = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    found = [each["diagnostic"] for each in lines if each["type"] == "diagnostic"]
    return "\n".join(dict.fromkeys(f"{each['summary']}: {each['detail']}" for each in found))
