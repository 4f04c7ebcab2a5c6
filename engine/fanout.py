"""One run over many functions at once: one plans and holds the snapshot, many copy, one publishes.

    plan_round   starts a holder where there is none, and waits until it has planned          a function, each round
    hold         plans every table, prepares the landing tables, holds the snapshot           a function, then its next
    work         copies the chunks of one group in that snapshot                              many functions
    finish       copies what workers left, if it is little; gates, publishes, receipts        a function, each round

What they share is the record of the run and the plans in the state; what is done, the ledger at the target tells.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from time import monotonic
from typing import Any, Literal

import anyio

from engine import failures
from engine.config import Config
from engine.connect import addresses
from engine.deadline import HANDOVER_S_MAX, HANDOVER_SHARE, Deadline
from engine.errors import BorealisError, LeaseError, RefusedError
from engine.kept import (
    SharedRun,
    Status,
    Worked,
    change,
    fail_table,
    failure_of,
    note_worked,
    shared_run,
    slots_of_run,
    worked,
)
from engine.ledger import Loaded
from engine.machine import bounds_of
from engine.model import Receipt
from engine.outset import Outset, anew, joined
from engine.pipeline import added
from engine.plan import assign, left_of_groups
from engine.replicate import Observer, Replication, fail
from engine.runs import Successor, alone, attempted, pass_on, places_max, reading, receipt_json, run_all, the_record
from engine.source.snapshot import Snapshot, SnapshotLostError, open_snapshot
from engine.state.port import State
from engine.target.snowflake import folder_of
from engine.tasks import in_turns
from engine.telemetry import span
from engine.wiring import Parts, Wanted, parts

LOOK_S = 0.5
"""How often a record is looked at by those who wait for it to change."""
AGE_EVERY_S = 10.0
ROUND_S = 30.0
"""What another round of workers costs beside their copying: three starts of functions that may be cold."""


# --- plan a round -----------------------------------------------------------------------------------------------


async def plan_round(
    state: State, config: Config, run_id: str, number: int, start_holder: Callable[[], Awaitable[None]], until_s: float
) -> int:
    """The number of groups that workers are to copy in this round; starts a holder where there is none.

    Raises what the holder failed with, and BorealisError where it did not answer in `until_s` seconds.
    """
    if number > config.limits.generations_max:
        raise RefusedError([f"the run {run_id} is not done after {number - 1} rounds: raise limits.generations_max"])
    record = (await shared_run(state, run_id))[0] or await change(state, run_id)
    if record.status == "ENDED":
        return 0
    if record.status == "FAILED" or record.baton is None:
        await change(state, run_id, status="PLANNING", error={})
    ends, started = monotonic() + until_s, -config.state.lease_s
    while monotonic() < ends:
        record = (await shared_run(state, run_id))[0] or SharedRun(run_id)
        if record.status == "READY" and (record.baton is not None or not record.groups):
            return record.groups
        if record.status == "FAILED":
            raise _error_of(record)
        planning = any(lease["target"] == f"{run_id}#plan" for lease in await state.leases())
        if not planning and monotonic() - started >= config.state.lease_s:
            started = monotonic()
            await start_holder()
        await anyio.sleep(LOOK_S)
    raise BorealisError(
        f"the function that plans the run {run_id} has not answered", remedy="see its log: aws.snapshot_function",
        retryable=True, code="timeout",
    )  # fmt: skip


def _error_of(record: SharedRun) -> BorealisError:
    error = record.error
    return BorealisError(error["message"], remedy=error["remedy"], retryable=error["retryable"], code=error["code"])


# --- hold the snapshot ------------------------------------------------------------------------------------------


async def hold(
    config: Config,
    run_id: str,
    wanted: Wanted,
    *,
    observer: Observer,
    deadline: Deadline,
    successor: Successor,
) -> str:
    """Holds the run's snapshot until the run ends or the next holder has it; plans first where nobody has yet.

    Returns ENDED, FAILED, PASSED (to the next holder), RETIRED (over its budget), LEFT (nobody came in time) or READY:
    there is nothing to hold, since no table could begin or nobody may join.
    """
    async with parts(config, run_id, deadline) as made, AsyncExitStack() as stack:
        record = await change(made.state, run_id)
        if record.status in ("ENDED", "FAILED"):
            return record.status
        if record.baton is not None:
            try:
                snapshot = await _join(made, record, stack)
            except SnapshotLostError:
                record = await change(made.state, run_id, baton=None)
            else:
                record = await change(made.state, run_id, baton=snapshot.baton, serial=record.serial + 1)
                return await _hold(made, snapshot, record, successor)
        await stack.enter_async_context(alone(made, "plan"))
        if (places_max(config) or 2) > 1:  # of one place, the workers need it
            await stack.enter_async_context(reading(made))
        try:
            record = await attempted(made)
            await _workers_ended(made)
            wanted = replace(wanted, full=wanted.full or record.full)
            outset = await stack.enter_async_context(anew(made, wanted, observer, record))
            record = await _prepare(made, outset, record, full=wanted.full)
        except LeaseError:
            raise
        except BorealisError as error:
            await change(made.state, run_id, status="FAILED", error=failures.as_json(error))
            raise
        outset.keeps_leases = True
        if record.baton is None or outset.snapshot is None:
            return record.status
        outset.snapshot.close_readers()
        return await _hold(made, outset.snapshot, record, successor)


async def _workers_ended(made: Parts) -> None:
    """Waits for the workers that still copy in the snapshot before; nobody begins while the run has no baton."""
    while any(_is_group(str(lease["target"]), made.run_id) for lease in await made.state.leases()):
        if made.deadline.is_over():
            raise LeaseError("workers still copy in the snapshot before", remedy="the run goes on when they have ended")
        await anyio.sleep(LOOK_S)


def _is_group(lease: str, run_id: str) -> bool:
    return lease.removeprefix(f"{run_id}#").isdigit()


async def _join(made: Parts, record: SharedRun, stack: AsyncExitStack) -> Snapshot:
    slots = await slots_of_run(made.state, record)
    tables = [each.kept.plan.table for each in slots.values() if each.kept]
    source, _ = addresses(made.config)
    return await stack.enter_async_context(open_snapshot(source, tables, 1, record.baton))


async def _prepare(made: Parts, outset: Outset, record: SharedRun, *, full: bool) -> SharedRun:
    """Keeps every plan and makes every landing table, or moves what is loaded onto this snapshot; then all is ready."""
    ready: list[Replication] = []

    async def prepare(run: Replication) -> None:
        try:
            await run.begin(resumable=True)
            ready.append(run)
        except BorealisError as error:
            fail(run.receipt, error)
            if not error.retryable:
                await run.forget()
            outset.receipts.append(run.receipt)

    await in_turns(outset.runs, bounds_of(made.config).readers_max, prepare)
    shares = outset.snapshot is not None and not outset.snapshot.alone
    return await change(
        made.state,
        made.run_id,
        status="READY",
        tables=tuple(run.lease.table for run in ready),
        full=full,
        baton=outset.snapshot.baton if outset.snapshot and shares else None,
        serial=record.serial + 1,
        groups=_groups(made.config, ready) if shares else 0,
        refused=(*record.refused, *(receipt_json(receipt) for receipt in outset.receipts)),
    )


def _groups(config: Config, runs: Sequence[Replication]) -> int:
    """As many workers as may be, as there are chunks for, and as the source has connections for."""
    chunks = sum(len(run.plan.chunks) for run in runs)
    places = places_max(config)
    beside_us = chunks if places is None else max(1, places - 1)
    return min(config.limits.workers, beside_us, chunks)


async def _hold(made: Parts, snapshot: Snapshot, record: SharedRun, successor: Successor) -> str:
    deadline = made.deadline
    handover_s = min(HANDOVER_S_MAX, HANDOVER_SHARE * deadline.limit_s)
    aged = monotonic()
    while deadline.remaining_s() > handover_s:
        await anyio.sleep(LOOK_S)
        now, _ = await shared_run(made.state, made.run_id)
        if now is None or now.status in ("ENDED", "FAILED"):
            return now.status if now else "ENDED"
        if now.serial != record.serial:
            return "PASSED"
        if monotonic() - aged < AGE_EVERY_S:
            continue
        aged = monotonic()
        await snapshot.is_held()
        if await snapshot.is_spent():
            await change(made.state, made.run_id, baton=None)
            return "RETIRED"
        await _beat(made, record)
    return "PASSED" if await pass_on(made, snapshot, successor) else "LEFT"


async def _beat(made: Parts, record: SharedRun) -> None:
    """The tables stay leased to the run, also where this holder did not plan it."""
    for each in (await slots_of_run(made.state, record)).values():
        if each.kept:
            await made.state.heartbeat(each.kept.lease)


# --- copy a group -----------------------------------------------------------------------------------------------


async def _is_taken_over(made: Parts, record: SharedRun) -> bool:
    """Whether another invocation goes on with a table of this run, and so copies into the same landing table."""
    held = {lease["target"]: str(lease["run_id"]) for lease in await made.state.leases()}
    return any(folder_of(held.get(table, made.run_id)) != made.run_id for table in record.tables)


async def work(config: Config, run_id: str, group: int, *, observer: Observer, deadline: Deadline) -> dict[str, Any]:
    """Copies the chunks of one group, as far as the time goes: `{"status", "chunks_done", "chunks_left", ...}`.

    A table that cannot go on is noted for `finish`, and the others are copied. Raises LeaseError where another worker
    has the group, or the source's budget of connections is used up.
    """
    async with parts(config, run_id, deadline) as made, AsyncExitStack() as stack:
        await stack.enter_async_context(alone(made, str(group)))
        record = await the_record(made)  # after the lease: who moves the run to another snapshot waits for that
        if record.baton is None or record.status != "READY" or await _is_taken_over(made, record):
            return {"status": "PARTIAL", "run_id": run_id, "chunks_done": 0}
        await stack.enter_async_context(reading(made))
        try:
            outset = await stack.enter_async_context(joined(made, record, observer, works=True))
        except SnapshotLostError:
            await change(made.state, run_id, baton=None)
            return {"status": "PARTIAL", "run_id": run_id, "chunks_done": 0}
        chunks_of = assign([run.plan for run in outset.runs], record.groups)[group]
        done = left = 0

        async def copy(work: tuple[Replication, Sequence[int]]) -> None:
            nonlocal done, left
            run, chunks = work
            if chunks and not await failure_of(made.state, run.run_id):
                copied, missing = await _copy(made, run, chunks)
                done, left = done + copied, left + missing

        await in_turns(zip(outset.runs, chunks_of, strict=True), bounds_of(config).readers_max, copy)
        await note_worked(made.state, run_id, group, _measured(outset.runs))
        status: Literal["COMPLETE", "PARTIAL"] = "PARTIAL" if left else "COMPLETE"
        return {
            "status": status, "run_id": run_id, "chunks_done": done, "chunks_left": left,
            "backed_off": len(outset.snapshot.governor.steps) if outset.snapshot else 0,
            "bytes_read": sum(run.receipt.bytes_copied for run in outset.runs),
            "seconds": added([run.phases for run in outset.runs]),
        }  # fmt: skip


def _measured(runs: Sequence[Replication]) -> dict[str, Worked]:
    return {
        run.run_id: {"functions": 1, "bytes_copied": run.receipt.bytes_copied, "seconds": added([run.phases])}
        for run in runs
        if run.receipt.bytes_copied
    }


async def _copy(made: Parts, run: Replication, chunks: Sequence[int]) -> tuple[int, int]:
    """Chunks copied now, and chunks left. Raises a fault that may pass."""
    try:
        with span("table", table=run.receipt.table, table_run_id=run.run_id):
            before = await made.target.loaded(run.run_id)
            after = await run.copy(before, chunks)
    except BorealisError as error:
        if error.retryable:
            raise
        fail(run.receipt, error)
        assert run.receipt.error is not None
        await fail_table(made.state, run.run_id, run.receipt.error)
        return 0, 0
    return len(after.chunks) - len(before.chunks), len(set(chunks) - set(after.chunks))


# --- finish -----------------------------------------------------------------------------------------------------


async def finish(
    config: Config, run_id: str, *, last: bool, observer: Observer, deadline: Deadline
) -> tuple[Status | Literal["PARTIAL"], list[dict[str, Any]]]:
    """What the workers' round has come to: ENDED with every receipt, or PARTIAL where another round is needed.

    `last`: no further round is allowed, so what is not done has failed.
    """
    async with parts(config, run_id, deadline) as made, alone(made, "run"), reading(made):
        record = (await shared_run(made.state, run_id))[0] or SharedRun(run_id, "FAILED")
        if record.status in ("ENDED", "FAILED"):
            return record.status, list(record.receipts)
        receipts = await _finished(made, record, observer, last=last) if record.tables else []
        if receipts is None:
            return "PARTIAL", list(record.receipts)
        done = [receipt_json(receipt) for receipt in receipts if receipt.status != "PARTIAL"]
        everything = (*record.receipts, *record.refused, *done)
        if len(done) == len(receipts):
            await change(made.state, run_id, status="ENDED", baton=None, receipts=everything)
            return "ENDED", list(everything)
        if not last:
            await change(made.state, run_id, receipts=(*record.receipts, *done))
            return "PARTIAL", list(everything)
        for receipt in receipts:
            if receipt.status == "PARTIAL":
                fail(receipt, LeaseError("not done in the last round", remedy="raise limits.generations_max"))
        everything = (*record.receipts, *record.refused, *(receipt_json(receipt) for receipt in receipts))
        await change(made.state, run_id, status="FAILED", baton=None, receipts=everything)
        return "FAILED", list(everything)


async def _finished(made: Parts, record: SharedRun, observer: Observer, *, last: bool) -> list[Receipt] | None:
    """A receipt for each table that is left; None where the snapshot is gone, and a new one must come first.

    Where no workers can join a snapshot, this function copies by itself, in one of its own.
    """
    if record.baton is None and record.groups:
        return None
    try:
        async with AsyncExitStack() as stack:
            if record.baton is None:
                alone_in = anew(made, Wanted(full=record.full), observer, await attempted(made))
                outset = await stack.enter_async_context(alone_in)
                outset.keeps_leases = True
            else:
                outset = await stack.enter_async_context(joined(made, record, observer))
            measured = await worked(made.state, made.run_id)
            for run in outset.runs:
                run.receipt.workers = measured.get(run.run_id, {})
            if not last and record.groups:
                outset.left_to_others = await _left_to_workers(outset.runs, record.groups)
            return await run_all(made, outset)
    except SnapshotLostError:
        await change(made.state, made.run_id, baton=None)
        return None


async def _left_to_workers(runs: Sequence[Replication], groups: int) -> dict[str, Loaded]:
    """What is loaded of each table that another round of workers copies sooner than one function, by run."""
    loaded = {run.run_id: await run.shared.target.loaded(run.run_id) for run in runs}
    plans = [run.plan for run in runs]
    left = left_of_groups(plans, groups, [loaded[run.run_id].chunks for run in runs])
    done = sum(chunk.bytes_estimate for plan in plans for chunk in plan.chunks) - sum(left)
    worked_s = sum(run.receipt.workers.get("seconds", {}).get("copy", 0.0) for run in runs)
    if not done or (sum(left) - max(left)) * worked_s / done < ROUND_S:
        return {}
    return {run.run_id: loaded[run.run_id] for run in runs if len(loaded[run.run_id].chunks) < len(run.plan.chunks)}
