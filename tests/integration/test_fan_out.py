"""A run over several functions, here in one process: what is told of it meanwhile, and what its workers measured."""

from contextlib import asynccontextmanager

import anyio
import pytest

from engine import fanout, inspection, runs
from engine.deadline import Deadline
from engine.kept import shared_run, slots_of
from engine.runs import Silent
from engine.source.connection import Address
from engine.source.snapshot import open_snapshot
from engine.state.sqlite import SqliteState
from engine.wiring import Wanted, new_run_id
from tests.conftest import connected
from tests.integration.test_resume import Chunks

ROWS = 60_000
LIMITS = {"readers": 2, "loaders": 1, "chunk_bytes": "256KiB", "file_bytes_max": "1MiB", "workers": 3}
WORKERS = 3
TABLE = (
    "CREATE TABLE t (id int PRIMARY KEY, v text)",
    f"INSERT INTO t SELECT n, repeat(md5(n::text), 8) FROM generate_series(1, {ROWS}) AS n",
)


class FannedOut:
    """A run that is planned and whose snapshot is held, for `work` and `finish` to be called."""

    def __init__(self, engine):
        self.engine, self.run_id = engine, new_run_id()
        self.config = engine.config({"name": "public.t"}, limits=LIMITS)
        self.state = SqliteState(engine.directory / "state.db", lease_s=60)

    async def work(self, group: int, deadline: Deadline | None = None) -> dict:
        return await fanout.work(self.config, self.run_id, group, observer=Silent(), deadline=deadline or Deadline())

    async def finish(self, *, last: bool = False, deadline: Deadline | None = None) -> tuple[str, list[dict]]:
        deadline = deadline or Deadline()
        return await fanout.finish(self.config, self.run_id, last=last, observer=Silent(), deadline=deadline)

    async def hold(self) -> str:
        return await fanout.hold(
            self.config, self.run_id, Wanted(full=True), observer=Silent(), deadline=Deadline(), successor=nobody
        )

    async def told(self) -> dict:
        (line,) = await inspection.status(self.config, [])
        return line["unfinished"]


async def nobody(run_id: str) -> None:
    raise AssertionError(run_id)


@asynccontextmanager
async def planned(engine):
    await engine.source(*TABLE)
    out = FannedOut(engine)

    async with anyio.create_task_group() as tasks:

        async def start() -> None:
            tasks.start_soon(out.hold)

        assert await fanout.plan_round(out.state, out.config, out.run_id, 1, start, 30) == WORKERS
        yield out
        tasks.cancel_scope.cancel()


async def test_status_tells_which_chunks_of_an_unfinished_run_are_loaded(engine):
    async with planned(engine) as out:
        fresh = await out.told()
        assert (fresh["chunks_loaded"], fresh["rows"], fresh["bytes_read"]) == (0, 0, 0)
        assert fresh["chunks_left"] == f"1-{fresh['chunks']}"
        assert fresh["held_by"]["seconds_left"] > 0
        await out.work(0)
        await out.work(1, Chunks(count=5))
        told = await out.told()
        assert [group["chunks_loaded"] for group in told["groups"]] == [told["groups"][0]["chunks"], 5, 0]
        assert sum(group["chunks"] for group in told["groups"]) == told["chunks"] == fresh["chunks"]
        assert told["chunks_loaded"] == told["groups"][0]["chunks"] + 5
        assert told["bytes_left"] < fresh["bytes_left"]
        assert 0 < told["rows"] < ROWS
        status, (receipt,) = await out.finish(last=True)
        assert (status, receipt["rows_loaded"]) == ("ENDED", ROWS)
        assert await out.told() is None


async def test_who_copies_a_group_now_is_told(engine):
    async with planned(engine) as out:
        lease = await out.state.acquire(f"{out.run_id}#2", out.run_id)
        held = [group["held_by"] for group in (await out.told())["groups"]]
        assert held[:2] == [None, None]
        assert held[2]["seconds_left"] > 50
        await out.state.release(lease)


async def test_what_workers_measured_is_in_the_receipt_and_in_the_next_prediction(engine):
    async with planned(engine) as out:
        answers = [await out.work(0), await out.work(1, Chunks(count=5)), await out.work(1), await out.work(2)]
        status, (receipt,) = await out.finish(last=True)
    assert status == "ENDED"
    assert receipt["bytes_copied"] == 0, "nothing was left to who finished"
    workers = receipt["workers"]
    assert workers["functions"] == 4
    assert workers["bytes_copied"] == receipt["bytes_read"] == sum(each["bytes_read"] for each in answers)
    assert workers["seconds"]["copy"] == pytest.approx(sum(each["seconds"]["copy"] for each in answers), abs=0.01)
    assert receipt["prediction"]["happened"]["functions"] == receipt["functions"] + 4
    (plan,) = await runs.plans_of(out.config, Wanted(full=True))
    told = plan.prediction
    assert told["based_on"] == "1 run of this table"
    assert told["seconds"]["copy"] == pytest.approx(workers["seconds"]["copy"], rel=0.1)


