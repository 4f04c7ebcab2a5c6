"""Every table that PostgreSQL can hold arrives exactly, or is refused by name before anything moves."""

import json
import time

import pytest

from engine import runs
from engine.wiring import Wanted
from tests.conftest import connected


async def test_a_table_without_columns_is_refused_by_name_and_the_others_arrive(engine):
    await engine.source("CREATE TABLE nothing ()", "INSERT INTO nothing DEFAULT VALUES", "CREATE TABLE t (a int)")
    receipts = await engine.run({"name": "public.*"})
    assert receipts["public.nothing"].status == "FAILED"
    assert "public.nothing" in receipts["public.nothing"].error["message"]
    assert receipts["public.t"].status == "COMPLETE"
    assert engine.tables("SHOP") == ["T"]


@pytest.mark.parametrize("type_name", ["int", "text", "jsonb"])
async def test_one_column_of_nulls_keeps_its_rows(engine, type_name):
    """A NULL alone on a line would be a blank line."""
    await engine.source(f"CREATE TABLE t (a {type_name})", "INSERT INTO t SELECT NULL FROM generate_series(1, 50)")
    receipt = await engine.run_one({"name": "public.t", "verify": "checksum"})
    assert receipt.rows_loaded == 50
    assert engine.target('SELECT COUNT(*), COUNT("A") FROM {db}."SHOP"."T"') == [(50, 0)]


async def test_f17_one_column_of_empty_text_is_not_null(engine):
    await engine.source("CREATE TABLE t (a text)", "INSERT INTO t VALUES (''), (NULL), (E'\\n'), ('\"')")
    await engine.run_one({"name": "public.t"})
    assert set(engine.target('SELECT "A" FROM {db}."SHOP"."T"')) == {("",), ("\n",), ('"',), (None,)}


@pytest.mark.parametrize("reader", ["copy", "cursor"])
async def test_sixteen_hundred_columns(engine, reader):
    columns = ", ".join(f"c{n} {'int' if n % 2 else 'text'}" for n in range(1600))
    values = ", ".join(str(n) if n % 2 else ("NULL" if n % 4 else f"'v{n}'") for n in range(1600))
    await engine.source(f"CREATE TABLE t ({columns})", f"INSERT INTO t SELECT {values} FROM generate_series(1, 3)")
    await engine.run_one({"name": "public.t", "reader": reader, "verify": "checksum"})
    (row, *_) = rows = engine.target('SELECT * FROM {db}."SHOP"."T"')
    assert len(rows) == 3
    assert list(row) == [n if n % 2 else (None if n % 4 else f"v{n}") for n in range(1600)]


NAMES = [
    "MixedCase", "order", 'a"b', "with space", "dot.ted", "tab\there", "semi;colon", "per%cent", "dollar$1", "quote'd",
    "back\\slash", "ünïcode", "漢字", "🦆 duck", "x" * 63, "/path/../up", "{brace}", "line\nbreak", "*", "?", "--",
    "$$",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:20])
async def test_f19_every_identifier_that_postgresql_allows(engine, name):
    """F19: as schema, table and column, exactly."""
    quoted = '"' + name.replace('"', '""') + '"'
    await engine.source(f"CREATE SCHEMA {quoted}", f"CREATE TABLE {quoted}.{quoted} ({quoted} int PRIMARY KEY, v text)",
                        f"INSERT INTO {quoted}.{quoted} VALUES (1, 'one')")  # fmt: skip
    for _ in range(2):
        await engine.run_one({"name": f"{quoted}.{quoted}"})
    stored = '"' + name.upper().replace('"', '""') + '"'
    assert engine.target(
        f'SELECT {stored}, "V" FROM {{db}}."SHOP".{stored}'.replace("{db}", f'"{engine.database}"')
    ) == [(1, "one")]


async def test_f19_columns_that_differ_only_by_case_are_refused_with_both_names(engine):
    await engine.source('CREATE TABLE t (a int, "A" int)')
    receipt = (await engine.run({"name": "public.t"}))["public.t"]
    assert receipt.status == "FAILED"
    assert "exclude_columns" in receipt.error["message"]


async def test_f19_tables_of_two_schemas_that_collide_are_refused_with_the_remedy(engine):
    await engine.source("CREATE SCHEMA other", "CREATE TABLE t (a int)", "CREATE TABLE other.t (a int)")
    with pytest.raises(Exception, match=r"would all be .T. in the target; set target_name"):
        await engine.run({"name": "public.*"}, {"name": "other.*"})


