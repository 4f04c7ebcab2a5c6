"""Full mode: what arrives equals what the source had in one snapshot, whatever kind of relation it is."""

import asyncio

import asyncpg
import pytest

from engine import runs
from engine.errors import SourceError
from engine.source import catalogue
from engine.source.connection import Address
from engine.source.connection import connected as engine_connected
from engine.source.snapshot import open_snapshot
from engine.sql.source import WAITING
from engine.target.session import Session
from engine.wiring import Wanted
from tests.conftest import connected

NUMBERS = "CREATE TABLE t (id int PRIMARY KEY, v text)"


def fill(rows: int) -> str:
    return f"INSERT INTO t SELECT n, repeat(n::text, 20) FROM generate_series(1, {rows}) AS n"


async def test_a_table_arrives_row_for_row_and_leaves_nothing_behind(engine):
    await engine.source(NUMBERS, fill(5000), "INSERT INTO t VALUES (0, NULL), (-1, '')")
    receipt = await engine.run_one({"name": "public.t"})
    assert (receipt.rows_read, receipt.rows_loaded, receipt.mode) == (5002, 5002, "full")
    assert receipt.verification == {"level": "count", "rows_source": 5002, "rows_target": 5002, "equal": True}
    expected = [(-1, ""), (0, None), *((n, str(n) * 20) for n in range(1, 5001))]
    assert engine.target('SELECT * FROM {db}."SHOP"."T" ORDER BY 1') == expected
    assert engine.leftovers() == []


