"""What every store of state promises: one holder a lease, no lost change of a document, newest receipts first."""

import os

import anyio
import pytest

from engine.errors import LeaseError, StateError
from engine.state.forms import pack
from engine.state.port import DOCUMENT_BYTES_MAX, Lease
from tests.contract.states import LEASE_S, OVER_S

# --- leases -----------------------------------------------------------------------------------------------------------


async def test_a_second_writer_is_refused_with_who_has_the_table(state):
    await state.acquire("SHOP.T", "run1")
    with pytest.raises(LeaseError, match=r"SHOP\.T is held by run run1 \(.+:\d+\)") as refused:
        await state.acquire("SHOP.T", "run2")
    assert refused.value.run_id == "run1"
    await state.acquire("SHOP.OTHER", "run2")


async def test_a_run_is_refused_by_itself_while_it_holds_the_lease(state):
    await state.acquire("SHOP.T", "run1")
    with pytest.raises(LeaseError):
        await state.acquire("SHOP.T", "run1")


async def test_of_thirty_at_the_same_moment_one_has_the_lease(states):
    won: list[Lease] = []
    refused: list[str] = []
    seen = [states(), states(), states()]

    async def take(number: int) -> None:
        try:
            won.append(await seen[number % 3].acquire("SHOP.T", f"run{number}"))
        except LeaseError as error:
            refused.append(error.run_id)

    async with anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(take, number)
    assert [lease.run_id for lease in won] == list(set(refused))
    assert len(refused) == 29


async def test_a_lease_that_ended_is_taken_over_by_one_of_thirty(states):
    await states(lease_s=OVER_S).acquire("SHOP.T", "dead")
    await test_of_thirty_at_the_same_moment_one_has_the_lease(states)


async def test_tokens_grow_over_release_and_over_expiry(states):
    state = states()
    first = await state.acquire("SHOP.T", "run1")
    await state.release(first)
    second = await states(lease_s=OVER_S).acquire("SHOP.T", "run2")
    third = await state.acquire("SHOP.T", "run3")
    assert first.token < second.token < third.token


async def test_who_lost_the_lease_is_told_by_its_heartbeat_and_changes_nothing(states):
    state = states()
    stale = await states(lease_s=OVER_S).acquire("SHOP.T", "run1")
    holder = await state.acquire("SHOP.T", "run2")
    assert not await states(lease_s=OVER_S).heartbeat(stale)
    await state.release(stale)
    assert [(lease["target"], lease["run_id"]) for lease in await state.leases()] == [("SHOP.T", "run2")]
    assert await state.heartbeat(holder)


async def test_a_token_is_worth_nothing_under_another_run_id(state):
    lease = await state.acquire("SHOP.T", "run1")
    assert not await state.heartbeat(Lease("SHOP.T", "run2", lease.token))
    await state.release(Lease("SHOP.T", "run2", lease.token))
    assert await state.heartbeat(lease)


async def test_a_released_lease_cannot_be_prolonged(state):
    lease = await state.acquire("SHOP.T", "run1")
    await state.release(lease)
    await state.release(lease)
    assert not await state.heartbeat(lease)
    await state.acquire("SHOP.T", "run2")


async def test_a_heartbeat_prolongs_a_lease_that_nobody_else_has_taken(states):
    lease = await states(lease_s=OVER_S).acquire("SHOP.T", "run1")
    assert await states().heartbeat(lease)
    with pytest.raises(LeaseError):
        await states().acquire("SHOP.T", "run2")


async def test_leases_are_those_held_now(states):
    state = states()
    await state.acquire("SHOP.T", "run1")
    await state.release(await state.acquire("SHOP.RELEASED", "run1"))
    await states(lease_s=OVER_S).acquire("SHOP.ENDED", "run1")
    (held,) = await state.leases()
    assert (held["target"], held["run_id"]) == ("SHOP.T", "run1")
    assert ":" in held["owner"]
    assert LEASE_S - 30 < held["seconds_left"] <= LEASE_S


# --- documents --------------------------------------------------------------------------------------------------------


async def test_a_document_is_replaced_only_by_who_read_it_last(state):
    assert await state.get("plan/SHOP.T") is None
    first = await state.put("plan/SHOP.T", {"chunks": [1, 2], "name": "Größe \U0001f9ca"})
    assert first
    assert await state.put("plan/SHOP.T", {"chunks": []}) is None
    second = await state.put("plan/SHOP.T", {"chunks": [2]}, version=first)
    assert second
    assert await state.put("plan/SHOP.T", {"chunks": [1]}, version=first) is None
    read = await state.get("plan/SHOP.T")
    assert (read.value, read.version) == ({"chunks": [2]}, second)


async def test_a_document_that_is_not_there_has_no_version_to_replace(state):
    assert await state.put("plan/SHOP.T", {}, version=7) is None


async def test_one_of_twenty_creates_a_document(states):
    created: list[int] = []
    seen = [states(), states()]

    async def create(number: int) -> None:
        if await seen[number % 2].put("event/a", {"by": number}):
            created.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(create, number)
    assert [(await seen[0].get("event/a")).value["by"]] == created


async def test_twenty_writers_at_once_lose_nothing(states):
    seen = [states(), states()]
    await seen[0].put("run/a", {"done": []})

    async def add(number: int) -> None:
        while True:
            read = await seen[number % 2].get("run/a")
            if await seen[number % 2].put("run/a", {"done": [*read.value["done"], number]}, version=read.version):
                return

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(add, number)
    assert sorted((await seen[0].get("run/a")).value["done"]) == list(range(20))


