"""What must hold before a landing table is published: every chunk, every row, keys that tell rows apart, equal sums."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.checksum import source_checksum, target_checksum
from engine.comparison import Sides, compare, is_compared
from engine.errors import BorealisError, GateError
from engine.ledger import Loaded
from engine.publish import refuse_null_keys
from engine.quoting import quote
from engine.sql import target as target_sql
from engine.typemap.canonical import shape_of

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
    if run.choice.existing is None or run.choice.options.allow_empty:
        return
    table = run.shared.target.names.table(run.plan.target_name)
    ((count,),) = await run.shared.target.execute(target_sql.count(table), doing="cannot count the target")
    refuse_emptying(run, int(count))


def refuse_emptying(run: Replication, count: int) -> None:
    """The source has no row, the target `count`."""
    if count and not run.choice.options.allow_empty:
        raise GateError(
            f"{run.plan.table.label} is empty at the source, but {run.plan.target_name} has {count} rows",
            remedy="set allow_empty = true if the target is to be emptied; its rows are untouched",
        )


async def _check_keys(run: Replication, landing: str) -> None:
    """A merge will find each row by its key, so the first load must not hold one twice."""
    key = [run.plan.field_of(name) for name in run.plan.key]
    if run.plan.key == run.plan.table.key and all(f.on_loss == "error" or not f.losses for f in key):
        return  # a unique index over NOT NULL columns at the source, and no policy lets a value become NULL
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
        "columns": [
            [f.target, f.target_type, shape_of(quote(f.target), f.canonical_target)]
            for f in plan.fields
            if f.canonical_target is not None
        ],
        "excluded_columns": [f.source for f in plan.fields if not is_compared(f)],
        "equal": source == target,
    }
    if source != target:
        raise GateError(
            f"{plan.table.label}: the checksums of source and landing table differ{await _what_differs(run, landing)}",
            remedy="report this with the receipt; the target is untouched",
        )


async def _what_differs(run: Replication, landing: str) -> str:
    """Which keys' rows, by kind, column and chunk, for message and receipt; their values stay where they are."""
    try:
        result, _ = await compare(Sides(run.shared.snapshot, run.shared.target, run.plan, landing), "bisect")
    except BorealisError as error:
        return f" ({error})"
    columns = sorted({column for each in result.differences for column in each.columns})
    chunks = sorted({each.chunk for each in result.differences if each.chunk is not None})
    run.receipt.verification |= {"differing": result.differing, "columns": columns, "chunks": chunks}
    said = ", ".join(f"{count} {kind}" for kind, count in result.differing.items())
    in_columns = f" in {', '.join(columns)}" if columns else ""
    return f": {said}{in_columns}, of the chunks {', '.join(map(str, chunks)) or 'none'}"
