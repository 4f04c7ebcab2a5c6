"""An upload holds two parts back for each reader, however large the files are."""

import asyncio

from tests.integration.test_memory import peak_mb

PART_MB = 16
READERS = 2
SLACK_MB = 40
"""The SDK's modules and its description of S3 are 24 of them. Measured in all: 55 MB more, with two parts of 16."""
FILL = (
    "SELECT n AS id, (SELECT string_agg(md5((n * k)::text), '') FROM generate_series(1, 64) AS k) AS v"
    " FROM generate_series(1, 30000) AS n"
)
"""60 MB, of which gzip leaves 35: more than two parts."""


async def test_a_run_over_the_bucket_takes_two_parts_a_reader_more_than_one_over_the_disk(engine, bucket, borealis):
    await engine.source(f"CREATE TABLE a AS {FILL}", "CREATE TABLE b AS SELECT * FROM a")
    tables = [{"name": "public.a"}, {"name": "public.b"}]
    peaks = []
    for stage in ({}, bucket.settings | {"part_bytes": f"{PART_MB}MiB"}):
        config = engine.values(*tables, stage=stage, limits={"readers": READERS, "chunk_bytes": "1GiB"})
        process = borealis.start(config, "run")
        peaks.append(await asyncio.to_thread(peak_mb, process))
        assert process.returncode == 0
    assert peaks[1] - peaks[0] < 2 * PART_MB * READERS + SLACK_MB, peaks
