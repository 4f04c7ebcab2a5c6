"""Packages of a few bytes, and an environment in moto whose functions they are deployed to."""

import hashlib
import io
import json
import secrets
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from delivery.functions import FUNCTIONS, Place
from delivery.packages import Package, checked
from engine.local.cloud.aws import Aws
from engine.local.cloud.environment import FunctionSpec
from engine.local.cloud.functions import REGION, Functions
from tests.delivery.artifactory_front import ArtifactoryFront

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MadePackage = Callable[..., Package]


@pytest.fixture
def made() -> MadePackage:
    """`made("0.2.0")`: a package whose only module says its version; more words change the manifest."""

    def made(version: str = "0.1.0", **told: object) -> Package:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as zipped:
            zipped.writestr("version.txt", version)
        manifest = {
            "name": "borealis-arm64.zip", "version": version, "commit": COMMIT, "architecture": "arm64",
            "python": "3.13", "byte_code_by": "3.13.0", "sha256": hashlib.sha256(archive.getvalue()).hexdigest(),
        }  # fmt: skip
        return checked(manifest | told, archive.getvalue())

    return made


@pytest.fixture
def dist(tmp_path) -> Callable[[Package], Path]:
    """`dist(package)`: a folder as `make package` leaves it."""

    def dist(package: Package) -> Path:
        folder = tmp_path / "dist"
        folder.mkdir()
        (folder / "borealis-arm64.zip").write_bytes(package.archive)
        (folder / "borealis-arm64.json").write_text(json.dumps(package.manifest))
        (folder / "borealis-arm64.cdx.json").write_text("{}")
        return folder

    return dist


@pytest.fixture
def artifactory() -> Iterator[ArtifactoryFront]:
    with ArtifactoryFront() as front:
        yield front


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with Aws() as aws:
        yield aws


class Deployed:
    """What Terraform leaves: six functions of a first package, `live` at their first version, a quiet alarm."""

    def __init__(self, aws: Aws, first: Package, answer: Path) -> None:
        self.prefix = f"borealis-{secrets.token_hex(4)}-"
        self.answer = answer
        self.aws = aws
        self.lambdas = aws.client("lambda")
        role = aws.client("iam").create_role(RoleName=f"{self.prefix}role", AssumeRolePolicyDocument="{}")["Role"][
            "Arn"
        ]
        for name in FUNCTIONS:
            self.lambdas.create_function(
                FunctionName=self.prefix + name, Runtime="python3.13", Role=role, Handler=f"handlers.{name}.handler",
                Code={"ZipFile": first.archive}, Architectures=["arm64"], Publish=True,
            )  # fmt: skip
            self.lambdas.create_alias(FunctionName=self.prefix + name, Name="live", FunctionVersion="1")
        self.alarms = aws.client("cloudwatch")
        self.alarms.put_metric_alarm(
            AlarmName=f"{self.prefix}errors", AlarmDescription="docs/runbook.md#errors", Namespace="AWS/Lambda",
            MetricName="Errors", Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1.0,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
        )  # fmt: skip
        self.alarm("OK")
        self.answers(ok=True)

    def alarm(self, state: str) -> None:
        self.alarms.set_alarm_state(AlarmName=f"{self.prefix}errors", StateValue=state, StateReason="the test says so")

    def answers(self, *, ok: bool) -> None:
        """Of the health function."""
        check = {"name": "source", "ok": ok, "detail": "no answer within 8 s", "remedy": "check the network path"}
        self.answer.write_text(json.dumps({"ok": ok, "version": "0.1.0", "checks": [check]}))

    def live(self) -> dict[str, tuple[str, dict[str, float]]]:
        """By function: the version of `live`, and the weights beside it, as the service has them."""
        found = {name: self.lambdas.get_alias(FunctionName=self.prefix + name, Name="live") for name in FUNCTIONS}
        return {
            name: (each["FunctionVersion"], (each.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {})
            for name, each in found.items()
        }


@pytest.fixture
def deployed(aws, made, tmp_path, monkeypatch) -> Iterator[Deployed]:
    there = Deployed(aws, made(), tmp_path / "answer.json")
    variables = {**aws.variables, "AWS_DEFAULT_REGION": REGION}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    code = Path(__file__).with_name("functions")
    specs = {
        there.prefix + name: FunctionSpec("answering.handler", env={"ANSWER": str(there.answer)}, code=code)
        for name in ("health", "scheduled")
    }
    with Functions(tmp_path / "functions", specs, variables) as functions:
        aws.functions = functions
        yield there


@pytest.fixture
def place(deployed) -> Place:
    return Place(deployed.prefix)
