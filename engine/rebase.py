"""Moves a half-loaded run onto a newer snapshot: chunks that are the same there stay, the others are read again.

A chunk is the same if it has as many rows as were loaded and none that a transaction wrote that the older snapshot
might not see. Each row that the newer one shows and an older transaction wrote was there before, so equal numbers mean
equal rows. Rows of a changed chunk leave the landing table by their keys: what stays has a key of an unchanged chunk.
Without a key, or where most has changed, all is read again. Either way the landing table is then a part of the newer
snapshot, and of no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.errors import GateError, SourceError
from engine.ledger import Loaded
from engine.model import Chunk
from engine.source.connection import Translated
from engine.sql import gone
from engine.sql import source as source_sql
from engine.sql import target as target_sql
from engine.target.session import Result
from engine.tasks import in_turns

if TYPE_CHECKING:
    from engine.replicate import Replication

XID_MODULUS = 2**32
WORTH_KEEPING = 0.5
"""Below this share of the rows it is cheaper to read all again than to sort out what stays."""


async def rebase(run: Replication, loaded: Loaded) -> Loaded:
    """What stays of `loaded`, each chunk read in a snapshot of its own, now that the run goes on in the one it has."""
    now = run.shared.snapshot.baton.identity
    same = await _unchanged(run, loaded)
    stays = Loaded({n: replace(chunk, snapshot=now) for n, chunk in loaded.chunks.items() if n in same})
    if len(same) == len(loaded.chunks):
        await _restamp(run, stays)
        return stays
    worth_keeping = stays.chunks and stays.rows >= WORTH_KEEPING * loaded.rows
    if not (worth_keeping and await _sort_out(run, loaded, stays)):
        await _forget_all(run)
        return Loaded({})
    await _restamp(run, stays)
    return stays


async def _restamp(run: Replication, stays: Loaded) -> None:
    """From now on the ledger has them as read in this snapshot."""
    target, now = run.shared.target, run.shared.snapshot.baton.identity
    for chunks in _lists(sorted(stays.chunks)):
        statement = target_sql.restamp_chunks(target.names, chunks)
        await target.execute(statement, [now, run.run_id], doing="cannot note the chunks that stay")


def _lists(chunks: Sequence[int]) -> list[Sequence[int]]:
    return [chunks[begin : begin + target_sql.LIST_MAX] for begin in range(0, len(chunks), target_sql.LIST_MAX)]


async def _unchanged(run: Replication, loaded: Loaded) -> set[int]:
    plan, snapshot = run.plan, run.shared.snapshot
    others = set(loaded.of_others(snapshot.baton.identity))
    same = set(loaded.chunks) - others

    async def look(chunk: Chunk) -> None:
        oldest = int(loaded.chunks[chunk.id].snapshot.partition(":")[0]) % XID_MODULUS
        async with snapshot.reader() as connection:
            with Translated(f"cannot look for changes in chunk {chunk.id} of {plan.table.label}"):
                rows = source_sql.rows_of(plan, chunk)
                count, newer = await connection.fetchrow(source_sql.count_newer(rows, oldest))
        if count == loaded.chunks[chunk.id].rows and not newer:
            same.add(chunk.id)

    looked_at = [chunk for chunk in plan.chunks if chunk.id in others and plan.table.leaves[chunk.leaf].kind == "r"]
    await in_turns(looked_at, snapshot.readers, look)
    return same


async def _sort_out(run: Replication, loaded: Loaded, stays: Loaded) -> bool:
    """Deletes the rows of the chunks that do not stay, and their lines in the ledger. False where keys do not tell."""
    plan, target = run.plan, run.shared.target
    names = plan.key or plan.table.key
    fields = {item.source: item for item in plan.fields if not item.target.endswith("__PG_TEXT")}
    if not names or not fields.keys() >= set(names):
        return False
    key = [fields[name] for name in names]
    landing, keys_name = target.names.ours(run.landing), f"{run.landing}_K"
    again = [number for number in loaded.chunks if number not in stays.chunks]

    def check(results: list[Result]) -> None:
        if results[0].rowcount != loaded.rows - stays.rows:
            raise GateError(f"{plan.table.label}: keys do not tell the rows of its chunks apart")

    try:
        if not await run.load_keys(plan, key, _chunks(plan.chunks, stays), keys_name):
            raise SourceError(
                f"{plan.table.label}: the time was over before the run had moved to a newer snapshot",
                remedy="the next run tries again", retryable=True, code="deadline",
            )  # fmt: skip
        async with target.sessions.session(fresh=True) as session:
            await session.checked_transaction(
                [
                    (gone.delete_missing(target.names, landing, keys_name, key), ()),
                    *((target_sql.forget_chunks(target.names, some), [run.run_id]) for some in _lists(again)),
                ],
                check,
                doing=f"cannot sort out the changed chunks of {plan.table.label}",
            )
    except GateError:
        return False
    finally:
        await run.drop_quietly(target.names.ours(keys_name))
    return True


def _chunks(chunks: Sequence[Chunk], loaded: Loaded) -> list[Chunk]:
    return [chunk for chunk in chunks if chunk.id in loaded.chunks]


async def _forget_all(run: Replication) -> None:
    target = run.shared.target
    async for attempt in target.retrying():
        with attempt:
            async with target.sessions.session(fresh=True) as session:
                await session.transaction(
                    [
                        (target_sql.delete_all(target.names.ours(run.landing)), ()),
                        (target_sql.forget_chunks(target.names, None), [run.run_id]),
                    ],
                    doing=f"cannot begin {run.plan.table.label} anew",
                )