async def test_a_version_of_a_deleted_document_is_never_good_again(state):
    old = await state.put("plan/SHOP.T", {"old": True})
    await state.delete("plan/SHOP.T", version=old)
    await state.delete("plan/SHOP.T", version=old)
    assert await state.get("plan/SHOP.T") is None
    assert await state.put("plan/SHOP.T", {"new": True})
    assert await state.put("plan/SHOP.T", {"old": True}, version=old) is None


async def test_who_was_overtaken_deletes_nothing(state):
    old = await state.put("plan/SHOP.T", {"run_id": "run1"})
    new = await state.put("plan/SHOP.T", {"run_id": "run2"}, version=old)
    await state.delete("plan/SHOP.T", version=old)
    assert (await state.get("plan/SHOP.T")).value == {"run_id": "run2"}
    await state.delete("plan/SHOP.T", version=new)
    assert await state.get("plan/SHOP.T") is None


async def test_names_begin_as_asked_and_are_sorted(state):
    for name in ["plan/SHOP.T_1", "plan/SHOP.É", "plan/SHOP.T%", "plan/SHOP.A", "run/a"]:
        await state.put(name, {})
    assert await state.names("plan/") == ["plan/SHOP.A", "plan/SHOP.T%", "plan/SHOP.T_1", "plan/SHOP.É"]
    assert await state.names("plan/SHOP.T%") == ["plan/SHOP.T%"]
    assert await state.names("plan/shop") == []
    assert len(await state.names("")) == 5


async def test_a_document_is_gone_when_its_time_is_over(state):
    old = await state.put("event/a", {"run_id": "run1"}, keep_s=OVER_S)
    assert await state.get("event/a") is None
    assert await state.names("event/") == []
    assert await state.put("event/a", {"run_id": "run2"}, keep_s=60) > old
    assert (await state.get("event/a")).value == {"run_id": "run2"}
    assert await state.put("event/a", {"run_id": "run3"}) is None


async def test_the_largest_document_is_kept_and_a_larger_one_refused(state):
    value = {"digits": os.urandom(300_000).hex()}
    assert DOCUMENT_BYTES_MAX - 15_000 < len(pack("", value)) <= DOCUMENT_BYTES_MAX
    await state.put("plan/SHOP.T", value)
    assert (await state.get("plan/SHOP.T")).value == value
    with pytest.raises(StateError, match=rf"plan/SHOP\.U takes \d+ bytes of state, more than {DOCUMENT_BYTES_MAX}"):
        await state.put("plan/SHOP.U", {"digits": os.urandom(DOCUMENT_BYTES_MAX).hex()})


# --- history ----------------------------------------------------------------------------------------------------------


async def test_receipts_come_newest_first_and_no_more_than_asked(state):
    for run_id in ["20261123T000001AAAAAA_1", "20261123T000003CCCCCC_9", "20261123T000002BBBBBB_10"]:
        await state.record(run_id, "SHOP.T", {"run_id": run_id})
    await state.record("20261123T000004DDDDDD_1", "SHOP.U", {})
    newest = [receipt["run_id"][14:16] for receipt in await state.receipts("SHOP.T", 10)]
    assert newest == ["3C", "2B", "1A"]
    assert len(await state.receipts("SHOP.T", 2)) == 2
    assert await state.receipts("SHOP.NONE", 2) == []


async def test_a_run_has_one_receipt_the_last_that_it_left(state):
    await state.acquire("source#1", "run1_1")
    await state.record("run1_1", "SHOP.T", {"status": "PARTIAL"})
    await state.record("run1_1", "SHOP.T", {"status": "COMPLETE"})
    assert await state.receipts("SHOP.T", 10) == [{"status": "COMPLETE"}]
    assert await state.last_receipts() == {"SHOP.T": {"status": "COMPLETE"}}


async def test_the_newest_receipt_of_each_table_is_kept(state):
    await state.acquire("SHOP.T", "inv_1")
    await state.record("inv_1", "SHOP.T", {"status": "FAILED"})
    await state.record("inw_1", "SHOP.T", {"status": "COMPLETE"})
    await state.record("inu_1", "SHOP.T", {"status": "LATE"})
    await state.record("inw_2", "SHOP.U", {"status": "COMPLETE", "rows": 3})
    assert await state.last_receipts() == {
        "SHOP.T": {"status": "COMPLETE"},
        "SHOP.U": {"status": "COMPLETE", "rows": 3},
    }


async def test_a_run_and_its_invocation_are_known_once_they_began(state):
    lease = await state.acquire("SHOP.T", "20261123T000000ABCDEF_3")
    await state.release(lease)
    assert await state.began("20261123T000000ABCDEF_3")
    assert await state.began("20261123T000000ABCDEF")
    assert not await state.began("20261123T000000ABCDEF_30")
    assert not await state.began("20261123T000000")
    await state.acquire("SHOP.U", "20261124T000000ABCDEF")
    assert await state.began("20261124T000000ABCDEF")
    assert not await state.began("20261124T000000ABCDEF_1")


async def test_a_closed_state_opens_again(state):
    await state.put("run/a", {"n": 1})
    await state.close()
    await state.close()
    assert (await state.get("run/a")).value == {"n": 1}
