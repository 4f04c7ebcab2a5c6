"""The connection budget of a source: places for as many functions as `source.connections_max` has connections for."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from engine.errors import LeaseError
from engine.state.port import Lease, State

WAIT_S_MIN, WAIT_S_MAX = 0.1, 5.0
"""Between looks, longer each time and by chance shorter; a look is one query, however many slots there are."""
_CHANCE = secrets.SystemRandom()


@asynccontextmanager
async def slot(state: State, count: int, run_id: str, *, wait_s: float) -> AsyncIterator[Lease]:
    """One of `count` slots, waited for at most `wait_s`; whoever has it prolongs the lease. Raises LeaseError."""
    lease = await _waited_for(state, count, run_id, wait_s)
    try:
        yield lease
    finally:
        with anyio.CancelScope(shield=True):
            await state.release(lease)


async def _waited_for(state: State, count: int, run_id: str, wait_s: float) -> Lease:
    give_up = anyio.current_time() + wait_s
    longest = WAIT_S_MIN
    while True:
        try:
            return await _free(state, count, run_id)
        except LeaseError:
            left = give_up - anyio.current_time()
            if left <= 0:
                raise
            await anyio.sleep(min(left, _CHANCE.uniform(longest / 2, longest)))
            longest = min(longest * 2, WAIT_S_MAX)


async def _free(state: State, count: int, run_id: str) -> Lease:
    """A free slot, from a random one on: who looks at the same moment rarely wants the same."""
    taken = {lease["target"] for lease in await state.leases()}
    begin = _CHANCE.randrange(count)
    for number in range(count):
        name = f"source#{(begin + number) % count}"
        if name in taken:
            continue
        try:
            return await state.acquire(name, run_id)
        except LeaseError:
            continue  # another was faster
    raise LeaseError(
        f"all {count} places of functions at the source are taken",
        remedy="wait for other runs to end, lower limits.readers, or raise source.connections_max",
    )
