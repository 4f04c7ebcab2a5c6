"""The story of one table: landing table, copy, gates, publish, receipt. A red gate leaves the target untouched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import anyio

from engine.errors import BorealisError, GateError, LeaseError, RefusedError
from engine.model import Field, Receipt
from engine.pipeline import Limits, Phases, Pipeline, Progress, Unwrapped
from engine.plan import TablePlan, split
from engine.preflight import Choice
from engine.publish import Publication, delete_missing, publish, refuse_null_keys
from engine.source.connection import LossFoundError, Translated
from engine.source.snapshot import Snapshot
from engine.spool import SpoolSettings
from engine.sql import source as source_sql
from engine.sql import target as target_sql
from engine.sql.target import landing_name
from engine.state.port import Lease, State
from engine.target.snowflake import Target


class Observer(Protocol):
    """Who watches a run, such as progress bars."""

    def table_started(self, label: str, chunks: int, bytes_estimate: int) -> None: ...
    def progress(self, label: str, rows: int, bytes_read: int) -> None: ...
    def table_finished(self, receipt: Receipt) -> None: ...


@dataclass(frozen=True, slots=True)
class Shared:
    """What all tables of a run have in common."""

    run_id: str
    snapshot: Snapshot
    target: Target
    state: State
    limits: Limits
    spool: SpoolSettings
    tokens: anyio.Semaphore
    observer: Observer
    previous: Mapping[str, str]
    """By target name: the table that an earlier swap replaced, kept for a rollback until the next one."""


@dataclass(slots=True)
class Replication:
    """One table's run, from its plan to its receipt."""

    shared: Shared
    choice: Choice
    plan: TablePlan
    lease: Lease
    receipt: Receipt
    phases: Phases = field(default_factory=Phases)

    @property
    def _target(self) -> Target:
        return self.shared.target

    @property
    def _landing(self) -> str:
        return landing_name(self.plan.target_name, self.lease.run_id)

    async def run(self) -> None:
        """Fills the receipt. Raises BorealisError; whatever is raised, what it had at the target is dropped."""
        landing = self._target.names.ours(self._landing)
        try:
            with self.phases.timed("prepare"):
                await self._prepare()
            await self._copy(self.plan, self._landing)
            await self._note_waiting()
            with self.phases.timed("gates"):
                await self._gates(landing)
            if self.plan.mode == "full":
                await self._drop_flagged(landing)
            with self.phases.timed("publish"):
                changes = await self._publish()
            self.receipt.watermark = self.plan.window.high if self.plan.window else None
            if changes:
                self.receipt.notes.append(", ".join(f"{count} rows {verb}" for verb, count in changes.items()))
            if self.choice.options.deletes == "reconcile" and self.plan.mode == "incremental":
                with self.phases.timed("reconcile"):
                    await self._reconcile()
        except BaseException:
            await self._drop_quietly(landing)
            raise
        if self.plan.publish != "swap" or (self.choice.existing and self.choice.options.keep_previous_h == 0):
            await self._drop_quietly(landing)
        older = self.shared.previous.get(self.plan.target_name[:200])
        if self.plan.publish == "swap" and older:
            await self._drop_quietly(self._target.names.ours(older))

    async def _drop_quietly(self, table: str) -> None:
        """What cannot be dropped now is swept by a later run; the run's own end matters more."""
        with anyio.CancelScope(shield=True), suppress(BorealisError):
            await self._target.execute(target_sql.drop(table), doing="cannot drop the landing table")

    # --- prepare ---------------------------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        plan, target, existing = self.plan, self._target, self.choice.existing
        names, landing = target.names, self._landing
        mark = f"[borealis run {self.lease.run_id}]"
        statements = []
        if existing is not None and plan.publish == "swap":
            mark = existing.comment_for(self.lease.run_id)
            statements = target_sql.create_landing_like(names, landing, plan, mark, transient=existing.transient)
        else:
            if existing is not None:
                statements = target_sql.alter(names.table(plan.target_name), plan.evolution)
            transient = target.transient if plan.publish == "swap" else True
            statements.append(target_sql.create_landing(names, landing, plan.fields, mark, transient=transient))
        for statement in statements:
            await target.execute(statement, doing=f"cannot prepare the target for {plan.table.label}")
        if existing is not None:
            self.receipt.notes += plan.evolution.notes()

    # --- copy ------------------------------------------------------------------------------------------------------

    async def _copy(self, plan: TablePlan, landing: str) -> None:
        label = plan.table.label

        def progress(rows: int, size: int) -> None:
            self.shared.observer.progress(label, rows, size)

        pipeline = self._pipeline(plan, landing, self.lease.run_id, progress)
        with self.phases.timed("copy"):
            try:
                copied = await pipeline.copy()
            except BorealisError as error:
                if isinstance(error, LossFoundError) or error.code == "value":
                    raise await self._explain(error) from error
                raise
        for phase, seconds in pipeline.phases.seconds.items():
            self.phases.seconds[phase] = self.phases.seconds.get(phase, 0) + seconds
        receipt = self.receipt
        receipt.rows_read, receipt.bytes_read = copied.rows_read, copied.bytes_read
        receipt.bytes_staged, receipt.chunks = copied.bytes_staged, len(plan.chunks)
        receipt.retries = copied.retries
        policies = {item.source: item.on_loss for item in plan.fields}
        receipt.losses = [
            {"column": column, "reason": reason, "policy": policies[column], "rows": rows}
            for (column, reason), rows in sorted(copied.losses.items())
        ]

    async def _note_waiting(self) -> None:
        """A schema change waits behind our lock, and the application's queries behind that."""
        table = self.plan.table
        async with self.shared.snapshot.reader() as connection:
            with Translated(f"cannot look for sessions that wait for {table.label}"):
                waiting = await connection.fetchval(
                    source_sql.WAITING, [table.oid, *(leaf.oid for leaf in table.leaves)]
                )
        if waiting:
            self.receipt.notes.append(f"{waiting} sessions wait for a lock on the table until this run ends")

    def _pipeline(self, plan: TablePlan, landing: str, run_id: str, progress: Progress) -> Pipeline:
        """`run_id` is the name in the ledger and on the stage: one for each table that is loaded."""
        shared = self.shared
        return Pipeline(
            plan=plan,
            run_id=run_id,
            landing=shared.target.names.ours(landing),
            snapshot=shared.snapshot,
            target=shared.target,
            settings=shared.spool,
            limits=shared.limits,
            tokens=shared.tokens,
            progress=progress,
        )

    async def _explain(self, error: BorealisError) -> BorealisError:
        """A value without an exact form was met: names every column, reason and number of such values."""
        found = source_sql.losses_of(self.plan.fields)
        if not found:
            return error
        rows = source_sql.all_rows_of(self.plan.table, self.plan.window)
        async with self.shared.snapshot.reader() as connection:
            with Translated(f"cannot count the lossy values of {self.plan.table.label}"):
                counts = await connection.fetchrow(source_sql.count_losses(self.plan.fields, rows))
        faults = [
            f"{self.plan.table.label}: column {item.source}: {count} values have no exact form as {item.target_type} "
            f'({loss.reason}); set columns."{item.source}".on_loss to "null" or "text", or its type to "VARCHAR"'
            for (item, loss), count in zip(found, counts, strict=True)
            if count and item.on_loss == "error"
        ]
        return RefusedError(faults) if faults else error

    # --- gates -----------------------------------------------------------------------------------------------------

    async def _gates(self, landing: str) -> None:
        """Rows read = rows loaded; empty only if the source is; checksums, where asked for."""
        label, receipt = self.plan.table.label, self.receipt
        ((count,),) = await self._target.execute(target_sql.count(landing), doing="cannot count the landing table")
        receipt.rows_loaded = int(count)
        receipt.verification = {"level": "count", "rows_source": receipt.rows_read, "rows_target": receipt.rows_loaded,
                                "equal": receipt.rows_read == receipt.rows_loaded}  # fmt: skip
        if receipt.rows_loaded != receipt.rows_read:
            raise GateError(
                f"{label}: {receipt.rows_read} rows were read, {receipt.rows_loaded} are in the landing table",
                remedy="run again; the target is untouched",
            )
        if self.plan.mode == "full" and receipt.rows_read == 0:
            await self._check_empty()
        if self.plan.mode == "full" and self.plan.key:
            await self._check_keys(landing)
        if self.choice.options.verify == "checksum":
            with self.phases.timed("verify"):
                await self._check_sums(landing)

    async def _check_empty(self) -> None:
        existing, plan = self.choice.existing, self.plan
        if existing is None or self.choice.options.allow_empty:
            return
        table = self._target.names.table(plan.target_name)
        ((count,),) = await self._target.execute(target_sql.count(table), doing="cannot count the target")
        if int(count):
            raise GateError(
                f"{plan.table.label} is empty at the source, but {plan.target_name} has {count} rows",
                remedy="set allow_empty = true if the target is to be emptied; it is untouched",
            )

    async def _check_keys(self, landing: str) -> None:
        """A merge will find each row by its key, so the first load must not hold one twice."""
        if self.plan.key == self.plan.table.key:
            return  # a unique index over NOT NULL columns at the source
        key = [self.plan.field_of(name) for name in self.plan.key]
        ((nulls, doubled, *_),) = await self._target.execute(
            target_sql.key_faults(landing, key), doing="cannot check the keys of the landing table"
        )
        refuse_null_keys(self.plan, int(nulls or 0))
        if int(doubled or 0):
            raise GateError(
                f"{self.plan.table.label}: the key ({', '.join(self.plan.key)}) is not unique: {doubled} repeat",
                remedy="declare a key that is unique; the target is untouched",
            )

    async def _check_sums(self, landing: str) -> None:
        plan = self.plan
        source = await source_checksum(self.shared.snapshot, plan, plan.fields)
        target = await target_checksum(self._target, landing, plan.fields)
        self.receipt.verification |= {
            "level": "checksum",
            "checksum_source": str(source[1]),
            "checksum_target": str(target[1]),
            "excluded_columns": [f.source for f in plan.fields if f.canonical_source is None],
            "equal": source == target,
        }
        if source != target:
            raise GateError(
                f"{plan.table.label}: the checksums of source and landing table differ",
                remedy="report this with the receipt; the target is untouched",
            )

    async def _drop_flagged(self, landing: str) -> None:
        """A first load leaves out what a merge would delete: the rows that the source marks as deleted."""
        options = self.choice.options
        if options.deletes != "soft" or not options.soft_column or self.plan.window is None:
            return
        statement = target_sql.delete_flagged(landing, self.plan.field_of(options.soft_column))
        ((deleted, *_),) = await self._target.execute(statement, doing="cannot leave out rows marked as deleted")
        if int(deleted):
            self.receipt.notes.append(f"{deleted} rows marked as deleted at the source were left out")

    # --- publish ---------------------------------------------------------------------------------------------------

    async def _publish(self) -> dict[str, int]:
        if not await self.shared.state.heartbeat(self.lease):
            raise LeaseError(f"the lease on {self.lease.table} was lost", remedy="the target is untouched; run again")
        options = self.choice.options
        return await publish(
            self._target,
            Publication(
                self.plan,
                self.lease.run_id,
                self._landing,
                self.choice.existing,
                self.choice.watermark,
                self.lease.table,
                options.soft_column if options.deletes == "soft" and self.plan.publish == "merge" else None,
            ),
        )

    # --- deletes ---------------------------------------------------------------------------------------------------

    async def _reconcile(self) -> None:
        """Rows whose key is gone at the source leave the target, or are marked. Keys travel only if sums differ."""
        plan, target = self.plan, self._target
        key = tuple(plan.field_of(name) for name in plan.key)
        mark = self.choice.options.soft_column
        table = target.names.table(plan.target_name)
        if mark and self.choice.existing is not None and mark not in self.choice.existing.columns:
            add = target_sql.add_mark(table, mark)
            await target.execute(add, doing=f"cannot add the column {mark}")
        whole = replace(plan, window=None, chunks=split(plan.table, 2**62))
        source = await source_checksum(self.shared.snapshot, whole, key)
        live = target_sql.unmarked(table, mark)
        if source == await target_checksum(target, live, key):
            return
        keys_name = f"{self._landing}_K"
        keys = replace(whole, fields=key, reader=plan.reader)
        keys_table = target.names.ours(keys_name)
        create = target_sql.create_landing(
            target.names, keys_name, key, f"[borealis run {self.lease.run_id}]", transient=True
        )
        try:
            await target.execute(create, doing="cannot create the table of keys")
            await self._pipeline(keys, keys_name, f"{self.lease.run_id}_K", lambda *_: None).copy()
            deleted = await delete_missing(target, plan, keys_name, key, mark)
        finally:
            await self._drop_quietly(keys_table)
        self.receipt.notes.append(f"{deleted} rows {'marked as deleted' if mark else 'deleted'}: gone at the source")
        after = await target_checksum(target, live, key)
        if source != after:
            self.receipt.notes.append(
                f"the source has {source[0]} keys and the target {after[0]}: changes without a newer cursor; run --full"
            )


