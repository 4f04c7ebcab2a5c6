"""A run that stops at its deadline, and the next ones that go on: the table ends as one snapshot shows it."""

import random
from dataclasses import dataclass

import anyio
import pytest

from engine import runs
from engine.deadline import Deadline
from engine.model import Receipt
from engine.state.sqlite import SqliteState
from engine.wiring import Wanted, new_run_id
from tests.conftest import connected

LIMITS = {"readers": 2, "loaders": 2, "chunk_bytes": "256KiB", "file_bytes_max": "1MiB"}
ROWS = 60_000
"""About 70 chunks."""


@dataclass(slots=True)
class Chunks(Deadline):
    """Time for so many chunks: a deadline that a slow machine does not move."""

    count: int = 0

    def has_time_for(self, bytes_estimate: int) -> bool:
        del bytes_estimate
        self.count -= 1
        return self.count >= 0


def chunks(count: int) -> Chunks:
    return Chunks(count=count)


@pytest.fixture
async def table(engine):
    await engine.source(
        "CREATE TABLE t (id int PRIMARY KEY, v text, at timestamptz NOT NULL DEFAULT now())",
        f"INSERT INTO t SELECT n, repeat(md5(n::text), 8) FROM generate_series(1, {ROWS}) AS n",
    )
    return {"name": "public.t"}


async def source_rows(engine) -> list[tuple]:
    async with connected(engine.dsn) as connection:
        return [tuple(row) for row in await connection.fetch("SELECT id, v FROM t ORDER BY id")]


def target_rows(engine) -> list[tuple]:
    return engine.target('SELECT "ID", "V" FROM {db}."SHOP"."T" ORDER BY 1')


async def limited(engine, table, deadline: Deadline) -> Receipt:
    (receipt,) = await runs.run(engine.config(table, limits=LIMITS), Wanted(), deadline=deadline)
    return receipt


async def change(engine, seed: int) -> None:
    """Some rows change, some go, some come, and some stand elsewhere than before."""
    some = random.Random(seed).randrange(ROWS)
    await engine.source(
        f"UPDATE t SET v = 'changed {seed}', at = now() WHERE id BETWEEN {some} AND {some + 50}",
        f"DELETE FROM t WHERE id BETWEEN {some + 60} AND {some + 70}",
        f"INSERT INTO t SELECT n, 'new' FROM generate_series({(10 + seed) * ROWS}, {(10 + seed) * ROWS + 20}) AS n",
        "VACUUM t",
    )


async def test_a_run_that_has_too_little_time_is_partial_and_the_next_ones_go_on(engine, table):
    receipts = [await limited(engine, table, chunks(25)) for _ in range(2)]
    assert [receipt.status for receipt in receipts] == ["PARTIAL", "PARTIAL"]
    assert [receipt.rows_read for receipt in receipts] == sorted(receipt.rows_read for receipt in receipts)
    assert "T" not in engine.tables("SHOP")
    last = await limited(engine, table, chunks(1000))
    assert (last.status, last.run_id, last.functions) == ("COMPLETE", receipts[0].run_id, 3)
    assert last.snapshot["chunks_read_again"] == 0, "nobody wrote to it, whatever else the server did meanwhile"
    assert last.rows_read == last.rows_loaded == ROWS
    assert target_rows(engine) == await source_rows(engine)
    assert engine.leftovers() == []


@pytest.mark.parametrize("options", [
    {},
    {"mode": "incremental", "cursor": "at"},
    {"mode": "incremental", "cursor": "at", "publish": "append"},
], ids=["full", "merge", "append"])  # fmt: skip
async def test_f05_what_changed_between_two_snapshots_is_read_again(engine, table, options):
    table |= options
    assert (await limited(engine, table, chunks(30))).status == "PARTIAL"
    await change(engine, 1)
    assert (await limited(engine, table, chunks(60))).status == "PARTIAL"
    await change(engine, 2)
    last = await limited(engine, table, chunks(1000))
    assert last.status == "COMPLETE", last.error
    assert target_rows(engine) == await source_rows(engine)
    assert last.snapshot["moved"] == 2
    assert last.snapshot["chunks_read_again"] >= 1
    assert any("went on in a newer snapshot" in note for note in last.notes)
    assert engine.leftovers() == []


async def test_chunks_that_were_empty_and_have_all_changed_are_read_again(engine, table):
    await engine.source(f"DELETE FROM t WHERE id < {ROWS - 100}", "VACUUM t")
    assert (await limited(engine, table, chunks(1))).rows_read == 0
    await engine.source(
        f"INSERT INTO t SELECT n, repeat(md5(n::text), 8) FROM generate_series({ROWS + 1}, {ROWS + 40000}) AS n"
    )
    last = await limited(engine, table, chunks(1000))
    assert (last.status, last.snapshot["chunks_read_again"]) == ("COMPLETE", 1), last.error
    assert target_rows(engine) == await source_rows(engine)


