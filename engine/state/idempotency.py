"""One event, one run: which run an event's key began, who works on it now, and what it answered.

The document `event/<key>` binds the key to one run id for good, and takes the answer; the lease `event#<key>` says
that somebody works on it. The lease comes first, so of events at the same moment one is the first. Who holds it

- finishes with an answer, which every later event with the key is given;
- or gives the lease back without one (`State.release`), when it failed or when another function goes on;
- or dies, and the lease ends.

After the last two the next with the key is the first again, under the run id that the key has: it continues that run,
be it Lambda's own retry, the function that the run was passed on to, or a late duplicate, whichever comes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import anyio

from engine.errors import LeaseError
from engine.state.port import Lease, State

ANSWER_KEPT_S = 86_400.0
"""EventBridge tries to deliver an event for up to 24 hours, Lambda an asynchronous one for up to 6."""
LOOK_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Begun:
    """What became of an event: work on it (`lease` is held; prolong it), or leave it to the run that has it."""

    key: str
    run_id: str
    """The run of this key: the caller's own only where the key is new."""
    answer: dict[str, Any] | None = None
    """Where the run has ended."""
    lease: Lease | None = None
    version: int = 0

    @property
    def first(self) -> bool:
        return self.lease is not None


async def begin(state: State, key: str, run_id: str, *, patience_s: float) -> Begun:
    """Begins the event's run, continues it after a death, or tells whose it is.

    A holder that is dead looks alive until its lease ends, and Lambda's retry may come before: with a patience of
    `state.lease_s` the event is taken over then. A holder that prolongs its lease is left alone in any case.
    """
    give_up = anyio.current_time() + patience_s
    while True:
        begun = await _looked_at(state, key, run_id)
        if begun.first or begun.answer is not None or anyio.current_time() >= give_up:
            return begun
        await anyio.sleep(LOOK_AGAIN_S)


async def finish(state: State, begun: Begun, answer: dict[str, Any]) -> None:
    """Keeps the answer for later events and gives the lease back. Raises LeaseError where the event was taken over."""
    assert begun.lease is not None
    value = {"run_id": begun.run_id, "answer": answer}
    kept = await state.put(_document(begun.key), value, version=begun.version, keep_s=ANSWER_KEPT_S)
    await state.release(begun.lease)
    if kept is None:
        raise LeaseError(
            f"the event {begun.key} was taken over while run {begun.run_id} answered it",
            remedy="the answer is that of the function that has it now",
            run_id=begun.run_id,
        )


async def _looked_at(state: State, key: str, run_id: str) -> Begun:
    while True:
        before = await _seen(state, key)
        if before.answer is not None:
            return before
        try:
            lease = await state.acquire(f"event#{key}", before.run_id or run_id)
        except LeaseError as error:
            return Begun(key, error.run_id)
        now = await _seen(state, key)
        if now.answer is None and now.run_id in {"", lease.run_id}:
            value = {"run_id": lease.run_id, "answer": None}
            version = await state.put(_document(key), value, version=now.version, keep_s=ANSWER_KEPT_S)
            if version is not None:
                return Begun(key, lease.run_id, None, lease, version)
        # answered or begun by another since the first look: what it left is read again
        await state.release(lease)


async def _seen(state: State, key: str) -> Begun:
    found = await state.get(_document(key))
    if found is None:
        return Begun(key, "")
    return Begun(key, found.value["run_id"], found.value["answer"], version=found.version)


def _document(key: str) -> str:
    return f"event/{key}"
