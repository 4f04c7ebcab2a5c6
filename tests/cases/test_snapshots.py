"""F04 to F09: one snapshot for every reader, whoever dies, is promoted, or has waited for too long."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

import anyio
import pytest

from engine import runs
from engine.errors import SourceError
from engine.local.postgres import standby_of
from engine.runs import Silent
from engine.source import catalogue, snapshot
from engine.source.connection import Address
from engine.source.connection import connected as engine_connected
from engine.source.snapshot import SnapshotLostError, open_snapshot
from engine.wiring import Wanted, new_run_id
from tests.conftest import connected, execute, through

ROWS = 20_000
FILL = (
    "CREATE TABLE t (id int PRIMARY KEY, v text)",
    f"INSERT INTO t SELECT n, repeat(md5(n::text), 8) FROM generate_series(1, {ROWS}) AS n",
)
TABLE = {"name": "public.t"}
LIMITS = {"readers": 1, "loaders": 1, "chunk_bytes": "256KiB", "file_bytes_max": "1MiB"}
"""Some 25 chunks, one after another."""
MANY = {"chunk_bytes": "64KiB"}
"""Some 100."""
SESSIONS = "FROM pg_stat_activity WHERE application_name = 'borealis' AND datname = current_database()"

WAITING = f"SELECT pg_terminate_backend(pid) {SESSIONS} AND state = 'idle in transaction' ORDER BY backend_start"
"""The first of them is the holder."""


@dataclass
class After(Silent):
    """Does something once so many chunks are read, before another is begun: the loop waits for it."""

    chunks: int
    does: Callable[[], Coroutine[Any, Any, Any]]
    seen: int = 0

    def progress(self, *_: object) -> None:
        self.seen += 1
        if self.seen == self.chunks:
            thread = threading.Thread(target=lambda: asyncio.run(self.does()))
            thread.start()
            thread.join(30)


async def ran(engine, observer=None, **limits):
    (receipt,) = await runs.run(engine.config(TABLE, limits=LIMITS | limits), Wanted(), observer=observer)
    return receipt


async def equal(engine, dsn=""):
    async with connected(dsn or engine.dsn) as connection:
        source = [tuple(row) for row in await connection.fetch("SELECT id, v FROM t ORDER BY id")]
    assert engine.target('SELECT "ID", "V" FROM {db}."SHOP"."T" ORDER BY 1') == source
    assert engine.leftovers() == []


async def burn(dsn: str, transactions: int) -> None:
    async with connected(dsn) as connection:
        await connection.execute(f"DO $$ BEGIN FOR n IN 1..{transactions} LOOP PERFORM txid_current(); COMMIT; "
                                 "END LOOP; END $$")  # fmt: skip


# --- F04 --------------------------------------------------------------------------------------------------------


async def test_f04_a_reader_that_cannot_join_the_snapshot_stops_and_takes_none_of_its_own(engine):
    await engine.source(*FILL)
    async with open_snapshot(Address(engine.dsn), [], 2) as shared:
        await engine.source(f"SELECT pg_terminate_backend(pid) {SESSIONS}")
        with pytest.raises(SnapshotLostError, match="the run's snapshot has ended"):
            async with shared.reader():
                pass


async def test_f04_a_reader_says_which_snapshot_it_sees(engine):
    """Another one under the same name is refused, though it could be joined."""
    await engine.source(*FILL)
    async with open_snapshot(Address(engine.dsn), [], 2) as shared:
        await engine.source("DELETE FROM t WHERE id = 1")
        async with open_snapshot(Address(engine.dsn), [], 2) as later:
            shared.baton = replace(shared.baton, exported=later.baton.exported)
            with pytest.raises(SourceError, match="sees another snapshot"):
                async with shared.reader():
                    pass
            with pytest.raises(SnapshotLostError):
                async with open_snapshot(Address(engine.dsn), [], 2, shared.baton):
                    pass


# --- F05 --------------------------------------------------------------------------------------------------------


async def changed(engine) -> None:
    await engine.source("UPDATE t SET v = 'changed' WHERE id % 5000 = 0", "DELETE FROM t WHERE id = 7", "VACUUM t")


async def test_f05_readers_keep_the_snapshot_when_its_holder_dies_between_two_chunks(engine):
    """Each is in it by itself; nothing is read in another one, so nothing needs to be said."""
    await engine.source(*FILL)
    async with connected(engine.dsn) as connection:
        before = [tuple(row) for row in await connection.fetch("SELECT id, v FROM t ORDER BY id")]

    async def kill():
        await engine.source(f"{WAITING} LIMIT 1")
        await changed(engine)

    receipt = await ran(engine, After(40, kill), **MANY)
    assert (receipt.status, receipt.snapshot["moved"], receipt.retries) == ("COMPLETE", 0, 0), receipt.error
    assert receipt.chunks > 80
    assert engine.target('SELECT "ID", "V" FROM {db}."SHOP"."T" ORDER BY 1') == before


async def test_f05_a_snapshot_that_nobody_holds_any_more_fails_the_run_and_the_next_says_that_it_moved(engine):
    await engine.source(*FILL)

    async def kill():
        await engine.source(f"SELECT pg_terminate_backend(pid) {SESSIONS}")
        await changed(engine)

    lost = await ran(engine, After(40, kill), **MANY)
    assert (lost.status, lost.error["code"], lost.error["retryable"]) == ("FAILED", "snapshot", True)
    assert "T" not in engine.tables("SHOP")
    receipt = await ran(engine, **MANY)
    assert (receipt.status, receipt.run_id, receipt.snapshot["moved"]) == ("COMPLETE", lost.run_id, 1), receipt.error
    assert 1 <= receipt.snapshot["chunks_read_again"] < 40, "what had not changed was kept"
    assert any("went on in a newer snapshot" in note for note in receipt.notes)
    await equal(engine)


# --- F07 --------------------------------------------------------------------------------------------------------


async def test_f07_time_limits_of_the_role_do_not_end_a_run_that_has_to_wait(engine):
    """Holder and readers wait for longer than the role's sessions may be idle, or a statement of theirs may take."""
    role = f"r_{engine.database.lower()}"
    limits = ("statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout")
    await engine.source(*FILL, f"CREATE ROLE {role} LOGIN PASSWORD 'right'", f"GRANT SELECT ON t TO {role}",
                        *(f"ALTER ROLE {role} SET {limit} = '500ms'" for limit in limits))  # fmt: skip
    owner, engine.dsn = engine.dsn, engine.dsn.replace("postgres@", f"{role}:right@")
    receipt = await ran(engine, After(5, lambda: asyncio.sleep(2)), readers=2, chunk_bytes="1MiB")
    assert (receipt.status, receipt.retries, receipt.backed_off) == ("COMPLETE", 0, []), receipt.error
    await equal(engine, owner)


