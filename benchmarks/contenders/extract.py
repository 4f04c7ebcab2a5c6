"""Ours: the pipeline of a run as it is, with no target: files are kept where they are, nothing is loaded."""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import os
import sys
import time
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

from benchmarks.contenders import protocol
from engine import config as settings
from engine.config import Config
from engine.extraction import Extracted, extract
from engine.foresight import Foresight
from engine.machine import bounds_of, machine
from engine.model import Field, StagedFile, Table, Tuning
from engine.pipeline import Limits
from engine.plan import Evolution, TablePlan, split, tuned
from engine.predict import Rates
from engine.source import catalogue
from engine.source.connection import Address, connected
from engine.source.snapshot import Snapshot, open_snapshot
from engine.spool import SpoolSettings
from engine.sql.source import END, needs_end
from engine.stage.disk import DiskSinks
from engine.typemap import map_table


def argv(dsn: str, table: str, *, reader: str = "copy", codec: str = "gzip") -> list[str]:
    """`reader` copy or cursor, `codec` gzip or zstd; with as many readers as the engine chooses."""
    module = [sys.executable, "-m", "benchmarks.contenders.extract"]
    return [*module, "--dsn", dsn, "--table", table, "--reader", reader, "--codec", codec]


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--dsn", "--table", "--reader", "--codec", "--into"):
        parser.add_argument(name, required=True)
    asked = parser.parse_args()
    protocol.run(lambda: asyncio.run(_extracted(asked)))


async def _extracted(asked: argparse.Namespace) -> dict[str, Any]:
    began = time.monotonic()
    config = config_of(asked.dsn, codec=asked.codec)
    address = Address(asked.dsn)
    async with connected(address) as connection:
        relations = [r for r in await catalogue.relations(connection) if r.name == asked.table]
    async with open_snapshot(address, relations, bounds_of(config).readers_max) as snapshot:
        (table,) = (await snapshot.tables(relations)).values()
        plan, tuning = plan_of(config, table, map_table(table, {}, {}).fields, asked.reader)
        planned = time.monotonic()
        found = await extracted(config, plan, tuning, snapshot, Path(asked.into))
    fields = [field.source for field in plan.fields] + [END] * needs_end(plan.fields)
    return {
        "rows": found.rows,
        "phases": {"plan": planned - began, "read": found.seconds},
        "versions": {name: importlib.metadata.version(name) for name in ("asyncpg", "isal", "zstandard")},
        "extra": {
            "columns": fields,
            "csv_bytes": found.bytes_read,
            "chunks": len(plan.chunks),
            "readers": tuning.readers,
        },
    }


async def extracted(config: Config, plan: TablePlan, tuning: Tuning, snapshot: Snapshot, into: Path) -> Extracted:
    """Leaves the files in `into`."""
    spool = into.with_name("spool")
    spool.mkdir(exist_ok=True)
    return await extract(
        plan,
        snapshot,
        SpoolSettings(DiskSinks(spool), tuning.file_bytes_max, tuning.codec, tuning.level),
        Limits(plan.tuning.readers, plan.tuning.loaders, config.limits.queue, attempts=1),
        keep=partial(_keep, into),
    )


def config_of(dsn: str, *, codec: str) -> Config:
    """As a run that was never measured has it; of the target nothing is used."""
    return settings.parse(
        {
            "source": {"dsn": dsn},
            "target": {"local": ".", "database": "NONE", "schema": "NONE"},
            "tables": [{"name": "*.*"}],
            "limits": {"codec": codec},
        }
    )


def plan_of(config: Config, table: Table, fields: tuple[Field, ...], reader: str) -> tuple[TablePlan, Tuning]:
    tuning = Foresight(config, machine(config), {}, Rates(), inf).tuning("", table.bytes_total, "full")
    plan = TablePlan(
        table=table,
        fields=fields,
        target_name=table.name.upper(),
        mode="full",
        publish="swap",
        key=(),
        chunks=split(table, tuning.chunk_bytes),
        evolution=Evolution(),
        target_exists=False,
        reader=reader,
    )
    return tuned(plan, tuning), tuning


def _keep(directory: Path, file: StagedFile) -> None:
    """Under a second name: a loader would delete the first."""
    assert file.path is not None
    os.link(file.path, directory / file.name)


if __name__ == "__main__":
    main()
