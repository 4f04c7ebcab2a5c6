"""Schema evolution: the target follows the source's columns, and `frozen` refuses to."""

from datetime import date

import pytest

from engine import runs
from engine.wiring import Wanted

FULL = {"name": "public.t"}
MERGE = {"name": "public.t", "mode": "incremental", "cursor": "at"}
BASE = "CREATE TABLE t (id int PRIMARY KEY, v varchar(10), at timestamptz DEFAULT now())"
ROWS = "INSERT INTO t VALUES (1, 'a', '2020-01-01Z'), (2, 'b', '2020-01-02Z')"

COLUMNS = {
    "added": '"ID", "EXTRA"', "widened": '"ID"', "dropped": '"ID", "V"', "renamed": '"V", "W"', "retyped": '"V"',
}  # fmt: skip
CHANGES = {
    "added": ("ALTER TABLE t ADD extra int", "column EXTRA added as NUMBER(10,0)"),
    "widened": ("ALTER TABLE t ALTER id TYPE bigint", "column ID widened to NUMBER(19,0)"),
    "dropped": ("ALTER TABLE t DROP v", "V is no longer in the source: kept"),
    "renamed": ("ALTER TABLE t RENAME v TO w", "a renamed column arrives as a dropped"),
    "retyped": ("ALTER TABLE t ALTER v TYPE int USING length(v)", "V rebuilt as NUMBER(10,0)"),
}  # fmt: skip


@pytest.fixture(params=CHANGES)
def change(request):
    alter, note = CHANGES[request.param]
    return alter, f'SELECT {COLUMNS[request.param]} FROM {{db}}."SHOP"."T"', note


@pytest.mark.parametrize("table", [FULL, MERGE], ids=["full", "incremental"])
async def test_f25_a_changed_column_changes_the_target_alike(engine, table, change):
    alter, look, note = change
    await engine.source(BASE, ROWS)
    await engine.run_one(table)
    await engine.source(alter, "INSERT INTO t (id) VALUES (3)")
    receipt = await engine.run_one(table)
    assert any(note in each for each in receipt.notes), receipt.notes
    assert len(engine.target(look)) == 3
    again = await engine.run_one(table)
    assert not [each for each in again.notes if "added" in each or "widened" in each or "rebuilt" in each]


@pytest.mark.parametrize("table", [FULL, MERGE], ids=["full", "incremental"])
async def test_f25_frozen_refuses_each_change_and_says_what_it_is(engine, table, change):
    alter, *_ = change
    frozen = {**table, "schema_changes": "frozen"}
    await engine.source(BASE, ROWS)
    await engine.run_one(frozen)
    before = engine.target('SELECT * FROM {db}."SHOP"."T" ORDER BY 1')
    await engine.source(alter, "INSERT INTO t (id) VALUES (3)")
    receipt = (await engine.run(frozen))["public.t"]
    assert receipt.status == "FAILED"
    assert "schema_changes is frozen" in receipt.error["message"]
    assert engine.target('SELECT * FROM {db}."SHOP"."T" ORDER BY 1') == before


async def test_f25_a_new_column_with_values_in_old_rows_is_loaded_anew(engine):
    """ADD COLUMN ... DEFAULT touches no cursor: only a reload brings the values of rows that did not change."""
    await engine.source(BASE, ROWS)
    await engine.run_one(MERGE)
    await engine.source("ALTER TABLE t ADD status text DEFAULT 'open'")
    receipt = await engine.run_one(MERGE)
    assert receipt.mode == "full"
    assert any("new columns hold values in rows that did not change: status" in note for note in receipt.notes)
    assert engine.target('SELECT DISTINCT "STATUS" FROM {db}."SHOP"."T"') == [("open",)]


async def test_every_column_may_change_its_type_at_once(engine):
    """Snowflake drops no last column, so that the table has another while they are rebuilt."""
    await engine.source("CREATE TABLE t (a int, b text)", "INSERT INTO t VALUES (1, 'x')")
    await engine.run_one(FULL)
    for rename in ("a TO c", "b TO a", "c TO b"):
        await engine.source(f"ALTER TABLE t RENAME {rename}")
    await engine.run_one(FULL)
    assert engine.target('SELECT "B", "A" FROM {db}."SHOP"."T"') == [(1, "x")]
    await engine.source("DROP TABLE t", "CREATE TABLE t (a bytea, b date)", "INSERT INTO t VALUES ('', '2020-01-01')")
    await engine.run_one(FULL)
    assert engine.target('SELECT "A", "B" FROM {db}."SHOP"."T"') == [(b"", date(2020, 1, 1))]


async def test_a_changed_key_is_loaded_anew_or_refused_where_frozen(engine):
    await engine.source(BASE, ROWS)
    await engine.run_one(MERGE)
    await engine.source("ALTER TABLE t DROP CONSTRAINT t_pkey", "ALTER TABLE t ALTER at SET NOT NULL",
                        "ALTER TABLE t ADD PRIMARY KEY (id, at)")  # fmt: skip
    refused = (await engine.run({**MERGE, "schema_changes": "frozen"}))["public.t"]
    assert "the key was (id), now it is (id, at)" in refused.error["message"]
    receipt = await engine.run_one(MERGE)
    assert receipt.mode == "full"
    assert any("the key was (id), now it is (id, at)" in note for note in receipt.notes)
    assert (await engine.run_one(MERGE)).mode == "incremental"


