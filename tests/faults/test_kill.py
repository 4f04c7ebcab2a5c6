"""The process is killed at any moment, then run again: the same rows, none twice, nothing left behind."""

import asyncio
import random
import signal
import subprocess

import pytest

from engine.local.warehouse.process import serve
from tests.conftest import Warehouse, connected
from tests.integration.conftest import Engine, engine

__all__ = ["engine"]

KILLS = 4
"""A mode. What a run does at the target lasts 0.5 to 1.5 s after its first event."""
TABLES = {
    "full": {"name": "public.t"},
    "merge": {"name": "public.t", "mode": "incremental", "cursor": "at", "deletes": "reconcile"},
    "append": {"name": "public.t", "mode": "incremental", "cursor": "at", "publish": "append"},
}
LIMITS = {"readers": 2, "loaders": 2, "chunk_bytes": "512KiB", "file_bytes_max": "1MiB"}


async def write(engine: Engine, mode: str, batch: int) -> None:
    await engine.source(
        f"INSERT INTO t SELECT n, repeat('x', 100) FROM generate_series({batch + 10}0001, {batch + 10}5000) AS n"
    )
    if mode != "append":
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


@pytest.mark.parametrize(
    ("mode", "own_server"), [("full", False), ("merge", False), ("append", False), ("merge", True)],
    ids=["full", "merge", "append", "merge-and-the-server-dies-too"],
)  # fmt: skip
async def test_a_killed_run_is_made_good_by_the_next(engine, borealis, mode, own_server, tmp_path):
    seed = random.randrange(10**6)
    delays = random.Random(seed)
    await engine.source("CREATE TABLE t (id int PRIMARY KEY, v text, at timestamptz NOT NULL DEFAULT now())",
                        "INSERT INTO t SELECT n, repeat('x', 100) FROM generate_series(1, 30000) AS n")  # fmt: skip
    config = engine.values(TABLES[mode], limits=LIMITS)
    if own_server:
        config["target"]["local"] = str(tmp_path / "warehouse")
    for batch in range(1, KILLS + 1):
        process = borealis.start(config, "run")
        try:
            await asyncio.to_thread(until_it_works, process)
            await asyncio.sleep(delays.uniform(0.0, 1.2))
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        await write(engine, mode, batch)
    await asyncio.sleep(0.2)
    ran = borealis(config, "run")
    assert ran.code == 0, (seed, ran.output, ran.log)
    columns, where = 'SELECT "ID", "V" FROM {db}."SHOP"."T" ORDER BY 1', engine
    if own_server:
        with serve(tmp_path / "warehouse") as endpoint:
            where = Engine(engine.dsn, Warehouse(tmp_path / "warehouse", endpoint), engine.database, tmp_path)
            rows, left = where.target(columns), where.leftovers()
    else:
        rows, left = where.target(columns), where.leftovers()
    assert rows == await rows_of(engine), seed
    assert len(left) <= 1, seed
