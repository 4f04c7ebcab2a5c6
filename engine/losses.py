"""Counts the values of some rows that have no exact form at the target, with the first keys of each kind."""

from __future__ import annotations

from engine.model import Lost
from engine.plan import TablePlan
from engine.source.connection import Connection
from engine.sql import source as sql


async def lost_values(connection: Connection, plan: TablePlan, rows: str) -> list[Lost]:
    """`rows` is `FROM ... WHERE ...`; they are read once, and once more for each kind of loss that is found."""
    kinds = sql.losses_of(plan.fields)
    if not kinds:
        return []
    key = plan.key or plan.table.key
    if not {column.name for column in plan.table.columns}.issuperset(key):
        key = ()  # a column that is excluded does not travel
    counts = await connection.fetchrow(sql.count_losses(plan.fields, rows))
    found = []
    for (item, loss), count in zip(kinds, counts, strict=True):
        if count:
            first = await connection.fetch(sql.lost_keys(key, loss, rows)) if key else []
            keys = tuple(dict(zip(key, row, strict=True)) for row in first)
            found.append(Lost(item.source, loss.reason, count, keys))
    return found