# --- F08 --------------------------------------------------------------------------------------------------------


@pytest.fixture
def looked_at(monkeypatch):
    """The age of the snapshot is looked at before every chunk."""
    monkeypatch.setattr(snapshot, "AGED_EVERY_S", 0)


@pytest.mark.usefixtures("looked_at")
async def test_f08_a_snapshot_is_given_up_once_its_budget_is_spent_and_the_run_goes_on_in_a_new_one(engine):
    await engine.source(*FILL)
    receipt = await ran(engine, After(10, lambda: burn(engine.dsn, 150)), snapshot_transactions_max=100)
    assert (receipt.status, receipt.chunks_left) == ("PARTIAL", receipt.chunks - 10)
    assert receipt.snapshot["budget_spent"] >= 1.5
    assert any("of the snapshot's budget is spent" in note for note in receipt.notes)
    async with connected(engine.dsn) as connection:
        assert await connection.fetchval(f"SELECT count(backend_xmin) {SESSIONS}") == 0, "somebody holds it still"
    await changed(engine)
    last = await ran(engine, snapshot_transactions_max=100)
    assert (last.status, last.run_id, last.snapshot["moved"]) == ("COMPLETE", receipt.run_id, 1), last.error
    await equal(engine)


@pytest.mark.usefixtures("looked_at")
async def test_f08_half_of_the_budget_is_worth_a_note(engine):
    await engine.source(*FILL)
    receipt = await ran(engine, After(10, lambda: burn(engine.dsn, 600)), snapshot_transactions_max=1000)
    assert receipt.status == "COMPLETE", receipt.error
    assert 0.5 < receipt.snapshot["budget_spent"] < 1
    assert any("of the snapshot's budget is spent" in note for note in receipt.notes)
    quiet = await ran(engine)
    assert quiet.snapshot["budget_spent"] < 0.5
    assert not any("budget" in note for note in quiet.notes)


