"""Values and names from end to end: what the source printed is what the target holds (F14 to F19)."""

import json
from datetime import date, datetime, time
from decimal import Decimal

import pytest

from engine import runs
from engine.sql import target as sql
from engine.wiring import Wanted
from tests.conftest import connected
from tests.integration.typed_rows import reading

T = '{db}."SHOP"."T"'
TABLE = {"name": "public.t"}


async def types_of(engine, **options) -> dict[str, str]:
    (plan,) = [plan.to_json() for plan in await runs.plans_of(engine.config({**TABLE, **options}), Wanted())]
    return {column["name"]: column["type"] for column in plan["columns"]}


# --- F14 --------------------------------------------------------------------------------------------------------------


async def test_f14_digits_arrive_to_the_last_whatever_was_declared(engine):
    """38 digits, more than 38 declared but not used, negative scale, more decimals than digits, none declared."""
    most = "9" * 38
    await engine.source(
        "CREATE TABLE t (a numeric(38,0), b numeric(38,37), c numeric(60,20), d numeric(5,-2), e numeric(2,5),"
        " f numeric, g numeric, h bigint)",
        f"INSERT INTO t VALUES ({most}, -{most}e-37, {'8' * 18}.{'7' * 20}, 1234567, 0.00099, 1.10, {'7' * 45}.5,"
        " -9223372036854775808)",
    )
    assert list((await types_of(engine)).values()) == [
        "NUMBER(38,0)", "NUMBER(38,37)", "NUMBER(38,20)", "NUMBER(7,0)", "NUMBER(5,5)", "NUMBER(38,1)",
        "VARCHAR(134217728)", "NUMBER(19,0)",
    ]  # fmt: skip
    receipt = await engine.run_one({**TABLE, "verify": "checksum"})
    assert (
        "column g: numeric measured (45 integer digits and 1 decimals at most) -> VARCHAR(134217728)" in receipt.notes
    )
    (row,) = engine.target(f"SELECT * FROM {T}")
    assert [Decimal(value) for value in row] == [
        Decimal(most), Decimal(f"-{most}e-37"), Decimal(f"{'8' * 18}.{'7' * 20}"), 1234600, Decimal("0.00099"),
        Decimal("1.1"), Decimal("7" * 45 + ".5"), -(2**63),
    ]  # fmt: skip
    assert row[6] == "7" * 45 + ".5"


@pytest.mark.parametrize("special", ["NaN", "Infinity", "-Infinity"])
async def test_f14_nan_and_infinity_are_refused_or_kept_but_never_null_in_silence(engine, special):
    await engine.source("CREATE TABLE t (id int PRIMARY KEY, n numeric, f float8)",
                        f"INSERT INTO t VALUES (1, '{special}', '{special}'), (2, 1.5, 1.5)")  # fmt: skip
    (receipt,) = (await engine.run(TABLE)).values()
    assert "column 'n': 1 values are NaN or infinite, which no NUMBER holds (nan)" in receipt.error["message"]
    assert engine.tables("SHOP") == []
    receipt = await engine.run_one({**TABLE, "on_loss": "text"})
    assert receipt.losses == [{"column": "n", "reason": "nan", "policy": "text", "rows": 1, "keys": [{"id": "1"}]}]
    rows = engine.target(f'SELECT "N", "N__PG_TEXT", "F"::VARCHAR FROM {T} ORDER BY "ID"')
    assert rows[0][:2] == (None, special)
    assert float(rows[0][2]) == float(special) or special == "NaN"
    assert rows[0][2].lower().lstrip("-")[:3] == special.lower().lstrip("-")[:3], "a FLOAT holds it"
    assert rows[1][:2] == (Decimal("1.5"), None)
    await engine.run_one({**TABLE, "columns": {"n": {"type": "VARCHAR"}}})
    assert engine.target(f'SELECT "N" FROM {T} ORDER BY "ID"') == [(special,), ("1.5",)]


# --- F15 --------------------------------------------------------------------------------------------------------------


