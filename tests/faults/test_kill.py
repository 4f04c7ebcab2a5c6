"""The process dies at any moment, and the warehouse that it serves with it: the same rows, none twice, nothing left."""

import asyncio
import random
import signal
import subprocess

from engine.local.warehouse.process import serve
from tests.conftest import Warehouse, connected
from tests.integration.conftest import Engine, engine

__all__ = ["engine"]

KILLS = 4
"""What a run does at the target lasts 0.5 to 1.5 s after its first event."""
TABLE = {"name": "public.t", "mode": "incremental", "cursor": "at", "deletes": "reconcile"}
LIMITS = {"readers": 2, "loaders": 2, "chunk_bytes": "512KiB", "file_bytes_max": "1MiB"}


async def write(engine: Engine, batch: int) -> None:
    await engine.source(
        f"INSERT INTO t SELECT n, repeat('x', 100) FROM generate_series({batch + 10}0001, {batch + 10}5000) AS n"
    )
    await engine.source(f"UPDATE t SET v = '{batch}', at = now() WHERE id % 10 = {batch % 10}",
                        f"DELETE FROM t WHERE id % 97 = {batch}")  # fmt: skip


def until_it_works(process: subprocess.Popen[str]) -> None:
    """The plan is made: from here on the run changes things at the target."""
    for line in process.stderr or ():
        if "table_started" in line:
            return


async def rows_of(engine: Engine) -> list[tuple[int, str]]:
    async with connected(engine.dsn) as connection:
        return [tuple(row) for row in await connection.fetch("SELECT id, v FROM t ORDER BY id")]


async def test_a_killed_run_and_its_warehouse_are_made_good_by_the_next(engine, borealis, tmp_path):
    seed = random.randrange(10**6)
    delays = random.Random(seed)
    await engine.source("CREATE TABLE t (id int PRIMARY KEY, v text, at timestamptz NOT NULL DEFAULT now())",
                        "INSERT INTO t SELECT n, repeat('x', 100) FROM generate_series(1, 30000) AS n")  # fmt: skip
    config = engine.values(TABLE, limits=LIMITS)
    config["target"]["local"] = str(tmp_path / "warehouse")
    for batch in range(1, KILLS + 1):
        process = borealis.start(config, "run")
        try:
            await asyncio.to_thread(until_it_works, process)
            await asyncio.sleep(delays.uniform(0.0, 1.2))
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        await write(engine, batch)
    await asyncio.sleep(0.2)
    ran = borealis(config, "run")
    assert ran.code == 0, (seed, ran.output, ran.log)
    with serve(tmp_path / "warehouse") as endpoint:
        where = Engine(engine.dsn, Warehouse(tmp_path / "warehouse", endpoint), engine.database, tmp_path)
        rows, left = where.target('SELECT "ID", "V" FROM {db}."SHOP"."T" ORDER BY 1'), where.leftovers()
    assert rows == await rows_of(engine), seed
    assert not left, seed
