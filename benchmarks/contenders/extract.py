"""Ours: the pipeline of a run as it is, with no target: files are kept where they are, nothing is loaded."""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.contenders import protocol
from engine.config import Limits as ConfiguredLimits
from engine.extraction import extract
from engine.model import StagedFile, Table
from engine.pipeline import Limits
from engine.plan import Evolution, TablePlan, chunk_bytes, split
from engine.source import catalogue
from engine.source.connection import Address, connected
from engine.source.snapshot import open_snapshot
from engine.spool import SpoolSettings
from engine.sql.source import END, needs_end
from engine.stage.disk import DiskSinks
from engine.typemap import map_table

DEFAULTS = ConfiguredLimits()


def argv(dsn: str, table: str, *, reader: str = "copy", codec: str = "gzip") -> list[str]:
    """`reader` copy or cursor, `codec` gzip or zstd."""
    module = [sys.executable, "-m", "benchmarks.contenders.extract"]
    return [*module, "--dsn", dsn, "--table", table, "--reader", reader, "--codec", codec]


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--dsn", "--table", "--reader", "--codec", "--into"):
        parser.add_argument(name, required=True)
    parser.add_argument("--readers", type=int, default=DEFAULTS.readers)
    asked = parser.parse_args()
    protocol.run(lambda: asyncio.run(_extracted(asked)))


async def _extracted(asked: argparse.Namespace) -> dict[str, Any]:
    began = time.monotonic()
    address = Address(asked.dsn)
    async with connected(address) as connection:
        relations = [r for r in await catalogue.relations(connection) if r.name == asked.table]
    async with open_snapshot(address, relations, asked.readers) as snapshot:
        (table,) = (await snapshot.tables(relations)).values()
        plan = _plan(table, asked.reader, asked.readers)
        planned = time.monotonic()
        into = Path(asked.into)
        spool = into.with_name("spool")
        spool.mkdir(exist_ok=True)
        found = await extract(
            plan,
            snapshot,
            SpoolSettings(DiskSinks(spool), DEFAULTS.file_bytes_max, asked.codec, DEFAULTS.compression_level),
            Limits(asked.readers, DEFAULTS.loaders, DEFAULTS.queue, attempts=1),
            keep=partial(_keep, into),
        )
    fields = [field.source for field in plan.fields] + [END] * needs_end(plan.fields)
    return {
        "rows": found.rows,
        "phases": {"plan": planned - began, "read": found.seconds},
        "versions": {name: importlib.metadata.version(name) for name in ("asyncpg", "isal", "zstandard")},
        "extra": {"columns": fields, "csv_bytes": found.bytes_read, "chunks": len(plan.chunks)},
    }


def _plan(table: Table, reader: str, readers: int) -> TablePlan:
    return TablePlan(
        table=table,
        fields=map_table(table, {}, {}).fields,
        target_name=table.name.upper(),
        mode="full",
        publish="swap",
        key=(),
        chunks=split(table, chunk_bytes(table, readers)),
        evolution=Evolution(),
        target_exists=False,
        reader=reader,
    )


def _keep(directory: Path, file: StagedFile) -> None:
    """Under a second name: a loader would delete the first."""
    assert file.path is not None
    os.link(file.path, directory / file.name)


if __name__ == "__main__":
    main()