async def test_f15_dates_and_times_at_every_edge(engine):
    """Infinity beside a real 9999-12-31; BC and beyond 9999; 24:00 and a leap second; zones; days that 1582 lacked."""
    await engine.source(
        "CREATE TABLE t (id int PRIMARY KEY, d date, ts timestamp, tz timestamptz, c time, cz timetz)",
        "INSERT INTO t VALUES"
        " (1, '9999-12-31', '9999-12-31 23:59:59.999999', '9999-12-31 23:59:59.999999Z', '23:59:59.999999',"
        " '24:00+14'),"
        " (2, 'infinity', '-infinity', 'infinity', '24:00', '00:00:00.000001-15:59'),"
        " (3, '0044-03-15 BC', '294276-12-31 23:59:59.999999', '4713-01-01 00:00Z BC', '23:59:60', NULL),"
        " (4, '1582-10-10', '1582-10-10 12:00', '2024-03-31 02:30 Europe/Berlin', '00:00', '02:30:00+02'),"
        " (5, '0001-01-01', '0001-01-01', '2024-10-27 02:30 Europe/Berlin', '12:34:56.7', '02:30:00+01')",
    )
    (receipt,) = (await engine.run(TABLE)).values()
    for told in (
        "column d: 1 values have no exact form as DATE (infinity)",
        "column d: 1 values have no exact form as DATE (year)",
        "column c: 2 values have no exact form as TIME(6) (midnight)",
    ):
        assert told in receipt.error["message"]
    await engine.run_one({**TABLE, "on_loss": "text", "verify": "checksum"})
    columns = '"D", "TS", "TZ"::VARCHAR, "C", "CZ", "D__PG_TEXT", "TS__PG_TEXT", "TZ__PG_TEXT", "C__PG_TEXT"'
    rows = engine.target(f'SELECT {columns} FROM {T} ORDER BY "ID"')
    last, noon, first = map(datetime.fromisoformat, ("9999-12-31T23:59:59.999999", "1582-10-10T12:00", "0001-01-01"))
    assert rows[0][:2] == (date(9999, 12, 31), last)
    assert rows[0][3:] == (time(23, 59, 59, 999999), "24:00:00+14", None, None, None, None)
    assert rows[1] == (None, None, None, None, "00:00:00.000001-15:59", "infinity", "-infinity", "infinity", "24:00:00")
    assert rows[2] == (
        None, None, None, None, None, "0044-03-15 BC", "294276-12-31 23:59:59.999999", "4713-01-01 00:00:00+00 BC",
        "24:00:00",
    )  # fmt: skip
    assert (rows[3][0], rows[3][1], rows[3][4]) == (date(1582, 10, 10), noon, "02:30:00+02")
    assert (rows[4][0], rows[4][1], rows[4][3]) == (date(1, 1, 1), first, time(12, 34, 56, 700000))
    moments = engine.target(f'SELECT DATE_PART(EPOCH_MICROSECOND, "TZ") FROM {T} ORDER BY "ID"')
    async with reading(engine.dsn) as connection:
        wanted = await connection.fetch("SELECT extract(epoch FROM tz) * 1000000 FROM public.t ORDER BY id")
    assert [moments[n][0] for n in (0, 3, 4)] == [int(wanted[n][0]) for n in (0, 3, 4)]


# --- F16 --------------------------------------------------------------------------------------------------------------


async def test_f16_json_null_is_not_null_and_a_scalar_is_a_document(engine):
    documents = ["null", '""', '"null"', "0", "-0.0", "true", "[]", "{}", '{"a": null}', "9" * 38, f"0.{'1' * 37}",
                 "1e2", '"\\ud83d\\ude00"', '"a\\\\u0000b"', '[1, [2, [3, {"k": "\\"\\n\\t"}]]]']  # fmt: skip
    await engine.source("CREATE TABLE t (id int, j json, b jsonb)")
    async with connected(engine.dsn) as connection:
        rows = [(n, document, document) for n, document in enumerate(documents)]
        await connection.executemany("INSERT INTO t VALUES ($1, $2, $3)", [*rows, (99, None, None)])
    await engine.run_one(TABLE)
    found = engine.target(f'SELECT "J" IS NULL, "J", "B" IS NULL, "B" FROM {T} ORDER BY "ID"')
    assert found.pop() == (True, None, True, None)
    for document, (j_null, j, b_null, b) in zip(documents, found, strict=True):
        assert (j_null, b_null) == (False, False), document
        wanted = json.loads(document, parse_float=Decimal, parse_int=Decimal)
        assert [json.loads(text, parse_float=Decimal, parse_int=Decimal) for text in (j, b)] == [wanted, wanted]


