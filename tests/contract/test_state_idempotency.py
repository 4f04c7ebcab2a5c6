"""Two events at the same moment, one run; and a run whose function died is gone on with."""

import anyio
import pytest

from engine.errors import LeaseError
from engine.state import idempotency
from engine.state.idempotency import Begun, begin, finish
from engine.state.port import Lease
from tests.contract.states import OVER_S

ANSWER = {"status": "COMPLETE", "tables": [{"table": "public.t", "rows": 3}]}


async def begun(state, key: str, run_id: str) -> Begun:
    return await begin(state, key, run_id, patience_s=0)


async def test_the_first_event_with_a_key_works_and_a_duplicate_is_told_its_run(state):
    first = await begun(state, "nightly-1", "run1")
    assert (first.first, first.run_id, first.answer) == (True, "run1", None)
    duplicate = await begun(state, "nightly-1", "run2")
    assert (duplicate.first, duplicate.run_id, duplicate.answer) == (False, "run1", None)
    assert (await begun(state, "nightly-2", "run3")).first


async def test_f24_a_duplicate_of_an_event_that_ended_gets_its_answer(state):
    await finish(state, await begun(state, "nightly", "run1"), ANSWER)
    duplicate = await begun(state, "nightly", "run2")
    assert (duplicate.first, duplicate.run_id, duplicate.answer) == (False, "run1", ANSWER)
    assert await state.leases() == []


async def test_of_twenty_events_at_the_same_moment_one_runs_and_all_know_its_run(states):
    seen = [states(), states(), states()]
    told: list[Begun] = []

    async def event(number: int) -> None:
        told.append(await begun(seen[number % 3], "nightly", f"run{number}"))

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(event, number)
    (first,) = (each for each in told if each.first)
    assert {each.run_id for each in told} == {first.run_id}


async def test_of_twenty_events_at_the_same_moment_after_a_death_one_goes_on_with_the_run(states):
    await begun(states(lease_s=OVER_S), "nightly", "dead")
    seen = [states(), states()]
    told: list[Begun] = []

    async def event(number: int) -> None:
        told.append(await begun(seen[number % 2], "nightly", f"run{number}"))

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(event, number)
    assert [each.run_id for each in told] == ["dead"] * 20
    assert len([each for each in told if each.first]) == 1


async def test_who_was_taken_for_dead_cannot_answer_for_who_took_over(states):
    stale = await begun(states(lease_s=OVER_S), "nightly", "run1")
    taken_over = await begun(states(), "nightly", "run2")
    with pytest.raises(LeaseError, match="nightly was taken over while run run1 answered it"):
        await finish(states(), stale, {"status": "FAILED"})
    assert not (await begun(states(), "nightly", "run3")).first
    await finish(states(), taken_over, ANSWER)
    assert (await begun(states(), "nightly", "run4")).answer == ANSWER


async def test_an_event_given_back_without_an_answer_is_gone_on_with_at_once(state):
    failed = await begun(state, "nightly", "run1")
    await state.release(failed.lease)
    again = await begun(state, "nightly", "run2")
    assert (again.first, again.run_id) == (True, "run1")


async def test_an_answer_that_comes_between_two_looks_is_given(states, monkeypatch):
    first = await begun(states(), "nightly", "run1")
    late = states()
    before_acquire(monkeypatch, late, lambda: finish(states(), first, ANSWER))
    assert (await begun(late, "nightly", "run2")).answer == ANSWER
    assert await late.leases() == []


async def test_a_run_that_begins_and_dies_between_two_looks_is_gone_on_with(states, monkeypatch):
    late = states()
    before_acquire(monkeypatch, late, lambda: begun(states(lease_s=OVER_S), "nightly", "run1"))
    gone_on = await begun(late, "nightly", "run2")
    assert (gone_on.first, gone_on.run_id) == (True, "run1")
    assert [lease["run_id"] for lease in await late.leases()] == ["run1"]


def before_acquire(monkeypatch, state, happening) -> None:
    """Another is faster, once, just before the lease is asked for."""
    acquire, pending = state.acquire, [happening]

    async def acquire_late(table: str, run_id: str) -> Lease:
        if pending:
            await pending.pop()()
        return await acquire(table, run_id)

    monkeypatch.setattr(state, "acquire", acquire_late)


async def test_a_death_between_the_lease_and_the_document_leaves_the_event_to_the_next(states):
    await states(lease_s=OVER_S).acquire("event#nightly", "run1")
    assert (await begun(states(), "nightly", "run2")).run_id == "run2"


async def test_a_retry_that_comes_before_the_dead_ones_lease_has_ended_waits_for_it(states, monkeypatch):
    monkeypatch.setattr(idempotency, "LOOK_AGAIN_S", 0.1)
    await begun(states(lease_s=1.0), "nightly", "run1")
    retry = await begin(states(), "nightly", "run2", patience_s=20)
    assert (retry.first, retry.run_id) == (True, "run1")


async def test_a_patient_duplicate_is_given_the_answer_when_it_comes(states, monkeypatch):
    monkeypatch.setattr(idempotency, "LOOK_AGAIN_S", 0.05)
    first = await begun(states(), "nightly", "run1")
    told: list[Begun] = []

    async def wait() -> None:
        told.append(await begin(states(), "nightly", "run2", patience_s=30))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.sleep(0.2)
        await finish(states(), first, ANSWER)
    assert [each.answer for each in told] == [ANSWER]


async def test_an_answer_expires(state, monkeypatch):
    monkeypatch.setattr(idempotency, "ANSWER_KEPT_S", OVER_S)
    await finish(state, await begun(state, "nightly", "run1"), ANSWER)
    assert (await begun(state, "nightly", "run2")).run_id == "run2"
