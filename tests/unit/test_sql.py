"""Whole statements, as they are sent."""

from dataclasses import replace

import pytest

from engine.model import Chunk, Column, Field, Leaf, Loss, Table, TypeRef
from engine.plan import Complete, Cursor, Evolution, TablePlan, Window
from engine.sql import source, target
from engine.sql.target import MergeOptions, Names

INT = TypeRef(23, "pg_catalog", "int4", "b")
STAMP = Cursor("at", "timestamptz")
DAY = Cursor("d", "date", by_day=True)
TABLE = Table(1, 'we"ird', "t", "r", (Column(1, "id", INT),), ("id",), (Leaf(1, 'we"ird', "t", "r", 10, 81920),))
ID = Field(
    "id", "ID", "NUMBER(10,0)", '"id"', quoted=False, canonical_source='"id"::text', canonical_target='TO_VARCHAR("ID")'
)
TEXT = Field("v", "V", "VARCHAR(134217728)", '"v"', quoted=True, losses=(Loss("size", "(length(v) > 9)"),))
JSON = Field("j", "J", "VARIANT", '"j"', quoted=True, load="PARSE_JSON({})")
NAMES = Names("DB", "SHOP", "BOREALIS")
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
    ],
)
def test_what_is_complete_lies_below_the_horizon(cursor, strict, condition):
    assert source.complete_condition(cursor, Complete("H", 2, "UTC", strict), None) == condition


def test_a_number_is_complete_up_to_what_was_read_before():
    cursor = Cursor("n", "int8", number=True)
    assert source.complete_condition(cursor, Complete("H", 0, "UTC", False, "41"), None) == "\"n\" <= '41'::int8"
    assert source.complete_condition(cursor, None, "7") == "\"n\" <= '7'::int8"


def test_plain_fields_are_streamed_as_they_are_and_counted_by_copy():
    assert source.copy_select((ID, TEXT), "FROM t") == 'SELECT "id" AS c1, "v" AS c2 FROM t'
    assert source.quoted_columns((ID, TEXT)) == ["c2"]


def test_one_lonely_field_and_fields_with_expressions_end_with_a_constant():
    assert source.copy_select((ID,), "FROM t") == "SELECT \"id\" AS c1, '.'::text AS c2 FROM t"
    assert source.copy_select((ID, JSON), "FROM t") == 'SELECT "id" AS c1, "j" AS c2, \'.\'::text AS c3 FROM t'


def test_losses_are_counted_each_once_however_many_fields_carry_them():
    assert source.count_losses((TEXT, TEXT), "FROM t") == "SELECT count(*) FILTER (WHERE (length(v) > 9)) FROM t"


def test_a_file_is_put_compressed_under_its_own_name():
    assert target.put(NAMES, "r/1", "/tmp/it's.csv.gz", "gzip") == (
        "PUT 'file:///tmp/it''s.csv.gz' '@\"DB\".\"BOREALIS\".\"STAGE\"/r/1/' PARALLEL = 4"
        " AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = GZIP OVERWRITE = TRUE"
    )


FORMAT = (
    "(TYPE = CSV COMPRESSION = GZIP FIELD_DELIMITER = ',' RECORD_DELIMITER = '\\n' FIELD_OPTIONALLY_ENCLOSED_BY = '\"'"
    " ESCAPE = NONE ESCAPE_UNENCLOSED_FIELD = NONE NULL_IF = () EMPTY_FIELD_AS_NULL = TRUE TRIM_SPACE = FALSE"
    " SKIP_BYTE_ORDER_MARK = FALSE REPLACE_INVALID_CHARACTERS = FALSE ERROR_ON_COLUMN_COUNT_MISMATCH = TRUE"
    " BINARY_FORMAT = HEX DATE_FORMAT = 'YYYY-MM-DD' TIME_FORMAT = AUTO TIMESTAMP_FORMAT = AUTO ENCODING = 'UTF8')"
)


def test_copy_names_its_files_and_aborts_on_any_error():
    statement = target.copy_into(
        NAMES, NAMES.ours("L"), (ID, TEXT), "r/1", ["a.csv.gz", "b.csv.gz"], codec="gzip", force=False
    )
    assert statement == (
        'COPY INTO "DB"."BOREALIS"."L" ("ID", "V") FROM @"DB"."BOREALIS"."STAGE"/r/1/'
        f" FILES = ('a.csv.gz', 'b.csv.gz') FILE_FORMAT = {FORMAT} ON_ERROR = ABORT_STATEMENT PURGE = FALSE"
        " FORCE = FALSE"
    )


