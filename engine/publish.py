"""Makes a landing table visible: swap, overwrite, merge or append, and the watermark with it.

Merge, append and overwrite commit together with their watermark, in one transaction. A swap commits by itself: its
watermark is noted as pending before it, and the mark in the table's comment tells afterwards whether it happened. Each
way may be tried again after a lost reply: what was published is read off the target from a new session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.errors import GateError
from engine.model import Field
from engine.plan import TablePlan
from engine.sql import gone
from engine.sql import target as sql
from engine.sql.marks import forget_watermark, replaced_key, select_watermarks
from engine.sql.target import MergeOptions
from engine.target.session import Result, Session
from engine.target.snowflake import Target, TargetTable, Watermark, check_moved

Statement = tuple[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Publication:
    """A landing table whose gates are green, about to become visible."""

    plan: TablePlan
    run_id: str
    landing: str
    """Its name, unquoted."""
    existing: TargetTable | None
    watermark: Watermark
    target_key: str
    """The target table's name in WATERMARKS: SCHEMA.TABLE."""
    soft_column: str | None = None
    mark: str | None = None
    """The target's column that marks rows as gone."""

    @property
    def next_watermark(self) -> Watermark | None:
        """None: a table that is always full has no watermark to keep."""
        if self.plan.window is None:
            return None
        return Watermark(self.run_id, self.watermark.version + 1, self.plan.window.cursor.name, self.plan.key,
                         self.plan.window.high)  # fmt: skip


async def publish(target: Target, publication: Publication) -> dict[str, int]:
    """Publishes, once, however often it is tried; returns what changed as the target counts it."""
    if publication.plan.publish == "swap":
        await _swap(target, publication)
        return {}
    return await _in_transaction(target, publication)


# --- swap -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Exchange:
    """A table of ours that takes the place of a target's, which then has its name; where there is none, it moves."""

    target_name: str
    target_key: str
    label: str
    landing: str
    run_id: str
    """In the mark of the table of ours."""
    replaces: bool
    was: Watermark
    after: Watermark | None
    """None: the table has no watermark."""


async def _swap(target: Target, publication: Publication) -> None:
    plan, was = publication.plan, publication.watermark
    replaces = publication.existing is not None
    if replaces and was.value is not None:
        await _keep_watermark(target, publication)
    await exchange(
        target,
        Exchange(
            plan.target_name, publication.target_key, plan.table.label, publication.landing, publication.run_id,
            replaces, was, publication.next_watermark,
        ),
    )  # fmt: skip


async def _keep_watermark(target: Target, publication: Publication) -> None:
    """The watermark of the table that is about to be replaced, for a rollback to it."""
    key = replaced_key(publication.target_key)
    kept = replace(publication.watermark, pending_run_id=publication.run_id)
    statements = [(forget_watermark(target.names), [key]), target.watermark_statement(key, Watermark(), kept)]
    async for attempt in target.retrying():
        with attempt:
            async with target.sessions.session() as session:
                await session.transaction(statements, doing="cannot keep the watermark of the table before")


async def exchange(target: Target, change: Exchange) -> None:
    """Once, however often it is tried: the watermark is pending before it, and the mark tells whether it happened."""
    was, after = change.was, change.after
    if after is not None:
        pending = replace(
            was, run_id=was.run_id or change.run_id, version=was.version + 1, cursor=after.cursor, key=after.key,
            pending_run_id=change.run_id, pending_value=after.value,
        )  # fmt: skip
        if was.cursor != after.cursor or was.key != after.key:
            pending = replace(pending, value=None)
        await move_watermark(target, change.target_key, was, pending)
        was, after = pending, replace(after, version=pending.version + 1)
    if change.replaces:
        statement = sql.swap(target.names, change.target_name, change.landing)
    else:
        statement = sql.rename(target.names, change.landing, change.target_name)
    first = True
    async for attempt in target.retrying():
        with attempt:
            async with target.sessions.session(fresh=not first) as session:
                if first or not await _is_exchanged(session, target, change):
                    first = False
                    await session.execute(statement, doing=f"cannot publish {change.label}")
    if after is not None:
        await move_watermark(target, change.target_key, was, after)


async def _is_exchanged(session: Session, target: Target, change: Exchange) -> bool:
    found = await session.execute(sql.select_tables(target.names), doing="cannot read the target's tables")
    return any(
        TargetTable(row[1], True, False, row[4] or "", {}).run_id == change.run_id
        for row in found.rows
        if row[0] == target.names.schema and row[1] == change.target_name
    )


