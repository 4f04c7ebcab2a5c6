"""Other tools that do what our extraction does, each in an environment of its own."""

from __future__ import annotations

from benchmarks.bench import Bench, Table
from benchmarks.contest import Contender


def peers(bench: Bench, table: Table) -> list[Contender]:
    """Those that this machine can run on the table, told by name what each leaves."""
    del bench, table
    return []
