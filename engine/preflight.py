"""Decides a table's run from what both sides say; every fault of a table is told before one of its rows moves."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from engine.config import Config, Resolved, TableOptions
from engine.errors import RefusedError
from engine.foresight import Foresight, first_unseen
from engine.model import Column, Field, Mode, Table
from engine.plan import (
    Complete,
    Cursor,
    Evolution,
    TablePlan,
    Window,
    as_held,
    cursor_of,
    evolve,
    split,
    tuned,
)
from engine.source.connection import Translated
from engine.source.horizon import Horizon
from engine.source.snapshot import Snapshot
from engine.sql import source as sql
from engine.target.snowflake import TargetCatalogue, TargetTable, Watermark
from engine.typemap import ColumnPolicy, Measured, map_table, measure_select


@dataclass(frozen=True, slots=True)
class Choice:
    """A table that was asked for, as the source and the target have it now."""

    options: TableOptions
    target_name: str
    table: Table
    existing: TargetTable | None
    watermark: Watermark

    @property
    def label(self) -> str:
        return self.table.label

    @property
    def mark(self) -> str | None:
        """The target's column that marks rows as gone at the source; None too before the run that adds it."""
        column = self.options.soft_column if self.options.deletes == "reconcile" else None
        return column if self.existing is not None and column in self.existing.columns else None


def choose(resolved: Resolved, table: Table, catalogue: TargetCatalogue, target_key: str, *, standby: bool) -> Choice:
    """Brings a configured table together with its two sides. Raises RefusedError with all faults found so far."""
    faults = []
    options, existing = resolved.options, catalogue.tables.get(resolved.target_name)
    if table.row_security or any(leaf.row_security for leaf in table.leaves):
        faults.append(
            f"{table.label}: row-level security would hide rows from this role; give the role BYPASSRLS, "
            "read as the owner, or exclude the table"
        )
    closed = [leaf.label for leaf in table.leaves if not leaf.readable]
    if closed:
        faults.append(
            f"{table.label}: its rows are read from its leaves, and the role may not read {len(closed)} of them, such "
            f"as {closed[0]}; GRANT USAGE on their schema and SELECT on each"
        )
    unlogged = [leaf.label for leaf in table.leaves if leaf.unlogged] if standby else []
    if unlogged:
        what = "it" if unlogged == [table.label] else unlogged[0]
        faults.append(
            f"{table.label}: {what} is unlogged, and a standby has no rows of such a table; read it from the primary"
        )
    if existing is not None and not existing.is_table:
        faults.append(f"{table.label}: {resolved.target_name} is a view at the target; drop it, or set target_name")
    names = {column.name for column in table.columns}
    for setting, wanted in (("exclude_columns", options.exclude_columns), ("key", options.key)):
        faults += [
            f"{table.label}: {setting} names the column {name!r}, which does not exist"
            for name in wanted
            if name not in names
        ]
    excluded = set(options.exclude_columns)
    kept = replace(table, columns=tuple(column for column in table.columns if column.name not in excluded))
    if options.mode == "incremental":
        needed = {*(options.key or table.key), options.cursor}
        faults += [f"{table.label}: the column {name!r} is needed and cannot be excluded" for name in needed & excluded]
    if faults:
        raise RefusedError(faults)
    watermark = catalogue.watermarks.get(target_key, Watermark()).settled(existing)
    return Choice(options, resolved.target_name, kept, existing, watermark)


