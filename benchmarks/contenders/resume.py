"""A run that ends in its middle and the next one, which goes on: warm processes that follow one another.

`whole` lets the first end by itself. `killed` kills it, as a machine does, once so many rows have been read;
`out-of-time` lets its deadline come then. What differs from `whole` is what the interruption cost: a snapshot more to
take, a plan more to make, the chunks that were under way read again.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import anyio

from benchmarks.contenders import protocol, warm
from benchmarks.contenders.replicate import told
from engine import runs
from engine.config import Config, load
from engine.deadline import Deadline
from engine.wiring import Wanted

HOWS = WHOLE, KILLED, OUT_OF_TIME = ("whole", "killed", "out-of-time")
MODULE = [sys.executable, "-m", "benchmarks.contenders.resume"]


def argv(config: Path, how: str, rows: int) -> list[str]:
    """`rows`: how many are read before the first process ends."""
    return [*MODULE, "--config", str(config), "--how", how, "--rows", str(rows)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--how", choices=HOWS, default=WHOLE)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--process", action="store_true", help="this is one of those that follow one another")
    parser.add_argument("--into", help="nothing is left there: the rows are at the target")
    asked = parser.parse_args()
    if asked.process:
        config = load(asked.config, env={})
        warm.play(lambda how: anyio.run(partial(_process, config, how, asked.rows)))
        return
    hows = [WHOLE] if asked.how == WHOLE else [asked.how, WHOLE]
    with warm.Warm([*argv(asked.config, asked.how, asked.rows), "--process"], len(hows)) as processes:
        protocol.run(lambda: _one_after_another(processes, hows))


def _one_after_another(processes: warm.Warm, hows: list[str]) -> dict[str, Any]:
    phases, found = {}, None
    for number, how in enumerate(hows):
        began = monotonic()
        processes.tell(number, how=how)
        found = processes.answer(number)
        phases[("first", "second")[number]] = round(monotonic() - began, 3)
    if found is None or found["extra"]["functions"] != len(hows):
        raise SystemExit(f"the run did not end in {len(hows)} processes")
    return {**found, "phases": {**phases, **found["phases"]}}


async def _process(config: Config, how: str, rows: int) -> dict[str, Any]:
    deadline = Deadline()
    receipts = await runs.run(config, Wanted(full=True), deadline=deadline, observer=Interrupting(how, rows, deadline))
    (receipt,) = receipts
    if receipt.status == "PARTIAL" and how == OUT_OF_TIME:
        return {}
    found = told(receipts)
    found["extra"] |= {"functions": receipt.functions, "bytes_of_last": receipt.bytes_copied}
    return found


@dataclass(slots=True)
class Interrupting(runs.Silent):
    """Ends the run once so many rows have been read; chunks of them are still on their way then."""

    how: str
    rows: int
    deadline: Deadline
    _read: int = field(default=0)

    def progress(self, label: str, rows: int, bytes_read: int) -> None:
        del label, bytes_read
        self._read += rows
        if self._read >= self.rows and self.how == KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._read >= self.rows and self.how == OUT_OF_TIME:
            self.deadline.at = min(self.deadline.at, monotonic())


if __name__ == "__main__":
    main()
