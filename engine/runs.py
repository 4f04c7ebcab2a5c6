"""Plans and runs the tables of one invocation: leases, one snapshot, biggest table first, a receipt each."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio

from engine import __version__
from engine.config import Config
from engine.deadline import Deadline
from engine.errors import AwsError, BorealisError, RefusedError
from engine.foresight import compared
from engine.kept import SharedRun, change, failure_of, shared_run
from engine.machine import bounds_of
from engine.model import Receipt
from engine.outset import Outset, anew, heartbeats, joined
from engine.plan import TablePlan
from engine.replicate import Observer, Replication, fail
from engine.seal import digest_of, signature
from engine.source.snapshot import Snapshot, SnapshotLostError
from engine.state.port import Lease
from engine.state.slots import slot
from engine.target.session import CONNECTOR
from engine.tasks import in_turns
from engine.telemetry import span
from engine.wiring import Parts, Refused, Wanted, looking, new_run_id, parts

HOLDERS_MAX = 2
PLACE_S_MAX = 60.0
"""How long a run waits for others to leave it connections to the source."""
PASSING_S = 0.25
"""How often a holder looks whether the next function has joined its snapshot."""

Successor = Callable[[str], Awaitable[None]]
"""Starts the function that goes on with a run, named by its id."""


async def plans_of(config: Config, wanted: Wanted) -> list[TablePlan | Refused]:
    """What a run would do now."""
    async with looking(config, wanted) as (_, found):
        plans, refused = await found.plan_all(full=wanted.full)
        return [*plans.values(), *found.refused, *refused]


class Silent:
    """An observer that looks away."""

    def table_started(self, label: str, chunks: int, bytes_estimate: int) -> None: ...
    def progress(self, label: str, rows: int, bytes_read: int) -> None: ...
    def table_finished(self, receipt: Receipt) -> None: ...


async def run(
    config: Config,
    wanted: Wanted,
    *,
    run_id: str = "",
    observer: Observer | None = None,
    deadline: Deadline | None = None,
    successor: Successor | None = None,
    fans_out: bool = False,
) -> list[Receipt]:
    """Replicates the tables. A table that fails does not stop the others; its receipt says what happened.

    What the deadline leaves is PARTIAL: the next run of the table goes on with it, or `successor`, which is called
    while the snapshot is still there to be joined. With `fans_out` a table that is expected to take longer than there
    is time is not begun. Raises BorealisError where no table could even begin.
    """
    deadline = deadline or Deadline.within(config.limits.deadline_s)
    async with parts(config, run_id or new_run_id(), deadline) as made, reading(made):
        record = await attempted(made) if run_id else None
        async with anew(made, wanted, observer or Silent(), record) as outset:
            outset.fans_out = fans_out
            receipts = await run_all(made, outset)
            if successor is not None and outset.snapshot and any(each.status == "PARTIAL" for each in receipts):
                tables = tuple(run.lease.table for run in outset.runs)
                done = _done(receipts)
                await change(made.state, made.run_id, status="READY", tables=tables, full=wanted.full, receipts=done)
                outset.keeps_leases = await pass_on(made, outset.snapshot, successor)
        order = {label: n for n, label in enumerate(outset.labels)}
        return sorted(receipts, key=lambda receipt: order.get(receipt.table, len(order)))


async def go_on(
    config: Config,
    run_id: str,
    *,
    observer: Observer | None = None,
    deadline: Deadline | None = None,
    successor: Successor | None = None,
) -> list[Receipt]:
    """Goes on with a run that another function left: in its snapshot if that can be joined, else in a new one.

    Raises LeaseError where another function does so already.
    """
    deadline, observer = deadline or Deadline.within(config.limits.deadline_s), observer or Silent()
    async with parts(config, run_id, deadline) as made, alone(made, "run") as lease, reading(made):
        record = await the_record(made)
        deadline.handover_s = record.handover_s
        if record.baton is not None:
            try:
                async with joined(made, record, observer) as outset:
                    return await _continued(made, outset, record, lease, successor)
            except SnapshotLostError:
                pass
        record = await attempted(made)
        async with anew(made, Wanted(full=record.full), observer, record) as outset:
            return await _continued(made, outset, record, lease, successor)


async def _continued(
    made: Parts, outset: Outset, record: SharedRun, lease: Lease, successor: Successor | None
) -> list[Receipt]:
    if outset.snapshot is not None:
        await change(made.state, made.run_id, baton=outset.snapshot.baton, serial=record.serial + 1)
    receipts = await run_all(made, outset)
    done = (*record.receipts, *_done(receipts))
    if all(receipt.status != "PARTIAL" for receipt in receipts):
        await change(made.state, made.run_id, status="ENDED", baton=None, receipts=done)
        return receipts
    await change(made.state, made.run_id, receipts=done)
    if successor is not None and outset.snapshot is not None:
        await made.state.release(lease)
        outset.keeps_leases = await pass_on(made, outset.snapshot, successor)
    return receipts


@asynccontextmanager
async def alone(made: Parts, what: str) -> AsyncIterator[Lease]:
    """Nobody else does this part of the run meanwhile. Raises LeaseError where somebody does already."""
    lease = await made.state.acquire(f"{made.run_id}#{what}", made.run_id)
    try:
        async with heartbeats(made.state, [lease], made.config.state.lease_s / 3):
            yield lease
    finally:
        with anyio.CancelScope(shield=True):
            await made.state.release(lease)


def places_max(config: Config) -> int | None:
    """Functions that may read from the source at once: each has a connection for its readers and one more.

    Two are kept for holders of a snapshot that read nothing, of which there are two while they pass the baton.
    """
    connections = config.source.connections_max
    return None if connections is None else max(1, (connections - HOLDERS_MAX) // (bounds_of(config).readers_max + 1))


@asynccontextmanager
async def reading(made: Parts) -> AsyncIterator[None]:
    """A place in the source's budget of connections, where it has one; waited for a quarter of the time at most."""
    count = places_max(made.config)
    if count is None:
        yield
        return
    wait_s = min(PLACE_S_MAX, made.deadline.remaining_s() / 4)
    async with slot(made.state, count, made.run_id, wait_s=wait_s) as place:
        made.places.append(place)
        async with heartbeats(made.state, made.places, made.config.state.lease_s / 3):
            yield


