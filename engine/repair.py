"""Makes just those rows of the target equal to the source that are not, in one transaction that counts them.

What differs is found and read in one snapshot, while the table is leased, so that no run moves it meanwhile: rows with
the differing keys are loaded into a landing table, then deleted and inserted at the target, and their checksum is
compared with the source's before the commit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

import anyio

from engine.checksum import source_checksum
from engine.comparison import Sides, VerifyResult, compare
from engine.config import Config
from engine.errors import BorealisError, GateError, LeaseError, RefusedError
from engine.kept import Slot, slots_of
from engine.outset import heartbeats, receipt_of, working
from engine.plan import TablePlan
from engine.replicate import Replication, Shared
from engine.runs import Silent
from engine.sql import difference as sql
from engine.sql import target as target_sql
from engine.sql.difference import Kind
from engine.state.port import Lease, State
from engine.target.session import Result
from engine.verify import failed, sides_of, unplanned
from engine.wiring import Opened, Wanted, choose_tables, opened, parts, target_key, unreadable

KEYS_MAX = 10_000
"""Keys that one repair writes; Snowflake takes lists of 16,384 expressions (docs: IN)."""


async def repair(config: Config, names: Sequence[str], *, sample: float | None = None) -> list[VerifyResult]:
    """Compares at level `bisect` and makes the rows that differ equal. A table that fails does not stop the others."""
    results: list[VerifyResult] = []
    async with parts(config) as made, AsyncExitStack() as stack:
        target, state = made.target, made.state
        chosen = await choose_tables(config, Wanted(names))
        refused = unreadable(chosen)
        slots = await slots_of(state, [target_key(config, each) for each, _ in chosen])
        leases: dict[str, Lease] = {}
        for number, (each, relation) in enumerate(list(chosen), start=1):
            key = target_key(config, each)
            try:
                leases[each.label] = await _leased(state, key, f"{made.run_id}_{number}", slots[key], stack)
            except LeaseError as error:
                results.append(failed(target, each.label, each.target_name, "bisect", error))
                chosen.remove((each, relation))
        if not chosen:
            return results + [unplanned(target, each, "bisect") for each in refused]
        await target.prepare_ground()
        beats = heartbeats(state, leases.values(), config.state.lease_s / 3)
        async with opened(made, chosen, refused) as found, beats:
            with working(made, found.snapshot, Silent()) as shared:
                plans, faulty = await found.plan_all(full=True)
                results += [unplanned(target, each, "bisect") for each in [*found.refused, *faulty]]
                for label, plan in plans.items():
                    results.append(await _repaired(shared, found, plan, leases[label], slots, sample))
                with anyio.CancelScope(shield=True):
                    await target.sweep_stage(made.run_id)
    return results


async def _leased(state: State, key: str, run_id: str, slot: Slot, stack: AsyncExitStack) -> Lease:
    if slot.kept is not None:
        raise LeaseError(f"a run of {key} is unfinished: {slot.kept.run_id}", remedy="let it end first: run the table")
    lease = await state.acquire(key, run_id)
    stack.push_async_callback(state.release, lease)
    return lease


async def _repaired(
    shared: Shared, found: Opened, plan: TablePlan, lease: Lease, slots: Mapping[str, Slot], sample: float | None
) -> VerifyResult:
    choice = found.choice_of(plan)
    try:
        sides = sides_of(shared.target, found, plan)
        result, differing = await compare(sides, "bisect", sample)
        options = choice.options
        stays = {"newer", "extra"} if options.mode == "incremental" and options.deletes == "none" else {"newer"}
        wrong = {key: kind for key, kind in differing.items() if kind not in stays}
        if not wrong:
            return result
        only = replace(plan, publish="append", only=sql.with_keys(sides.compared.source[0], wrong))
        receipt = receipt_of(shared, choice, plan.mode, lease.run_id)
        run = Replication(shared, choice, only, lease, lease.run_id, slots[lease.table], None, receipt)
        await _mend(run, sides, wrong)
    except BorealisError as error:
        return failed(shared.target, plan.table.label, plan.target_name, "bisect", error)
    result.repaired = dict(Counter(wrong.values()).most_common())
    result.differing = dict(Counter(kind for key, kind in differing.items() if key not in wrong).most_common())
    return result


async def _mend(run: Replication, sides: Sides, wrong: Mapping[int, Kind]) -> None:
    plan, target, label = run.plan, run.shared.target, run.plan.table.label
    if len(wrong) > KEYS_MAX:
        raise RefusedError([f"{label}: {len(wrong):,} keys differ, and a repair is for {KEYS_MAX:,}; run --full"])
    names, landing, live = target.names, target.names.ours(run.landing), target.names.table(plan.target_name)
    try:
        await run.copy(await run.begin(resumable=False))
        await run.leave_out_flagged(landing)
        want = await source_checksum(run.shared.snapshot, plan, plan.fields, sides.deleted)
        if not await run.shared.state.heartbeat(run.lease):
            raise LeaseError(f"the lease on {run.lease.table} was lost", remedy="the target is untouched; try again")
        gone = {key for key, kind in wrong.items() if kind == "extra"} if sides.mark else set()
        statements = [
            *([sql.mark(live, sides.mark, sides.compared, gone)] if sides.mark and gone else []),
            *([sql.delete(live, sides.compared, wrong.keys() - gone)] if wrong.keys() - gone else []),
            target_sql.insert_all(names, plan, run.landing, overwrite=False),
            sql.checksum_of(sides.table, sides.compared, wrong),
        ]

        def check(results: Sequence[Result]) -> None:
            ((count, total),) = results[-1].rows
            if (int(count), int(total)) != want:
                raise GateError(
                    f"{label}: after the repair {count} rows would be at the target and {want[0]} at the source, or "
                    "their checksums differ",
                    remedy="nothing was changed; load the table anew (run --full)",
                )

        async for attempt in target.retrying():
            with attempt:
                async with target.sessions.session(fresh=attempt.num > 1) as session:
                    await session.checked_transaction(
                        [(each, ()) for each in statements], check, doing=f"cannot repair {label}"
                    )
    finally:
        with anyio.CancelScope(shield=True):
            await run.drop_quietly(landing)
