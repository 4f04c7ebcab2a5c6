"""The checksum of a table's rows, computed in each database by itself; the order of rows does not matter."""

from __future__ import annotations

from collections.abc import Sequence

from engine.model import Chunk, Field
from engine.plan import TablePlan
from engine.source.connection import Translated
from engine.source.snapshot import Snapshot
from engine.sql import source as source_sql
from engine.sql import target as target_sql
from engine.target.snowflake import Target
from engine.tasks import in_turns


async def source_checksum(
    snapshot: Snapshot, plan: TablePlan, fields: Sequence[Field], deleted: Field | None = None
) -> tuple[int, int]:
    """(rows, sum) of the plan's rows, but those that `deleted` marks, as the snapshot has them; a chunk a reader."""
    totals = [0, 0]

    async def add(chunk: Chunk) -> None:
        async with snapshot.reader() as connection:
            with Translated(f"cannot compute the checksum of {plan.table.label}"):
                rows = source_sql.unflagged(source_sql.rows_of(plan, chunk), deleted)
                row = await connection.fetchrow(source_sql.checksum(fields, rows))
        totals[0] += row[0]
        totals[1] += int(row[1])

    await in_turns(plan.chunks, snapshot.readers, add)
    return totals[0], totals[1]


async def target_checksum(target: Target, table: str, fields: Sequence[Field]) -> tuple[int, int]:
    """(rows, checksum) of a table at the target, computed there."""
    ((count, total),) = await target.execute(target_sql.checksum(table, fields), doing="cannot compute the checksum")
    return int(count), int(total)