async def move_watermark(target: Target, table: str, was: Watermark, now: Watermark) -> None:
    """Moves a watermark by itself. Raises LeaseError where another run has moved it since `was` was read."""
    first = True
    async for attempt in target.retrying():
        with attempt:
            async with target.sessions.session(fresh=not first) as session:
                if not first and await _stands(session, target, table, now):
                    return
                first = False
                statement, values = target.watermark_statement(table, was, now)
                moved = await session.execute(statement, values, doing="cannot note the watermark")
                check_moved(moved.rowcount, table)


async def _stands(session: Session, target: Target, table: str, now: Watermark) -> bool:
    """A lost reply to COMMIT leaves open whether the watermark moved: it did, if it is where this run puts it."""
    found = await session.execute(select_watermarks(target.names), doing="cannot read the watermarks")
    return any(
        (row[0], row[1], row[2], row[6]) == (table, now.run_id, now.version, now.pending_run_id) for row in found.rows
    )


# --- in a transaction with the watermark ------------------------------------------------------------------------


async def _in_transaction(target: Target, publication: Publication) -> dict[str, int]:
    after = publication.next_watermark
    statements: list[Statement] = [(await _statement(target, publication), ())]
    if after is not None:
        statements.append(target.watermark_statement(publication.target_key, publication.watermark, after))

    def check(results: list[Result]) -> None:
        if after is not None:
            check_moved(results[1].rowcount, publication.target_key)

    first = True
    async for attempt in target.retrying():
        with attempt:
            async with target.sessions.session(fresh=not first) as session:
                if not first and after is not None and await _stands(session, target, publication.target_key, after):
                    return {}
                first = False
                results = await session.checked_transaction(
                    statements, check, doing=f"cannot publish {publication.plan.table.label}"
                )
                return _changes(publication.plan.publish, results[0])
    raise AssertionError


async def _statement(target: Target, publication: Publication) -> str:
    plan = publication.plan
    if plan.publish != "merge":
        return sql.insert_all(target.names, plan, publication.landing, overwrite=plan.publish == "overwrite")
    soft = publication.soft_column
    deleted = plan.field_of(soft) if soft else None
    options = MergeOptions(deleted, await _key_range(target, publication), publication.mark)
    return sql.merge(target.names, plan, publication.landing, options)


async def _key_range(target: Target, publication: Publication) -> tuple[str, str] | None:
    """Checks the key's values in the landing table; where the first key column is a number, the range they span.

    Raises GateError for NULL in a key: a MERGE would insert such rows again with each run.
    """
    key = [publication.plan.field_of(name) for name in publication.plan.key]
    table = target.names.ours(publication.landing)
    (row,) = await target.execute(sql.key_faults(table, key), doing="cannot check the keys of the landing table")
    nulls, _, least, greatest = row
    refuse_null_keys(publication.plan, int(nulls or 0))
    if key[0].target_type.startswith("NUMBER") and least is not None:
        return str(least), str(greatest)
    return None


def refuse_null_keys(plan: TablePlan, nulls: int) -> None:
    if nulls:
        raise GateError(
            f"{plan.table.label}: {nulls} rows have no value in the key ({', '.join(plan.key)})",
            remedy="declare a key whose columns are never NULL; the target is untouched",
        )


def _changes(publish: str, result: Result) -> dict[str, int]:
    """`number of rows inserted`, `... updated`, `... deleted`: MERGE names only the clauses it has."""
    if publish != "merge":
        return {"inserted": result.rowcount}
    return {
        name.replace("number of rows ", ""): int(value)
        for name, value in zip(result.columns, result.rows[0], strict=True)
        if name.startswith("number of rows ")
    }


# --- deletes ----------------------------------------------------------------------------------------------------


async def delete_missing(
    target: Target, plan: TablePlan, keys_table: str, key: Sequence[Field], mark: str | None
) -> int:
    """Deletes, or marks, the rows whose key is not among the source's; may be repeated."""
    if mark:
        statement = gone.mark_missing(target.names, plan.target_name, keys_table, key, mark)
    else:
        statement = gone.delete_missing(target.names, target.names.table(plan.target_name), keys_table, key)
    async for attempt in target.retrying():
        with attempt:
            async with target.sessions.session() as session:
                results = await session.transaction(
                    [(statement, ())], doing=f"cannot delete the missing rows of {plan.table.label}"
                )
                return results[0].rowcount
    raise AssertionError
