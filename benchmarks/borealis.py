"""Our contenders: the pipeline of a run as it is, with no target: files are kept, nothing is loaded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.measure import Contender
from engine.config import Limits as ConfiguredLimits
from engine.extraction import extract
from engine.model import StagedFile, Table
from engine.pipeline import Limits
from engine.plan import Evolution, TablePlan, chunk_bytes, split
from engine.source import catalogue
from engine.source.connection import Address, connected
from engine.source.snapshot import open_snapshot
from engine.spool import SpoolSettings
from engine.stage.disk import DiskSinks
from engine.typemap import map_table

DEFAULTS = ConfiguredLimits()
READERS = DEFAULTS.readers


@dataclass(frozen=True, slots=True)
class Extraction:
    """`reader` copy or cursor, `codec` gzip or zstd."""

    dsn: str
    table: str
    readers: int
    reader: str
    codec: str

    def into(self, directory: Path) -> None:
        asyncio.run(self._run(directory))

    async def _run(self, directory: Path) -> None:
        address = Address(self.dsn)
        async with connected(address) as connection:
            relations = [r for r in await catalogue.relations(connection) if r.name == self.table]
        async with open_snapshot(address, relations, self.readers) as snapshot:
            (table,) = (await snapshot.tables(relations)).values()
            spool = directory.with_name("spool")
            spool.mkdir(exist_ok=True)
            sinks = DiskSinks(spool)
            await extract(
                self._plan(table),
                snapshot,
                SpoolSettings(sinks, DEFAULTS.file_bytes_max, self.codec, DEFAULTS.compression_level),
                Limits(self.readers, DEFAULTS.loaders, DEFAULTS.queue, attempts=1),
                keep=partial(_keep, directory),
            )

    def _plan(self, table: Table) -> TablePlan:
        return TablePlan(
            table=table,
            fields=map_table(table, {}, {}).fields,
            target_name=table.name.upper(),
            mode="full",
            publish="swap",
            key=(),
            chunks=split(table, chunk_bytes(table, self.readers)),
            evolution=Evolution(),
            target_exists=False,
            reader=self.reader,
        )


def _keep(directory: Path, file: StagedFile) -> None:
    """Under a second name: rows are counted in the files, after the time is taken."""
    assert file.path is not None
    os.link(file.path, directory / file.name)


def contenders(dsn: str, table: str, readers: int) -> Sequence[Contender]:
    """The default first."""
    kinds = [("copy", "gzip"), ("copy", "zstd"), ("cursor", "gzip")]
    return [
        Contender(
            f"borealis {reader}, {codec}", partial(Extraction.into, Extraction(dsn, table, readers, reader, codec))
        )
        for reader, codec in kinds
    ]
