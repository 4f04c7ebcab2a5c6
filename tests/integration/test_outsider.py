"""What a stranger's database has that ours had not: each fault stays with its table, and names column and remedy."""

import pytest

from engine import verify


async def test_a_view_or_foreign_table_that_cannot_be_read_fails_alone_and_says_what_to_do(engine):
    await engine.source("CREATE TABLE t (a int)", "CREATE VIEW broken AS SELECT 1.0 / a AS r FROM t",
                        "CREATE MATERIALIZED VIEW unfilled AS SELECT 1.5 AS n WITH NO DATA",
                        "CREATE EXTENSION postgres_fdw",
                        "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1')",
                        "CREATE USER MAPPING FOR CURRENT_USER SERVER far",
                        "CREATE FOREIGN TABLE unreachable (n numeric) SERVER far",
                        "INSERT INTO t VALUES (0)")  # fmt: skip
    kinds = ["table", "view", "materialized_view", "foreign"]
    receipts = await engine.run({"name": "public.*", "kinds": kinds})
    assert receipts["public.t"].status == "COMPLETE"
    assert "public.broken: DivisionByZeroError" in receipts["public.broken"].error["message"]
    assert "foreign table" in receipts["public.unreachable"].error["message"]
    assert "REFRESH MATERIALIZED VIEW" in receipts["public.unfilled"].error["message"]
    assert engine.tables("SHOP") == ["T"]


async def test_what_no_number_holds_is_named_where_every_column_is_a_number(engine):
    """The embedded warehouse reads such files by another path, and once took the value for a broken line."""
    await engine.source("CREATE TABLE t (id int, amount numeric(10,2))", "INSERT INTO t VALUES (1, 1), (2, 'NaN')")
    receipt = (await engine.run({"name": "public.t"}))["public.t"]
    assert "column amount: 1 values have no exact form as NUMBER(10,2) (nan)" in receipt.error["message"]


async def test_duplicate_keys_are_refused_by_column_and_saved_by_policy(engine):
    await engine.source("CREATE TABLE t (doc json)", """INSERT INTO t VALUES ('{"a": 1, "a": 2}'), ('[1]')""")
    receipt = (await engine.run({"name": "public.t"}))["public.t"]
    assert "column doc: 1 values have no exact form as VARIANT (duplicate)" in receipt.error["message"]
    receipt = await engine.run_one({"name": "public.t", "on_loss": "text"})
    assert receipt.losses == [{"column": "doc", "reason": "duplicate", "policy": "text", "rows": 1, "keys": []}]
    assert set(engine.target('SELECT TO_JSON("DOC"), "DOC__PG_TEXT" FROM {db}."SHOP"."T"')) == {
        ("[1]", None), (None, '{"a": 1, "a": 2}'),
    }  # fmt: skip


@pytest.mark.parametrize("level", ["count", "checksum"])
@pytest.mark.parametrize(("flag", "set_to"), [("boolean", "true"), ("timestamptz", "now()")])
async def test_verify_knows_which_rows_a_run_leaves_out(engine, flag, set_to, level):
    """Rows that the source marks as deleted, or that have no cursor, are not at the target, and that is no fault."""
    await engine.source(f"CREATE TABLE t (id int PRIMARY KEY, at timestamptz DEFAULT now(), gone {flag})",
                        "INSERT INTO t SELECT n FROM generate_series(1, 20) AS n",
                        "UPDATE t SET at = NULL WHERE id = 1",
                        f"UPDATE t SET gone = {set_to} WHERE id IN (2, 3)")  # fmt: skip
    table = {"name": "public.t", "mode": "incremental", "cursor": "at", "deletes": "soft", "soft_column": "gone",
             "null_cursor": "skip"}  # fmt: skip
    await engine.run_one(table)
    await engine.source(f"UPDATE t SET gone = {set_to}, at = now() WHERE id = 4")
    await engine.run_one(table)
    (result,) = await verify.verify(engine.config(table), [], level=level)
    assert (result.ok, result.rows_source, result.rows_target) == (True, 16, 16)
    engine.target('DELETE FROM {db}."SHOP"."T" WHERE "ID" = 9')
    (result,) = await verify.verify(engine.config(table), [], level=level)
    assert not result.ok
