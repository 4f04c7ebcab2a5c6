"""A table of which a little changes: orders with a key and the time of their last change."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from benchmarks.data.port import columns, generated

NAME = "trickle"
ABOUT = "orders that are inserted, updated and deleted a few at a time"
COLUMNS = columns("""
    order_id bigint NOT NULL
    customer_id integer NOT NULL
    state text NOT NULL
    total numeric(12,2) NOT NULL
    note text
    updated_at timestamptz NOT NULL
""")
BYTES_A_ROW = 150
SELECT = """
SELECT n, (abs(hashint8extended(n, 1) % 100003))::integer, (ARRAY['new', 'paid', 'sent', 'done'])[1 + n % 4],
    (n % 9973) * 1.07, CASE WHEN n % 3 = 0 THEN 'left at the door ' || n END,
    timestamptz '2024-01-01Z' + n * interval '1 s'
FROM generate_series($2::bigint + 1, $2::bigint + $1::bigint) AS n"""


def rows(scale: float) -> int:
    return round(2_000_000 * scale)


async def make(connection: asyncpg.Connection, scale: float, folder: Path) -> None:
    """With a primary key, and an index on what an incremental run filters by."""
    del folder
    await generated(connection, NAME, COLUMNS, SELECT.replace("$2", "0"), rows(scale))
    await connection.execute(f"ALTER TABLE {NAME} ADD PRIMARY KEY (order_id)")
    await connection.execute(f"CREATE INDEX ON {NAME} (updated_at)")


async def change(connection: asyncpg.Connection, *, inserted: int, updated: int, deleted: int) -> None:
    """In one transaction, later than every change before; those deleted and updated are the longest unchanged."""
    async with connection.transaction():
        last = await connection.fetchval(f"SELECT max(order_id) FROM {NAME}")
        await connection.execute(f"INSERT INTO {NAME} {SELECT}", inserted, last)
        await connection.execute(f"DELETE FROM {NAME} WHERE order_id IN ({_OLDEST})", deleted)
        await connection.execute(
            f"UPDATE {NAME} SET state = 'done', total = total + 1, updated_at = clock_timestamp() "
            f"WHERE order_id IN ({_OLDEST})",
            updated,
        )
        await connection.execute(f"UPDATE {NAME} SET updated_at = clock_timestamp() WHERE order_id > $1", last)


_OLDEST = f"SELECT order_id FROM {NAME} ORDER BY updated_at LIMIT $1"
