"""Runs whose staged files go to a bucket: the same rows and the same bytes as by the target's own stage."""

from tests.conftest import connected
from tests.integration.conftest import Engine

ROWS = "SELECT n AS id, md5(n::text) || md5((n * 7)::text) AS v, now() AS at FROM generate_series(1, 60000) AS n"
TABLE = {"name": "public.t"}
MERGE = {"name": "public.t", "mode": "incremental", "cursor": "at", "key": ["id"], "deletes": "reconcile"}


async def rows_of(engine: Engine) -> list[tuple[int, str]]:
    async with connected(engine.dsn) as connection:
        return [tuple(row) for row in await connection.fetch("SELECT id, v FROM t ORDER BY id")]


async def same(engine: Engine) -> bool:
    return engine.target('SELECT "ID", "V" FROM {db}."SHOP"."T" ORDER BY 1') == await rows_of(engine)


async def test_a_full_run_and_a_merge_equal_the_source_and_leave_nothing_in_the_bucket(engine, bucket):
    await engine.source(f"CREATE TABLE t AS {ROWS}", "ALTER TABLE t ADD PRIMARY KEY (id)")
    receipt = await engine.run_one(MERGE, stage=bucket.settings, limits={"file_bytes_max": "1MiB"})
    assert receipt.bytes_staged > 0
    assert "put" not in receipt.seconds
    assert await same(engine)
    await engine.source(
        "UPDATE t SET v = 'new', at = now() + interval '1s' WHERE id % 10 = 0", "DELETE FROM t WHERE id % 97 = 0"
    )
    await engine.run_one(MERGE, stage=bucket.settings)
    assert await same(engine)
    assert (bucket.objects(), bucket.uploads()) == ([], [])
