"""Few rows of large values, out of line at the source: bytes rather than rows are what is carried."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from benchmarks.data.port import columns, generated

NAME = "fat"
ABOUT = "texts of 20 to 500 KB and bytea of 32 KB, in TOAST"
COLUMNS = columns("""
    id bigint NOT NULL
    body text NOT NULL
    attachment bytea
""")
BYTES_A_ROW = 350_000
# Hashes in words of three times the same compress as prose does. A row stays under the 2 MB that DuckDB's reader takes.
SELECT = """
SELECT n, words,
    CASE WHEN n % 2 = 0 THEN (SELECT decode(string_agg(md5(n || '-' || i), ''), 'hex')
        FROM generate_series(1, 2048) AS i) END
FROM generate_series(1::bigint, $1::bigint) AS n,
    LATERAL (SELECT string_agg(md5(n || ':' || i / 3) || ' ', '') AS words
        FROM generate_series(1, 600 * (1 + n % 25)) AS i) AS made"""


def rows(scale: float) -> int:
    return round(4_000 * scale)


async def make(connection: asyncpg.Connection, scale: float, folder: Path) -> None:
    del folder
    await generated(connection, NAME, COLUMNS, SELECT, rows(scale))
