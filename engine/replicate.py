"""The story of one table: landing table, copy, gates, publish, receipt. A red gate leaves the target untouched.

A run whose plan is kept may be told by several functions: each asks the ledger what is left, and goes on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import anyio

from engine.deadline import Deadline
from engine.errors import BorealisError, LeaseError, RefusedError, TargetError
from engine.gates import check
from engine.kept import Kept, Slot
from engine.ledger import Loaded, files_of
from engine.losses import lost_values
from engine.model import Chunk, Field, Lost, Receipt
from engine.pipeline import Limits, Phases, Pipeline, Progress
from engine.plan import TablePlan
from engine.preflight import Choice
from engine.publish import Publication, publish
from engine.rebase import rebase
from engine.reconcile import reconcile
from engine.source.connection import LossFoundError, Translated
from engine.source.snapshot import Snapshot
from engine.spool import SpoolSettings
from engine.sql import source as source_sql
from engine.sql import target as target_sql
from engine.sql.target import landing_name
from engine.stage.port import Sinks
from engine.state.port import Lease, State
from engine.target.snowflake import Target

BUDGET_TOLD = 0.5
"""From this part of the snapshot's budget on the receipt has a note of it."""
TIMED_OUT = frozenset({604, 630})
"""Snowflake's numbers of a statement that was cancelled, or ran into STATEMENT_TIMEOUT_IN_SECONDS."""


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
    sinks: Sinks
    tokens: anyio.Semaphore
    observer: Observer
    deadline: Deadline


