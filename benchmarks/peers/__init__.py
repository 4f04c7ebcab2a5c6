"""Other tools that do what our extraction does, each in an environment of its own, as its own documents recommend.

programs/ has one program a peer; environments.py makes what they run in, from the locks beside it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Bench, Table
from benchmarks.contest import Contender, DisqualifiedError
from benchmarks.peers.environments import AbsentError, make, python_of

PROGRAMS = Path(__file__).with_name("programs")
CHECKOUT = Path(__file__).parents[2]
READERS = 2
"""Threads, partitions or processes of each that can: the cores of the machine that the targets are for."""
SMALL = "information_schema.sql_parts"
"""Ten rows of text that every database has, to warm up those for which a whole round would take long."""


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    program: str
    lock: str | None
    """Of its environment; None: it runs in ours."""
    slow: bool = False
    """One round, warmed up on a few rows: a fifth of the others' rate and less."""

    def argv(self, dsn: str, *tables: str) -> list[str]:
        python = python_of(self.lock) if self.lock else Path(sys.executable)
        named = [argument for table in tables for argument in ("--table", table)]
        return [str(python), str(PROGRAMS / f"{self.program}.py"), "--dsn", dsn, *named, "--readers", str(READERS)]

    def make(self) -> None:
        """Its environment, where there is none yet. DisqualifiedError where that cannot be had."""
        try:
            if self.lock:
                make(self.lock)
        except AbsentError as absent:
            raise DisqualifiedError(f"absent: {absent}") from absent


PEERS = [
    Peer("duckdb parquet", "from_duckdb", "duckdb"),
    Peer("connectorx parquet", "from_connectorx", "connectorx"),
    Peer("adbc parquet", "from_adbc", "adbc"),
    Peer("polars parquet", "from_polars", "polars"),
    Peer("dlt parquet", "from_dlt", "dlt"),
    Peer("sling csv zstd", "from_sling", "sling", slow=True),
    Peer("cursor + csv gzip", "from_cursor", None, slow=True),
]
ENVIRONMENT = {"PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"}


def peers(bench: Bench, table: Table) -> list[Contender]:
    """All of them; one whose environment cannot be made fails in its first round, with the reason."""
    if slow := [peer.name for peer in PEERS if peer.slow]:
        bench.say(f"one round each for {' and '.join(slow)}: they take minutes where others take seconds")
    return [_contender(peer, table) for peer in PEERS]


def _contender(peer: Peer, table: Table) -> Contender:
    return Contender(
        peer.name,
        peer.argv(table.dsn, table.name),
        table.check,
        env=ENVIRONMENT,
        before=peer.make,
        rounds_max=1 if peer.slow else None,
        warm_up=peer.argv(table.dsn, SMALL) if peer.slow else None,
    )
