"""Incremental mode: a change that is committed late, tied, stamped oddly or undone is never passed over."""

import asyncio

import pytest

from tests.conftest import connected

TABLE = "CREATE TABLE t (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now())"
MERGE = {"name": "public.t", "mode": "incremental", "cursor": "updated_at"}
APPEND = {**MERGE, "publish": "append"}
ROWS = 'SELECT "ID", "V" FROM {db}."SHOP"."T" ORDER BY 1, 2'


async def equal(engine, columns="id, v"):
    """The target has exactly the source's rows."""
    async with connected(engine.dsn) as connection:
        source = sorted(tuple(row) for row in await connection.fetch(f"SELECT {columns} FROM t"))
    wanted = ", ".join(f'"{name.strip().upper()}"' for name in columns.split(","))
    assert sorted(engine.target(f'SELECT {wanted} FROM {{db}}."SHOP"."T"')) == source


async def test_inserts_and_updates_arrive_and_the_watermark_moves_with_them(engine):
    await engine.source(TABLE, "INSERT INTO t SELECT n, 'old' FROM generate_series(1, 1000) AS n")
    first = await engine.run_one(MERGE)
    await engine.source(
        "INSERT INTO t VALUES (2000, 'new')", "UPDATE t SET v = 'changed', updated_at = now() WHERE id <= 10"
    )
    second = await engine.run_one(MERGE)
    assert (first.mode, second.mode, second.rows_read) == ("full", "incremental", 11)
    assert "1 rows inserted, 10 rows updated" in second.notes
    assert first.watermark < second.watermark
    await equal(engine)
    third = await engine.run_one(MERGE)
    assert (third.rows_read, third.watermark) == (0, second.watermark)
    assert engine.leftovers() == []


@pytest.mark.parametrize("table", [MERGE, APPEND], ids=["merge", "append"])
@pytest.mark.parametrize("writes_before", [True, False], ids=["wrote", "idle"])
async def test_f01_a_row_committed_late_arrives_with_the_next_run(engine, table, writes_before):
    """A transaction older than the newest rows commits after the run: its rows are below their cursor values.

    Also where it has not written yet, and so has no transaction id, when the run looks.
    """
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'first')")
    await asyncio.sleep(0.2)
    await engine.run_one(table)
    async with connected(engine.dsn) as late:
        transaction = late.transaction()
        await transaction.start()
        await late.fetchval("SELECT now()")
        if writes_before:
            await late.execute("INSERT INTO t VALUES (2, 'late')")
        await engine.source("INSERT INTO t VALUES (3, 'soon')")
        await asyncio.sleep(0.2)
        receipt = await engine.run_one(table)
        if not writes_before:
            await late.execute("INSERT INTO t VALUES (2, 'late')")
        await transaction.commit()
    assert receipt.lag_seconds > 0.1
    assert any("past what is known to be complete" in note for note in receipt.notes)
    await asyncio.sleep(0.2)
    await engine.run_one(table)
    await equal(engine)


async def test_f01_a_late_commit_is_seen_while_reading_from_the_standby(engine, postgres, standby, replayed):
    """The standby's own pg_stat_activity shows no writers: the primary is asked."""
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'first')")
    await replayed()
    primary, engine.dsn = engine.dsn, engine.dsn.replace(f":{postgres.port}", f":{standby.port}")
    source = {"primary_dsn": primary}
    await asyncio.sleep(0.2)
    await engine.run_one(MERGE, source=source)
    async with connected(primary) as late:
        transaction = late.transaction()
        await transaction.start()
        await late.execute("INSERT INTO t VALUES (2, 'late')")
        async with connected(primary) as other:
            await other.execute("INSERT INTO t VALUES (3, 'soon')")
        await engine.run_one(MERGE, source=source)
        assert engine.target(ROWS) == [(1, "first"), (3, "soon")]
        await transaction.commit()
    await engine.run_one(MERGE, source=source)
    assert engine.target(ROWS) == [(1, "first"), (2, "late"), (3, "soon")]


async def test_f01_a_standby_without_its_primary_needs_a_fixed_lag(engine, postgres, standby, replayed):
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'first')")
    await replayed()
    engine.dsn = engine.dsn.replace(f":{postgres.port}", f":{standby.port}")
    with pytest.raises(Exception, match=r"source\.primary_dsn .* or cursor_lag_s"):
        await engine.run(MERGE)
    await engine.run_one({**MERGE, "cursor_lag_s": 5})
    assert engine.target(ROWS) == [(1, "first")]


