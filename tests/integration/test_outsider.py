"""What a stranger's database has that ours had not: each fault stays with its table, and names column and remedy."""


async def test_a_view_that_cannot_be_read_fails_alone_and_says_what_to_do(engine):
    await engine.source("CREATE TABLE t (a int)", "CREATE VIEW broken AS SELECT 1.0 / a AS r FROM t",
                        "CREATE MATERIALIZED VIEW unfilled AS SELECT 1.5 AS n WITH NO DATA",
                        "INSERT INTO t VALUES (0)")  # fmt: skip
    receipts = await engine.run({"name": "public.*", "kinds": ["table", "view", "materialized_view"]})
    assert receipts["public.t"].status == "COMPLETE"
    assert "public.broken: DivisionByZeroError" in receipts["public.broken"].error["message"]
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
    assert receipt.losses == [{"column": "doc", "reason": "duplicate", "policy": "text", "rows": 1}]
    assert set(engine.target('SELECT TO_JSON("DOC"), "DOC__PG_TEXT" FROM {db}."SHOP"."T"')) == {
        ("[1]", None), (None, '{"a": 1, "a": 2}'),
    }  # fmt: skip