@pytest.mark.parametrize("reader", ["copy", "cursor"])
@pytest.mark.parametrize("codec", ["gzip", "zstd"])
async def test_many_chunks_and_many_files_a_chunk_lose_and_double_nothing(engine, reader, codec):
    await engine.source(NUMBERS, fill(60_000))
    limits = {"chunk_bytes": "1MiB", "file_bytes_max": "1MiB", "codec": codec}
    receipt = await engine.run_one({"name": "public.t", "reader": reader, "verify": "checksum"}, limits=limits)
    assert receipt.chunks > 4
    assert receipt.verification["equal"] is True
    assert engine.target('SELECT COUNT(*), COUNT(DISTINCT "ID"), SUM("ID") FROM {db}."SHOP"."T"') == [
        (60_000, 60_000, 60_000 * 60_001 // 2)
    ]
    ledger = engine.target('SELECT SUM("ROWS"), COUNT(DISTINCT "CHUNK") FROM {db}."BOREALIS"."LEDGER"')
    assert ledger == [(60_000, receipt.chunks)]


async def test_f04_the_rows_of_one_snapshot_arrive_while_they_move(engine):
    """Updates and VACUUM move tuples between pages under eight readers; none is missed, none comes twice."""
    await engine.source(NUMBERS, fill(60_000))
    stop = asyncio.Event()

    async def churn() -> None:
        async with connected(engine.dsn) as connection:
            while not stop.is_set():
                await connection.execute("UPDATE t SET v = v || 'x' WHERE id % 7 = 0")
                await connection.execute("VACUUM t")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(churn())
        try:
            await engine.run_one({"name": "public.t"}, limits={"readers": 8, "chunk_bytes": "256KiB"})
        finally:
            stop.set()
    versions = 'COUNT(DISTINCT LENGTH("V") - 20 * LENGTH("ID"::VARCHAR))'
    counts = engine.target(f'SELECT COUNT(*), COUNT(DISTINCT "ID"), {versions} '
                           'FROM {db}."SHOP"."T" WHERE MOD("ID", 7) = 0')  # fmt: skip
    assert counts == [(60_000 // 7, 60_000 // 7, 1)]


async def test_tables_of_one_run_are_of_one_moment(engine):
    """Two tables that are always changed together agree at the target."""
    await engine.source("CREATE TABLE a (n int)", "CREATE TABLE b (n int)", "INSERT INTO a VALUES (0)",
                        "INSERT INTO b VALUES (0)")  # fmt: skip
    stop = asyncio.Event()

    async def count() -> None:
        async with connected(engine.dsn) as connection:
            while not stop.is_set():
                async with connection.transaction():
                    await connection.execute("UPDATE a SET n = n + 1")
                    await connection.execute("UPDATE b SET n = n + 1")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(count())
        try:
            for _ in range(3):
                await engine.run({"name": "public.*"})
        finally:
            stop.set()
    assert engine.target('SELECT "N" FROM {db}."SHOP"."A"') == engine.target('SELECT "N" FROM {db}."SHOP"."B"')


async def test_f13_partitions_arrive_as_one_table_whatever_order_their_columns_have(engine):
    await engine.source(
        "CREATE TABLE p (id int, region text, v numeric(8,2)) PARTITION BY LIST (region)",
        "CREATE TABLE p_eu PARTITION OF p FOR VALUES IN ('eu') PARTITION BY RANGE (id)",
        "CREATE TABLE p_eu_1 PARTITION OF p_eu FOR VALUES FROM (0) TO (100)",
        "CREATE TABLE p_us (v numeric(8,2), region text, id int)",
        "ALTER TABLE p ATTACH PARTITION p_us FOR VALUES IN ('us')",
        "INSERT INTO p SELECT n, CASE n % 2 WHEN 0 THEN 'eu' ELSE 'us' END, n / 4.0 FROM generate_series(0, 99) AS n",
    )
    receipts = await engine.run({"name": "public.*"})
    assert list(receipts) == ["public.p"]
    rows = engine.target('SELECT "ID", "REGION", "V"::VARCHAR FROM {db}."SHOP"."P" ORDER BY 1')
    assert rows == [(n, "us" if n % 2 else "eu", f"{n / 4:.2f}") for n in range(100)]


async def test_f13_inherited_rows_arrive_with_the_parent_once(engine):
    await engine.source(
        "CREATE TABLE base (id int)", "CREATE TABLE child (extra text) INHERITS (base)",
        "CREATE TABLE grandchild () INHERITS (child)", 'CREATE TABLE "both" () INHERITS (base, child)',
        "INSERT INTO base VALUES (1)", "INSERT INTO child VALUES (2, 'x')", "INSERT INTO grandchild VALUES (3, 'y')",
        'INSERT INTO "both" VALUES (4, \'z\')',
    )  # fmt: skip
    await engine.run_one({"name": "public.base"})
    assert engine.target('SELECT "ID" FROM {db}."SHOP"."BASE" ORDER BY 1') == [(1,), (2,), (3,), (4,)]


async def test_f13_views_and_materialized_views_are_read_whole(engine):
    await engine.source(NUMBERS, fill(10), "CREATE VIEW v AS SELECT id, v FROM t WHERE id > 5",
                        "CREATE MATERIALIZED VIEW m AS SELECT max(id) AS top FROM t")  # fmt: skip
    receipts = await engine.run({"name": "public.v"}, {"name": "public.m"})
    assert {name: receipt.status for name, receipt in receipts.items()} == {
        "public.v": "COMPLETE",
        "public.m": "COMPLETE",
    }
    assert engine.target('SELECT "ID" FROM {db}."SHOP"."V" ORDER BY 1') == [(6,), (7,), (8,), (9,), (10,)]
    assert engine.target('SELECT "TOP" FROM {db}."SHOP"."M"') == [(10,)]


async def test_f13_foreign_tables_are_read_whole(engine):
    async with connected(engine.dsn) as connection:
        try:
            await connection.execute("CREATE EXTENSION postgres_fdw")
        except asyncpg.PostgresError:
            pytest.skip("this PostgreSQL has no postgres_fdw")
        port = await connection.fetchval("SHOW port")
        name = await connection.fetchval("SELECT current_database()")
    await engine.source(
        NUMBERS, fill(10),
        f"CREATE SERVER me FOREIGN DATA WRAPPER postgres_fdw "
        f"OPTIONS (host '127.0.0.1', port '{port}', dbname '{name}')",
        "CREATE USER MAPPING FOR postgres SERVER me OPTIONS (user 'postgres', password_required 'false')",
        "CREATE FOREIGN TABLE f (id int, v text) SERVER me OPTIONS (table_name 't')",
    )  # fmt: skip
    receipt = await engine.run_one({"name": "public.f"})
    assert receipt.rows_loaded == 10


async def test_f21_a_second_run_replaces_the_rows_and_keeps_what_was_for_a_rollback(engine):
    await engine.source(NUMBERS, fill(10))
    await engine.run_one({"name": "public.t"})
    await engine.source("DELETE FROM t WHERE id > 3")
    for _ in range(2):
        await engine.run_one({"name": "public.t"})
    assert engine.target('SELECT COUNT(*) FROM {db}."SHOP"."T"') == [(3,)]
    (previous,) = engine.leftovers()
    assert engine.target(f'SELECT COUNT(*) FROM {{db}}."BOREALIS"."{previous}"') == [(3,)]


async def test_a_small_table_costs_seven_statements_at_the_target_or_eight_to_replace(engine, monkeypatch):
    """Each is a round trip, one after another."""
    said: list[str] = []
    execute = Session._execute

    def noted(session, statement, *rest, **more):
        said.append(statement)
        return execute(session, statement, *rest, **more)

    async def statements(*names: str) -> int:
        said.clear()
        receipts = await engine.run(*({"name": f"public.{name}"} for name in names))
        assert {receipt.status for receipt in receipts.values()} == {"COMPLETE"}
        return len(said)

    monkeypatch.setattr(Session, "_execute", noted)
    await engine.source(*(NUMBERS.replace(" t ", f" {t} ") for t in "abcd"))
    await engine.source(*(f"INSERT INTO {t} VALUES (2, 'y')" for t in "abcd"))
    await statements("a")
    assert await statements("b", "c") - await statements("d") == 7
    for _ in range(2):
        await statements(*"abc")
    assert await statements(*"abc") - await statements("a") == 2 * 8


async def test_nothing_is_kept_where_nothing_is_to_be_kept(engine):
    await engine.source(NUMBERS, fill(10))
    for _ in range(2):
        await engine.run_one({"name": "public.t", "keep_previous_h": 0})
    assert engine.leftovers() == []


async def test_f21_a_swap_keeps_grants_comment_and_kind(engine):
    await engine.source(NUMBERS, fill(3))
    await engine.run_one({"name": "public.t"}, target={"transient": True})
    with engine.warehouse.connect() as connection, connection.cursor() as cursor:
        table = f'"{engine.database}"."SHOP"."T"'
        cursor.execute(f"GRANT SELECT ON TABLE {table} TO ROLE ANALYST")
        cursor.execute(f"COMMENT ON TABLE {table} IS 'orders, ask Ann'")
    await engine.run_one({"name": "public.t"})
    (row,) = engine.target(
        "SELECT COMMENT, IS_TRANSIENT FROM {db}.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'SHOP'"
    )
    assert row[0].startswith("orders, ask Ann [borealis run ")
    assert row[1] == "YES"
    grants = engine.target('SHOW GRANTS ON TABLE {db}."SHOP"."T"')
    assert any("ANALYST" in row and "SELECT" in row for row in grants)


async def test_f21_overwrite_keeps_the_table_itself(engine):
    await engine.source(NUMBERS, fill(10))
    await engine.run_one({"name": "public.t", "publish": "overwrite"})
    created = "SELECT CREATED FROM {db}.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'SHOP'"
    before = engine.target(created)
    await engine.source("DELETE FROM t WHERE id > 4")
    await engine.run_one({"name": "public.t", "publish": "overwrite"})
    assert engine.target(created) == before
    assert engine.target('SELECT COUNT(*) FROM {db}."SHOP"."T"') == [(4,)]
    assert engine.leftovers() == []


async def test_f21_a_table_with_a_stream_is_overwritten_rather_than_swapped(engine):
    await engine.source(NUMBERS, fill(3))
    await engine.run_one({"name": "public.t"})
    with engine.warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f'USE SCHEMA "{engine.database}"."SHOP"')
        cursor.execute(f'CREATE STREAM changes ON TABLE "{engine.database}"."SHOP"."T"')
    (plan,) = await _plans(engine, {"name": "public.t"})
    assert plan["publish"] == "overwrite"


async def _plans(engine, *tables):
    return [plan.to_json() for plan in await runs.plans_of(engine.config(*tables), Wanted())]


async def test_f21_a_table_that_became_empty_empties_the_target_only_if_that_is_allowed(engine):
    """F21: an empty source is proved by the snapshot, and still asked for."""
    await engine.source(NUMBERS, fill(5))
    await engine.run_one({"name": "public.t"})
    await engine.source("TRUNCATE t")
    receipt = (await engine.run({"name": "public.t"}))["public.t"]
    assert receipt.status == "FAILED"
    assert "is empty at the source" in receipt.error["message"]
    assert "allow_empty" in receipt.error["remedy"]
    assert engine.target('SELECT COUNT(*) FROM {db}."SHOP"."T"') == [(5,)]
    await engine.run_one({"name": "public.t", "allow_empty": True})
    assert engine.target('SELECT COUNT(*) FROM {db}."SHOP"."T"') == [(0,)]


async def test_an_empty_table_arrives_empty(engine):
    await engine.source(NUMBERS)
    receipt = await engine.run_one({"name": "public.t"})
    assert receipt.rows_loaded == 0
    assert engine.target('SELECT COUNT(*) FROM {db}."SHOP"."T"') == [(0,)]


async def test_excluded_columns_do_not_travel(engine):
    await engine.source(NUMBERS, fill(2))
    await engine.run_one({"name": "public.t", "exclude_columns": ["v"]})
    assert engine.target('SELECT * FROM {db}."SHOP"."T" ORDER BY 1') == [(1,), (2,)]


async def test_f12_identical_rows_of_a_table_without_a_key_are_all_there(engine):
    """And a checksum that adds rows up counts each of them."""
    await engine.source("CREATE TABLE t (a int, b text)", "INSERT INTO t SELECT 1, 'same' FROM generate_series(1, 100)")
    receipt = await engine.run_one({"name": "public.t", "verify": "checksum"})
    assert (receipt.verification["rows_target"], receipt.verification["equal"]) == (100, True)
    assert engine.target('SELECT COUNT(*) FROM {db}."SHOP"."T" WHERE "A" = 1 AND "B" = \'same\'') == [(100,)]


async def test_f25_a_schema_change_that_waits_behind_the_run_is_noticed(engine):
    """F25: the run holds its tables as they are; whoever wants to change them is told of in the receipt."""
    await engine.source(NUMBERS, fill(200_000))
    async with connected(engine.dsn) as other, asyncio.TaskGroup() as tasks:
        run = tasks.create_task(engine.run_one({"name": "public.t", "verify": "checksum"}, limits={"readers": 1}))
        while not await other.fetchval("SELECT count(*) > 1 FROM pg_locks WHERE relation = 't'::regclass AND granted"):
            await asyncio.sleep(0.01)
        await other.execute("ALTER TABLE t ADD late int")
    assert "1 sessions wait for a lock on the table until this run ends" in run.result().notes
    assert engine.target("SELECT COUNT(*) FROM {db}.INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'SHOP'") == [(2,)]


async def test_f25_a_run_yields_to_a_schema_change_that_came_before_its_readers(engine):
    """The holder has its locks, the ALTER waits behind them, and the readers would wait behind the ALTER."""
    await engine.source(NUMBERS, fill(10))
    async with (
        engine_connected(Address(engine.dsn)) as plain,
        connected(engine.dsn) as other,
        asyncio.TaskGroup() as tasks,
    ):
        found = [r for r in await catalogue.relations(plain) if r.name == "t"]
        async with open_snapshot(Address(engine.dsn), found, 2) as snapshot:
            table = (await snapshot.tables(found))[found[0].oid]
            tasks.create_task(other.execute("ALTER TABLE t ADD late int"))
            while not await plain.fetchval(WAITING, [table.oid]):
                await asyncio.sleep(0.01)
            with pytest.raises(SourceError, match="this run yields"):
                await snapshot.open_readers(2, [table])
