"""An incremental trickle: a run that merges what has changed into a table that is there already."""

from __future__ import annotations

import asyncio
import subprocess
from functools import partial
from pathlib import Path

import asyncpg

from benchmarks.bench import Bench, Finding, Table
from benchmarks.contenders import replicate
from benchmarks.contest import Contender, DisqualifiedError, Left, Told
from benchmarks.data import trickle
from benchmarks.scenarios.end_to_end import SHARE_OF_MANY
from benchmarks.statements import Counting
from benchmarks.warehouse import Warehouse, served

NAME = "merge"
ABOUT = "an incremental run that merges the rows that changed"
DATASETS = {"quick": ["trickle"], "full": ["trickle"]}

PARTS = (100, 10)
"""One row of so many changes before each run: half of them new, half updated."""


def run(bench: Bench) -> list[Finding]:
    table = bench.table("trickle", bench.scale * SHARE_OF_MANY[bench.profile])
    with served(bench.scratch / NAME) as warehouse:
        options = {"name": f"public.{table.name}", "mode": "incremental", "cursor": "updated_at"}
        config = warehouse.settings(NAME, table.dsn, options)
        _replicate(config, bench.scratch)
        contenders = []
        for part in PARTS:
            changes = max(2, table.rows // part)
            contenders.append(
                Contender(
                    f"{changes:,} changes", replicate.argv(config, full=False),
                    partial(_merged, warehouse, config, changes), before=partial(_change, warehouse, table, changes),
                )
            )  # fmt: skip
        outcomes = bench.race(contenders)
        changes = max(2, table.rows // PARTS[0])
        with Counting(warehouse.endpoint.port) as relay:
            _change(warehouse, table, changes)
            _replicate(warehouse.settings(NAME, table.dsn, options, port=relay.port), bench.scratch, full=False)
    statements = {"statements_of_a_run": relay.statements.total()}
    notes = [f"of {table.rows:,} rows; a rate is of those that changed"]
    return [Finding(NAME, table.dataset, table.rows, outcomes[0].name, outcomes, [], notes, statements)]


def _replicate(config: Path, scratch: Path, *, full: bool = True) -> None:
    command = [*replicate.argv(config, full=full), "--into", str(scratch)]
    subprocess.run(command, input="go\n", stdout=subprocess.DEVNULL, text=True, check=True)


def _change(warehouse: Warehouse, table: Table, changes: int) -> None:
    async def change() -> None:
        connection = await asyncpg.connect(table.dsn, timeout=10)
        try:
            await trickle.change(connection, inserted=changes // 2, updated=changes - changes // 2, deleted=0)
        finally:
            await connection.close()

    asyncio.run(change())
    warehouse.begin()


def _merged(warehouse: Warehouse, config: Path, changes: int, directory: Path, told: Told) -> Left:
    """Every row of the table is compared; those that count are the changed ones."""
    left = warehouse.arrived(config, directory, told, changes=True)
    if told["rows"] != changes:
        raise DisqualifiedError(f"{told['rows']:,} rows were merged where {changes:,} had changed")
    return Left(changes, left.raw_bytes, left.compressed_bytes, extra=left.extra)