async def source_checksum(
    snapshot: Snapshot, plan: TablePlan, fields: Sequence[Field], deleted: Field | None = None
) -> tuple[int, int]:
    """(rows, sum) of the plan's rows, but those that `deleted` marks, as the snapshot has them; a chunk a reader."""
    totals = [0, 0]
    chunks = iter(plan.chunks)

    async def add_chunks() -> None:
        for chunk in chunks:
            async with snapshot.reader() as connection:
                with Translated(f"cannot compute the checksum of {plan.table.label}"):
                    rows = source_sql.unflagged(source_sql.rows_of(plan.table, chunk, plan.window), deleted)
                    row = await connection.fetchrow(source_sql.checksum(fields, rows))
            totals[0] += row[0]
            totals[1] += int(row[1])

    with Unwrapped():
        async with anyio.create_task_group() as tasks:
            for _ in range(min(snapshot.readers, len(plan.chunks))):
                tasks.start_soon(add_chunks)
    return totals[0], totals[1]


async def target_checksum(target: Target, table: str, fields: Sequence[Field]) -> tuple[int, int]:
    """(rows, checksum) of a table at the target, computed there."""
    ((count, total),) = await target.execute(target_sql.checksum(table, fields), doing="cannot compute the checksum")
    return int(count), int(total)


def fail(receipt: Receipt, error: BorealisError) -> dict[str, Any]:
    """Notes the fault in the receipt, in the words that a user reads."""
    receipt.status = "FAILED"
    receipt.error = {
        "code": error.code,
        "message": "\n".join(error.faults) if isinstance(error, RefusedError) else error.message,
        "remedy": error.remedy,
        "retryable": error.retryable,
    }
    return receipt.error


__all__ = ["Observer", "Replication", "Shared", "fail", "source_checksum", "target_checksum"]
