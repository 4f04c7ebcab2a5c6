"""What a scenario is given and what it gives back: the server, tables made once, and findings with their targets."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import asyncpg
from rich.console import Console

from benchmarks import counting
from benchmarks.contest import Contender, Left, Outcome, Told, in_turns
from benchmarks.data.port import Column, Dataset, dataset
from engine.local.postgres import PostgresServer

Profile = Literal["quick", "full"]
"""`make bench`, minutes; `make bench-full`, most of an hour."""
CONTENDER_S: dict[Profile, float] = {"quick": 30.0, "full": 240.0}
"""Of one contest, after which a contender begins no further round: what bounds the suite on a slow machine."""
SAMPLE, SAMPLE_ROWS = "_sample", 1000


@dataclass(frozen=True, slots=True)
class Table:
    """One made for this run, in a database of its own."""

    dataset: str
    name: str
    """In the schema public."""
    dsn: str
    columns: Sequence[Column]
    rows: int
    raw_bytes: int
    """Of the whole table as PostgreSQL's COPY prints it as CSV."""
    heap_bytes: int
    checksum: counting.Checksum
    sample: str
    """Another table of its columns beside it, with SAMPLE_ROWS of its rows: to warm up what reads."""

    def check(self, directory: Path, told: Told) -> Left:
        """For contenders that leave files: compressed CSV or Parquet with every row, and equal ones."""
        return counting.files(self.columns, self.checksum, self.raw_bytes, directory, told)


@dataclass(frozen=True, slots=True)
class Target:
    """A figure of the issue. `measured` is None where there is nothing to measure it by."""

    name: str
    sense: Literal["at least", "at most"]
    wanted: float
    measured: float | None

    @property
    def met(self) -> bool:
        if self.measured is None:
            return False
        return self.measured >= self.wanted if self.sense == "at least" else self.measured <= self.wanted

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "sense": self.sense,
            "wanted": self.wanted,
            "measured": None if self.measured is None else round(self.measured, 3),
            "met": self.met,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """What one contest showed; `base` names the contender that the others are compared with.

    A scenario without a contest (statements counted, a plan timed) leaves `outcomes` empty and tells `figures`.
    """

    scenario: str
    dataset: str
    rows: int
    base: str = ""
    outcomes: Sequence[Outcome] = ()
    targets: Sequence[Target] = ()
    notes: Sequence[str] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    """Whatever is no rate of a contender, with its unit in the name."""

    def to_json(self) -> dict[str, Any]:
        base = next((outcome for outcome in self.outcomes if outcome.name == self.base), Outcome(self.base))
        return {
            "scenario": self.scenario,
            "dataset": self.dataset,
            "rows": self.rows,
            "base": self.base,
            "contenders": [outcome.to_json(base) for outcome in self.outcomes],
            "targets": [target.to_json() for target in self.targets],
            "notes": list(self.notes),
            "figures": dict(self.figures),
        }


class Scenario(Protocol):
    """A module of benchmarks/scenarios, listed there in BUDGET_S."""

    NAME: str
    """As `--only` takes it."""
    ABOUT: str
    """One line."""
    DATASETS: Mapping[Profile, Sequence[str]]
    """What it asks `bench.table` for, so that a disk too small is refused before anything is made. In a profile that is
    not there it runs only when it is named."""

    @staticmethod
    def run(bench: Bench) -> list[Finding]: ...


@dataclass(slots=True)
class Bench:
    """One run of the suite."""

    server: PostgresServer
    scratch: Path
    """A folder of this run, deleted at its end."""
    profile: Profile
    scale: float
    """Of the data: 1 is TPC-H's scale factor 1, 6 M rows of lineitem."""
    rounds: int
    """That count; one more warms up and is dropped."""
    console: Console
    peers: bool
    """Whether other tools race beside ours and psql."""
    warm_up: bool = True
    """Without it rates say nothing, and whether everything works is seen in half of the time."""
    lossy: dict[str, str] = field(default_factory=dict)
    """By contender, what `losses` found of it; empty where that did not run before."""
    making_s: float = 0.0
    """What making tables has taken."""
    _tables: dict[tuple[str, float], Table] = field(default_factory=dict)

    def table(self, name: str, scale: float | None = None) -> Table:
        """Of a dataset (a module of benchmarks/data), made at the first call and the same one afterwards."""
        scale = round(self.scale if scale is None else scale, 9)
        if (name, scale) not in self._tables:
            self._tables[name, scale] = self._make(dataset(name), scale)
        return self._tables[name, scale]

    def race(self, contenders: Sequence[Contender], rounds: int | None = None) -> list[Outcome]:
        """In turns; one outcome each, in their order."""
        rounds = self.rounds if rounds is None else rounds
        return in_turns(
            contenders,
            rounds=rounds,
            scratch=self.scratch / "contest",
            postmaster=self.server.pid,
            budget_s=CONTENDER_S[self.profile],
            warm_up=self.warm_up or not rounds,
            say=self.say,
        )

    def say(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False)

    def database(self, name: str) -> str:
        """The address of a new, empty database."""
        asyncio.run(_execute(self.server.dsn(), f'CREATE DATABASE "{name}"'))
        return self.server.dsn(name)

    @contextmanager
    def making(self, what: str) -> Iterator[None]:
        self.say(f"making {what}")
        began = time.monotonic()
        yield
        self.making_s += time.monotonic() - began

    def _make(self, kind: Dataset, scale: float) -> Table:
        dsn = self.database(f"{kind.NAME}_{len(self._tables)}")
        folder = self.scratch / "making"
        folder.mkdir(parents=True)
        try:
            with self.making(f"{kind.NAME}: {kind.rows(scale):,} rows"):
                truth = asyncio.run(_filled(kind, dsn, scale, folder))
                checksum = counting.of_csv(kind.COLUMNS, truth)
                raw_bytes = truth.stat().st_size
        finally:
            shutil.rmtree(folder)
        heap_bytes = asyncio.run(_execute(dsn, f"SELECT pg_table_size('{kind.NAME}')"))
        rows, sample = checksum.rows, f"{kind.NAME}{SAMPLE}"
        return Table(kind.NAME, kind.NAME, dsn, kind.COLUMNS, rows, raw_bytes, heap_bytes, checksum, sample)


async def _filled(kind: Dataset, dsn: str, scale: float, folder: Path) -> Path:
    """The table settled: no hint bits to set and nothing left to write. Returns its rows as COPY has them."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await kind.make(connection, scale, folder)
        sample = f"{kind.NAME}{SAMPLE}"
        await connection.execute(f"CREATE TABLE {sample} AS SELECT * FROM {kind.NAME} LIMIT {SAMPLE_ROWS}")
        await connection.execute(f"VACUUM (FREEZE, ANALYZE) {kind.NAME}, {sample}")
        await connection.execute("CHECKPOINT")
        truth = folder / "truth.csv"
        await connection.copy_from_table(kind.NAME, output=truth, format="csv")
        return truth
    finally:
        await connection.close()


async def _execute(dsn: str, statement: str) -> Any:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def bytes_needed(datasets: Sequence[str], scale: float) -> int:
    """Of disk: every table with its CSV, and what one contender at a time leaves of the largest."""
    sizes = [dataset(name).rows(scale) * dataset(name).BYTES_A_ROW for name in datasets]
    return 2 * sum(sizes) + 2 * max(sizes, default=0)
