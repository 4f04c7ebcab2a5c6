"""Much at once: tables, holders of leases, chunks, partitions. It is done, or refused with the reason."""

import itertools
from contextlib import suppress
from dataclasses import replace

import anyio
import orjson
import pytest

from engine.config import TableOptions
from engine.errors import LeaseError, StateError
from engine.kept import WHOLE_MAX, Kept, Slot, change, fitting, shared_run, slots_of
from engine.model import Column, Field, Leaf, Receipt, Table, TypeRef
from engine.plan import Evolution, TablePlan, assign, split
from engine.runs import receipt_json
from engine.state.port import DOCUMENT_BYTES_MAX, Lease
from engine.state.slots import slot
from engine.state.sqlite import SqliteState
from engine.target.snowflake import Watermark
from tests.contract.states import backend

TABLES, HOLDERS, SLOTS, PARTITIONS = 50, 64, 8, 300
STORES = ["sqlite", "dynamodb"]
INT = TypeRef(23, "pg_catalog", "int4", "b")


@pytest.fixture(params=STORES)
async def states(request, tmp_path, aws):
    async with backend(request.param, tmp_path) as opened:
        yield opened


async def test_fifty_tables_in_one_run_arrive_each_with_its_rows(engine, query):
    """With no more connections at the source than there are readers, and one for the snapshot."""
    made = [
        f"CREATE TABLE t{n} (id int PRIMARY KEY, v text);"
        f" INSERT INTO t{n} SELECT i, 'v' || i FROM generate_series(1, {100 + n}) AS i"
        for n in range(TABLES)
    ]
    await engine.source(";".join(made))
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            ((now,),) = await query(
                engine.dsn, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'borealis'"
            )
            most = max(most, now)
            await anyio.sleep(0.1)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        receipts = await engine.run({"name": "public.*"})
        tasks.cancel_scope.cancel()
    assert {receipt.status for receipt in receipts.values()} == {"COMPLETE"}
    assert {table: receipt.rows_loaded for table, receipt in receipts.items()} == {
        f"public.t{n}": 100 + n for n in range(TABLES)
    }
    assert 1 < most <= 3 + 1
    counts = " UNION ALL ".join(
        f'SELECT COUNT(*), COUNT(DISTINCT "ID") FROM {{db}}."SHOP"."T{n}"' for n in range(TABLES)
    )
    assert sorted(engine.target(counts)) == [(100 + n, 100 + n) for n in range(TABLES)]
    assert engine.leftovers() == []


async def test_of_64_who_want_one_table_at_once_one_has_it_with_a_higher_token_each_time(states):
    """Each has a connection of its own to the state, as a function has."""
    everyone = [states() for _ in range(HOLDERS)]
    before: Lease | None = None
    for turn in range(2):
        held: list[tuple[int, Lease]] = []

        async def want(number: int, turn: int = turn, held: list[tuple[int, Lease]] = held) -> None:
            with suppress(LeaseError):
                held.append((number, await everyone[number].acquire("SHOP.T", f"20261124T00000{turn}ABCDEF_{number}")))

        async with anyio.create_task_group() as tasks:
            for number in range(HOLDERS):
                tasks.start_soon(want, number)
        ((number, lease),) = held
        assert await everyone[number].heartbeat(lease)
        if before is not None:
            assert lease.token > before.token
            assert not await everyone[0].heartbeat(before)
            await everyone[0].release(before)  # changes nothing: it is another's by now
            assert await everyone[number].heartbeat(lease)
        await everyone[number].release(lease)
        before = lease


