"""`python -m engine.local.cloud`: everything up, the flights through the state machine, and what ran where."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from rich.text import Text

from engine import render, verify
from engine.config import load
from engine.local.cloud.aws import Execution
from engine.local.cloud.cloud import Cloud, cloud
from engine.local.cloud.functions import Answer
from engine.local.demo import Show

REQUEST = {"tables": ["public.*"], "full": True, "idempotency_key": "cloud-local"}
EXECUTION_S_MAX = 600.0
SETTLE_S_MAX = 60.0  # the holder of the snapshot ends by itself once the run has
TOLD = ("step", "round", "group", "generation", "deep")
"""Of an event, in the trace."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="engine.local.cloud", description="The cloud on a laptop, and a run in it.")
    parser.add_argument("--dir", type=Path, help="where logs and data stay; without it they are gone at the end")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        directory = arguments.dir or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        return 0 if demonstrate(directory.resolve()) else 1


def demonstrate(directory: Path) -> bool:
    """Whether everything is healthy, all rows have arrived, and the duplicate event has begun nothing."""
    show = Show(render.console(sys.stdout))
    with ExitStack() as stack:
        with show.step(
            "PostgreSQL and a standby, Vault, DynamoDB, SQS, SNS, S3, Lambda, Step Functions, the warehouse"
        ):
            up = stack.enter_context(cloud(directory))
        with show.step("Whether a run could begin"):
            checks = up.functions.invoke("health", {"deep": True}).payload["checks"]
            render.show_rows(checks, show.to, ("name", "ok", "latency_ms", "version", "detail"))
        with show.step("All tables, by an event to the function `parallel`"):
            ran = len(up.functions.trace)
            ended = _execution(up, REQUEST)
            up.functions.settle(SETTLE_S_MAX)
            _show_trace(up.functions.trace[ran:], show)
            if not _arrived(ended, show):
                return False
        with show.step("The same event once more: the same answer, and no worker"):
            ran = len(up.functions.trace)
            again = _execution(up, REQUEST)
            _show_trace(up.functions.trace[ran:], show)
        with show.step("Checksums of every table, computed in each database by itself"):
            verified = [each.to_json() for each in anyio.run(partial(verify.verify, load(up.settings), []))]
            render.show_verification(verified, show.to)
    if again != ended or not all(each["ok"] for each in verified):
        return False
    show.to.print(f"\nVerified: the target equals the source. {show.seconds:.0f} s in all.", style="bold green")
    return True


def _execution(up: Cloud, request: dict[str, Any]) -> Execution:
    """Of the state machine, at its end, as the function that takes requests began it."""
    answer = up.functions.invoke("parallel", request)
    if answer.error is not None:
        return Execution("", "FAILED", None, answer.error["errorType"], answer.error["errorMessage"])
    return up.aws.execution(answer.payload["execution"], seconds=EXECUTION_S_MAX)


def _arrived(ended: Execution, show: Show) -> bool:
    if ended.output is None:
        show.to.print(Text(f"{ended.status}: {ended.error} {ended.cause}", style="red"))
        return False
    render.show_rows(ended.output["tables"], show.to)
    return bool(ended.output["status"] == "COMPLETE")


def _show_trace(trace: Sequence[Answer], show: Show) -> None:
    """What ran where, from the first start on."""
    began = min((each.started_at for each in trace), default=0.0)
    rows = [
        {
            "after_s": round(each.started_at - began, 2),
            "environment": each.environment,
            "start": f"cold, {each.init_s:.2f} s" if each.cold else "warm",
            "seconds": round(each.seconds, 2),
            "left_s": round(each.remaining_s, 1),
            "memory_mb": each.memory_mb,
            "ended": each.outcome,
            "event": ", ".join(f"{name} {each.event[name]}" for name in TOLD if name in each.event) or "request",
        }
        for each in sorted(trace, key=lambda each: each.started_at)
    ]
    render.show_rows(rows, show.to)


if __name__ == "__main__":
    sys.exit(main())
