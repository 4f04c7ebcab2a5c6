"""Plans and runs the tables of one invocation: leases, one snapshot, biggest table first, a receipt each."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from engine.config import Config, Resolved
from engine.errors import BorealisError, RefusedError
from engine.model import Receipt
from engine.pipeline import Limits, Unwrapped
from engine.plan import TablePlan, biggest_first
from engine.preflight import Choice
from engine.replicate import Observer, Replication, Shared, fail
from engine.source.catalogue import Relation
from engine.spool import SpoolSettings
from engine.stage.disk import DiskSinks
from engine.state.port import Lease, State
from engine.sweep import sweep
from engine.wiring import Opened, Parts, Refused, choose_tables, looking, opened, parts, target_key, unreadable


async def plans_of(config: Config, names: Sequence[str], *, full: bool = False) -> list[TablePlan | Refused]:
    """What a run would do now."""
    async with looking(config, names) as (_, found):
        plans, refused = await found.plan_all(full=full)
        return [*plans.values(), *found.refused, *refused]


# --- run --------------------------------------------------------------------------------------------------------


class Silent:
    """An observer that looks away."""

    def table_started(self, label: str, chunks: int, bytes_estimate: int) -> None: ...
    def progress(self, label: str, rows: int, bytes_read: int) -> None: ...
    def table_finished(self, receipt: Receipt) -> None: ...


async def run(
    config: Config, names: Sequence[str], *, full: bool = False, observer: Observer | None = None
) -> list[Receipt]:
    """Replicates the tables. A table that fails does not stop the others; its receipt says what happened.

    Raises BorealisError where no table could even begin.
    """
    observer = observer or Silent()
    async with parts(config) as made:
        chosen = await choose_tables(config, names)
        receipts: list[Receipt] = []
        refused = unreadable(chosen)
        leases = await _leases(made, chosen, receipts)
        try:
            if chosen:
                await made.target.prepare_ground()
                async with (
                    opened(config, made.target, chosen, refused) as found,
                    _heartbeats(made.state, leases, config.state.lease_s / 3),
                ):
                    kept = await sweep(made.target, made.state, found.catalogue, found.choices)
                    await _replicate_all(made, found, leases, receipts, kept, full, observer)
        finally:
            with anyio.CancelScope(shield=True):
                for lease in leases.values():
                    await made.state.release(lease)
        receipts += [_refused_receipt(made, each) for each in refused]
        for receipt in receipts:
            if receipt.status == "FAILED":
                observer.table_finished(receipt)
        order = {each.label: n for n, (each, _) in enumerate(chosen)}
        return sorted(receipts, key=lambda receipt: order.get(receipt.table, len(order)))


async def _leases(made: Parts, chosen: list[tuple[Resolved, Relation]], receipts: list[Receipt]) -> dict[str, Lease]:
    """One lease a table; a table that another run holds fails by itself and is taken out."""
    leases: dict[str, Lease] = {}
    for number, (each, relation) in enumerate(list(chosen), start=1):
        run_id = f"{made.run_id}_{number}"
        try:
            leases[each.label] = await made.state.acquire(target_key(made.config, each), run_id)
        except BorealisError as error:
            if error.code != "lease":
                raise
            target = made.target.names.table(each.target_name)
            receipt = Receipt(each.label, target, each.options.mode, run_id=run_id)
            fail(receipt, error)
            receipts.append(receipt)
            chosen.remove((each, relation))
    return leases


@asynccontextmanager
async def _heartbeats(state: State, leases: dict[str, Lease], interval_s: float) -> AsyncIterator[None]:
    async def beat() -> None:
        while True:
            await anyio.sleep(interval_s)
            for lease in leases.values():
                await state.heartbeat(lease)  # a lost lease is found before its table is published

    with Unwrapped():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(beat)
            yield
            tasks.cancel_scope.cancel()


async def _replicate_all(
    made: Parts,
    found: Opened,
    leases: dict[str, Lease],
    receipts: list[Receipt],
    previous: dict[str, str],
    full: bool,
    observer: Observer,
) -> None:
    """Plans all tables, then runs them biggest first, at most as many at once as there are readers."""
    config = made.config
    began = time.monotonic()
    plans, refused = await found.plan_all(full=full)
    plan_seconds = time.monotonic() - began
    found.refused.extend(refused)
    ordered = biggest_first(plans.values())
    readers = max((table_plan.readers_max for table_plan in ordered), default=0)
    await found.snapshot.open_readers(max(readers, len(ordered)), [each.table for each in ordered])
    choices = {choice.label: choice for choice in found.choices}
    limits = Limits(config.limits.readers, config.limits.loaders, config.limits.queue, config.limits.attempts)
    with _spool_directory(config) as directory:
        shared = Shared(
            made.run_id,
            found.snapshot,
            made.target,
            made.state,
            limits,
            SpoolSettings(
                made.bucket or DiskSinks(Path(directory)),
                config.limits.file_bytes_max,
                config.limits.codec,
                config.limits.compression_level,
            ),
            anyio.Semaphore(limits.files_max),
            observer,
            previous,
        )
        waiting = iter(ordered)

        async def replicate_next() -> None:
            for table_plan in waiting:
                label = table_plan.table.label
                receipt = await _replicate(shared, choices[label], table_plan, leases[label])
                receipt.seconds["plan"] = round(plan_seconds / len(plans), 3)
                receipts.append(receipt)

        async with anyio.create_task_group() as tasks:
            for _ in range(min(limits.readers, len(plans))):
                tasks.start_soon(replicate_next)
    with anyio.CancelScope(shield=True):
        await made.target.sweep_stage()


def _spool_directory(config: Config) -> tempfile.TemporaryDirectory[str]:
    base = config.limits.spool_dir
    try:
        if base:
            base.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix="borealis-", dir=base)
    except OSError as error:
        raise BorealisError(
            f"cannot make a directory for staged files in {base or tempfile.gettempdir()}: {error.strerror}",
            remedy="set limits.spool_dir to a directory with space that this user may write to",
            code="disk",
        ) from error


async def _replicate(shared: Shared, choice: Choice, table_plan: TablePlan, lease: Lease) -> Receipt:
    table = table_plan.table
    names = shared.target.names
    receipt = Receipt(table.label, names.table(table_plan.target_name), table_plan.mode, run_id=lease.run_id)
    receipt.notes = list(table_plan.notes)
    receipt.lag_seconds = table_plan.lag_s
    shared.observer.table_started(table.label, len(table_plan.chunks), table.bytes_total)
    replication = Replication(shared, choice, table_plan, lease, receipt)
    began = time.monotonic()
    try:
        await replication.run()
        receipt.status = "COMPLETE"
    except BorealisError as error:
        fail(receipt, error)
    seconds = time.monotonic() - began
    receipt.seconds = {phase: round(value, 3) for phase, value in replication.phases.seconds.items()}
    receipt.seconds["total"] = round(seconds, 3)
    receipt.rows_per_second = round(receipt.rows_loaded / seconds, 1) if seconds else 0.0
    await shared.state.record(lease.run_id, lease.table, receipt_json(receipt))
    if receipt.status == "COMPLETE":
        shared.observer.table_finished(receipt)
    return receipt


def receipt_json(receipt: Receipt) -> dict[str, Any]:
    return {name: getattr(receipt, name) for name in receipt.__dataclass_fields__}


def _refused_receipt(made: Parts, refused: Refused) -> Receipt:
    target = made.target.names.table(refused.target_name)
    receipt = Receipt(refused.label, target, refused.mode, run_id=made.run_id)
    fail(receipt, RefusedError(refused.faults))
    return receipt
