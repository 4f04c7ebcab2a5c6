"""Tells of a table's unfinished run which of its chunks are loaded, since when, and who has the rest."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from engine.errors import BorealisError
from engine.kept import Kept, shared_run, slots_of, slots_of_run
from engine.ledger import Loaded
from engine.plan import TablePlan, assign
from engine.state.port import State
from engine.target.snowflake import Target, folder_of


async def unfinished(
    state: State, target: Target, keys: Sequence[str], leases: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Of those target tables that have an unfinished run, by key. `leases` are all that are held now."""
    told = {}
    for key, slot in (await slots_of(state, keys)).items():
        if slot.kept is None:
            continue
        kept = slot.kept
        told[key] = {
            "run_id": kept.run_id,
            "began": _clock(kept.began),
            "functions": kept.functions,
            "moved": kept.moved,
            "held_by": next((_holder(lease) for lease in leases if lease["target"] == key), None),
        }
        try:
            loaded = await target.loaded(kept.run_id)
        except BorealisError as error:  # such as rows that are doubled: the other tables are told of all the same
            told[key]["error"] = str(error)
            continue
        told[key] |= chunks_of(kept.plan, loaded)
        if groups := await _groups(state, kept, loaded, leases):
            told[key]["groups"] = groups
    return told


def chunks_of(plan: TablePlan, loaded: Loaded) -> dict[str, Any]:
    """How far it is. Rows and bytes are those that are loaded."""
    left = {chunk.id for chunk in plan.chunks} - set(loaded.chunks)
    return {
        "chunks": len(plan.chunks),
        "chunks_loaded": len(loaded.chunks),
        "chunks_left": ranges(left),
        "rows": loaded.rows,
        "bytes_read": sum(chunk.bytes_read for chunk in loaded.chunks.values()),
        "bytes_staged": sum(chunk.bytes for chunk in loaded.chunks.values()),
        "bytes_left": sum(chunk.bytes_estimate for chunk in plan.chunks if chunk.id in left),
    }


def ranges(numbers: Iterable[int]) -> str:
    """`1-3, 7` of 7, 1, 2, 3."""
    runs = ([n for _, n in run] for _, run in groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0]))
    return ", ".join(f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


async def _groups(
    state: State, kept: Kept, loaded: Loaded, leases: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Of a fan-out, each worker's share of the table: how far it is, and who copies it now."""
    run_id = folder_of(kept.run_id)
    record, _ = await shared_run(state, run_id)
    if record is None or record.groups < 2:
        return []
    slots = await slots_of_run(state, record)
    runs = sorted((slot.kept for slot in slots.values() if slot.kept), key=lambda each: -each.plan.table.bytes_total)
    holders = {str(lease["target"]): _holder(lease) for lease in leases}
    position = next((n for n, each in enumerate(runs) if each.run_id == kept.run_id), None)
    if position is None:
        return []
    return [
        {
            "group": number,
            **_done(chunks[position], loaded.chunks),
            "held_by": holders.get(f"{run_id}#{number}"),
        }
        for number, chunks in enumerate(assign([each.plan for each in runs], record.groups))
    ]


def _done(chunks: Collection[int], loaded: Collection[int]) -> dict[str, int]:
    return {"chunks": len(chunks), "chunks_loaded": sum(chunk in loaded for chunk in chunks)}


def _holder(lease: Mapping[str, Any]) -> dict[str, Any]:
    return {"owner": lease["owner"], "seconds_left": round(lease["seconds_left"], 1)}


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
