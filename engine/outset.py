"""What an invocation begins with: its tables leased, seen in one snapshot, and each with a plan, new or kept.

`anew` takes a snapshot and goes on with what earlier runs of these tables left; `joined` joins the snapshot of a run
that functions share.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field, replace

import anyio

from engine.config import Resolved
from engine.connect import addresses
from engine.errors import BorealisError, LeaseError, RefusedError
from engine.foresight import foresight
from engine.kept import Kept, SharedRun, Slot, slots_of, slots_of_run
from engine.ledger import Loaded
from engine.machine import bounds_of
from engine.model import Mode, Receipt
from engine.pipeline import Limits
from engine.plan import TablePlan, biggest_first, tuned
from engine.preflight import Choice
from engine.replicate import Observer, Replication, Shared, fail
from engine.source.catalogue import Relation
from engine.source.snapshot import Snapshot, open_snapshot
from engine.sql import target as target_sql
from engine.sql.target import landing_name
from engine.stage.disk import DiskSinks, spool_directory
from engine.state.port import Lease, State
from engine.sweep import sweep
from engine.target.snowflake import folder_of
from engine.tasks import Unwrapped, in_turns
from engine.tuning import files_in_flight
from engine.wiring import Opened, Parts, Refused, Wanted, choose_tables, opened, target_key, unreadable

LOOK_AGAIN_S = 0.5
LEASES_AT_ONCE = 8
"""To take one takes 11 ms at DynamoDB: those of 5,000 tables, one after another, as long as the first one lives."""
NUMBERS_AN_ATTEMPT = 100_000
"""Room for the numbers of table runs: those that begin anew within a run must not meet the ledger rows of before."""


@dataclass(slots=True)
class Outset:
    made: Parts
    observer: Observer
    snapshot: Snapshot | None
    """None where no table could begin."""
    runs: list[Replication] = field(default_factory=list)
    """Biggest first."""
    receipts: list[Receipt] = field(default_factory=list)
    """Of the tables that could not begin."""
    labels: list[str] = field(default_factory=list)
    is_shared: bool = False
    """Other functions work on the same run."""
    fans_out: bool = False
    """A table that this function has not the time for is left to a fan-out, untouched."""
    left_to_others: Mapping[str, Loaded] = field(default_factory=dict)
    """What is loaded of the table runs that other functions go on with, so that this one does not."""
    keeps_leases: bool = False
    """Unfinished tables stay leased to the run, for the function that goes on."""

    async def sweep(self) -> None:
        """Removes what this invocation's tables have left on the stage: what is loaded, and what nobody will load."""
        for folder in {folder_of(run.run_id) for run in self.runs}:
            await self.made.target.sweep_stage(folder)


# --- in a new snapshot ------------------------------------------------------------------------------------------


@asynccontextmanager
async def anew(
    made: Parts, wanted: Wanted, observer: Observer, record: SharedRun | None = None
) -> AsyncIterator[Outset]:
    """The named tables, those of a group, or those that are left of a shared run, in a snapshot taken now."""
    chosen = await choose_tables(made.config, wanted)
    slots = await slots_of(made.state, [target_key(made.config, each) for each, _ in chosen])
    if record is not None and record.is_planned:
        left = [key for key in record.tables if slots.get(key) and slots[key].kept]
        chosen = [pair for pair in chosen if target_key(made.config, pair[0]) in left]
    outset = Outset(
        made,
        observer,
        None,
        labels=[each.label for each, _ in chosen],
        is_shared=record is not None and record.is_planned,
    )
    refused = unreadable(chosen)
    leases = await _leases(made, chosen, outset, slots, record)
    try:
        if not chosen:
            outset.receipts += [_refusal(made, each) for each in refused]
            yield outset
            return
        await made.target.prepare_ground()
        beats = heartbeats(made.state, leases.values(), made.config.state.lease_s / 3)
        async with opened(made, chosen, refused) as found, beats:
            with working(made, found.snapshot, observer) as shared:
                outset.snapshot = found.snapshot
                outset.runs = await _planned(shared, found, leases, slots, full=wanted.full)
                outset.receipts += [_refusal(made, each) for each in found.refused]
                await _open_readers(found.snapshot, outset.runs)
                yield outset
    finally:
        await _release(outset, leases, slots)


