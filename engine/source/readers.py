"""The two readers of a chunk, rows in, CSV out: `copy` streams COPY, `cursor` fetches lines that the server rendered.

No row becomes Python objects on either path, and both write the same bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from operator import itemgetter

from engine.model import Chunk
from engine.plan import TablePlan
from engine.source.connection import Connection
from engine.spool import Spool
from engine.sql import source as sql

NAP_BELOW_BYTES = 64 * 1024
NAP_S = 0.001
"""A short rest lets the kernel's buffer fill: receives grow from 20 to 150 KB and the loop's CPU falls by 60 %."""
FETCH_BYTES = 2 * 2**20
FETCH_RECORDS_MAX = 4096
"""Bounds what one fetch may hold when records turn out much larger than those before."""

_LINES, _COUNT = itemgetter(0), itemgetter(1)
Reader = Callable[[Connection, TablePlan, Chunk, Spool], Awaitable[int]]
"""Writes the chunk's rows, returns how many there were."""


async def read_copy(connection: Connection, plan: TablePlan, chunk: Chunk, spool: Spool) -> int:
    """Streams `COPY (SELECT ...) TO STDOUT` into the spool; returns the rows that the server counted."""

    async def sink(data: bytes) -> None:
        await spool.write(data)
        if len(data) < NAP_BELOW_BYTES:
            await asyncio.sleep(NAP_S)

    select = sql.copy_select(plan.fields, sql.rows_of(plan, chunk))
    status = await connection.copy_from_query(
        select, output=sink, format="csv", force_quote=sql.quoted_columns(plan.fields) or None
    )
    return int(status.rpartition(" ")[2])


async def read_cursor(connection: Connection, plan: TablePlan, chunk: Chunk, spool: Spool) -> int:
    """Fetches through a server-side cursor, about `FETCH_BYTES` a batch; the spool compresses one batch meanwhile."""
    cursor = await connection.cursor(sql.lines_select(plan, chunk))
    count, batch = 0, 1
    while records := await cursor.fetch(batch):
        lines = b"\n".join([*map(_LINES, records), b""])
        count += sum(map(_COUNT, records))
        batch = max(1, min(FETCH_RECORDS_MAX, 2 * batch, FETCH_BYTES * len(records) // len(lines)))
        await spool.write(lines)
    return count


READERS: dict[str, Reader] = {"copy": read_copy, "cursor": read_cursor}
