"""Puts the table back that the last swap replaced, with its watermark, so that the next run goes on from there.

Without that watermark (a table that has none, or an engine before it kept one) the next incremental run loads the table
anew; either way it neither skips a row nor has one twice. The table that is taken away is dropped by the next run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from engine.config import Config, Resolved
from engine.errors import LeaseError, RefusedError
from engine.outset import heartbeats
from engine.publish import Exchange, exchange
from engine.selection import NamePattern
from engine.sql.marks import replaced_key, set_comment
from engine.sweep import Leftover, leftovers
from engine.target.snowflake import TargetCatalogue, TargetTable, Watermark
from engine.wiring import Parts, parts, target_key


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What stands at the target now."""

    table: str
    target_table: str
    run_id: str
    """The rollback's own."""
    undone_run_id: str
    """Of the run whose swap is undone, and whose later changes are gone with it."""
    age_h: float
    """Of that swap."""
    watermark: str | None
    note: str
    status: str = "COMPLETE"

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


async def roll_back(config: Config, name: str, *, dry_run: bool = False) -> RolledBack:
    """One table, named as the configuration's: the source is not asked. Raises RefusedError where nothing is kept."""
    resolved = _resolved(config, name)
    key = target_key(config, resolved)
    async with parts(config) as made:
        lease = await made.state.acquire(key, f"{made.run_id}_1")
        try:
            async with heartbeats(made.state, [lease], config.state.lease_s / 3):
                plan = _planned(made, resolved, key, await made.target.catalogue())
                if not dry_run:
                    if not await made.state.heartbeat(lease):
                        raise LeaseError(f"the lease on {key} was lost", remedy="the target is untouched; run again")
                    await _carry_out(made, plan)
        finally:
            await made.state.release(lease)
    return plan.outcome


@dataclass(frozen=True, slots=True)
class _Plan:
    previous: TargetTable
    change: Exchange
    outcome: RolledBack


def _resolved(config: Config, name: str) -> Resolved:
    exact = NamePattern.parse(name).exact
    if exact is None:
        raise RefusedError([f"{name}: is a pattern; name one table, such as public.orders"])
    (resolved,) = config.resolve([(*exact, "r", False)], [name])
    return resolved


def _planned(made: Parts, resolved: Resolved, key: str, catalogue: TargetCatalogue) -> _Plan:
    name, existing = resolved.target_name, catalogue.tables.get(resolved.target_name)
    kept = [each for each in leftovers(catalogue) if each.is_previous and each.of == name[:200]]
    undone = max(kept, key=lambda each: each.run_id, default=None)
    if existing is None or undone is None or undone.run_id != existing.run_id:
        raise RefusedError([_nothing_kept(resolved, existing, undone)])
    was = catalogue.watermarks.get(key, Watermark()).settled(existing)
    before = catalogue.watermarks.get(replaced_key(key), Watermark())
    run_id, after = f"{made.run_id}_1", None
    note = "the next run loads it whole, as always"
    if was.version:
        known = before.pending_run_id == undone.run_id
        went_with = before if known else replace(was, value=None)
        after = Watermark(run_id, was.version + 1, went_with.cursor, went_with.key, went_with.value)
        note = "the next run goes on from its watermark" if known else "its watermark is not known: it is loaded anew"
    change = Exchange(name, key, resolved.label, undone.table.name, run_id, True, was, after)
    outcome = RolledBack(
        resolved.label, made.target.names.table(name), run_id, undone.run_id, round(undone.age_h, 2),
        after.value if after else None, note,
    )  # fmt: skip
    return _Plan(undone.table, change, outcome)


async def _carry_out(made: Parts, plan: _Plan) -> None:
    comment = plan.previous.comment_for(plan.change.run_id)
    mark = set_comment(made.target.names.ours(plan.previous.name), comment)
    await made.target.execute(mark, doing=f"cannot mark the table before {plan.change.label}")
    await exchange(made.target, plan.change)


def _nothing_kept(resolved: Resolved, existing: TargetTable | None, undone: Leftover | None) -> str:
    name, label = resolved.target_name, resolved.label
    if existing is None:
        return f"{label}: {name} is not at the target; UNDROP TABLE brings back what was dropped within Time Travel"
    if undone is not None:
        return (
            f"{label}: {name} is not what the swap of {undone.run_id} made; somebody else has replaced it. What that "
            f"swap replaced is still there, as {undone.table.name}: put it back by hand, or run with --full"
        )
    return (
        f"{label}: nothing is kept to go back to: the last swap is longer ago than keep_previous_h "
        f"({resolved.options.keep_previous_h:g}), or the table was merged, appended to or overwritten in place. "
        f"Time Travel may have it: CREATE TABLE ... CLONE {name} AT (TIMESTAMP => ...); or run with --full"
    )