class Preflight:
    """Turns choices into plans, with the questions that only a look at the rows can answer."""

    def __init__(
        self,
        config: Config,
        snapshot: Snapshot,
        horizon: Horizon | None,
        streamed: frozenset[str],
        known: Foresight,
    ) -> None:
        self._known = known
        self._names = config.target
        self._snapshot = snapshot
        self._horizon = horizon
        self._streamed = streamed

    async def plan(self, choice: Choice, *, full: bool) -> TablePlan:
        """Raises RefusedError naming table, column and remedy; nothing at the target has changed then."""
        if choice.options.mode == "full":
            fields, notes = await self._fields(choice, None)
            return self._plan(choice, "full", fields, (), None, notes)
        cursor, key = cursor_of(choice.table, choice.options.cursor or ""), self._key(choice)
        reasons = self._reload_reasons(choice, cursor, key, full)
        low = None if reasons else choice.watermark.value
        rewritten = []
        if low is not None:
            self._refuse_the_past(choice)
            rewritten = await self._rewritten(choice, cursor, low)
        window, notes = await self._window(choice, cursor, low)
        notes += rewritten
        fields, mapped = await self._fields(choice, window)
        if not reasons:
            reasons = await self._rebuild_reasons(choice, fields, cursor)
            if reasons:
                window, notes = await self._window(choice, cursor, None)
                fields, mapped = await self._fields(choice, window)
        mode: Mode = "full" if reasons else "incremental"
        if choice.existing is not None:
            notes += [f"loaded anew: {reason}" for reason in reasons]
        return self._plan(choice, mode, fields, key, window, [*notes, *mapped])

    # --- incremental -----------------------------------------------------------------------------------------------

    def _key(self, choice: Choice) -> tuple[str, ...]:
        key = choice.options.key or choice.table.key
        if choice.options.publish == "append":
            return ()
        if not key:
            raise RefusedError(
                [
                    (
                        f"{choice.label}: a merge needs a key, and the table has no primary key; set key to columns "
                        "that "
                        'are unique together, or publish = "append"'
                    )
                ]
            )
        return key

    def _reload_reasons(self, choice: Choice, cursor: Cursor, key: tuple[str, ...], full: bool) -> list[str]:
        """Why this run cannot go on from where the last one ended."""
        mark = choice.watermark
        if full or choice.existing is None or mark.value is None:
            return ["asked for" if full else "there is no watermark yet"]
        reasons = []
        if mark.cursor != cursor.name:
            reasons.append(f"the cursor was {mark.cursor}, now it is {cursor.name}")
        if mark.key != key:
            reasons.append(f"the key was ({', '.join(mark.key)}), now it is ({', '.join(key)})")
        was = self._known.made_of(choice.target_name)
        if was and was.partition(":")[0] != str(choice.table.oid) and choice.options.publish == "merge":
            reasons.append("the table was replaced at the source")  # an append would lose by it what it has kept
        if reasons and choice.options.schema_changes == "frozen":
            raise RefusedError(
                [f"{choice.label}: {reason}, and schema_changes is frozen; run with --full" for reason in reasons]
            )
        return reasons

    def _refuse_the_past(self, choice: Choice) -> None:
        """A source restored to an earlier time has new rows below the watermark, and lacks rows that are here."""
        seen, now = self._known.seen(choice.target_name), first_unseen(self._snapshot.baton.identity)
        if now < seen:
            fault = (
                f"{choice.label}: the source is at transaction {now}, the last run saw it at {seen}: it was restored "
                "to an earlier time, or is another server; run with --full, or wait for a standby that is behind"
            )
            raise RefusedError([fault])

    async def _rewritten(self, choice: Choice, cursor: Cursor, low: str) -> list[str]:
        """After TRUNCATE a cursor may begin again, below the watermark; VACUUM FULL and pg_repack look alike."""
        was, seen = self._known.made_of(choice.target_name), self._known.seen(choice.target_name)
        if not was or was == choice.table.made_of:
            return []
        question = sql.has_newer_below(choice.table, cursor, low, seen % 2**32)
        async with self._snapshot.reader() as connection:
            with Translated(f"cannot look for rows below the watermark of {choice.label}"):
                if not await connection.fetchval(question):
                    return []
        told = (
            "the table was replaced, emptied or rewritten at the source; rows at or below the watermark were written "
            "since: they are not read; run with --full if they are new"
        )
        return [told]

    async def _rebuild_reasons(self, choice: Choice, fields: tuple[Field, ...], cursor: Cursor) -> list[str]:
        """Why rows already at the target would be wrong if only changes were loaded."""
        assert choice.existing is not None
        assert choice.watermark.value is not None
        evolution = evolve(fields, choice.existing.columns)
        self._refuse_frozen(choice, evolution)
        reasons = [f"the type of column {item.source} became {item.target_type}" for item in evolution.retyped]
        added = sorted({item.source for item in evolution.added})
        if added:
            question = sql.has_older_values(choice.table, added, cursor, choice.watermark.value)
            async with self._snapshot.reader() as connection:
                with Translated(f"cannot look for values of new columns of {choice.label}"):
                    if await connection.fetchval(question):
                        reasons.append(f"new columns hold values in rows that did not change: {', '.join(added)}")
        return reasons

    async def _window(self, choice: Choice, cursor: Cursor, low: str | None) -> tuple[Window, list[str]]:
        options, horizon = choice.options, self._horizon
        assert horizon is not None
        append = options.publish == "append"
        complete = None
        if horizon.complete and not (cursor.number and choice.table.oid not in horizon.numbers):
            complete = Complete(
                horizon.at, options.cursor_lag_s, options.cursor_timezone, append, horizon.numbers.get(choice.table.oid)
            )
        condition = sql.complete_condition(cursor, complete, low)
        async with self._snapshot.reader() as connection:
            with Translated(f"cannot read the cursor's bounds of {choice.label}"):
                bounds = await connection.fetchrow(sql.cursor_bounds(choice.table, cursor, condition, low))
        high, nulls, beyond = bounds
        notes = []
        if beyond:
            why = horizon.why or f"the horizon is {horizon.lag_s + options.cursor_lag_s:.1f} s behind the clock"
            fate = "left for a later run" if append else "loaded now and again by the next run"
            notes.append(f"{beyond} rows have a cursor past what is known to be complete ({why}): {fate}")
        if nulls:
            if options.null_cursor == "fail":
                raise RefusedError(
                    [
                        (
                            f"{choice.label}: {nulls} rows have no value in the cursor column {cursor.name!r}; fill "
                            "them, "
                            'or set null_cursor = "load" (merge only) or "skip"'
                        )
                    ]
                )
            fate = "left out" if options.null_cursor == "skip" else "loaded in each run"
            notes.append(f"{nulls} rows have no value in the cursor column {cursor.name}: {fate}")
        return Window(cursor, low, high, bounded=append, nulls=options.null_cursor == "load"), notes

    # --- columns ---------------------------------------------------------------------------------------------------

    async def _fields(self, choice: Choice, window: Window | None) -> tuple[tuple[Field, ...], list[str]]:
        measured = await self._measured(choice, window)
        mapped = map_table(choice.table, self._policies(choice), measured, version=self._snapshot.version)
        return mapped.fields, list(mapped.notes)

    def _policies(self, choice: Choice) -> dict[str, ColumnPolicy]:
        options = choice.options
        policies = {
            column.name: ColumnPolicy(options.on_loss, self._kept_text(choice, column))
            for column in choice.table.columns
        }
        for name, column in options.columns.items():
            was = policies.get(name, ColumnPolicy())
            policies[name] = ColumnPolicy(column.on_loss or was.on_loss, column.type or was.type)
        return policies

    @staticmethod
    def _kept_text(choice: Choice, column: Column) -> str | None:
        """A measured column that once needed text stays text while increments go on."""
        if choice.existing is None or choice.options.mode == "full" or measure_select(column) is None:
            return None
        have = choice.existing.columns.get(column.name.upper(), "")
        return have if have.startswith("VARCHAR") else None

    async def _measured(self, choice: Choice, window: Window | None) -> dict[str, Measured]:
        """What the rows to be read need of columns whose declaration does not tell; what the target has, if it fits."""
        typed = {name for name, column in choice.options.columns.items() if column.type}
        wanted = {
            column.name: triple
            for column in choice.table.columns
            if column.name not in typed and (triple := measure_select(column)) is not None
        }
        if not wanted:
            return {}
        question = sql.measure(wanted.values(), sql.all_rows_of(choice.table, window))
        async with self._snapshot.reader() as connection:
            with Translated(f"cannot measure the numeric columns of {choice.label}"):
                row = await connection.fetchrow(question)
        values = [int(value or 0) for value in row]
        found = {name: Measured(*values[3 * n : 3 * n + 3]) for n, name in enumerate(wanted)}
        return {name: self._as_existing(choice, name, measured) for name, measured in found.items()}

    @staticmethod
    def _as_existing(choice: Choice, name: str, measured: Measured) -> Measured:
        have = (choice.existing.columns if choice.existing else {}).get(name.upper(), "")
        if not have.startswith("NUMBER(38,"):
            return measured
        scale = int(have[len("NUMBER(38,") : -1])
        fits = measured.scale <= scale and measured.integer_digits <= 38 - scale
        return replace(measured, scale=scale) if fits else measured

    def _refuse_frozen(self, choice: Choice, evolution: Evolution) -> None:
        if choice.options.schema_changes != "frozen" or choice.existing is None:
            return
        marks = {choice.options.soft_column} if choice.options.deletes == "reconcile" else set()
        kept = [name for name in evolution.kept if name not in marks and not name.endswith("__PG_TEXT")]
        if evolution.needed or kept:
            changes = "; ".join(replace(evolution, kept=tuple(kept)).notes())
            raise RefusedError(
                [
                    (
                        f"{choice.label}: schema_changes is frozen, and the source has changed: {changes}; "
                        'undo the change, or set schema_changes = "evolve"'
                    )
                ]
            )

    # --- the plan --------------------------------------------------------------------------------------------------

    def _plan(
        self,
        choice: Choice,
        mode: Mode,
        fields: tuple[Field, ...],
        key: tuple[str, ...],
        window: Window | None,
        notes: list[str],
    ) -> TablePlan:
        columns = choice.existing.columns if choice.existing else {}
        evolution = evolve(fields, columns) if choice.existing else Evolution()
        fields = tuple(as_held(item, columns.get(item.target, "")) for item in fields)
        self._refuse_frozen(choice, evolution)
        publish = self._publish(choice, mode, evolution)
        whole_leaves = mode == "incremental" and window is not None and window.cursor.name in choice.table.indexed
        tuning = self._known.tuning(choice.target_name, choice.table.bytes_total, mode)
        chunks = split(choice.table, 2**62 if whole_leaves else tuning.chunk_bytes)
        plan = TablePlan(
            table=choice.table,
            fields=fields,
            target_name=choice.target_name,
            mode=mode,
            publish=publish,
            key=key,
            chunks=chunks,
            evolution=evolution,
            target_exists=choice.existing is not None,
            window=window,
            reader=choice.options.reader,
            lag_s=self._horizon.lag_s + choice.options.cursor_lag_s if window and self._horizon else None,
            notes=tuple(notes),
            node=self._snapshot.baton.node,
        )
        return tuned(plan, tuning)

    def _publish(self, choice: Choice, mode: Mode, evolution: Evolution) -> str:
        wanted = choice.options.publish
        if mode == "incremental":
            return wanted
        full_name = f"{self._names.database}.{self._names.schema_name}.{choice.target_name}"
        if wanted == "overwrite" or (wanted != "swap" and full_name in self._streamed):
            if choice.existing is not None and evolution.retyped:
                names = ", ".join(item.source for item in evolution.retyped)
                raise RefusedError(
                    [
                        (
                            f"{choice.label}: the type of {names} changed, which only a new table can take; set "
                            "publish = "
                            '"swap", which makes streams on the target stale, or keep the type with columns.NAME.type'
                        )
                    ]
                )
            return "overwrite" if choice.existing is not None else "swap"
        return "swap"


def number_cursors(tables: Mapping[int, tuple[TableOptions, Table]]) -> dict[int, tuple[Table, Cursor]]:
    """The tables whose cursor is a number, for the horizon; a cursor that is refused is refused by the plan."""
    found = {}
    for oid, (options, table) in tables.items():
        with suppress(RefusedError):
            cursor = cursor_of(table, options.cursor or "")
            if cursor.number:
                found[oid] = (table, cursor)
    return found