async def _leases(
    made: Parts, chosen: list[tuple[Resolved, Relation]], outset: Outset, slots: dict[str, Slot],
    record: SharedRun | None,
) -> dict[str, Lease]:  # fmt: skip
    """One lease a table; a table that another run holds fails by itself and is taken out."""
    leases: dict[str, Lease] = {}
    first = 1 + NUMBERS_AN_ATTEMPT * (max(1, record.attempts) - 1 if record else 0)

    async def take(numbered: tuple[int, tuple[Resolved, Relation]]) -> None:
        number, (each, relation) = numbered
        key, run_id = target_key(made.config, each), f"{made.run_id}_{number}"
        kept = slots[key].kept
        try:
            if outset.is_shared and kept is not None and await made.state.heartbeat(kept.lease):
                leases[each.label] = kept.lease
            else:
                leases[each.label] = await _acquired(made, key, run_id)
            if kept is not None and not outset.is_shared:
                await _refuse_company(made.state, kept, key)
        except BorealisError as error:
            if error.code != "lease":
                raise
            if lease := leases.pop(each.label, None):
                await made.state.release(lease)
            outset.receipts.append(_failure(made, each.label, each.target_name, each.options.mode, run_id, error))
            chosen.remove((each, relation))

    await in_turns(list(enumerate(chosen, start=first)), LEASES_AT_ONCE, take)
    return leases


async def _refuse_company(state: State, kept: Kept, key: str) -> None:
    """Nobody goes on with a kept run while workers of the invocation that had it copy into the same landing table.

    Looked at with the table's lease in hand: a worker that begins later sees that lease (engine.fanout), and ends.
    """
    working = {str(lease["target"]).partition("#")[0] for lease in await state.leases() if "#" in str(lease["target"])}
    if working & {folder_of(kept.run_id), folder_of(kept.lease.run_id)}:
        raise LeaseError(f"workers of run {kept.run_id} still copy {key}", remedy="run again when they are done")


async def _acquired(made: Parts, key: str, run_id: str) -> Lease:
    """The lease; where a function of this very run died with it, once it has ended."""
    ends = time.monotonic() + made.config.state.lease_s
    while True:
        try:
            return await made.state.acquire(key, run_id)
        except LeaseError as error:
            if folder_of(error.run_id) != made.run_id or time.monotonic() > ends:
                raise
        await anyio.sleep(LOOK_AGAIN_S)


async def _planned(
    shared: Shared, found: Opened, leases: dict[str, Lease], slots: dict[str, Slot], *, full: bool
) -> list[Replication]:
    """A run for each table that has a plan; it goes on with a kept one where that is of use."""
    began = time.monotonic()
    target, state = shared.target, shared.state
    kept_ids = {slot.kept.run_id for slot in slots.values() if slot.kept}
    previous = await sweep(target, state, found.catalogue, found.choices, kept_ids)
    plans, refused = await found.plan_all(full=full)
    found.refused.extend(refused)
    choices = {choice.label: choice for choice in found.choices}
    seconds = round((time.monotonic() - began) / max(1, len(plans)), 3)
    runs = []
    for plan in biggest_first(plans.values()):
        lease, choice = leases[plan.table.label], choices[plan.table.label]
        slot, run_id = slots[lease.table], lease.run_id
        if slot.kept is not None:
            plan, run_id = await _gone_on_with(slot, slot.kept, plan, choice, found, lease.run_id)  # noqa: PLW2901
        run = Replication(shared, choice, plan, lease, run_id, slot, previous.get(plan.target_name[:200]),
                          receipt_of(shared, choice, plan.mode, run_id))  # fmt: skip
        run.receipt.notes = list(plan.notes)
        run.receipt.lag_seconds, run.receipt.prediction = plan.lag_s, dict(plan.prediction)
        run.receipt.decisions = [asdict(each) for each in plan.tuning.decisions]
        run.receipt.seconds["plan"] = seconds
        runs.append(run)
    return runs


async def _gone_on_with(
    slot: Slot, kept: Kept, plan: TablePlan, choice: Choice, found: Opened, new_run_id: str
) -> tuple[TablePlan, str]:
    """The chunks of a kept run and its id, if its landing table is of use to this plan; else it is forgotten."""
    name = landing_name(kept.plan.target_name, kept.run_id)
    landing = found.catalogue.ours.get(name)
    is_ours = landing is not None and landing.run_id == kept.run_id  # after a swap the replaced table has this name
    if is_ours and kept.suits(choice, plan):
        return replace(plan, chunks=kept.plan.chunks), kept.run_id
    if is_ours:
        await found.target.execute(target_sql.drop(found.target.names.ours(name)), doing="cannot drop a landing table")
    await slot.clear()
    return plan, new_run_id


# --- in the snapshot of others ----------------------------------------------------------------------------------