async def test_generated_and_identity_columns_arrive_as_values(engine):
    await engine.source("CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY, a int, "
                        "b int GENERATED ALWAYS AS (a * 2) STORED)",
                        "INSERT INTO t (a) VALUES (10), (20)")  # fmt: skip
    await engine.run_one({"name": "public.t"})
    assert engine.target('SELECT * FROM {db}."SHOP"."T" ORDER BY 1') == [(1, 10, 20), (2, 20, 40)]


async def test_dropped_columns_and_rewritten_tables_arrive_as_they_are_now(engine):
    await engine.source("CREATE TABLE t (a int, gone text, b text)", "INSERT INTO t VALUES (1, 'x', 'y')",
                        "ALTER TABLE t DROP gone", "ALTER TABLE t ADD c int DEFAULT 5", "VACUUM FULL t")  # fmt: skip
    await engine.run_one({"name": "public.t"})
    assert engine.target('SELECT * FROM {db}."SHOP"."T"') == [(1, "y", 5)]


async def test_f18_domains_over_domains_and_arrays_of_composites(engine):
    await engine.source(
        "CREATE DOMAIN positive AS numeric(10,2) CHECK (VALUE > 0)", "CREATE DOMAIN price AS positive",
        "CREATE TYPE item AS (sku text, price price, at timestamptz)", "CREATE DOMAIN items AS item[]",
        "CREATE TABLE t (p price, i items, tags text[][])",
        """INSERT INTO t VALUES (12.5, ARRAY[('a"b', 1.5, '2020-01-01Z')::item, NULL], '{{a,b},{c,NULL}}'),
                                (NULL, '{}', NULL)""",
    )  # fmt: skip
    await engine.run_one({"name": "public.t"})
    rows = engine.target('SELECT "P"::VARCHAR, TO_JSON("I"), TO_JSON("TAGS") FROM {db}."SHOP"."T" ORDER BY 1')
    assert rows[0][0] == "12.50"
    assert json.loads(rows[0][1]) == [{"sku": 'a"b', "price": 1.5, "at": "2020-01-01T00:00:00+00:00"}, None]
    assert json.loads(rows[0][2]) == [["a", "b"], ["c", None]]
    assert (rows[1][0], json.loads(rows[1][1]), rows[1][2]) == (None, [], None)


async def test_f18_the_system_s_own_tables_arrive(engine):
    """pg_catalog has types that no user would choose; whatever is not refused by name arrives row for row."""
    names = ["pg_class", "pg_type", "pg_proc", "pg_rewrite", "pg_index", "pg_aggregate", "pg_constraint"]
    copies = [f"CREATE TABLE {name[3:]}_copy AS SELECT * FROM pg_catalog.{name}" for name in names]
    await engine.source("ANALYZE", *copies)
    receipts = await engine.run({"name": "public.*", "verify": "checksum"})
    for receipt in receipts.values():
        assert receipt.status == "COMPLETE", (receipt.table, receipt.error)


async def test_five_thousand_tables_are_planned_in_seconds(engine):
    """The catalogue is read in a fixed number of queries, and no table is asked about by itself."""
    async with connected(engine.dsn) as connection:
        for start in range(0, 5000, 500):
            await connection.execute(
                f"DO $$ BEGIN FOR n IN {start}..{start + 499} LOOP EXECUTE format('CREATE TABLE t%s "
                "(id int PRIMARY KEY, a text, b numeric(10,2), at timestamptz)', n); END LOOP; END $$"
            )
    began = time.monotonic()
    plans = await runs.plans_of(engine.config({"name": "public.*"}), Wanted())
    seconds = time.monotonic() - began
    assert len(plans) == 5000
    assert seconds < 60, "it takes 1.4 s on 2 cores"


async def test_f18_bounds_of_arrays_inside_other_values_are_not_lost_silently(engine):
    await engine.source("CREATE TYPE holder AS (a int[])", "CREATE DOMAIN list AS int[]",
                        "CREATE TABLE t (h holder, hs holder[], l list[])",
                        "INSERT INTO t VALUES (ROW('{1,2}'), ARRAY[ROW('{{3},{4}}')::holder], "
                        "ARRAY['{5}'::list])")  # fmt: skip
    await engine.run_one({"name": "public.t"})
    await engine.source("UPDATE t SET h = ROW('[5:6]={1,2}'), hs = ARRAY[ROW('[1:2][0:0]={{3},{4}}')::holder],"
                        " l = ARRAY['[0:0]={5}'::list]")  # fmt: skip
    message = (await engine.run({"name": "public.t"}))["public.t"].error["message"]
    for column in ("h", "hs", "l"):
        assert f"column {column}: 1 values have no exact form" in message
        assert "(bounds)" in message