async def test_f16_what_would_break_a_variant_never_gets_into_it(engine):
    """The escape that makes a column unreadable, half a character, a key twice, a number cut to a double."""
    bad = {
        "nul": '"\\u0000"',
        "surrogate": '{"k": "\\ud83d"}',
        "duplicate": '{"k": 1, "k": 2}',
        "digits": f"[{'1' * 40}]",
    }
    await engine.source("CREATE TABLE t (id int PRIMARY KEY, j json)")
    async with connected(engine.dsn) as connection:
        await connection.executemany("INSERT INTO t VALUES ($1, $2)", list(enumerate(bad.values())))
    (receipt,) = (await engine.run(TABLE)).values()
    for reason in bad:
        assert f"column j: 1 values have no exact form as VARIANT ({reason})" in receipt.error["message"]
    receipt = await engine.run_one({**TABLE, "on_loss": "text"})
    assert {lost["reason"]: lost["keys"] for lost in receipt.losses} == {r: [{"id": str(n)}] for n, r in enumerate(bad)}
    rows = engine.target(f'SELECT "J", "J__PG_TEXT" FROM {T} ORDER BY "ID"')
    assert rows == [(None, document) for document in bad.values()]
    await engine.run_one({**TABLE, "columns": {"j": {"type": "VARCHAR"}}})
    assert engine.target(f'SELECT "J" FROM {T} ORDER BY "ID"') == [(document,) for document in bad.values()]


# --- F17 --------------------------------------------------------------------------------------------------------------