async def test_f01_a_role_that_cannot_see_others_transactions_is_refused(engine, postgres):
    """NULL xact_start is not the same as no writers."""
    role = f"reader_{engine.database.lower()}"
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'x')", f"CREATE ROLE {role} LOGIN PASSWORD 'secret'",
                        f"GRANT SELECT ON t TO {role}")  # fmt: skip
    engine.dsn = engine.dsn.replace("postgres@", f"{role}:secret@")
    with pytest.raises(Exception, match="GRANT pg_read_all_stats"):
        await engine.run(MERGE)
    await engine.run_one({**MERGE, "cursor_lag_s": 1})


async def test_f01_a_lag_comes_on_top_of_what_open_transactions_ask(engine):
    """It is for clocks that are not the source's own, and looks away from nothing."""
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'first')")
    table = {**APPEND, "cursor_lag_s": 0.2}
    await asyncio.sleep(0.5)
    await engine.run_one(table)
    async with connected(engine.dsn) as late:
        transaction = late.transaction()
        await transaction.start()
        await late.execute("INSERT INTO t VALUES (2, 'late')")
        await engine.source("INSERT INTO t VALUES (3, 'soon')")
        await asyncio.sleep(1)
        await engine.run_one(table)
        await transaction.commit()
    await asyncio.sleep(0.5)
    await engine.run_one(table)
    await equal(engine)


async def test_f01_a_prepared_transaction_holds_the_watermark(engine):
    """pg_prepared_xacts tells when it was prepared, which is later than the now() of its rows."""
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'first')")
    await asyncio.sleep(0.2)
    first = await engine.run_one(MERGE)
    async with connected(engine.dsn) as connection:
        await connection.execute("BEGIN; INSERT INTO t VALUES (2, 'late'); PREPARE TRANSACTION 'two'")
        await connection.execute("INSERT INTO t VALUES (3, 'soon')")
        second = await engine.run_one(MERGE)
        assert second.watermark == first.watermark
        await connection.execute("COMMIT PREPARED 'two'")
    await engine.run_one(MERGE)
    await equal(engine)


async def test_f01_a_number_as_cursor_waits_for_the_transactions_that_were_open(engine):
    """A sequence hands out 2 before 3, and 3 commits first."""
    await engine.source("CREATE TABLE t (id bigserial PRIMARY KEY, v text)", "INSERT INTO t (v) VALUES ('first')")
    table = {"name": "public.t", "mode": "incremental", "cursor": "id", "publish": "append"}
    await engine.run_one(table)
    async with connected(engine.dsn) as late:
        transaction = late.transaction()
        await transaction.start()
        await late.execute("INSERT INTO t (v) VALUES ('late')")
        await engine.source("INSERT INTO t (v) VALUES ('soon')")
        held = await engine.run_one(table)
        assert held.rows_read == 0
        await transaction.commit()
    await engine.run_one(table)
    await equal(engine)


@pytest.mark.parametrize("column", ["timestamptz", "timestamp", "timestamp(0)", "date", "bigint"])
@pytest.mark.parametrize("publish", ["merge", "append"])
async def test_f02_ties_at_the_boundary_are_neither_lost_nor_read_for_ever(engine, column, publish):
    """50,000 rows with one cursor value, read in many chunks; then more of the same value; then silence."""
    stamp = "7" if column == "bigint" else f"(now() - interval '2 days')::{column}"
    await engine.source(f"CREATE TABLE t (id int PRIMARY KEY, v text, c {column})",
                        f"INSERT INTO t SELECT n, 'x', {stamp} FROM generate_series(1, 50000) AS n")  # fmt: skip
    table = {"name": "public.t", "mode": "incremental", "cursor": "c", "publish": publish}
    await engine.run_one(table, limits={"chunk_bytes": "256KiB"})
    await equal(engine, "id")
    await engine.source("INSERT INTO t SELECT n, 'y', c FROM t, generate_series(60001, 60010) AS n WHERE id = 1"
                        if column == "date" and publish == "merge" else "SELECT 1")  # fmt: skip
    await engine.run_one(table)
    await equal(engine, "id")
    again = await engine.run_one(table)
    assert again.rows_read in ((0, 50_010) if column == "date" else (0,))
    await equal(engine, "id")


