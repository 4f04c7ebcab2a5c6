"""Never more connections to the source than its budget, and everyone is served in turn."""

import anyio
import pytest

from engine.errors import LeaseError
from engine.state.slots import slot
from tests.contract.states import OVER_S


async def test_f10_ten_takers_share_three_slots(states):
    seen = [states(), states()]
    now: set[str] = set()
    served: list[int] = []
    full = anyio.Event()

    async def take(number: int) -> None:
        async with slot(seen[number % 2], 3, f"run{number}", wait_s=120) as lease:
            assert lease.table not in now
            now.add(lease.table)
            assert len(now) <= 3
            if len(now) == 3:
                full.set()
            await full.wait()
            await anyio.sleep(0.05)
            now.remove(lease.table)
            served.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(take, number)
    assert sorted(served) == list(range(10))
    assert await seen[0].leases() == []


async def test_slots_that_are_seen_to_be_taken_are_not_asked_for(states, monkeypatch):
    waiting = states()
    monkeypatch.setattr(waiting, "acquire", None)
    async with slot(states(), 1, "run1", wait_s=0):
        with pytest.raises(LeaseError, match="all 1 places"):
            async with slot(waiting, 1, "run2", wait_s=0):
                pass


async def test_who_waits_in_vain_is_told_the_setting(state):
    async with slot(state, 1, "run1", wait_s=0):
        with pytest.raises(LeaseError, match=r"all 1 places .* raise source\.connections_max"):
            async with slot(state, 1, "run2", wait_s=0.3):
                pass
    async with slot(state, 1, "run2", wait_s=0) as lease:
        assert lease.table == "source#0"


async def test_the_slot_of_a_dead_run_is_free_when_its_lease_ends(states):
    await states(lease_s=OVER_S).acquire("source#0", "dead")
    async with slot(states(), 1, "run1", wait_s=0) as lease:
        assert lease.run_id == "run1"


async def test_a_slot_is_given_back_by_who_is_cancelled(state):
    with anyio.move_on_after(0.5) as cancelled:
        async with slot(state, 1, "run1", wait_s=0):
            await anyio.sleep_forever()
    assert cancelled.cancelled_caught
    assert await state.leases() == []
