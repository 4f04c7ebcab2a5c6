"""A source that suffers is read by fewer readers, in shorter statements, later; what arrives is the same."""

from time import monotonic

import anyio
import pytest

from engine.local.postgres import PostgresServer, standby_of
from tests.conftest import connected, execute
from tests.integration.conftest import Engine

TABLE = {"name": "public.t", "verify": "checksum"}
ROWS = 60_000
FILL = f"CREATE TABLE t AS SELECT n, repeat(md5(n::text), 5) AS v FROM generate_series(1, {ROWS}) AS n"
MANY = {"readers": 6, "chunk_bytes": "512KiB"}


def signals(receipt, what):
    return {step["signal"] for step in receipt.backed_off if step["what"] == what}


async def test_f10_readers_that_are_refused_a_connection_leave_others_to_go_on(tmp_path, warehouse, target_database):
    """Of six readers that are asked for the server has places for two."""
    settings = {"max_connections": "6", "superuser_reserved_connections": "3"}
    with PostgresServer(tmp_path / "small", settings=settings) as server:
        await execute(server.dsn(), FILL, "CREATE ROLE reader LOGIN PASSWORD 'r'", "GRANT SELECT ON t TO reader")
        engine = Engine(server.dsn(user="reader"), warehouse, target_database, tmp_path)
        receipt = await engine.run_one(TABLE, limits=MANY, source={"connections_spare": 0, "password": "r"})
    assert receipt.rows_loaded == ROWS
    refused = [step for step in receipt.backed_off if step["signal"] == "no connection was left"]
    assert {(step["what"], step["to"]) for step in refused} <= {("readers", 1), ("readers", 2)}
    assert refused, "six readers never asked at once for what the server has two of"
    assert engine.leftovers() == []


async def test_f10_readers_are_fewer_where_few_connections_are_left_for_others(engine):
    await engine.source(FILL)
    receipt = await engine.run_one(TABLE, limits=MANY, source={"connections_spare": 1000})
    assert receipt.rows_loaded == ROWS
    (step,) = [step for step in receipt.backed_off if step["what"] == "readers"][:1]
    assert (step["signal"], step["from"], step["to"]) == ("few connections are left for others", 6, 1)


async def copied(dsn):
    """Seconds that one COPY over the table takes here, into nothing: a run, which compresses, takes longer."""

    async def forget(rows):
        pass

    async with connected(dsn) as connection:
        began = monotonic()
        await connection.copy_from_table("t", output=forget, format="csv")
        return monotonic() - began


async def test_f07_a_chunk_whose_statement_takes_too_long_is_read_in_pieces(engine):
    """One COPY over the table takes longer than a statement may; nothing of it comes twice."""
    await engine.source(
        "CREATE TABLE t AS SELECT n, repeat(md5(n::text), 10) AS v FROM generate_series(1, 200000) AS n"
    )
    rows = 200_000
    while (seconds := await copied(engine.dsn)) < 0.8:
        await engine.source("INSERT INTO t SELECT n + (SELECT max(n) FROM t), v FROM t")
        rows *= 2
    receipt = await engine.run_one(
        {"name": "public.t"}, limits={"readers": 1, "chunk_bytes": "1GiB"}, source={"statement_timeout_s": seconds / 2}
    )
    assert receipt.rows_loaded == rows
    assert engine.target('SELECT COUNT(DISTINCT N) FROM {db}."SHOP"."T"') == [(rows,)]
    assert receipt.chunks == 1
    assert signals(receipt, "statement_bytes") == {"a statement was cancelled"}
    assert engine.leftovers() == []


@pytest.fixture
def follower(postgres, tmp_path):
    """A hot standby of this test alone, whose replay may stop."""
    server = standby_of(postgres, tmp_path / "follower", {"max_standby_streaming_delay": "300ms"})
    yield server
    server.stop()


async def replayed(postgres, follower):
    async with connected(postgres.dsn()) as primary, connected(follower.dsn()) as standby:
        written = await primary.fetchval("SELECT pg_current_wal_lsn()::text")
        while not await standby.fetchval("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", written):
            await anyio.sleep(0.05)


async def test_no_chunk_begins_while_a_standby_is_too_far_behind(engine, postgres, follower):
    await engine.source(FILL)
    await replayed(postgres, follower)
    engine.dsn, primary = follower.dsn(engine.dsn.rpartition("/")[2]), engine.dsn
    await execute(follower.dsn(), "SELECT pg_wal_replay_pause()")
    await execute(primary, "CREATE TABLE other AS SELECT 1 AS n")
    await anyio.sleep(1.5)

    async def resume():
        await anyio.sleep(3)
        await execute(follower.dsn(), "SELECT pg_wal_replay_resume()")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(resume)
        receipt = await engine.run_one(TABLE, limits=MANY, source={"replica_lag_s_max": 1})
    assert receipt.rows_loaded == ROWS
    assert signals(receipt, "pause_s") == {"a replica was more than 1 s behind"}


async def test_f06_a_run_whose_snapshot_a_standby_gave_up_is_gone_on_with(engine, postgres, follower):
    """Replay removes rows that the run still reads; its target is untouched, and the next run ends it."""
    await engine.source(FILL, "ALTER TABLE t SET (autovacuum_enabled = false)", "INSERT INTO t VALUES (0, 'before')")
    await engine.run_one(TABLE)
    await engine.source("DELETE FROM t WHERE n = 0")
    await replayed(postgres, follower)
    primary, engine.dsn = engine.dsn, follower.dsn(engine.dsn.rpartition("/")[2])

    async def disturb():
        for _ in range(40):
            await execute(primary, f"UPDATE t SET v = v WHERE n > {ROWS - 100}", "VACUUM t")
            await anyio.sleep(0.05)

    spool = engine.directory / "spool"
    limits = {"readers": 1, "chunk_bytes": "64KiB", "spool_dir": str(spool)}
    receipts = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(disturb)
        for _ in range(4):
            receipts += (await engine.run(TABLE, limits=limits)).values()
            ((old,),) = engine.target('SELECT COUNT(*) FROM {db}."SHOP"."T" WHERE N = 0')
            assert old == all(each.status == "FAILED" for each in receipts), "a failed run has touched the target"
            assert list(spool.iterdir()) == [], "files of a chunk that was half read"
    receipts += (await engine.run(TABLE, limits=limits)).values()
    async with connected(engine.dsn) as standby:
        gave_up = "SELECT confl_snapshot FROM pg_stat_database_conflicts WHERE datname = current_database()"
        assert await standby.fetchval(gave_up) > 0, "replay was never in the way of a run"
    assert receipts[-1].status == "COMPLETE"
    assert all(each.status == "COMPLETE" or each.error["retryable"] for each in receipts)
    assert engine.target('SELECT COUNT(DISTINCT N), COUNT(*) FROM {db}."SHOP"."T"') == [(ROWS, ROWS)]
