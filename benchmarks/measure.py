"""Runs contenders in turns, counts their rows before it believes their time, and says what each run cost.

Rounds are interleaved (A B C, A B C, ...), so that a machine that slows down slows all of them; the first round warms
caches and is dropped. CPU is user and system time: of this process and its children for the client, of the server's
processes for the backends (Linux only, None elsewhere).
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import zstandard
from isal import igzip

from engine.local.postgres import PostgresServer

READ_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Contender:
    """`extract(directory)` leaves compressed CSV files in an empty directory, on disk and complete, when it returns."""

    name: str
    extract: Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Run:
    seconds: float
    rows: int
    raw_bytes: int
    compressed_bytes: int
    client_cpu_s: float
    backend_cpu_s: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The runs of one contender that count."""

    name: str
    runs: Sequence[Run]

    def median(self, value: Callable[[Run], float]) -> float:
        return statistics.median(value(run) for run in self.runs)

    @property
    def rows_per_second(self) -> float:
        return self.median(lambda run: run.rows / run.seconds)

    @property
    def spread(self) -> float:
        """(slowest - fastest) / median, of the seconds."""
        seconds = [run.seconds for run in self.runs]
        return (max(seconds) - min(seconds)) / statistics.median(seconds)

    def to_json(self, base: Outcome) -> dict[str, object]:
        measured_backends = all(run.backend_cpu_s is not None for run in self.runs)
        return {
            "name": self.name,
            "rows_per_second": round(self.rows_per_second),
            "ratio_to_base": round(self.ratio_to(base), 3),
            "spread": round(self.spread, 3),
            "raw_mb_per_second": round(self.median(lambda run: run.raw_bytes / run.seconds / 1e6), 1),
            "compressed_mb_per_second": round(self.median(lambda run: run.compressed_bytes / run.seconds / 1e6), 1),
            "client_cpu_s_per_million_rows": round(self.median(lambda run: run.client_cpu_s / run.rows * 1e6), 3),
            "backend_cpu_s_per_million_rows": (
                round(self.median(lambda run: (run.backend_cpu_s or 0.0) / run.rows * 1e6), 3)
                if measured_backends
                else None
            ),
            "runs": [asdict(run) for run in self.runs],
        }

    def ratio_to(self, base: Outcome) -> float:
        """The median over rounds of this round's rate beside the base's in the same round."""
        return statistics.median(other.seconds / run.seconds for run, other in zip(self.runs, base.runs, strict=True))


def in_turns(
    contenders: Sequence[Contender], server: PostgresServer, directory: Path, *, rows: int, rounds: int
) -> Iterator[tuple[int, Contender, Run]]:
    """(round, contender, run) as they end; round 0 is the warm-up. Stops with an error when rows are missing."""
    for turn in range(rounds + 1):
        for contender in contenders:
            run = _measured(contender, server, directory)
            if run.rows != rows:
                raise SystemExit(f"{contender.name} extracted {run.rows} rows of {rows}: no rate is printed")
            yield turn, contender, run


def _measured(contender: Contender, server: PostgresServer, directory: Path) -> Run:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    client, backends, began = _client_cpu_s(), _backend_cpu_s(server), time.monotonic()
    contender.extract(directory)
    seconds = time.monotonic() - began
    client = _client_cpu_s() - client
    if backends is not None:
        backends = (_backend_cpu_s(server) or 0.0) - backends
    rows, raw_bytes = _count(directory)
    compressed_bytes = sum(file.stat().st_size for file in directory.iterdir())
    return Run(seconds, rows, raw_bytes, compressed_bytes, client, backends)


def _count(directory: Path) -> tuple[int, int]:
    """Rows (the table's text has no line feeds) and bytes of all files, as a reader of them would see."""
    rows = size = 0
    for file in directory.iterdir():
        opener = igzip.open if file.suffix == ".gz" else zstandard.open
        with opener(file, "rb") as content:
            while block := content.read(READ_BYTES):
                rows += block.count(b"\n")
                size += len(block)
    return rows, size


def _client_cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _backend_cpu_s(server: PostgresServer) -> float | None:
    """Of the postmaster, its children and its children that have ended, in ticks of 10 ms."""
    if not Path("/proc/self/stat").exists():
        return None
    stats = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            stats[int(folder.name)] = (folder / "stat").read_text().rpartition(")")[2].split()
    # Fields as in proc(5), counted from the state: 1 is the parent, 11 to 14 utime, stime, cutime and cstime.
    ticks = sum(
        int(stat[11]) + int(stat[12]) + (int(stat[13]) + int(stat[14]) if pid == server.pid else 0)
        for pid, stat in stats.items()
        if pid == server.pid or int(stat[1]) == server.pid
    )
    return ticks / os.sysconf("SC_CLK_TCK")