async def test_64_workers_take_their_groups_once_and_share_eight_places_at_the_source(states):
    """Of two for each group, as when the state machine tries one again, the second is refused by name."""
    now: set[str] = set()
    served: list[int] = []
    refused: list[tuple[int, str]] = []

    async def work(number: int) -> None:
        state, group = states(), number % (HOLDERS // 2)
        try:
            lease = await state.acquire(f"RUN#{group}", f"run{group}")
        except LeaseError as error:
            refused.append((group, error.run_id))
            return
        async with slot(state, SLOTS, f"run{number}", wait_s=120) as place:
            assert place.table not in now
            now.add(place.table)
            await anyio.sleep(0.02)
            now.remove(place.table)
        served.append(group)
        if len(served) == HOLDERS // 2:
            done.set()
        await done.wait()
        await state.release(lease)

    done = anyio.Event()
    async with anyio.create_task_group() as tasks:
        for number in range(HOLDERS):
            tasks.start_soon(work, number)
    assert sorted(served) == list(range(HOLDERS // 2))
    assert sorted(refused) == [(group, f"run{group}") for group in range(HOLDERS // 2)]
    assert await states().leases() == []


def table_of(leaves: int, pages: int) -> Table:
    columns = tuple(Column(n, f"c{n}", INT) for n in range(1, 11))
    parts = tuple(
        Leaf(20_000 + 7 * n, "public", f"t_{n:06}", "r", pages + n % 97, 8192 * (pages + n % 97), 20_000 + 7 * n)
        for n in range(leaves)
    )
    return Table(1, "public", "t", "p", columns, ("c1",), parts)


def plan_of(table: Table, chunk_bytes: int) -> TablePlan:
    fields = tuple(Field(f"c{n}", f"C{n}", "NUMBER(10,0)", f'"c{n}"', quoted=False) for n in range(1, 11))
    chunks = split(table, chunk_bytes)
    return TablePlan(table, fields, "T", "full", "swap", (), chunks, Evolution(), target_exists=False)


def kept(plan: TablePlan) -> Kept:
    lease = Lease("SHOP.T", "20261124T000000ABCDEF_1", 1)
    return Kept(lease, lease.run_id, TableOptions(name="public.t"), None, Watermark(), None, plan, 1.0)


@pytest.mark.parametrize(("leaves", "pages", "chunk_bytes"), [(1, 1_280_000, 128 * 8192), (10_000, 10, 2**62)])
async def test_a_plan_of_10_000_chunks_is_kept_whole_and_shared_by_64_workers(states, leaves, pages, chunk_bytes):
    """A big table, or one of so many partitions; each worker works out its share from the plan that is kept."""
    plan = plan_of(table_of(leaves, pages), chunk_bytes)
    assert len(plan.chunks) == 10_000
    state = states()
    await Slot(state, "SHOP.T").put(kept(plan))
    found = (await slots_of(state, ["SHOP.T"]))["SHOP.T"].kept
    assert found is not None
    again = found.plan
    assert again.chunks == plan.chunks
    assert again.hash == plan.hash
    shares = assign([again], HOLDERS)
    assert sorted(itertools.chain.from_iterable(share[0] for share in shares)) == list(range(1, 10_001))
    bytes_of = {chunk.id: chunk.bytes_estimate for chunk in plan.chunks}
    sizes = [sum(map(bytes_of.__getitem__, share[0])) for share in shares]
    assert max(sizes) - min(sizes) <= max(bytes_of.values())


async def test_a_table_of_100_000_partitions_is_planned_and_refused_with_the_reason(tmp_path):
    """By what the catalogue would say of it: PostgreSQL itself takes minutes to make so many."""
    table = table_of(100_000, 10)
    chunks = split(table, 2**62)
    assert {chunk.leaf for chunk in chunks} == set(range(100_000))
    sizes = [chunk.bytes_estimate for chunk in chunks]
    assert sizes == sorted(sizes, reverse=True)
    plan = replace(plan_of(table_of(1, 1), 2**62), table=table, chunks=chunks)
    state = SqliteState(tmp_path / "state.db", lease_s=60)
    with pytest.raises(StateError, match=r"plan/SHOP\.T takes .* name the partitions as tables of their own"):
        await Slot(state, "SHOP.T").put(kept(plan))
    assert await state.names("plan/") == []


async def test_hundreds_of_partitions_most_of_them_empty_arrive(engine):
    await engine.source(
        "CREATE TABLE t (id int, v text) PARTITION BY RANGE (id)",
        f"""DO $$ BEGIN FOR n IN 0..{PARTITIONS - 1} LOOP
            EXECUTE format('CREATE TABLE t_%s PARTITION OF t FOR VALUES FROM (%s) TO (%s)', n, n * 10, n * 10 + 10);
        END LOOP; END $$""",
        f"INSERT INTO t SELECT i, 'v' FROM generate_series(0, {PARTITIONS * 10 - 1}) AS i WHERE i / 10 % 7 = 0",
    )
    receipt = await engine.run_one({"name": "public.t", "verify": "checksum"})
    full = len(range(0, PARTITIONS, 7))
    assert (receipt.chunks, receipt.files["count"], receipt.rows_loaded) == (PARTITIONS, full, full * 10)
    assert len(receipt.files["chunks"]) == full
    assert engine.leftovers() == []


async def test_the_receipts_of_5_000_tables_fit_into_the_record_of_their_run(states):
    """The first in full; of the others what a person looks for, and the whole of each by its table."""
    receipts = [
        receipt_json(
            Receipt(
                f"public.table_{n}", f'"DB"."SHOP"."TABLE_{n}"', "full", "COMPLETE", f"20261124T000000ABCDEF_{n}",
                rows_loaded=n * 7919, plan_hash=f"{n * 7919**9:064x}"[:64], files={"root": f"{n * 104729**9:064x}"},
                seconds={"copy": n / 7, "total": n / 3},
            )
        )
        for n in range(5000)
    ]  # fmt: skip
    state = states()
    await change(state, "20261124T000000ABCDEF", status="ENDED", receipts=tuple(receipts))
    record, _ = await shared_run(state, "20261124T000000ABCDEF")
    assert [(r["table"], r["status"], r["rows_loaded"]) for r in record.receipts] == [
        (r["table"], r["status"], r["rows_loaded"]) for r in receipts
    ]
    assert list(record.receipts[:WHOLE_MAX]) == orjson.loads(orjson.dumps(receipts[:WHOLE_MAX]))
    assert fitting(fitting(receipts)) == fitting(receipts)
    with pytest.raises(StateError, match=f"more than {DOCUMENT_BYTES_MAX}"):
        await state.put("run/all", {"receipts": receipts})


async def test_a_chunk_of_more_files_than_one_copy_takes_is_loaded_whole(engine, monkeypatch):
    """Snowflake takes 1,000 names; here it is three, and the chunk has more."""
    monkeypatch.setattr("engine.sql.target.FILES_MAX", 3)
    await engine.source(
        "CREATE TABLE t (id int, v text)",
        "INSERT INTO t SELECT n, repeat(md5(n::text), 330) FROM generate_series(1, 800) AS n",
    )
    limits = {"file_bytes_max": "1MiB", "chunk_bytes": "1GiB"}
    receipt = await engine.run_one({"name": "public.t", "verify": "checksum"}, limits=limits)
    assert (receipt.chunks, receipt.rows_loaded) == (1, 800)
    assert receipt.files["count"] > 6
