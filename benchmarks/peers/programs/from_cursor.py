"""The naive way: a server-side cursor of asyncpg, Python's csv module, gzip. One row after the other, no tuning."""

from __future__ import annotations

import asyncio
import csv
import gzip
from pathlib import Path

import asyncpg
from turn import serve

PREFETCH_ROWS = 10_000


def extract(dsn: str, table: str, into: Path, readers: int) -> int:
    del readers
    return asyncio.run(_extract(dsn, table, into / "0.csv.gz"))


async def _extract(dsn: str, table: str, path: Path) -> int:
    rows = 0
    connection = await asyncpg.connect(dsn)
    try:
        with gzip.open(path, "wt", compresslevel=1, newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            async with connection.transaction():
                async for row in connection.cursor(f"SELECT * FROM {table}", prefetch=PREFETCH_ROWS):
                    writer.writerow(row)
                    rows += 1
    finally:
        await connection.close()
    return rows


serve(extract, "asyncpg")