TEXTS = [
    "\ufefffirst of the file", None, "", "\\N", "\\.", "\\", "\\\\", "\\n", '"', '""', ',"', '","', "'", "NULL", "null",
    "\n", "\r", "\r\n", "\t", " lead", "trail ", "\u2028", "\u0085", "\x01\x1f\x7f", "a\\b", "a,b", "é", "😀",
    "e\u0301", ".", "\v\f", 'line\n"quoted"\r\n,\\N', "\ufeff", "%s {} $1", "x" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
@pytest.mark.parametrize("reader", ["copy", "cursor"])
async def test_f17_text_that_breaks_csv_arrives_byte_for_byte(engine, reader, codec):
    """First, last and only column, in the first row of the file too; NULL is told from '' by nothing but its quotes."""
    await engine.source("CREATE TABLE t (a text, id int, b text)", "CREATE TABLE lonely (a text)")
    async with connected(engine.dsn) as connection:
        rows = [(text, n, text) for n, text in enumerate(TEXTS)]
        await connection.copy_records_to_table("t", records=rows)
        await connection.copy_records_to_table("lonely", records=[(text,) for text in TEXTS])
    tables = [{"name": name, "reader": reader, "verify": "checksum"} for name in ("public.t", "public.lonely")]
    for receipt in (await engine.run(*tables, limits={"codec": codec})).values():
        assert receipt.status == "COMPLETE", receipt.error
    assert engine.target(f'SELECT "A", "B" FROM {T} ORDER BY "ID"') == [(text, text) for text in TEXTS]
    lonely = [row[0] for row in engine.target('SELECT "A" FROM {db}."SHOP"."LONELY"')]
    assert sorted(map(repr, lonely)) == sorted(map(repr, TEXTS))


async def test_f17_bytes_that_are_no_text_are_refused_with_the_remedy(engine):
    """Of a database in SQL_ASCII, where anything goes: valid UTF-8 arrives, the rest is nobody's guess."""
    name = f"ascii_{engine.database.lower()}"
    async with connected(engine.dsn) as connection:
        await connection.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    engine.dsn = engine.dsn.rpartition("/")[0] + "/" + name
    try:
        await engine.source("CREATE TABLE t (v text)", "INSERT INTO t VALUES (convert_from('\\xc3a9', 'SQL_ASCII'))")
        await engine.run_one(TABLE)
        await engine.source("INSERT INTO t VALUES (convert_from('\\xe9', 'SQL_ASCII'))")
        (receipt,) = (await engine.run(TABLE)).values()
        assert receipt.status == "FAILED"
        assert "not valid UTF-8" in receipt.error["remedy"] + receipt.error["message"]
        assert "repair the rows or exclude the column" in receipt.error["remedy"] + receipt.error["message"]
        assert engine.target(f'SELECT "V" FROM {T}') == [("é",)]
    finally:
        engine.dsn = engine.dsn.rpartition("/")[0] + "/postgres"
        async with connected(engine.dsn) as connection:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_f17_the_file_format_changes_nothing_of_what_postgresql_wrote():
    """Snowflake's defaults would: a backslash escapes, an N behind it is NULL, '' is NULL or not as an option goes."""
    assert sql.file_format("zstd") == (
        "(TYPE = CSV COMPRESSION = ZSTD FIELD_DELIMITER = ',' RECORD_DELIMITER = '\\n'"
        " FIELD_OPTIONALLY_ENCLOSED_BY = '\"' ESCAPE = NONE ESCAPE_UNENCLOSED_FIELD = NONE NULL_IF = ()"
        " EMPTY_FIELD_AS_NULL = TRUE TRIM_SPACE = FALSE SKIP_BYTE_ORDER_MARK = FALSE"
        " REPLACE_INVALID_CHARACTERS = FALSE ERROR_ON_COLUMN_COUNT_MISMATCH = TRUE BINARY_FORMAT = HEX"
        " DATE_FORMAT = 'YYYY-MM-DD' TIME_FORMAT = AUTO TIMESTAMP_FORMAT = AUTO ENCODING = 'UTF8')"
    )


# --- F18 --------------------------------------------------------------------------------------------------------------


async def test_f18_every_kind_of_type_in_one_table_is_never_dropped_and_never_none(engine):
    await engine.source(
        "CREATE TYPE mood AS ENUM ('so so', '')", "CREATE TYPE item AS (sku text, tags text[])",
        "CREATE DOMAIN price AS numeric(8,2)",
        "CREATE TABLE t (a int[], a2 text[][], m mood, ms mood[], p price, i item, r int4range, rr int4multirange,"
        " b bytea, bits bit(5), v interval, u uuid, ip inet, mac macaddr8, pt point, poly polygon, ts tsvector,"
        " lsn pg_lsn, path jsonpath)",
        r"""INSERT INTO t VALUES ('{1,NULL,3}', '{{a,NULL},{"null",""}}', '', '{"so so",NULL}', 1.5, ROW('x', '{}'),
            '[1,5)', '{[1,2),[4,)}', '\x00ff', '00101', '1 mon -1 day 00:00:01',
            'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '::1/64', '08:00:2b:01:02:03:04:05', '(1,-0)', '((0,0),(1,1))',
            'a:1A', 'A/B', '$.a[*]')""",
    )  # fmt: skip
    await engine.run_one({**TABLE, "verify": "checksum"})
    (row,) = engine.target(f"SELECT * FROM {T}")
    assert [json.loads(row[n]) for n in (0, 1, 3, 5)] == [
        [1, None, 3], [["a", None], ["null", ""]], ["so so", None], {"sku": "x", "tags": []},
    ]  # fmt: skip
    assert row[2] == ""
    assert (row[4], bytes(row[8])) == (Decimal("1.50"), b"\0\xff")
    assert row[6:8] + row[9:] == (
        "[1,5)", "{[1,2),[4,)}", "00101", "P1M-1DT1S", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "::1/64",
        "08:00:2b:01:02:03:04:05", "(1,-0)", "((0,0),(1,1))", "'a':1A", "A/B", '$."a"[*]',
    )  # fmt: skip


# --- F19 --------------------------------------------------------------------------------------------------------------


async def test_f19_every_fault_of_a_name_is_told_before_anything_moves(engine):
    """Two names that become one, a name that Snowflake keeps for itself, and the column that would keep a text."""
    await engine.source('CREATE TABLE t ("Id" int, "ID" int, "current_date" date, day date, "DAY__pg_text" text)')
    (receipt,) = (await engine.run({**TABLE, "on_loss": "text"})).values()
    message = receipt.error["message"]
    assert "columns 'Id' and 'ID' both become ID, since names arrive in upper case" in message
    assert "columns 'day' and 'DAY__pg_text' both become DAY__PG_TEXT" in message
    assert "no column can be named CURRENT_DATE at the target" in message
    assert message.count("leave it out with exclude_columns") == 3
    assert engine.tables("SHOP") == []


async def test_f19_letters_that_fold_in_more_than_one_way(engine):
    """Python's upper case is the rule, once: what is made under a name is found under it."""
    names = ["straße", "ŉ", "ı", "ﬁeld", "ǆ", "ÿ"]
    columns = ", ".join(f'"{name}" int' for name in names)
    await engine.source(f'CREATE TABLE "straße" ({columns})', 'INSERT INTO "straße" VALUES (1, 2, 3, 4, 5, 6)')
    for _ in range(2):
        await engine.run_one({"name": 'public."straße"', "publish": "overwrite"})
    upper = ", ".join(f'"{name.upper()}"' for name in names)
    assert engine.target(f'SELECT {upper} FROM {{db}}."SHOP"."STRASSE"') == [(1, 2, 3, 4, 5, 6)]
