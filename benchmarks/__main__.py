"""`python -m benchmarks [--rows N] [--rounds N]`: extraction to staged files beside `psql | zstd -1`, in one run."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks import lineitem, report
from benchmarks.borealis import READERS, contenders
from benchmarks.measure import Contender, Outcome, Run, in_turns
from benchmarks.psql import Psql
from engine.local.postgres import PostgresServer

# The server writes nothing while it is measured, so durability and replication only slow the making of the table.
SETTINGS = {"wal_level": "minimal", "max_wal_senders": "0", "autovacuum": "off", "shared_buffers": "512MB"}
BYTES_A_ROW = 500  # heap 170, CSV files of two contenders 2 x 60, and as much again


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, default=lineitem.ROWS_DEFAULT)
    parser.add_argument("--rounds", type=int, default=3, help="that count; one more warms up and is dropped")
    parser.add_argument("--readers", type=int, default=READERS, help="connections of ours that read at once")
    parser.add_argument("--keep", type=Path, default=report.RESULTS, help="folder of the result as JSON")
    asked = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="borealis-bench-") as scratch:
        _refuse_small_disk(Path(scratch), asked.rows * BYTES_A_ROW)
        with PostgresServer(Path(scratch) / "postgres", settings=SETTINGS) as server:
            console.print(f"PostgreSQL {server.version}: making {asked.rows:,} rows of {lineitem.NAME}")
            heap_bytes = asyncio.run(lineitem.make(server.dsn(), asked.rows))
            outcomes = _race(server, Path(scratch), asked, console)
            report.show(outcomes, console)
            found = {
                "scenario": "extract",
                "postgres": server.version,
                "rows": asked.rows,
                "heap_bytes": heap_bytes,
                "readers": asked.readers,
                "contenders": [outcome.to_json(outcomes[0]) for outcome in outcomes],
            }
            kept = report.keep(found, f"postgresql-{server.version}", asked.keep)
    console.print(f"Kept in {kept}")


def _race(server: PostgresServer, scratch: Path, asked: argparse.Namespace, console: Console) -> list[Outcome]:
    base = Psql(server, lineitem.NAME)
    if base.absent:
        console.print(f"[yellow]{base.absent}")
    racing = [Contender(base.name, base.extract), *contenders(server.dsn(), lineitem.NAME, asked.readers)]
    runs: dict[str, list[Run]] = {contender.name: [] for contender in racing}
    for turn, contender, run in in_turns(racing, server, scratch / "files", rows=asked.rows, rounds=asked.rounds):
        console.print(f"round {turn or 'warm-up'}  {contender.name:<28} {run.seconds:6.2f} s")
        if turn:
            runs[contender.name].append(run)
    return [Outcome(name, counted) for name, counted in runs.items()]


def _refuse_small_disk(directory: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < needed_bytes:
        raise SystemExit(f"{directory} has {free / 1e9:.1f} GB free, {needed_bytes / 1e9:.1f} GB are needed")


if __name__ == "__main__":
    main()
