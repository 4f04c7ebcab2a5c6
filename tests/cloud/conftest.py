"""AWS with scripted functions behind it: what a function answers is written down, what it was asked is read."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.local.cloud.aws import Aws, Execution, definition
from engine.local.cloud.environment import ROOT, FunctionSpec
from engine.local.cloud.functions import Functions, arn_of

CODE = Path(__file__).with_name("functions")
TEMPLATE = ROOT / "terraform" / "state_machine.asl.json"
RUN = "20261123T020000A1B2C3"
TRACE = "Root=1-6553f100-0123456789abcdef01234567;Parent=00f067aa0ba902b7;Sampled=1"


class Machine:
    """The state machine with `parallel` and `worker` scripted, and where it reports failures."""

    def __init__(self, aws: Aws, functions: Functions, script: Path) -> None:
        self.aws = aws
        self.functions = functions
        self.script = script
        self.name = f"machine-{secrets.token_hex(4)}"
        self.dead_letters = aws.queue(f"{self.name}-dead-letters")
        self.told = aws.queue(f"{self.name}-told")
        text = definition(
            TEMPLATE, parallel_arn=arn_of("parallel"), worker_arn=arn_of("worker"),
            dead_letter_queue_url=self.dead_letters, topic_arn=aws.topic(self.name, self.told), workers=2,
        )  # fmt: skip
        self.text = json.dumps(hurried(json.loads(text)))
        self.arn = aws.state_machine(self.name, self.text)

    def answers(self, name: str, *answers: dict[str, Any]) -> None:
        """Of `plan`, `finish` or `group 0`, call by call; the last one is given again."""
        (self.script / f"{name}.json").write_text(json.dumps(answers))

    def asked(self, name: str) -> list[dict[str, Any]]:
        """The events, in their order."""
        calls = self.script / f"{name}.calls"
        return [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []

    def planned(self, *groups: int) -> None:
        """One round in which everything passes, unless the test says otherwise."""
        self.answers("plan", {"run_id": RUN, "groups": list(groups), "round": 1, "trace": TRACE})
        self.answers("finish", {"status": "COMPLETE", "run_id": RUN, "round": 1, "tables": [{"table": "public.a"}]})
        for group in groups:
            self.answers(f"group {group}", {"status": "COMPLETE", "chunks_done": 1, "chunks_left": 0})

    def execute(self, request: dict[str, Any]) -> Execution:
        return self.aws.execute(self.arn, request, seconds=60)


def hurried(value: Any) -> Any:
    """The same state machine with the shortest pauses that the language knows."""
    if isinstance(value, list):
        return [hurried(each) for each in value]
    if isinstance(value, dict):
        pauses = {"IntervalSeconds": 1, "MaxDelaySeconds": 1}
        return {name: pauses.get(name) or hurried(each) for name, each in value.items()}
    return value


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    """Of the module: the whole cloud of another has one of its own."""
    with Aws() as aws:
        yield aws


@pytest.fixture
def machine(aws: Aws, tmp_path: Path) -> Iterator[Machine]:
    script = tmp_path / "script"
    script.mkdir()
    spec = FunctionSpec("scripted.handler", timeout_s=2, env={"SCRIPT": str(script)}, code=CODE)
    with Functions(tmp_path / "functions", {"parallel": spec, "worker": spec}, aws.variables) as functions:
        aws.functions = functions
        yield Machine(aws, functions, script)