@asynccontextmanager
async def joined(made: Parts, record: SharedRun, observer: Observer, *, works: bool = False) -> AsyncIterator[Outset]:
    """What is left of a shared run, in its own snapshot. Raises SnapshotLostError where that has ended.

    `works`: only chunks are copied, into tables of the run's own, so the leases are left to who publishes.
    """
    assert record.baton is not None
    slots = {key: slot for key, slot in (await slots_of_run(made.state, record)).items() if slot.kept}
    outset = Outset(made, observer, None, is_shared=True, keeps_leases=True)
    kept = {key: slot.kept for key, slot in slots.items() if slot.kept}
    leases: dict[str, Lease] = {}
    for key, each in kept.items():
        outset.labels.append(each.plan.table.label)
        if works or await made.state.heartbeat(each.lease):
            leases[key] = each.lease
            continue
        error = LeaseError(f"another run has taken {key} over", remedy="nothing was changed; run again")
        plan = each.plan
        outset.receipts.append(_failure(made, plan.table.label, plan.target_name, plan.mode, each.run_id, error))
    tables = [kept[key].plan.table for key in leases]
    source, _ = addresses(made.config)
    beats = heartbeats(made.state, () if works else leases.values(), made.config.state.lease_s / 3)
    try:
        known = await foresight(made.config, made.state, leases, made.deadline.limit_s)
        readers = bounds_of(made.config).readers_max
        async with open_snapshot(source, tables, readers, record.baton) as snapshot, beats:
            with working(made, snapshot, observer) as shared:
                outset.snapshot = snapshot
                for key, lease in leases.items():
                    each = kept[key]
                    tuning = known.tuning(each.plan.target_name, each.plan.table.bytes_total, each.plan.mode)
                    plan = tuned(each.plan, tuning)
                    receipt = receipt_of(shared, each.choice, each.plan.mode, each.run_id)
                    receipt.notes, receipt.lag_seconds = list(each.plan.notes), each.plan.lag_s
                    receipt.prediction = dict(each.plan.prediction)
                    receipt.decisions = [asdict(each) for each in plan.tuning.decisions]
                    run = Replication(shared, each.choice, plan, lease, each.run_id, slots[key], each.previous, receipt)
                    outset.runs.append(run)
                outset.runs.sort(key=lambda run: -run.plan.table.bytes_total)
                await _open_readers(snapshot, outset.runs)
                yield outset
    finally:
        await _release(outset, leases, slots)


# --- what both need ---------------------------------------------------------------------------------------------


@contextmanager
def working(made: Parts, snapshot: Snapshot, observer: Observer) -> Iterator[Shared]:
    config = made.config.limits
    within = bounds_of(made.config)
    limits = Limits(within.readers_max, within.loaders_max, config.queue, config.attempts)
    with spool_directory(config.spool_dir) as directory:
        sinks = made.bucket or DiskSinks(directory)
        tokens = anyio.Semaphore(files_in_flight(made.config, within))
        yield Shared(made.run_id, snapshot, made.target, made.state, limits, sinks, tokens, observer, made.deadline)


async def _open_readers(snapshot: Snapshot, runs: Sequence[Replication]) -> None:
    readers = max((run.plan.readers_max for run in runs), default=0)
    await snapshot.open_readers(max(readers, len(runs)), [run.plan.table for run in runs])


@asynccontextmanager
async def heartbeats(state: State, leases: Collection[Lease], interval_s: float) -> AsyncIterator[None]:
    """Keeps the leases alive meanwhile."""

    async def prolong(lease: Lease) -> None:
        await state.heartbeat(lease)  # a lost lease is found before its table is published

    async def beat() -> None:
        while True:
            await anyio.sleep(interval_s)
            await in_turns(list(leases), LEASES_AT_ONCE, prolong)

    with Unwrapped():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(beat)
            yield
            tasks.cancel_scope.cancel()


async def _release(outset: Outset, leases: dict[str, Lease], slots: dict[str, Slot]) -> None:
    kept = outset.keeps_leases
    ours = [lease for lease in leases.values() if not (kept and slots[lease.table].kept)]
    with anyio.CancelScope(shield=True):
        await in_turns(ours, LEASES_AT_ONCE, outset.made.state.release)


def receipt_of(shared: Shared, choice: Choice, mode: Mode, run_id: str) -> Receipt:
    return Receipt(choice.label, shared.target.names.table(choice.target_name), mode, run_id=run_id)


def _refusal(made: Parts, refused: Refused) -> Receipt:
    error = RefusedError(refused.faults)
    return _failure(made, refused.label, refused.target_name, refused.mode, made.run_id, error)


def _failure(made: Parts, label: str, target_name: str, mode: Mode, run_id: str, error: BorealisError) -> Receipt:
    receipt = Receipt(label, made.target.names.table(target_name), mode, run_id=run_id)
    fail(receipt, error)
    return receipt