@pytest.mark.usefixtures("looked_at")
async def test_f08_a_spent_snapshot_is_not_passed_on_to_the_next_function(engine):
    await engine.source(*FILL)
    config = engine.config(TABLE, limits=LIMITS | {"snapshot_transactions_max": 100})
    outcome = []
    async with anyio.create_task_group() as tasks:

        async def go_on(run_id: str) -> None:
            outcome.extend(await runs.go_on(config, run_id))

        async def successor(run_id: str) -> None:
            tasks.start_soon(go_on, run_id)

        observer = After(10, lambda: burn(engine.dsn, 150))
        (first,) = await runs.run(config, Wanted(), run_id=new_run_id(), observer=observer, successor=successor)
    (last,) = outcome
    assert (first.status, last.status, last.snapshot["moved"]) == ("PARTIAL", "COMPLETE", 1), last.error
    await equal(engine)


@pytest.mark.usefixtures("looked_at")
async def test_f08_the_budget_counts_on_a_standby_too(engine, postgres, standby, replayed):
    """With hot_standby_feedback its snapshots hold the primary's horizon."""
    await engine.source(*FILL)
    await replayed()
    dsn = engine.dsn.replace(f":{postgres.port}", f":{standby.port}")
    async with open_snapshot(Address(dsn, snapshot_transactions_max=100), [], 1) as shared:
        assert not await shared.is_spent()
        await burn(engine.dsn, 150)
        await engine.source("UPDATE t SET v = v WHERE id = 1")  # whose commit takes the others' to the standby
        await replayed()
        assert await shared.is_spent()


async def test_f08_the_budget_is_of_seconds_too(engine):
    async with open_snapshot(Address(engine.dsn, snapshot_s_max=60), [], 1) as shared:
        assert shared.spent < 0.5
        shared.baton = replace(shared.baton, taken_at=shared.baton.taken_at - 31)
        assert 0.5 < shared.spent < 1
        shared.baton = replace(shared.baton, taken_at=shared.baton.taken_at - 30)
        assert await shared.is_spent()


# --- F09 --------------------------------------------------------------------------------------------------------


async def test_f09_an_endpoint_that_leads_to_another_node_ends_the_run_and_nodes_are_not_mixed(
    engine, postgres, standby, replayed, proxy
):
    """What the name led to was the standby; after ten chunks it is the primary, which has newer rows."""
    await engine.source(*FILL)
    await replayed()
    primary, proxy.upstream_port = engine.dsn, standby.port
    engine.dsn = through(engine.dsn, proxy)
    (plan,) = await runs.plans_of(engine.config(TABLE, limits=LIMITS), Wanted())
    assert plan.to_json()["node"].startswith("standby, started ")

    async def fail_over():
        await execute(primary, "UPDATE t SET v = 'newer' WHERE id % 5000 = 0")
        proxy.upstream_port = postgres.port
        proxy.cut_now()

    failed = await ran(engine, After(10, fail_over))
    assert (failed.status, failed.error["retryable"]) == ("FAILED", True)
    assert "another node than the run's (primary, started " in failed.error["message"]
    assert "T" not in engine.tables("SHOP")
    receipt = await ran(engine)
    assert (receipt.status, receipt.snapshot["moved"]) == ("COMPLETE", 1), receipt.error
    assert receipt.snapshot["server"].startswith("primary, started ")
    await equal(engine, primary)


async def test_f09_a_standby_that_is_promoted_is_another_node(engine, postgres, tmp_path):
    await engine.source(*FILL)
    server = standby_of(postgres, tmp_path / "promoted")
    try:
        async with connected(postgres.dsn()) as up, connected(server.dsn()) as down:
            written = await up.fetchval("SELECT pg_current_wal_lsn()::text")
            while not await down.fetchval("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", written):
                await asyncio.sleep(0.05)
        engine.dsn = engine.dsn.replace(f":{postgres.port}", f":{server.port}")

        async def promote():
            await execute(engine.dsn, "SELECT pg_promote()", f"{WAITING} OFFSET 1")

        failed = await ran(engine, After(10, promote))
        assert (failed.status, failed.error["retryable"]) == ("FAILED", True)
        assert "the run reads from standby, started " in failed.error["message"]
        receipt = await ran(engine)
        assert receipt.snapshot["server"].startswith("primary, started ")
        await equal(engine)
    finally:
        server.stop()


