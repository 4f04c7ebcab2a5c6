"""Many small tables: what a table costs where there is almost nothing in it."""

from __future__ import annotations

import asyncpg

TABLES_DEFAULT = 1000
ROWS_EACH = 100
BATCH = 200
"""Tables a transaction: each is a lock, and max_locks_per_transaction is 64 by 100 connections."""
SCRIPT = """
DO $$
DECLARE name text;
BEGIN
    FOR number IN {first}..{last} LOOP
        name := format('small_%s', to_char(number, 'FM0000'));
        EXECUTE format('CREATE TABLE %I (id integer PRIMARY KEY, label text NOT NULL, amount numeric(10,2), '
            'created_at timestamptz NOT NULL)', name);
        EXECUTE format('INSERT INTO %I SELECT n, md5(n::text), n * 1.01, timestamptz ''2024-01-01Z'' + n * interval '
            '''1 min'' FROM generate_series(1, {rows}) AS n', name);
    END LOOP;
END $$"""


async def make(connection: asyncpg.Connection, tables: int = TABLES_DEFAULT, rows: int = ROWS_EACH) -> list[str]:
    """Their names, small_0001 and so on."""
    for first in range(1, tables + 1, BATCH):
        last = min(first + BATCH - 1, tables)
        await connection.execute(SCRIPT.format(first=first, last=last, rows=rows))
    await connection.execute("VACUUM (FREEZE, ANALYZE)")
    await connection.execute("CHECKPOINT")
    return [f"small_{number:04}" for number in range(1, tables + 1)]
