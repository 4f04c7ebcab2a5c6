"""Deletes at the source reach the target: keys are compared after a merge, in the snapshot that it read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.checksum import source_checksum, target_checksum
from engine.gates import refuse_emptying
from engine.plan import split
from engine.publish import delete_missing
from engine.sql import gone

if TYPE_CHECKING:
    from engine.replicate import Replication


async def reconcile(run: Replication) -> None:
    """Rows whose key is gone at the source leave the target, or are marked. Keys travel only if sums differ."""
    plan, target = run.plan, run.shared.target
    key = tuple(plan.field_of(name) for name in plan.key)
    mark = run.choice.options.soft_column
    table = target.names.table(plan.target_name)
    if mark and run.choice.existing is not None and mark not in run.choice.existing.columns:
        add = gone.add_mark(table, mark)
        await target.execute(add, doing=f"cannot add the column {mark}")
    whole = replace(plan, window=None, chunks=split(plan.table, 2**62))
    source = await source_checksum(run.shared.snapshot, whole, key)
    live = gone.unmarked(table, mark)
    there = await target_checksum(target, live, key)
    if source == there:
        return
    if not source[0]:
        refuse_emptying(run, there[0])
    keys_name = f"{run.landing}_K"
    try:
        if not await run.load_keys(whole, key, whole.chunks, keys_name):
            run.receipt.status = "PARTIAL"
            run.receipt.notes.append("the time was over before the keys were compared: the next run does it")
            return
        deleted = await delete_missing(target, plan, keys_name, key, mark)
    finally:
        await run.drop_quietly(target.names.ours(keys_name))
    run.receipt.notes.append(f"{deleted} rows {'marked as deleted' if mark else 'deleted'}: gone at the source")
    after = await target_checksum(target, live, key)
    if source != after:
        run.receipt.notes.append(
            f"the source has {source[0]} keys and the target {after[0]}: changes without a newer cursor; run --full"
        )
