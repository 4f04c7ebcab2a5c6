"""Processes that have imported all they need before the time is taken, as warm functions have, and await a part."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

READY = "ready"


def play(part: Callable[..., Mapping[str, Any]]) -> None:
    """In such a process: calls `part` with the keywords that it is told, and tells what it returns."""
    print(READY, flush=True)
    told = sys.stdin.readline()
    if told:
        print(json.dumps(part(**json.loads(told))), flush=True)


class Warm:
    """Several of them; those that have no part are ended."""

    def __init__(self, argv: Sequence[str], count: int) -> None:
        self.processes = [
            subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)
        ]

    def __enter__(self) -> Self:
        for process in self.processes:
            assert process.stdout is not None
            if process.stdout.readline().strip() != READY:
                raise SystemExit("a process did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()

    def tell(self, number: int, **part: Any) -> None:
        to = self.processes[number].stdin
        assert to is not None
        to.write(json.dumps(part) + "\n")
        to.flush()

    def answer(self, number: int) -> dict[str, Any] | None:
        """What it tells; None where it ended without a word."""
        process = self.processes[number]
        assert process.stdout is not None
        line = process.stdout.readline()
        if line:
            found: dict[str, Any] = json.loads(line)
            return found
        process.wait()
        return None
