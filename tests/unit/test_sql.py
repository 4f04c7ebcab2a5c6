"""Whole statements, as they are sent."""

import re
from collections import Counter
from dataclasses import replace

import pytest

from engine.model import Chunk, Column, Field, Leaf, Loss, Table, TypeRef
from engine.plan import Complete, Cursor, Evolution, TablePlan, Window
from engine.sql import difference, marks, source, target
from engine.sql.target import Names

INT = TypeRef(23, "pg_catalog", "int4", "b")
STAMP = Cursor("at", "timestamptz")
DAY = Cursor("d", "date", by_day=True)
TABLE = Table(1, 'we"ird', "t", "r", (Column(1, "id", INT),), ("id",), (Leaf(1, 'we"ird', "t", "r", 10, 81920),))
ID = Field(
    "id", "ID", "NUMBER(10,0)", '"id"', quoted=False, canonical_source='"id"::text', canonical_target='TO_VARCHAR("ID")'
)
TEXT = Field("v", "V", "VARCHAR(134217728)", '"v"', quoted=True, losses=(Loss("size", "(length(v) > 9)"),))
WHOLE = Chunk(1, 0, None, None, 0)


def test_a_chunk_is_a_range_of_one_leaf_only():
    chunk = Chunk(1, 0, (3, 0), (7, 20), 0)
    plan = TablePlan(TABLE, (ID,), "T", "full", "swap", (), (chunk,), Evolution(), target_exists=False)
    rows = """FROM ONLY "we""ird"."t" WHERE ctid >= '(3,0)'::tid AND ctid < '(7,20)'::tid"""
    assert source.rows_of(plan, chunk) == rows
    assert source.rows_of(replace(plan, only="id > 7"), chunk) == f"{rows} AND id > 7"


@pytest.mark.parametrize(
    ("window", "conditions"),
    [
        (Window(STAMP, None, "2020", bounded=False, nulls=True), []),
        (Window(STAMP, None, "2020", bounded=False, nulls=False), ['"at" IS NOT NULL']),
        (Window(STAMP, "2019", "2020", bounded=False, nulls=False), ["\"at\" > '2019'::timestamptz"]),
        (Window(STAMP, "2019", "2020", bounded=False, nulls=True), ['("at" > \'2019\'::timestamptz OR "at" IS NULL)']),
        (
            Window(STAMP, "2019", "2020", bounded=True, nulls=False),
            ["\"at\" > '2019'::timestamptz", "\"at\" <= '2020'::timestamptz"],
        ),
        (Window(STAMP, None, None, bounded=True, nulls=False), ["false"]),
        (
            Window(DAY, "2019", "2020", bounded=False, nulls=False),
            ["\"d\" >= '2019'::date"],
        ),
        (Window(DAY, "2019", "2020", bounded=True, nulls=False), ["\"d\" > '2019'::date", "\"d\" <= '2020'::date"]),
        (None, []),
    ],
)
def test_a_window_reads_what_lies_after_the_watermark(window, conditions):
    assert source.window_conditions(window) == conditions


@pytest.mark.parametrize(
    ("cursor", "strict", "condition"),
    [
        (STAMP, False, "\"at\" < ('H'::timestamptz - make_interval(secs => 2))"),
        (
            Cursor("at", "timestamp", resolution_us=1000),
            True,
            (
                "\"at\" < (('H'::timestamptz - make_interval(secs => 2)) AT TIME ZONE 'UTC')"
                " - make_interval(secs => 0.001)"
            ),
        ),
        (
            DAY,
            True,
            "\"d\" < (('H'::timestamptz - make_interval(secs => 2)) AT TIME ZONE 'UTC')::date",
        ),
        (
            DAY,
            False,
            "\"d\" <= (('H'::timestamptz - make_interval(secs => 2)) AT TIME ZONE 'UTC')::date",
        ),
    ],
)
def test_what_is_complete_lies_below_the_horizon(cursor, strict, condition):
    assert source.complete_condition(cursor, Complete("H", 2, "UTC", strict), None) == condition


def test_a_number_is_complete_up_to_what_was_read_before():
    cursor = Cursor("n", "int8", number=True)
    assert source.complete_condition(cursor, Complete("H", 0, "UTC", False, "41"), None) == "\"n\" <= '41'::int8"
    assert source.complete_condition(cursor, None, "7") == "\"n\" <= '7'::int8"
    assert source.complete_condition(cursor, None, None) == '"n" < "n"', "false, and NULL where there is no value"


def plan(**changes: object) -> TablePlan:
    values = {
        "table": TABLE, "fields": (ID, TEXT), "target_name": "T", "mode": "incremental", "publish": "merge",
        "key": ("id",),
        "chunks": (WHOLE,), "evolution": Evolution(), "target_exists": True,
        "window": Window(Cursor("v", "timestamptz"), "a", "b", bounded=False, nulls=True),
    }  # fmt: skip
    return TablePlan(**(values | changes))


@pytest.mark.parametrize(
    "statement",
    [
        target.insert_ledger(Names("50%off", "S", "B%d"), 2),
        target.insert_ledger_counted(Names("50%off", "S", "B%d"), '"x%s"'),
        target.select_ledger(Names("50%off", "S", "B%d")),
        target.forget_chunks(Names("50%off", "S", "B%d"), [1]),
        target.restamp_chunks(Names("50%off", "S", "B%d"), [1]),
        target.delete_ledger(Names("50%off", "S", "B%d")),
        marks.insert_watermark(Names("50%off", "S", "B%d")),
        marks.update_watermark(Names("50%off", "S", "B%d")),
        marks.forget_watermark(Names("50%off", "S", "B%d")),
    ],
    ids=lambda statement: statement[:30],
)
def test_a_percent_sign_in_a_name_is_no_parameter(statement):
    bound = statement % tuple("v" * statement.replace("%%", "").count("%s"))
    assert '"50%off"."B%d"."' in bound
    assert "%%" not in bound