async def test_f09_a_snapshot_is_not_joined_from_another_node(engine, postgres, standby, replayed):
    await engine.source(*FILL)
    await replayed()
    elsewhere = Address(engine.dsn.replace(f":{postgres.port}", f":{standby.port}"))
    async with engine_connected(Address(engine.dsn)) as plain:
        found = [relation for relation in await catalogue.relations(plain) if relation.name == "t"]
    async with open_snapshot(Address(engine.dsn), found, 1) as shared:
        with pytest.raises(SnapshotLostError, match="another node than the run's"):
            async with open_snapshot(elsewhere, found, 1, shared.baton):
                pass
        with pytest.raises(SnapshotLostError, match="has ended"):
            async with open_snapshot(elsewhere, found, 1, replace(shared.baton, node=await node_of(elsewhere))):
                pass


async def node_of(address: Address) -> str:
    async with open_snapshot(address, [], 1) as there:
        return there.baton.node


async def test_f09_a_transaction_with_a_savepoint_is_not_lost_on_a_standby(engine, postgres, standby, replayed, query):
    """A snapshot exported there has lost it: readers that joined took its rows for failed, for all after them too."""
    await engine.source(
        "CREATE TABLE t (id int PRIMARY KEY, v int)", "INSERT INTO t SELECT n, 1 FROM generate_series(1, 3000) n"
    )
    primary = engine.dsn
    async with connected(primary) as late:
        await late.execute("BEGIN; SAVEPOINT s; UPDATE t SET v = 2; RELEASE s")
        await engine.source("CREATE TABLE later ()")
        await replayed()
        engine.dsn = primary.replace(f":{postgres.port}", f":{standby.port}")
        receipt = await engine.run_one({"name": "public.t"}, limits={"readers": 2, "chunk_bytes": 16384})
        assert (receipt.rows_read, engine.target('SELECT DISTINCT "V" FROM {db}."SHOP"."T"')) == (3000, [(1,)])
        assert any("one session read all" in note for note in receipt.notes)
        await late.execute("COMMIT")
    await replayed()
    assert await query(engine.dsn, "SELECT v, count(*) FROM t GROUP BY 1") == [(2, 3000)]
    await engine.run_one({"name": "public.t"}, limits={"readers": 2, "chunk_bytes": 16384})
    assert engine.target('SELECT "V", COUNT(*) FROM {db}."SHOP"."T" GROUP BY 1') == [(2, 3000)]


async def test_f09_two_snapshots_of_a_standby_are_two_though_it_does_not_tell_them_apart(
    engine, postgres, standby, replayed
):
    """Between them a transaction has committed that is neither the oldest nor the newest: their text stays the same."""
    await engine.source("CREATE TABLE t (v int)")
    address = Address(engine.dsn.replace(f":{postgres.port}", f":{standby.port}"))
    async with connected(engine.dsn) as oldest, connected(engine.dsn) as between:
        await oldest.execute("BEGIN; INSERT INTO t VALUES (1)")
        await between.execute("BEGIN; INSERT INTO t VALUES (2)")
        await engine.source("INSERT INTO t VALUES (3)")
        await replayed()
        first = await seen_at(address)
        await between.execute("COMMIT")
        await replayed()
        second = await seen_at(address)
        await oldest.execute("COMMIT")
    assert (first[0], first[2] + 1) == (second[0], second[2])
    assert first[1] != second[1]


async def seen_at(address: Address) -> tuple[str, str, int]:
    """What PostgreSQL calls the snapshot, what a run calls it, and the rows of t in it."""
    async with open_snapshot(address, [], 1) as snapshot, snapshot.reader() as reader:
        text = await reader.fetchval("SELECT pg_current_snapshot()::text")
        return text, snapshot.baton.identity, await reader.fetchval("SELECT count(*) FROM public.t")
