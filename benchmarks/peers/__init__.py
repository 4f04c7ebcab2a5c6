"""Other tools that do what our extraction does, each in an environment of its own, as its own documents recommend.

programs/ has one program a peer; environments.py makes what they run in, from the locks beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Table
from benchmarks.contest import Contender, DisqualifiedError
from benchmarks.peers.environments import AbsentError, make, python_of

PROGRAMS = Path(__file__).with_name("programs")
CHECKOUT = Path(__file__).parents[2]
READERS = 2
"""Threads, partitions or processes of each that can: the cores of the machine that the targets are for."""


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    program: str
    lock: str | None
    """Of its environment; None: it runs in ours."""
    rounds_max: int | None = None
    """Fewer the slower it is; None: as many as ours."""

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
    Peer("connectorx parquet", "from_connectorx", "connectorx", rounds_max=2),
    Peer("adbc parquet", "from_adbc", "adbc", rounds_max=2),
    Peer("polars parquet", "from_polars", "polars", rounds_max=2),
    Peer("dlt parquet", "from_dlt", "dlt", rounds_max=1),
    Peer("sling csv zstd", "from_sling", "sling", rounds_max=1),
    Peer("cursor + csv gzip", "from_cursor", None, rounds_max=1),
]
ENVIRONMENT = {"PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"}


def prepare() -> None:
    """Their environments, so that no contest waits for one; what cannot be made is told when its turn comes."""
    for peer in PEERS:
        with suppress(DisqualifiedError):
            peer.make()


def peers(table: Table, names: Collection[str] = ()) -> list[Contender]:
    """All of them, or those; one whose environment cannot be made fails in its first round, with the reason."""
    return [_contender(peer, table) for peer in PEERS if not names or peer.name in names]


def _contender(peer: Peer, table: Table) -> Contender:
    return Contender(
        peer.name,
        peer.argv(table.dsn, table.name),
        table.check,
        env=ENVIRONMENT,
        before=peer.make,
        rounds_max=peer.rounds_max,
        warm_up=peer.argv(table.dsn, table.sample),
    )