async def test_without_a_key_all_is_read_again_where_something_changed(engine, table):
    await engine.source("ALTER TABLE t DROP CONSTRAINT t_pkey")
    assert (await limited(engine, table, chunks(40))).status == "PARTIAL"
    await change(engine, 3)
    last = await limited(engine, table, chunks(1000))
    assert (last.status, last.snapshot["chunks_read_again"]) == ("COMPLETE", 40)
    assert target_rows(engine) == await source_rows(engine)


@pytest.mark.parametrize("statement", ["VACUUM FULL t", "ALTER TABLE t ADD COLUMN n int", "CLUSTER t USING t_pkey"])
async def test_f25_a_table_that_was_rewritten_or_altered_is_begun_anew(engine, table, statement):
    first = await limited(engine, table, chunks(40))
    await engine.source(statement)
    last = await limited(engine, table, chunks(1000))
    assert last.status == "COMPLETE"
    assert last.run_id != first.run_id
    assert target_rows(engine) == await source_rows(engine)
    assert engine.leftovers() == []


async def test_rows_that_an_open_transaction_wrote_are_read_once_it_has_committed(engine, table):
    """It wrote before the first snapshot was taken, so the rows are older than that, and yet not in it."""
    async with connected(engine.dsn) as writer:
        async with writer.transaction():
            await writer.execute("SAVEPOINT s")
            await writer.execute("UPDATE t SET v = 'late' WHERE id < 100")
            await writer.execute("RELEASE s")
            await engine.source("INSERT INTO t SELECT n, 'other' FROM generate_series(900000, 900010) AS n")
            assert (await limited(engine, table, chunks(60))).status == "PARTIAL"
        last = await limited(engine, table, chunks(1000))
    assert last.status == "COMPLETE"
    assert target_rows(engine) == await source_rows(engine)


async def test_f05_the_next_function_joins_the_snapshot_while_the_one_before_still_holds_it(engine, table):
    """So what is written meanwhile does not show, however many functions it takes."""
    config = engine.config(table, limits=LIMITS)
    before = await source_rows(engine)
    outcome: list[Receipt] = []
    async with anyio.create_task_group() as tasks:

        async def go_on(run_id: str) -> None:
            outcome.extend(await runs.go_on(config, run_id, deadline=chunks(25), successor=successor))

        async def successor(run_id: str) -> None:
            await engine.source("UPDATE t SET v = 'changed' WHERE id % 50 = 0", "DELETE FROM t WHERE id % 97 = 0")
            tasks.start_soon(go_on, run_id)

        outcome.extend(await runs.run(config, Wanted(), run_id=new_run_id(), deadline=chunks(25), successor=successor))
    last = next(receipt for receipt in outcome if receipt.status == "COMPLETE")
    assert sorted(receipt.status for receipt in outcome) == ["COMPLETE", *["PARTIAL"] * (len(outcome) - 1)]
    assert (last.snapshot["moved"], last.functions) == (0, len(outcome))
    assert target_rows(engine) == before
    assert engine.leftovers() == []
    assert (await limited(engine, table, chunks(1000))).functions == 1


async def test_the_lease_of_a_function_that_died_in_this_very_run_is_waited_for(engine, table):
    """A retry comes with the same run id, and finds the tables leased to it."""
    config, run_id = engine.config(table, state={"lease_s": 2}), new_run_id()
    dead = SqliteState(config.state.path, lease_s=2)
    dead._owner = "elsewhere:1"
    await dead.acquire("SHOP.T", f"{run_id}_1")
    (receipt,) = await runs.run(config, Wanted(), run_id=run_id)
    assert receipt.status == "COMPLETE", receipt.error
    await dead.acquire("SHOP.T", "20261123T000000ABCDEF_1")
    (refused,) = await runs.run(config, Wanted(), run_id=new_run_id())
    assert (refused.status, refused.error["code"]) == ("FAILED", "lease")


async def test_an_older_run_that_was_published_in_between_is_not_gone_on_with(engine, table):
    """Its landing table's name may by then be that of the table that the swap replaced."""
    assert (await limited(engine, table, chunks(1000))).status == "COMPLETE"
    await change(engine, 4)
    assert (await limited(engine, table, chunks(30))).status == "PARTIAL"
    await change(engine, 5)
    last = await limited(engine, table, chunks(1000))
    assert last.status == "COMPLETE"
    assert target_rows(engine) == await source_rows(engine)


async def test_f24_a_run_ends_before_its_time_is_over(engine, table):
    """Whatever the time: what it had by then is loaded, and nothing runs on."""
    seed = random.randrange(10**6)
    times = random.Random(seed)
    status = "PARTIAL"
    for _ in range(6):
        deadline = Deadline.within(times.uniform(2.0, 5.0))
        status = (await limited(engine, table, deadline)).status
        assert deadline.remaining_s() > 0, seed
        if status == "COMPLETE":
            break
    if status == "PARTIAL":
        assert (await limited(engine, table, Deadline())).status == "COMPLETE", seed
    assert target_rows(engine) == await source_rows(engine), seed