def test_the_plan_has_an_id_that_changes_with_what_it_does():
    assert plan().id == plan().id
    assert plan().id != plan(publish="append").id
    assert plan().id != plan(fields=(ID,)).id
    assert plan().id != plan(chunks=(Chunk(1, 0, (0, 0), None, 0),)).id


def test_a_session_is_set_up_in_one_statement():
    parameters = {"AUTOCOMMIT": True, "LOCK_TIMEOUT": 77, "QUERY_TAG": """{"tag":"it's"}"""}
    assert target.alter_session(parameters) == (
        """ALTER SESSION SET AUTOCOMMIT = TRUE, LOCK_TIMEOUT = 77, QUERY_TAG = '{"tag":"it''s"}'"""
    )


def test_a_landing_table_has_the_name_of_its_run_and_no_more_characters_than_are_allowed():
    assert target.landing_name("ORDERS", "a1") == "ORDERS__A1"
    assert target.landing_name("x" * 255, "a1") == "x" * 200 + "__A1"


def test_what_the_last_swap_replaced_has_a_watermark_of_its_own():
    assert marks.replaced_key("DB.SHOP.T") == "DB.SHOP.T before"


def test_a_field_that_is_quoted_is_named_for_force_quote():
    assert source.quoted_columns((ID, TEXT, ID, TEXT)) == ["c2", "c4"]


def heap(bytes_beside: int = 0, kind: str = "r", pages: int = 3000) -> Table:
    return replace(TABLE, leaves=(Leaf(1, "public", "t", kind, pages, pages * 8192 + bytes_beside),))


@pytest.mark.parametrize(
    ("changed", "chunk", "pages"),
    [
        ({}, WHOLE, True),
        ({}, Chunk(1, 0, (3, 0), (7, 0), 0), True),
        ({}, Chunk(1, 0, (3, 1), (7, 0), 0), False),
        ({}, Chunk(1, 0, (3, 0), (7, 1), 0), False),
        ({"table": heap(8192 + 65536)}, WHOLE, True),
        ({"table": heap(8192 + 65537)}, WHOLE, False),
        ({"table": heap(kind="m")}, WHOLE, False),
        ({"window": Window(STAMP, "1", "2", bounded=False, nulls=False)}, WHOLE, False),
        ({"only": "id > 7"}, WHOLE, False),
    ],
    ids=["all", "range", "from a line", "to a line", "maps beside", "values beside", "kind", "window", "repair"],
)
def test_rows_are_joined_by_page_only_where_whole_pages_of_small_rows_are_read(changed, chunk, pages):
    """Beside 3,000 pages stand 64 KiB of maps and one page more, at most, where no value is kept outside them."""
    made = plan(**({"table": heap(), "window": None} | changed))
    assert ("string_agg" in source.lines_select(made, chunk)) is pages


@pytest.mark.parametrize("side", [source, target], ids=["source", "target"])
@pytest.mark.parametrize("count", [1, 2, 99, 100, 250])
def test_no_function_is_given_more_than_a_hundred_arguments(side, count):
    """PostgreSQL allows no more; both sides group alike, so that their digests agree."""
    fields = [replace(ID, canonical_source=f"v{n}", canonical_target=f"v{n}") for n in range(count)]
    values = [f"coalesce(v{n}, '~')" for n in range(count)]
    joined = [f"concat_ws('|', {', '.join(values[n : n + 99])})" for n in range(0, count, 99)]
    digested = side.digest(fields).lower()
    if count == 1:
        assert "concat_ws" not in digested
        assert values[0] in digested
    elif count < 100:
        assert joined[0] in digested
        assert digested.count("concat_ws") == 1
    else:
        last = values[-1] if count == 100 else joined[-1]
        assert re.search(rf"concat_ws\('\|', {re.escape(', '.join(joined[:-1]))}, \(?{re.escape(last)}", digested)
        assert digested.count("concat_ws") == 1 + len(joined) - (count == 100)


def test_what_is_newer_than_the_last_run_is_no_difference():
    window = Window(STAMP, None, None, bounded=False, nulls=False)
    assert difference.newer(window, None) == "false"
    assert difference.newer(None, "2025") == "false"
    assert difference.newer(window, "2025") == "coalesce(\"at\" > '2025'::timestamptz, false)"
    assert difference.newer(replace(window, cursor=DAY), "2025") == "coalesce(\"d\" >= '2025'::date, false)"


@pytest.mark.parametrize(
    ("at_source", "at_target", "kind"),
    [
        ([1], [1], None),
        ([1, 1], [1, 1], None),
        ([1], [], "missing"),
        ([1, 1], [1], "missing"),
        ([], [1], "extra"),
        ([1], [1, 1], "doubled"),
        ([1], [1, 2], "doubled"),
        ([1], [2], "changed"),
        ([1, 1], [1, 2], "changed"),
        ([1, 2], [1], "changed"),
    ],
)
def test_what_is_the_matter_with_a_key_is_told_by_the_digests_of_its_rows(at_source, at_target, kind):
    source_rows = {7: Counter(at_source)} if at_source else {}
    target_rows = {7: Counter(at_target)} if at_target else {}
    assert difference.kinds(source_rows, target_rows, set()) == ({7: kind} if kind else {})
    assert difference.kinds(source_rows, target_rows, {7}) == ({7: "newer"} if kind else {})


def test_each_key_that_differs_is_named():
    one = Counter([1])
    assert difference.kinds({1: one, 2: one}, {1: one, 3: one, 4: one}, {4}) == {2: "missing", 3: "extra", 4: "newer"}