def test_copy_with_expressions_checks_the_end_of_each_record():
    statement = target.copy_into(NAMES, NAMES.ours("L"), (ID, JSON), "r/1", ["a.csv.gz"], codec="gzip", force=True)
    assert (
        "FROM (SELECT $1, PARSE_JSON(IFF($3 = '.', $2, 'the record ends too soon')) FROM "
        '@"DB"."BOREALIS"."STAGE"/r/1/)' in statement
    )
    assert statement.endswith("PURGE = FALSE FORCE = TRUE")


def test_the_only_chunk_of_a_table_is_noted_if_the_table_has_its_rows_and_no_others():
    assert target.insert_ledger_counted(NAMES, NAMES.ours("L")) == (
        'INSERT INTO "DB"."BOREALIS"."LEDGER" SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s,'
        ' CURRENT_TIMESTAMP()::TIMESTAMP_NTZ(6) WHERE (SELECT COUNT(*) FROM "DB"."BOREALIS"."L") = %s'
    )


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
        target.insert_watermark(Names("50%off", "S", "B%d")),
        target.update_watermark(Names("50%off", "S", "B%d")),
    ],
    ids=lambda statement: statement[:30],
)
def test_a_percent_sign_in_a_name_is_no_parameter(statement):
    bound = statement % tuple("v" * statement.replace("%%", "").count("%s"))
    assert '"50%off"."B%d"."' in bound
    assert "%%" not in bound


def test_merge_takes_the_newest_row_of_each_key_and_searches_its_range_only():
    assert target.merge(NAMES, plan(), "L", MergeOptions(key_range=("1", "9"))) == (
        'MERGE INTO "DB"."SHOP"."T" t USING (SELECT "ID", "V" FROM "DB"."BOREALIS"."L"'
        ' QUALIFY ROW_NUMBER() OVER (PARTITION BY "ID" ORDER BY "V" DESC NULLS LAST) = 1) s'
        ' ON t."ID" = s."ID" AND t."ID" >= 1 AND t."ID" <= 9 WHEN MATCHED THEN UPDATE SET "V" = s."V"'
        ' WHEN NOT MATCHED THEN INSERT ("ID", "V") VALUES (s."ID", s."V")'
    )


def test_merge_removes_what_the_source_marks_as_deleted():
    statement = target.merge(NAMES, plan(), "L", MergeOptions(deleted=TEXT))
    assert 'WHEN MATCHED AND s."V" IS NOT NULL THEN DELETE WHEN MATCHED THEN UPDATE' in statement
    assert 'WHEN NOT MATCHED AND NOT (s."V" IS NOT NULL) THEN INSERT' in statement


def test_a_table_of_keys_alone_is_merged_without_an_update():
    window = Window(Cursor("id", "int4", number=True), "1", "2", bounded=False, nulls=False)
    assert "WHEN MATCHED" not in target.merge(NAMES, plan(fields=(ID,), window=window), "L", MergeOptions())


def test_the_plan_has_an_id_that_changes_with_what_it_does():
    assert plan().id == plan().id
    assert plan().id != plan(publish="append").id
    assert plan().id != plan(fields=(ID,)).id
    assert plan().id != plan(chunks=(Chunk(1, 0, (0, 0), None, 0),)).id


def test_evolution_is_drop_add_and_widen():
    evolution = Evolution(added=(TEXT,), widened=(ID,), retyped=(JSON,))
    assert target.alter("t", evolution) == [
        'ALTER TABLE t DROP COLUMN "J"',
        'ALTER TABLE t ADD COLUMN "V" VARCHAR(134217728), "J" VARIANT',
        'ALTER TABLE t ALTER COLUMN "ID" SET DATA TYPE NUMBER(10,0)',
    ]


def test_the_checksum_is_the_sum_of_the_low_60_bits_of_each_row_s_md5():
    assert source.checksum((ID, TEXT), "FROM t") == (
        "SELECT count(*), coalesce(sum(('x' || substr(md5((coalesce(\"id\"::text, '~'))), 18, 15))::bit(60)::bigint), "
        "0)::numeric FROM t"
    )
    assert target.checksum("t", (ID, TEXT)) == (
        "SELECT COUNT(*), COALESCE(SUM(BITAND("
        "MD5_NUMBER_LOWER64(COALESCE(TO_VARCHAR(\"ID\"), '~')), "
        "1152921504606846975)), 0) FROM t"
    )


def test_a_session_is_set_up_in_one_statement():
    parameters = {"AUTOCOMMIT": True, "LOCK_TIMEOUT": 77, "QUERY_TAG": """{"tag":"it's"}"""}
    assert target.alter_session(parameters) == (
        """ALTER SESSION SET AUTOCOMMIT = TRUE, LOCK_TIMEOUT = 77, QUERY_TAG = '{"tag":"it''s"}'"""
    )