async def test_another_cursor_is_loaded_anew(engine):
    await engine.source(BASE, ROWS, "ALTER TABLE t ADD seq bigserial")
    await engine.run_one(MERGE)
    receipt = await engine.run_one({**MERGE, "cursor": "seq"})
    assert receipt.mode == "full"
    assert any("the cursor was at, now it is seq" in note for note in receipt.notes)


async def test_a_column_that_the_target_has_wider_stays_as_it_is(engine):
    await engine.source(BASE, ROWS)
    await engine.run_one(FULL)
    with engine.warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f'ALTER TABLE "{engine.database}"."SHOP"."T" ALTER COLUMN "ID" SET DATA TYPE NUMBER(38,0)')
    receipt = await engine.run_one(FULL)
    assert not receipt.notes
    (row,) = engine.target("SELECT NUMERIC_PRECISION FROM {db}.INFORMATION_SCHEMA.COLUMNS "
                           "WHERE TABLE_SCHEMA = 'SHOP' AND COLUMN_NAME = 'ID'")  # fmt: skip
    assert row == (38,)


async def test_integers_in_a_column_that_still_has_decimals_are_equal(engine):
    """The target's wider column stays when a numeric becomes an integer; 5 and 5.00 are one value."""
    table = {**FULL, "verify": "checksum"}
    await engine.source("CREATE TABLE t (id int PRIMARY KEY, n numeric(20,2))", "INSERT INTO t VALUES (1, 5)")
    await engine.run_one(table)
    await engine.source("ALTER TABLE t ALTER n TYPE int")
    assert (await engine.run_one(table)).verification["equal"]
    columns = engine.target('DESCRIBE TABLE {db}."SHOP"."T"')
    assert [row[1] for row in columns] == ["NUMBER(10,0)", "NUMBER(20,2)"]


async def test_f14_an_unbounded_numeric_keeps_its_type_while_it_fits_and_is_rebuilt_when_not(engine):
    await engine.source("CREATE TABLE t (id int PRIMARY KEY, n numeric, at timestamptz DEFAULT now())",
                        "INSERT INTO t VALUES (1, 1.25, '2020-01-01Z')")  # fmt: skip
    await engine.run_one(MERGE)
    await engine.source("INSERT INTO t VALUES (2, 7, '2020-01-02Z')")
    assert (await engine.run_one(MERGE)).mode == "incremental"
    await engine.source("INSERT INTO t VALUES (3, 0.12345678, '2020-01-03Z')")
    receipt = await engine.run_one(MERGE)
    assert receipt.mode == "full"
    rows = engine.target('SELECT "ID", "N" FROM {db}."SHOP"."T" ORDER BY 1')
    assert [(i, float(n)) for i, n in rows] == [(1, 1.25), (2, 7.0), (3, 0.12345678)]


async def test_a_view_in_the_place_of_the_target_table_is_refused(engine):
    await engine.source(BASE, ROWS)
    await engine.run_one({"name": "public.t", "target_name": "OTHER"})
    with engine.warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f'CREATE VIEW "{engine.database}"."SHOP"."T" AS SELECT 1 AS ONE')
    receipt = (await engine.run(FULL))["public.t"]
    assert "is a view at the target" in receipt.error["message"]


async def test_a_plan_tells_the_changes_before_anything_moves(engine):
    await engine.source(BASE, ROWS)
    await engine.run_one(FULL)
    await engine.source("ALTER TABLE t ADD extra int")
    (plan,) = [plan.to_json() for plan in await runs.plans_of(engine.config(FULL), Wanted())]
    assert plan["changes"] == ["column EXTRA added as NUMBER(10,0)"]
    names = engine.target("SELECT COLUMN_NAME FROM {db}.INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'SHOP'")
    assert ("EXTRA",) not in names


SERIAL = "CREATE TABLE t (id bigserial PRIMARY KEY, v text)"


def serial(**more):
    return {"name": "public.t", "mode": "incremental", "cursor": "id", **more}


def some(rows, text):
    return f"INSERT INTO t (v) SELECT '{text}' FROM generate_series(1, {rows})"


async def test_f25_a_table_that_was_replaced_is_loaded_anew_by_a_merge_and_told_of_by_an_append(engine):
    """Its numbers began again, below the watermark: rows would be passed over."""
    await engine.source(SERIAL, some(11, "old"))
    await engine.run_one(serial())
    await engine.source("DROP TABLE t", SERIAL, some(15, "new"))
    receipt = await engine.run_one(serial())
    assert any("the table was replaced at the source" in note for note in receipt.notes)
    assert engine.target('SELECT "V", COUNT(*) FROM {db}."SHOP"."T" GROUP BY 1') == [("new", 15)]
    await engine.run_one(serial(publish="append"), full=True)
    await engine.source("DROP TABLE t", SERIAL, some(20, "newer"))
    receipt = await engine.run_one(serial(publish="append"))
    assert any("rows at or below the watermark were written since" in note for note in receipt.notes)
    assert engine.target('SELECT COUNT(*) FROM {db}."SHOP"."T"') == [(20,)], "15 old and 5 new: what append keeps stays"


@pytest.mark.parametrize("publish", ["merge", "append"])
async def test_f25_rows_of_an_emptied_table_that_begin_again_below_the_watermark_are_told_of(engine, publish):
    table = serial(publish=publish)
    await engine.source(SERIAL, some(11, "old"))
    await engine.run_one(table)
    await engine.source("VACUUM FULL t")
    assert not any("below the watermark" in note for note in (await engine.run_one(table)).notes), "no row is new"
    await engine.source("TRUNCATE t RESTART IDENTITY", some(15, "new"))
    receipt = await engine.run_one(table)
    assert any("rows at or below the watermark were written since" in note for note in receipt.notes)
