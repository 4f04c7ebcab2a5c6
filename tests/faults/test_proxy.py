"""The proxy does to a connection what it says, or the tests that use it prove nothing."""

import asyncio
import time

import asyncpg
import pytest

from tests.conftest import connected, through


async def test_nothing_changes_on_the_way(database, proxy):
    async with connected(through(database, proxy)) as connection:
        assert await connection.fetchval("SELECT repeat('x', 1000000)") == "x" * 1_000_000
    assert proxy.connections == 1
    assert proxy.cuts == proxy.held == 0


async def test_latency_is_added_to_each_answer(database, proxy):
    async with connected(through(database, proxy)) as connection:
        proxy.latency_s = 0.05
        began = time.monotonic()
        await connection.fetchval("SELECT 1")
        assert time.monotonic() - began >= 0.1
        proxy.heal()


async def test_requests_of_all_connections_share_a_line(database, proxy):
    """Two of 100 kB each over 1 MB/s take 0.2 s, not 0.1 s; answers are not held back."""
    async with connected(through(database, proxy)) as one, connected(through(database, proxy)) as other:
        proxy.requests_per_s = 1e6
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for connection in (one, other):
                tasks.create_task(connection.fetchval("SELECT length($1::text)", "x" * 100_000))
        assert time.monotonic() - began >= 0.19
        began = time.monotonic()
        assert len(await one.fetchval("SELECT repeat('x', 1000000)")) == 1_000_000
        assert time.monotonic() - began < 0.9


async def test_a_stall_holds_the_answer_until_it_is_healed(database, proxy):
    async with connected(through(database, proxy)) as connection:
        proxy.stalled = True
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await asyncio.shield(answer := asyncio.ensure_future(connection.fetchval("SELECT 1")))
        assert proxy.held
        proxy.heal()
        assert await answer == 1


async def test_new_connections_are_refused_and_later_accepted_on_the_same_port(database, proxy):
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await asyncpg.connect(through(database, proxy), timeout=5)
    proxy.heal()
    async with connected(through(database, proxy)) as connection:
        assert await connection.fetchval("SELECT 1") == 1


@pytest.mark.parametrize("reset", [False, True])
async def test_a_connection_is_cut_once_after_so_many_bytes(database, proxy, reset):
    connection = await asyncpg.connect(through(database, proxy), timeout=5)
    proxy.cut_after(100_000, reset=reset)
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)):
        await connection.fetchval("SELECT repeat('x', 1000000)")
    assert proxy.cuts == 1
    async with connected(through(database, proxy)) as again:
        assert await again.fetchval("SELECT repeat('x', 1000000)") == "x" * 1_000_000


async def test_every_open_connection_can_be_cut_at_once(database, proxy):
    connection = await asyncpg.connect(through(database, proxy), timeout=5)
    proxy.cut_now(reset=True)
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)):
        await connection.fetchval("SELECT 1")