async def test_f02_the_watermark_keeps_its_microseconds_and_zone(engine):
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'x', '2020-02-03 04:05:06.123456+03')")
    receipt = await engine.run_one(MERGE)
    assert receipt.watermark == "2020-02-03 01:05:06.123456+00"


async def test_f03_rows_without_a_cursor_value_follow_the_policy(engine):
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'a', now()), (2, 'b', NULL)")
    receipt = await engine.run_one(MERGE)
    assert any("1 rows have no value in the cursor column updated_at: loaded in each run" in n for n in receipt.notes)
    await engine.source("UPDATE t SET v = 'b2' WHERE id = 2")
    await engine.run_one(MERGE)
    assert engine.target(ROWS) == [(1, "a"), (2, "b2")]
    failed = (await engine.run({**MERGE, "null_cursor": "fail"}))["public.t"]
    assert failed.status == "FAILED"
    assert "null_cursor" in failed.error["message"]
    await engine.source("INSERT INTO t VALUES (3, 'c', NULL)")
    skipped = await engine.run_one({**MERGE, "null_cursor": "skip"})
    assert any("left out" in note for note in skipped.notes)
    assert engine.target(ROWS) == [(1, "a"), (2, "b2")]


async def test_f03_a_row_from_the_future_does_not_carry_the_watermark_away(engine):
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'a', '2020-01-01Z'), (2, 'future', '2099-01-01Z')")
    first = await engine.run_one(MERGE)
    assert first.watermark == "2020-01-01 00:00:00+00"
    assert any("1 rows have a cursor past" in note for note in first.notes)
    await engine.source("INSERT INTO t VALUES (3, 'today')")
    await engine.run_one(MERGE)
    await equal(engine)


async def test_f23_duplicate_keys_in_a_window_resolve_to_the_newest(engine):
    """A declared key without a unique index: the newest version by the cursor wins, and none is inserted twice."""
    await engine.source("CREATE TABLE t (id int, v text, updated_at timestamptz DEFAULT now())",
                        "INSERT INTO t VALUES (1, 'a', '2020-01-01Z')")  # fmt: skip
    table = {**MERGE, "key": ["id"]}
    await engine.run_one(table)
    await engine.source("INSERT INTO t VALUES (1, 'b', '2020-01-02Z'), (1, 'c', '2020-01-03Z'), "
                        "(2, 'x', '2020-01-03Z'), (2, 'y', '2020-01-04Z')")  # fmt: skip
    await engine.run_one(table)
    assert engine.target(ROWS) == [(1, "c"), (2, "y")]


async def test_f23_a_null_in_the_key_is_refused_and_the_target_stays(engine):
    await engine.source("CREATE TABLE t (id int, v text, updated_at timestamptz DEFAULT now())",
                        "INSERT INTO t VALUES (1, 'a', '2020-01-01Z')")  # fmt: skip
    table = {**MERGE, "key": ["id"]}
    await engine.run_one(table)
    await engine.source("INSERT INTO t VALUES (NULL, 'b')")
    receipt = (await engine.run(table))["public.t"]
    assert receipt.status == "FAILED"
    assert "no value in the key (id)" in receipt.error["message"]
    assert engine.target(ROWS) == [(1, "a")]


async def test_f23_a_first_load_whose_key_repeats_is_refused(engine):
    await engine.source("CREATE TABLE t (id int, v text, updated_at timestamptz DEFAULT now())",
                        "INSERT INTO t VALUES (1, 'a'), (1, 'b')")  # fmt: skip
    receipt = (await engine.run({**MERGE, "key": ["id"]}))["public.t"]
    assert receipt.status == "FAILED"
    assert "is not unique" in receipt.error["message"]
    assert engine.tables("SHOP") == []


async def test_f12_a_merge_without_a_key_says_what_to_declare(engine):
    await engine.source("CREATE TABLE t (id int, updated_at timestamptz)")
    receipt = (await engine.run(MERGE))["public.t"]
    assert receipt.status == "FAILED"
    assert "set key to columns that are unique together" in receipt.error["message"]


async def test_f23_two_runs_of_one_table_at_once_are_one_run(engine):
    """The lease: one writer a table."""
    await engine.source(TABLE, "INSERT INTO t SELECT n, 'x' FROM generate_series(1, 20000) AS n")
    await engine.run_one(MERGE)
    await engine.source("UPDATE t SET v = 'y', updated_at = now()")
    both = await asyncio.gather(engine.run(MERGE), engine.run(MERGE))
    statuses = sorted(receipts["public.t"].status for receipts in both)
    assert statuses == ["COMPLETE", "FAILED"]
    (refused,) = [r["public.t"] for r in both if r["public.t"].status == "FAILED"]
    assert "is held by run" in refused.error["message"]
    await equal(engine)