async def test_who_finishes_leaves_to_the_workers_what_they_copy_sooner(engine, monkeypatch):
    """Each of the three has left much: one after the other by one function would take three times as long."""
    monkeypatch.setattr(fanout, "ROUND_S", 0.001)
    async with planned(engine) as out:
        for group in range(WORKERS):
            await out.work(group, Chunks(count=4))
        before = (await out.told())["chunks_loaded"]
        status, _ = await out.finish()
        assert (status, (await out.told())["chunks_loaded"]) == ("PARTIAL", before)
        for group in range(WORKERS):
            await out.work(group)
        status, (receipt,) = await out.finish()
        assert (status, receipt["status"], receipt["rows_loaded"]) == ("ENDED", "COMPLETE", ROWS)
        assert (await shared_run(out.state, out.run_id))[0].status == "ENDED"


async def test_what_one_worker_alone_has_left_is_copied_by_who_finishes(engine, monkeypatch):
    """In another round it would be one function as well."""
    monkeypatch.setattr(fanout, "ROUND_S", 0.001)
    async with planned(engine) as out:
        for group in (0, 1):
            await out.work(group)
        status, (receipt,) = await out.finish()
        assert (status, receipt["rows_loaded"]) == ("ENDED", ROWS)
        assert 0 < receipt["bytes_copied"] < receipt["bytes_read"]


async def test_where_a_standby_has_open_transactions_who_finishes_copies_round_after_round(
    engine, postgres, standby, replayed
):
    """Nobody may join such a snapshot, so there are no workers; each round moves what is loaded onto its own."""
    await engine.source(*TABLE)
    primary = engine.dsn
    async with connected(primary) as late:
        await late.execute("BEGIN; INSERT INTO t VALUES (0, 'late')")
        await engine.source("UPDATE t SET v = 'early' WHERE id = 1")
        await replayed()
        engine.dsn = primary.replace(f":{postgres.port}", f":{standby.port}")
        out = FannedOut(engine)
        for deadline, ended in ((Chunks(count=5), "PARTIAL"), (Deadline(), "ENDED")):
            groups = await fanout.plan_round(out.state, out.config, out.run_id, 1, out.hold, 30)
            status, receipts = await out.finish(deadline=deadline)
            assert (groups, status) == (0, ended)
        await late.execute("ROLLBACK")
    (receipt,) = receipts
    assert (receipt["rows_loaded"], receipt["snapshot"]["moved"] > 0) == (ROWS, True)
    assert any("one session read all" in note for note in receipt["notes"])
    assert engine.target('SELECT COUNT(*), MIN("ID") FROM {db}."SHOP"."T"') == [(ROWS, 1)]
    assert await out.state.leases() == []


async def test_a_moment_without_open_transactions_is_waited_for_on_a_standby(engine, postgres, standby, replayed):
    """So that readers can join, where transactions are short."""
    await engine.source(*TABLE)
    address = Address(engine.dsn.replace(f":{postgres.port}", f":{standby.port}"))

    async def ends(late) -> None:
        await anyio.sleep(0.5)
        await late.execute("COMMIT")

    async with connected(engine.dsn) as late, anyio.create_task_group() as tasks:
        await late.execute("BEGIN; INSERT INTO t VALUES (0, 'late')")
        await engine.source("CREATE TABLE later ()")
        await replayed()
        tasks.start_soon(ends, late)
        async with open_snapshot(address, [], 2) as snapshot:
            assert not snapshot.alone
            assert await snapshot.holder.fetchval("SELECT count(*) FROM public.t") == ROWS + 1


async def test_a_worker_that_comes_late_copies_nothing_into_what_another_invocation_goes_on_with(engine):
    """Both would fill one landing table: a chunk would be there twice, and a gate would refuse all of it."""
    async with planned(engine) as out:
        kept = (await slots_of(out.state, ["SHOP.T"]))["SHOP.T"].kept
        await out.state.release(kept.lease)
        other = await out.state.acquire("SHOP.T", f"{new_run_id()}_1")
        assert await out.work(0) == {"status": "PARTIAL", "run_id": out.run_id, "chunks_done": 0}
        await out.state.release(other)
        assert (await out.work(0))["chunks_done"] > 0


async def test_no_invocation_goes_on_with_a_run_whose_workers_still_copy(engine):
    async with planned(engine) as out:
        kept = (await slots_of(out.state, ["SHOP.T"]))["SHOP.T"].kept
        await out.state.release(kept.lease)
        worker = await out.state.acquire(f"{out.run_id}#1", out.run_id)
        (receipt,) = await runs.run(out.config, Wanted())
        assert "still copy SHOP.T" in receipt.error["message"]
        assert "SHOP.T" not in [lease["target"] for lease in await out.state.leases()]
        await out.state.release(worker)
