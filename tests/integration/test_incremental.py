"""Incremental mode: a change that is committed late, tied, stamped oddly or undone is never passed over."""

import asyncio

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


async def test_reconcile_empties_the_target_only_if_that_is_allowed(engine):
    """A source that lost its rows by accident, as by a TRUNCATE, does not take those of the target with it."""
    table = {**MERGE, "deletes": "reconcile"}
    await engine.source(TABLE, "INSERT INTO t SELECT n, 'x' FROM generate_series(1, 10) AS n")
    await engine.run_one(table)
    await engine.source("TRUNCATE t")
    (refused,) = (await engine.run(table)).values()
    assert (refused.status, refused.error["code"]) == ("FAILED", "gate")
    assert "allow_empty" in refused.error["remedy"]
    assert engine.target('SELECT COUNT(*) FROM {db}."SHOP"."T"') == [(10,)]
    await engine.run_one({**table, "allow_empty": True})
    await equal(engine)


async def test_reconcile_marks_instead_where_a_column_is_named(engine):
    await engine.source(TABLE, "INSERT INTO t SELECT n, 'x' FROM generate_series(1, 10) AS n")
    table = {**MERGE, "deletes": "reconcile", "soft_column": "GONE_AT"}
    await engine.run_one(table)
    await engine.source("DELETE FROM t WHERE id > 8")
    for _ in range(2):
        await engine.run_one(table)
    assert engine.target('SELECT "ID" FROM {db}."SHOP"."T" WHERE "GONE_AT" IS NOT NULL ORDER BY 1') == [(9,), (10,)]
    assert engine.target('SELECT COUNT(*) FROM {db}."SHOP"."T"') == [(10,)]


async def test_f22_append_never_loads_a_row_twice_however_often_it_runs(engine):
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
