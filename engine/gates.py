"""What must hold before a landing table is published: every chunk, every row, keys that tell rows apart, equal sums."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.checksum import source_checksum, target_checksum
from engine.errors import GateError
from engine.ledger import Loaded
from engine.publish import refuse_null_keys
from engine.sql import target as target_sql

if TYPE_CHECKING:
    from engine.replicate import Replication


async def check(run: Replication, loaded: Loaded) -> None:
    """One snapshot; rows read = rows loaded; empty only if the source is; checksums, where asked for."""
    label, receipt = run.plan.table.label, run.receipt
    landing = run.shared.target.names.ours(run.landing)
    receipt.rows_loaded = loaded.rows if loaded.counted else await _count(run, landing)
    receipt.verification = {"level": "count", "rows_source": receipt.rows_read, "rows_target": receipt.rows_loaded,
                            "equal": receipt.rows_read == receipt.rows_loaded}  # fmt: skip
    if receipt.rows_loaded != receipt.rows_read:
        raise GateError(
            f"{label}: {receipt.rows_read} rows were read, {receipt.rows_loaded} are in the landing table",
            remedy="run again; the target is untouched",
        )
    if loaded.of_others(run.shared.snapshot.baton.identity):
        raise GateError(
            f"{label}: chunks of two snapshots are in the landing table", remedy="run again; the target is untouched"
        )
    if run.plan.mode == "full" and receipt.rows_read == 0:
        await _check_empty(run)
    if run.plan.mode == "full" and run.plan.key:
        await _check_keys(run, landing)
    if run.choice.options.verify == "checksum":
        with run.phases.timed("verify"):
            await _check_sums(run, landing)


async def _count(run: Replication, landing: str) -> int:
    ((count,),) = await run.shared.target.execute(target_sql.count(landing), doing="cannot count the landing table")
    return int(count)


async def _check_empty(run: Replication) -> None:
    existing, plan = run.choice.existing, run.plan
    if existing is None or run.choice.options.allow_empty:
        return
    table = run.shared.target.names.table(plan.target_name)
    ((count,),) = await run.shared.target.execute(target_sql.count(table), doing="cannot count the target")
    if int(count):
        raise GateError(
            f"{plan.table.label} is empty at the source, but {plan.target_name} has {count} rows",
            remedy="set allow_empty = true if the target is to be emptied; it is untouched",
        )


async def _check_keys(run: Replication, landing: str) -> None:
    """A merge will find each row by its key, so the first load must not hold one twice."""
    if run.plan.key == run.plan.table.key:
        return  # a unique index over NOT NULL columns at the source
    key = [run.plan.field_of(name) for name in run.plan.key]
    ((nulls, doubled, *_),) = await run.shared.target.execute(
        target_sql.key_faults(landing, key), doing="cannot check the keys of the landing table"
    )
    refuse_null_keys(run.plan, int(nulls or 0))
    if int(doubled or 0):
        raise GateError(
            f"{run.plan.table.label}: the key ({', '.join(run.plan.key)}) is not unique: {doubled} repeat",
            remedy="declare a key that is unique; the target is untouched",
        )


async def _check_sums(run: Replication, landing: str) -> None:
    plan = run.plan
    source = await source_checksum(run.shared.snapshot, plan, plan.fields)
    target = await target_checksum(run.shared.target, landing, plan.fields)
    run.receipt.verification |= {
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