async def attempted(made: Parts) -> SharedRun:
    """The record, where its tables are about to be planned in a snapshot of their own."""
    record, _ = await shared_run(made.state, made.run_id)
    return await change(made.state, made.run_id, baton=None, attempts=record.attempts + 1 if record else 1)


async def the_record(made: Parts) -> SharedRun:
    record, _ = await shared_run(made.state, made.run_id)
    if record is None or record.status in ("ENDED", "FAILED"):
        raise RefusedError([f"the run {made.run_id} is not under way: it has ended, or never began"])
    return record


async def pass_on(made: Parts, snapshot: Snapshot, successor: Successor) -> bool:
    """Passes the baton: starts the next function, and holds the snapshot until that has joined it or time is over.

    A snapshot whose budget is used up is not passed on: the next function takes a new one.

    False where nobody came: who comes later takes a new snapshot.
    """
    snapshot.close_readers()
    while made.places:  # the next function needs it
        await made.state.release(made.places.pop())
    baton = None if await snapshot.is_spent() else snapshot.baton
    record, began = await change(made.state, made.run_id, baton=baton), time.monotonic()
    await successor(made.run_id)
    while made.deadline.alive_s() > PASSING_S * 2:
        await anyio.sleep(PASSING_S)
        now, _ = await shared_run(made.state, made.run_id)
        if now is None or now.serial > record.serial or now.status in ("ENDED", "FAILED"):
            await change(made.state, made.run_id, handover_s=round(time.monotonic() - began, 2))
            return True
    return False


# --- all tables -------------------------------------------------------------------------------------------------


async def run_all(made: Parts, outset: Outset) -> list[Receipt]:
    """Biggest first, at most as many at once as there are readers."""
    receipts = list(outset.receipts)
    for receipt in receipts:
        outset.observer.table_finished(receipt)

    async def replicate(run: Replication) -> None:
        receipts.append(await _replicate(made, outset, run))

    await in_turns(outset.runs, bounds_of(made.config).readers_max, replicate)
    with anyio.CancelScope(shield=True):
        await outset.sweep()
    return receipts


async def _replicate(made: Parts, outset: Outset, run: Replication) -> Receipt:
    receipt, began = run.receipt, time.monotonic()
    steps = outset.snapshot.governor.steps if outset.snapshot else []
    spared = len(steps)
    run_began = run.slot.kept.began if run.slot.kept else time.time()
    try:
        failed = await failure_of(made.state, run.run_id) if outset.is_shared else None
        if failed is not None:
            receipt.error = failed
            await run.forget()
        elif made.deadline.is_over() or (outset.fans_out and _expected_s(run) > made.deadline.remaining_s()):
            await run.leave("not begun: there was too little time")
        elif run.run_id in outset.left_to_others:
            loaded = await run.copy(outset.left_to_others[run.run_id], only=())
            await run.leave(f"{len(run.plan.chunks) - len(loaded.chunks)} chunks are left to the next round of workers")
        else:
            outset.observer.table_started(receipt.table, len(run.plan.chunks), run.plan.table.bytes_total)
            with span("table", table=receipt.table, table_run_id=run.run_id):
                await run.run(resumable=outset.is_shared)
    except BorealisError as error:
        fail(receipt, error)
        if error.code == "deadline":
            receipt.status = "PARTIAL"
    receipt.backed_off = steps[spared:]
    receipt.seconds |= {phase: round(value, 3) for phase, value in run.phases.seconds.items()}
    receipt.seconds["total"] = round(time.monotonic() - began, 3)
    total = receipt.seconds["total"]
    receipt.rows_per_second = round(receipt.rows_loaded / total, 1) if total else 0.0
    compared(receipt, time.time() - run_began)
    await _seal(made, run)
    await made.state.record(run.run_id, run.lease.table, receipt_json(receipt))
    outset.observer.table_finished(receipt)
    return receipt


async def _seal(made: Parts, run: Replication) -> None:
    """The receipt is whole: from here on it does not change. What cannot be signed says so, for its rows are there."""
    receipt, key = run.receipt, made.config.aws.signing_key
    receipt.plan_hash, receipt.publish = run.plan.hash, run.plan.publish
    receipt.finished_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    receipt.versions = {"borealis": __version__, "postgresql": run.shared.snapshot.server, "connector": CONNECTOR}
    digest = digest_of(receipt_json(receipt))
    receipt.seal = {"digest": digest}
    if key is None or receipt.status != "COMPLETE":
        return
    try:
        receipt.seal |= await signature(digest, key, made.config.aws.region)
    except AwsError as error:
        receipt.notes.append(f"{error.message}: the receipt is not signed. {error.remedy}")
        receipt.seal = {"digest": digest_of(receipt_json(receipt))}


def _expected_s(run: Replication) -> float:
    return float(run.plan.prediction["seconds"]["total"])


def _done(receipts: Sequence[Receipt]) -> tuple[dict[str, Any], ...]:
    return tuple(receipt_json(receipt) for receipt in receipts if receipt.status != "PARTIAL")


def receipt_json(receipt: Receipt) -> dict[str, Any]:
    return {name: getattr(receipt, name) for name in receipt.__dataclass_fields__}
