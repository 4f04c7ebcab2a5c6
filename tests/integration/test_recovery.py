"""Each procedure of docs/disaster-recovery.md, carried out: what is lost is found again, and no row with it."""

import asyncio
import shutil

import pytest

from engine.local.postgres import PostgresServer
from tests.integration.test_incremental import APPEND, MERGE, TABLE, equal

FULL = {"name": "public.t"}


# --- the state is lost ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [FULL, MERGE, APPEND], ids=["full", "merge", "append"])
async def test_without_its_state_the_next_run_goes_on_from_what_stands_at_the_target(engine, table):
    """Watermarks and ledger are there; nothing has to be rebuilt."""
    await engine.source(TABLE, "INSERT INTO t SELECT n, 'x' FROM generate_series(1, 100) AS n")
    await asyncio.sleep(0.05)
    first = await engine.run_one(table)
    (engine.directory / "state.db").unlink()
    await engine.source("INSERT INTO t VALUES (500, 'new')")
    await asyncio.sleep(0.05)
    after = await engine.run_one(table)
    assert after.rows_read == (101 if table is FULL else 1)
    assert after.watermark != first.watermark or table is FULL
    await equal(engine)


# --- the source is restored to an earlier time ------------------------------------------------------------------


async def test_a_source_that_was_restored_to_an_earlier_time_is_noticed_and_a_full_run_mends_it(engine, tmp_path):
    """Its next ids lie below the watermark: an incremental run would pass over them, and keep rows that are gone."""
    table = {"name": "public.t", "mode": "incremental", "cursor": "id", "key": ["id"]}
    server = PostgresServer(tmp_path / "source")
    server.start()
    try:
        engine.dsn = server.dsn()
        await engine.source("CREATE TABLE t (id serial PRIMARY KEY, v text)", "INSERT INTO t (v) VALUES ('kept')")
        server.stop()
        shutil.copytree(server.data, tmp_path / "backup")
        server.start()
        await engine.source("INSERT INTO t (v) SELECT 'lost' FROM generate_series(1, 10)", "ANALYZE")
        await engine.run_one(table)
        server.stop()
        shutil.rmtree(server.data)
        (tmp_path / "backup").rename(server.data)
        server.start()
        await engine.source("INSERT INTO t (v) VALUES ('new')")
        (refused,) = (await engine.run(table)).values()
        assert (refused.status, refused.error["code"]) == ("FAILED", "refused")
        assert "it was restored to an earlier time" in refused.error["message"]
        assert "--full" in refused.error["message"]
        await engine.run_one(table, full=True)
        await equal(engine, "id, v")
        await engine.source("INSERT INTO t (v) VALUES ('newer')")
        assert (await engine.run_one(table)).mode == "incremental"
        await equal(engine, "id, v")
    finally:
        server.stop()
