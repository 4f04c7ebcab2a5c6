"""Values that are legal in PostgreSQL and that readers drop, bend or refuse: two rows of each sort, and plain ones."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from benchmarks.data.port import columns, create

NAME = "losses"
ABOUT = "NaN, infinity, unbounded numeric, interval, BC, 24:00, and plain rows"
COLUMNS = columns("""
    id integer NOT NULL
    money numeric(20,4)
    exact numeric
    ratio double precision
    day date
    at timestamptz
    span interval
    clock time
    word text
""")
BYTES_A_ROW = 200
VALUES = """
    ('NaN', '1', '1', '2024-01-01', '2024-01-01T00:00Z', '1 day', '12:00', 'numeric NaN'),
    ('1', 'Infinity', '1', '2024-01-01', '2024-01-01T00:00Z', '1 day', '12:00', 'numeric infinity'),
    ('1', '12345678901234567890.123456789012345678', '1', '2024-01-01', '2024-01-01T00:00Z', '1 day', '12:00', 'exact'),
    ('1', '1', 'NaN', '2024-01-01', '2024-01-01T00:00Z', '1 day', '12:00', 'float NaN'),
    ('1', '1', '-Infinity', '2024-01-01', '2024-01-01T00:00Z', '1 day', '12:00', 'float infinity'),
    ('1', '1', '1', 'infinity', '2024-01-01T00:00Z', '1 day', '12:00', 'date infinity'),
    ('1', '1', '1', '0044-03-15 BC', '2024-01-01T00:00Z', '1 day', '12:00', 'date BC'),
    ('1', '1', '1', '12024-01-01', '2024-01-01T00:00Z', '1 day', '12:00', 'year of five digits'),
    ('1', '1', '1', '2024-01-01', '-infinity', '1 day', '12:00', 'timestamp infinity'),
    ('1', '1', '1', '2024-01-01', '2024-01-01T00:00Z', '1 year 2 mons 3 days 04:05:06', '12:00', 'interval of months'),
    ('1', '1', '1', '2024-01-01', '2024-01-01T00:00Z', '1 day', '24:00', 'the end of a day'),
    ('1', '1', '1', '2024-01-01', '2024-01-01T00:00Z', '1 day', '12:00', ''),
    ('1', '1', '1', '2024-01-01', '2024-01-01T00:00Z', '1 day', '12:00', NULL),
    ('1', '1', '1', '2024-01-01', '2024-01-01T00:00Z', '1 day', '12:00', E'\\\\N'),
    ('1', '1', '1', '2024-01-01', '2024-01-01T00:00Z', '1 day', '12:00', E'a "quote", a comma\\nand a line')"""
SORTS = VALUES.count("\n")
PLAIN = 1000


def rows(scale: float) -> int:
    """The same few at every scale."""
    del scale
    return 2 * SORTS + PLAIN


async def make(connection: asyncpg.Connection, scale: float, folder: Path) -> None:
    del scale, folder
    await create(connection, NAME, COLUMNS)
    names = ", ".join(column.name for column in COLUMNS[1:])
    typed = ", ".join(f"{column.name}::{column.type}" for column in COLUMNS[1:])
    await connection.execute(
        f"INSERT INTO {NAME} SELECT row_number() OVER (), {typed} "
        f"FROM (VALUES {VALUES}) AS v ({names}), generate_series(1, 2)"
    )
    await connection.execute(
        f"INSERT INTO {NAME} SELECT 100 + n, n * 1.5, n * 1.25, n / 8.0, date '2024-01-01' + n % 365, "
        "timestamptz '2024-01-01Z' + n * interval '1 min', n * interval '1 min', time '00:00' + n * interval '1 min', "
        f"'plain ' || n FROM generate_series(1, {PLAIN}) AS n"
    )