@dataclass(slots=True)
class Replication:
    """One table's run, from its plan to its receipt."""

    shared: Shared
    choice: Choice
    plan: TablePlan
    lease: Lease
    run_id: str
    """In the ledger, on the stage, and in the name of the landing table."""
    slot: Slot
    """Where the run is kept for other functions; `slot.kept` where one has begun it."""
    previous: str | None
    """The table that an earlier swap replaced, kept for a rollback until the next one."""
    receipt: Receipt
    phases: Phases = field(default_factory=Phases)

    @property
    def _target(self) -> Target:
        return self.shared.target

    @property
    def landing(self) -> str:
        return landing_name(self.plan.target_name, self.run_id)

    async def run(self, *, resumable: bool = False) -> None:
        """Fills the receipt: COMPLETE, or PARTIAL where the deadline left chunks to the next function.

        Raises BorealisError. What it had at the target is dropped, but where a fault may pass and the run is kept.
        """
        if self.slot.kept is not None and await self._is_published():
            await self._settle()
            return
        try:
            loaded = await self.copy(await self.begin(resumable=resumable or len(self.plan.chunks) > 1))
            if why := self._why_partial(loaded):
                await self.leave(why)
                return
            await self._publish_checked(loaded)
        except BaseException as error:
            if self.slot.kept and self._ran_out_of_time(error):
                await self.leave("a statement was cut off by the deadline")
                return
            if not self.slot.kept or (isinstance(error, BorealisError) and not error.retryable):
                await self.forget()
            raise
        if self.plan.publish != "swap" or (self.choice.existing and self.choice.options.keep_previous_h == 0):
            await self.drop_quietly(self._target.names.ours(self.landing))
        if self.plan.publish == "swap" and self.previous:
            await self.drop_quietly(self._target.names.ours(self.previous))

    async def _publish_checked(self, loaded: Loaded) -> None:
        await self._note_waiting()
        with self.phases.timed("gates"):
            await check(self, loaded)
        if self.plan.mode == "full":
            await self.leave_out_flagged(self._target.names.ours(self.landing))
        with self.phases.timed("publish"):
            changes = await self._publish()
        await self.slot.clear()
        self.receipt.status = "COMPLETE"
        self.receipt.watermark = self.plan.window.high if self.plan.window else None
        if changes:
            self.receipt.notes.append(", ".join(f"{count} rows {verb}" for verb, count in changes.items()))
        if self.choice.options.deletes == "reconcile" and self.plan.mode == "incremental":
            with self.phases.timed("reconcile"):
                await reconcile(self)

    async def _settle(self) -> None:
        """An earlier function published it and could not say so any more."""
        await self.copy(await self._target.loaded(self.run_id), only=())
        self.receipt.rows_loaded = self.receipt.rows_read
        self.receipt.notes.append("published by an earlier function, which could not say so")
        self.receipt.status = "COMPLETE"
        await self.slot.clear()

    # --- too little time -------------------------------------------------------------------------------------------

    def _why_partial(self, loaded: Loaded) -> str:
        left = len(self.plan.chunks) - len(loaded.chunks)
        if left:
            return f"{left} of {len(self.plan.chunks)} chunks are left for the next run"
        return "all is loaded, and left to the next run to publish" if self.shared.deadline.is_over() else ""

    async def leave(self, why: str) -> None:
        """The next function goes on with this run, or begins it."""
        await self._keep()
        self.receipt.status = "PARTIAL"
        self.receipt.notes.append(why)

    def _ran_out_of_time(self, error: BaseException) -> bool:
        return self.shared.deadline.is_over() and isinstance(error, TargetError) and error.errno in TIMED_OUT

    async def forget(self) -> None:
        """Nobody shall go on with this run."""
        await self.drop_quietly(self._target.names.ours(self.landing))
        with anyio.CancelScope(shield=True), suppress(BorealisError):
            await self.slot.clear()

    async def drop_quietly(self, table: str) -> None:
        """What cannot be dropped now is swept by a later run; the run's own end matters more."""
        with anyio.CancelScope(shield=True), suppress(BorealisError):
            await self._target.execute(target_sql.drop(table), doing="cannot drop the landing table")

    # --- begin, or go on -------------------------------------------------------------------------------------------

    async def begin(self, *, resumable: bool) -> Loaded:
        """Makes the landing table, or finds out what other functions have loaded into it.

        `resumable`: the plan is kept first, so that another function can go on.
        """
        kept, baton = self.slot.kept, self.shared.snapshot.baton
        if kept is None or kept.run_id != self.run_id:
            if resumable:
                await self._keep()
            with self.phases.timed("prepare"):
                await self._prepare()
            self._note_snapshot()
            return Loaded({})
        loaded = await self._target.loaded(self.run_id)
        if not loaded.chunks:
            await self._prepare()
        moved, again = kept.moved, kept.chunks_read_again
        if loaded.of_others(baton.identity):
            stays = await rebase(self, loaded)
            moved, again = moved + 1, again + len(loaded.chunks) - len(stays.chunks)
            loaded = stays
        kept = replace(
            kept, lease=self.lease, plan=self.plan, moved=moved, chunks_read_again=again,
            functions=kept.functions + 1,
        )  # fmt: skip
        await self.slot.put(kept)
        self._note_snapshot()
        return loaded

    async def _keep(self) -> None:
        if self.slot.kept is not None and self.slot.kept.run_id == self.run_id:
            return
        choice = self.choice
        kept = Kept(
            self.lease, self.run_id, choice.options, choice.existing, choice.watermark, self.previous, self.plan,
            time.time(),
        )  # fmt: skip
        await self.slot.put(kept)

    async def _is_published(self) -> bool:
        """An earlier function may have ended between publishing and saying so; the target tells."""
        catalogue = await self._target.catalogue()
        table = catalogue.tables.get(self.plan.target_name)
        mark = catalogue.watermarks.get(self.lease.table)
        by_swap = table is not None and table.run_id == self.run_id
        return by_swap or (mark is not None and mark.run_id == self.run_id and mark.pending_run_id is None)

    def _note_snapshot(self) -> None:
        """Which view of the source the receipt is about, and how it came to be."""
        kept, baton = self.slot.kept, self.shared.snapshot.baton
        self.receipt.snapshot = {
            "id": baton.identity,
            "taken_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(baton.taken_at)),
            "server": baton.node,
            "made_of": self.plan.table.made_of,
            "moved": kept.moved if kept else 0,
            "chunks_read_again": kept.chunks_read_again if kept else 0,
            **baton.origin,
        }
        if self.shared.snapshot.alone:
            self.receipt.notes.append(
                "one session read all: transactions were open, and a standby shares no snapshot that has such"
            )
        if kept is None:
            return
        self.receipt.functions = kept.functions
        if kept.moved:
            self.receipt.notes.append(
                f"the run went on in a newer snapshot {kept.moved} times; {kept.chunks_read_again} chunks had changed "
                "since and were read again, so all rows are those of the last"
            )

    async def _prepare(self) -> None:
        plan, target, existing = self.plan, self._target, self.choice.existing
        names, landing = target.names, self.landing
        mark = f"[borealis run {self.run_id}]"
        statements = []
        if existing is not None and plan.publish == "swap":
            mark = existing.comment_for(self.run_id)
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

    async def copy(self, loaded: Loaded, only: Sequence[int] | None = None) -> Loaded:
        """Copies the chunks, or `only` those, that are not yet loaded, as far as the deadline lets it.

        Returns all that is loaded then, and puts it into the receipt.
        """
        progress = partial(self.shared.observer.progress, self.plan.table.label)
        wanted = None if only is None else set(only)
        left = [c for c in self.plan.chunks if c.id not in loaded.chunks and (wanted is None or c.id in wanted)]
        pipeline = self._pipeline(self.plan, self.landing, self.run_id, progress, left)
        if left:
            with self.phases.timed("copy"):
                try:
                    await pipeline.copy()
                except BorealisError as error:
                    if isinstance(error, LossFoundError) or error.code == "value":
                        raise await self._explain(error) from error
                    raise
                finally:
                    self._add(pipeline)
        loaded = Loaded({**loaded.chunks, **pipeline.loaded}, pipeline.counted)
        receipt = self.receipt
        receipt.rows_read, receipt.chunks = loaded.rows, len(self.plan.chunks)
        receipt.chunks_left = len(self.plan.chunks) - len(loaded.chunks)
        receipt.bytes_read = sum(chunk.bytes_read for chunk in loaded.chunks.values())
        receipt.bytes_staged = sum(chunk.bytes for chunk in loaded.chunks.values())
        receipt.files, receipt.bytes_copied = files_of(loaded), sum(c.bytes_read for c in pipeline.loaded.values())
        self._note_losses(loaded.losses)
        self._note_budget()
        return loaded

    def _note_budget(self) -> None:
        spent = self.shared.snapshot.spent
        self.receipt.snapshot["budget_spent"] = round(spent, 3)
        if spent >= BUDGET_TOLD:
            self.receipt.notes.append(
                f"{spent:.0%} of the snapshot's budget is spent, for which the source keeps old rows: "
                "limits.snapshot_s_max, limits.snapshot_transactions_max"
            )

    def _note_losses(self, losses: Sequence[Lost]) -> None:
        policies = {item.source: item.on_loss for item in self.plan.fields}
        self.receipt.losses = [
            {
                "column": lost.column, "reason": lost.reason, "policy": policies[lost.column], "rows": lost.rows,
                "keys": list(lost.keys),
            }
            for lost in sorted(losses, key=lambda lost: (lost.column, lost.reason))
        ]  # fmt: skip

    def _add(self, pipeline: Pipeline) -> None:
        for phase, seconds in pipeline.phases.seconds.items():
            self.phases.seconds[phase] = self.phases.seconds.get(phase, 0) + seconds
        self.receipt.retries += pipeline.retries

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

    def _pipeline(
        self, plan: TablePlan, landing: str, run_id: str, progress: Progress, chunks: Sequence[Chunk]
    ) -> Pipeline:
        """`run_id` is the name in the ledger and on the stage: one for each table that is loaded."""
        shared, tuning = self.shared, self.plan.tuning
        return Pipeline(
            plan=plan,
            run_id=run_id,
            landing=shared.target.names.ours(landing),
            snapshot=shared.snapshot,
            target=shared.target,
            settings=SpoolSettings(shared.sinks, tuning.file_bytes_max, tuning.codec, tuning.level),
            limits=replace(shared.limits, readers=tuning.readers, loaders=tuning.loaders),
            tokens=shared.tokens,
            progress=progress,
            deadline=shared.deadline,
            chunks=chunks,
            resumable=self.slot.kept is not None,
        )

    async def _explain(self, error: BorealisError) -> BorealisError:
        """A value without an exact form was met: names every column, reason and number of such values."""
        rows = source_sql.all_rows_of(self.plan.table, self.plan.window)
        async with self.shared.snapshot.reader() as connection:
            with Translated(f"cannot count the lossy values of {self.plan.table.label}"):
                found = await lost_values(connection, self.plan, rows)
        self._note_losses(found)
        fields = {item.source: item for item in reversed(self.plan.fields)}
        faults = [
            f"{self.plan.table.label}: column {lost.column}: {lost.rows} values have no exact form as "
            f'{fields[lost.column].target_type} ({lost.reason}); set columns."{lost.column}".on_loss to "null" or '
            '"text", or its type to "VARCHAR"'
            for lost in found
            if fields[lost.column].on_loss == "error"
            or (lost.reason == "size" and fields[lost.column].on_loss == "text")
        ]
        return RefusedError(faults) if faults else error

    # --- publish ---------------------------------------------------------------------------------------------------

    async def leave_out_flagged(self, landing: str) -> None:
        """A first load leaves out what a merge would delete: the rows that the source marks as deleted."""
        options = self.choice.options
        if options.deletes != "soft" or not options.soft_column or self.plan.window is None:
            return
        statement = target_sql.delete_flagged(landing, self.plan.field_of(options.soft_column))
        ((deleted, *_),) = await self._target.execute(statement, doing="cannot leave out rows marked as deleted")
        if int(deleted):
            self.receipt.verification["left_out"] = int(deleted)
            self.receipt.notes.append(f"{deleted} rows marked as deleted at the source were left out")

    async def _publish(self) -> dict[str, int]:
        if not await self.shared.state.heartbeat(self.lease):
            raise LeaseError(f"the lease on {self.lease.table} was lost", remedy="the target is untouched; run again")
        options = self.choice.options
        return await publish(
            self._target,
            Publication(
                self.plan,
                self.run_id,
                self.landing,
                self.choice.existing,
                self.choice.watermark,
                self.lease.table,
                options.soft_column if options.deletes == "soft" and self.plan.publish == "merge" else None,
                self.choice.mark,
            ),
        )

    # --- deletes ---------------------------------------------------------------------------------------------------

    async def load_keys(self, plan: TablePlan, key: Sequence[Field], chunks: Sequence[Chunk], name: str) -> bool:
        """Loads the keys of the chunks into a table of ours by that name; False where the deadline came first."""
        create = target_sql.create_landing(
            self._target.names, name, key, f"[borealis run {self.run_id}]", transient=True
        )
        await self._target.execute(create, doing="cannot create the table of keys")
        keys = replace(plan, fields=tuple(key))
        pipeline = self._pipeline(keys, name, f"{self.run_id}_K", lambda *_: None, chunks)
        await pipeline.copy()
        return len(pipeline.loaded) == len(chunks)


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
