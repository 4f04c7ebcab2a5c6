"""Runs whose staged files go to a bucket: the same rows and the same bytes as by the target's own stage."""

import asyncio
import signal

import pytest

from engine import inspection
from engine.errors import StageError
from tests.conftest import connected
from tests.integration.conftest import Engine
from tests.stage.conftest import allow

LARGE = (
    "SELECT n AS id, (SELECT string_agg(md5((n * k)::text), '') FROM generate_series(1, 32) AS k) AS v"
    " FROM generate_series(1, 30000) AS n"
)
"""30 MB that gzip makes half as large."""

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


async def test_a_chunk_that_fails_leaves_nothing_in_the_bucket_and_the_table_as_it_was(engine, bucket):
    await engine.source(f"CREATE TABLE t AS {LARGE}")
    await engine.run_one(TABLE, stage=bucket.settings)
    await engine.source("ALTER TABLE t ADD at date", "UPDATE t SET at = 'infinity' WHERE id = 30000")
    receipt = (await engine.run(TABLE, stage=bucket.settings))["public.t"]
    assert receipt.status == "FAILED"
    assert (bucket.objects(), bucket.uploads()) == ([], [])
    assert engine.target('SELECT COUNT(*) FROM {db}."SHOP"."T"') == [(30000,)]


async def test_f22_what_a_killed_run_left_in_the_bucket_is_swept_by_the_next(engine, bucket, borealis):
    await engine.source(f"CREATE TABLE t AS {LARGE}")
    config = engine.values(TABLE, stage=bucket.settings, limits={"readers": 1})
    process = borealis.start(config, "run")
    try:
        while not await asyncio.to_thread(bucket.uploads):
            assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert bucket.uploads()
    await asyncio.sleep(0.2)
    ran = await asyncio.to_thread(borealis, config, "run")
    assert ran.code == 0, (ran.output, ran.log)
    assert (bucket.objects(), bucket.uploads()) == ([], [])
    assert await same(engine)


async def test_a_run_by_each_way_in_turn(engine, bucket):
    """Both kinds of stage stand beside each other."""
    await engine.source(f"CREATE TABLE t AS {ROWS}")
    for stage in (bucket.settings, {}, bucket.settings):
        await engine.run_one(TABLE, stage=stage)
        assert await same(engine)
    assert len(engine.leftovers()) == 1, "the table that the last swap replaced"


async def test_a_stage_that_reads_another_place_is_named(engine, bucket, warehouse):
    """CREATE STAGE IF NOT EXISTS would leave the old address, and COPY would not find the files."""
    await engine.source("CREATE TABLE t (id int)")
    await engine.run_one(TABLE, stage=bucket.settings)
    allow(warehouse, f"s3://{bucket.name}/")
    with pytest.raises(StageError, match=r"STAGE_S3.* reads s3://.*/prod/, stage.url is s3://.*/other/"):
        await engine.run(TABLE, stage=bucket.settings | {"url": f"s3://{bucket.name}/other"})


async def test_check_tries_the_stage_as_a_run_would(engine, bucket, warehouse):
    async def item(**changes: str) -> inspection.CheckItem:
        report = await inspection.check(engine.config(TABLE, stage=bucket.settings | changes))
        return next(each for each in report.items if each.name == "stage")

    await engine.source("CREATE TABLE t (id int)")
    good = await item()
    assert good.ok
    assert f"{bucket.url}, region eu-central-1; written, loaded by the target and deleted again" in good.detail
    assert (bucket.objects(), bucket.uploads(), engine.leftovers()) == ([], [], [])
    engine.database += "X"
    allow(warehouse, f"s3://{bucket.name}x/")
    missing = await item(url=f"s3://{bucket.name}x/prod")
    assert not missing.ok
    assert "there is no such bucket" in missing.detail
    assert "stage.url" in missing.remedy


async def test_a_location_that_the_integration_does_not_allow_is_named(engine, bucket):
    await engine.source("CREATE TABLE t (id int)")
    report = await inspection.check(engine.config(TABLE, stage=bucket.settings | {"url": f"s3://{bucket.name}/dev"}))
    assert any("is not allowed by integration" in item.detail for item in report.items)
