"""A source that has no room: no connection, no locks. The run is refused with the reason, and leaves nothing behind."""

import asyncio
from contextlib import AsyncExitStack

import asyncpg
import pytest

from engine.errors import SourceError
from engine.local.postgres import PostgresServer
from engine.state.sqlite import SqliteState
from tests.conftest import execute
from tests.integration.conftest import Engine

CONNECTIONS, RESERVED, ROWS, PARTITIONS = 10, 3, 20_000, 1000
SETTINGS = {
    "max_connections": str(CONNECTIONS), "superuser_reserved_connections": str(RESERVED),
    "max_locks_per_transaction": "10",
}  # fmt: skip
HOW = {"limits": {"readers": 4, "chunk_bytes": "1MiB"}, "source": {"connections_spare": 0, "password": "r"}}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A server with places for seven who are no superusers, and for the locks of few tables."""
    with PostgresServer(tmp_path_factory.mktemp("small"), settings=SETTINGS) as server:
        asyncio.run(execute(server.dsn(), "CREATE ROLE reader LOGIN PASSWORD 'r'"))
        yield server


@pytest.fixture
def reader(small, warehouse, target_database, tmp_path) -> Engine:
    return Engine(small.dsn(user="reader"), warehouse, target_database, tmp_path)


async def leaves_nothing(reader: Engine) -> bool:
    return await SqliteState(reader.directory / "state.db", lease_s=60).leases() == [] == reader.leftovers()


async def test_at_its_connection_limit_a_run_is_refused_and_with_two_places_it_ends(small, reader):
    """53300 is told as what it is; with places for the snapshot and one reader all is copied by these."""
    await execute(
        small.dsn(),
        "CREATE TABLE t (id int, v text)",
        f"INSERT INTO t SELECT n, repeat('x', 400) FROM generate_series(1, {ROWS}) AS n",
        "GRANT SELECT ON t TO reader",
    )
    async with AsyncExitStack() as others:
        taken = [await asyncpg.connect(small.dsn(user="reader"), password="r") for _ in range(CONNECTIONS - RESERVED)]
        for each in taken:
            others.push_async_callback(each.close)
        with pytest.raises(SourceError, match=r"lower limits\.readers, or raise max_connections") as refused:
            await reader.run({"name": "public.t"}, **HOW)
        assert (refused.value.code, refused.value.retryable) == ("connections", True)
        for each in taken[:2]:
            await each.close()
        receipt = await reader.run_one({"name": "public.t"}, **HOW)
    assert receipt.rows_loaded == ROWS
    assert ("no connection was left", 1) in {(step["signal"], step["to"]) for step in receipt.backed_off}
    assert await leaves_nothing(reader)


async def test_partitions_that_the_server_has_no_locks_for_are_refused_with_the_setting(small, reader):
    """Each partition takes a lock of each reader, as it does of pg_dump."""
    await execute(
        small.dsn(),
        "CREATE TABLE p (id int) PARTITION BY RANGE (id)",
        *(
            f"DO $$ BEGIN FOR n IN {n}..{n + 99} LOOP"
            " EXECUTE format('CREATE TABLE p_%s PARTITION OF p FOR VALUES FROM (%s) TO (%s)', n, n, n + 1);"
            " END LOOP; END $$"
            for n in range(0, PARTITIONS, 100)
        ),
        "GRANT SELECT ON p TO reader",
    )
    with pytest.raises(SourceError, match="raise max_locks_per_transaction, or name fewer tables"):
        await reader.run({"name": "public.p"}, **HOW)
    assert await SqliteState(reader.directory / "state.db", lease_s=60).leases() == []