async def test_soft_deletes_leave_the_target(engine):
    await engine.source(f"{TABLE[:-1]}, deleted_at timestamptz)",
                        "INSERT INTO t (id, v) SELECT n, 'x' FROM generate_series(1, 5) AS n",
                        "UPDATE t SET deleted_at = now() WHERE id = 5")  # fmt: skip
    table = {**MERGE, "deletes": "soft", "soft_column": "deleted_at"}
    first = await engine.run_one(table)
    assert "1 rows marked as deleted at the source were left out" in first.notes
    await engine.source("UPDATE t SET deleted_at = now(), updated_at = now() WHERE id = 2",
                        "INSERT INTO t VALUES (6, 'gone', now(), now()), (7, 'here', now(), NULL)")  # fmt: skip
    await engine.run_one(table)
    assert engine.target(ROWS) == [(1, "x"), (3, "x"), (4, "x"), (7, "here")]


async def test_reconcile_deletes_what_is_gone_at_the_source(engine):
    await engine.source(TABLE, "INSERT INTO t SELECT n, 'x' FROM generate_series(1, 1000) AS n")
    table = {**MERGE, "deletes": "reconcile"}
    await engine.run_one(table)
    await engine.source("DELETE FROM t WHERE id % 100 = 0", "UPDATE t SET v = 'y', updated_at = now() WHERE id = 1")
    receipt = await engine.run_one(table)
    assert "10 rows deleted: gone at the source" in receipt.notes
    await equal(engine)
    assert engine.leftovers() == []


async def test_reconcile_marks_instead_where_a_column_is_named(engine):
    await engine.source(TABLE, "INSERT INTO t SELECT n, 'x' FROM generate_series(1, 10) AS n")
    table = {**MERGE, "deletes": "reconcile", "soft_column": "GONE_AT"}
    await engine.run_one(table)
    await engine.source("DELETE FROM t WHERE id > 8")
    for _ in range(2):
        await engine.run_one(table)
    assert engine.target('SELECT "ID" FROM {db}."SHOP"."T" WHERE "GONE_AT" IS NOT NULL ORDER BY 1') == [(9,), (10,)]
    assert engine.target('SELECT COUNT(*) FROM {db}."SHOP"."T"') == [(10,)]


async def test_append_never_loads_a_row_twice_however_often_it_runs(engine):
    await engine.source(TABLE, "INSERT INTO t SELECT n, 'x' FROM generate_series(1, 100) AS n")
    for batch in range(3):
        await asyncio.sleep(0.15)
        await engine.run_one(APPEND)
        await engine.run_one(APPEND)
        await engine.source(
            f"INSERT INTO t SELECT n, 'x' FROM generate_series({200 + 100 * batch}, {250 + 100 * batch}) AS n"
        )
    await asyncio.sleep(0.15)
    await engine.run_one(APPEND)
    await equal(engine)


async def test_full_reloads_and_the_next_run_goes_on_from_there(engine):
    await engine.source(TABLE, "INSERT INTO t SELECT n, 'x' FROM generate_series(1, 100) AS n")
    await engine.run_one(MERGE)
    await engine.source("DELETE FROM t WHERE id > 50")
    full = await engine.run_one(MERGE, full=True)
    assert (full.mode, full.rows_read) == ("full", 50)
    await equal(engine)
    await engine.source("INSERT INTO t VALUES (500, 'new')")
    after = await engine.run_one(MERGE)
    assert (after.mode, after.rows_read) == ("incremental", 1)


async def test_a_merge_of_partitions_without_an_index_on_the_cursor(engine):
    await engine.source("CREATE TABLE t (id int, v text, updated_at timestamptz DEFAULT now(), PRIMARY KEY (id)) "
                        "PARTITION BY RANGE (id)",
                        "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (500)",
                        "CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (500) TO (1000)",
                        "INSERT INTO t SELECT n, 'x' FROM generate_series(0, 999) AS n")  # fmt: skip
    await engine.run_one(MERGE)
    await engine.source("UPDATE t SET v = 'y', updated_at = now() WHERE id % 250 = 0")
    receipt = await engine.run_one(MERGE)
    assert receipt.rows_read == 4
    await equal(engine)
