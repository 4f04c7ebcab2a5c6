"""Three columns: what a row costs where there is little in it."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from benchmarks.data.port import columns, generated

NAME = "narrow"
ABOUT = "3 columns: key, time, measured value"
COLUMNS = columns("""
    id bigint NOT NULL
    at timestamptz NOT NULL
    value double precision NOT NULL
""")
BYTES_A_ROW = 100
# Values come from hashes of the row's number, so that they look random, need no seed and are the same every time.
SELECT = """
SELECT n, timestamptz '2020-01-01Z' + n * interval '1.234567 s', (hashint8extended(n, 1) % 1000000007) / 1000.0
FROM generate_series(1::bigint, $1::bigint) AS n"""


def rows(scale: float) -> int:
    return round(12_000_000 * scale)


async def make(connection: asyncpg.Connection, scale: float, folder: Path) -> None:
    del folder
    await generated(connection, NAME, COLUMNS, SELECT, rows(scale))
