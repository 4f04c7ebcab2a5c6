"""A value with an exact form is staged as PostgreSQL prints it; one without is found, named and counted."""

import math

import asyncpg
import pytest

from engine.errors import RefusedError
from engine.typemap import ColumnPolicy
from tests.integration.typed_rows import column, filled, lost, mapped, printed, reading, staged

EXACT = {
    "smallint": ["-32768", "32767", "0"],
    "integer": ["-2147483648", "2147483647"],
    "bigint": ["-9223372036854775808", "9223372036854775807"],
    "oid": ["0", "4294967295"],
    "numeric(38,0)": ["9" * 38, "-" + "9" * 38],
    "numeric(38,37)": ["9." + "9" * 37, "-0." + "0" * 36 + "1"],
    "numeric(12,2)": ["0", "-0.005", "9999999999.99"],
    "numeric(5,-2)": ["12345", "-9999900"],
    "numeric(2,5)": ["0.00099", "-0.00001"],
    "real": ["0.1", "-0", "3.4028235e38", "1e-45", "NaN", "Infinity", "-Infinity"],
    "double precision": ["0.1", "-0", "1.7976931348623157e308", "5e-324", "0.08072205302271099", "NaN", "-Infinity"],
    "boolean": ["true", "false"],
    "text": [
        "",
        " ", "NULL", "\\N", "\\.", "a\\b", '"', 'say ""', ",", "\r", "\n", "\r\n", "\t", "\ufeff", "\u2028", "'", "😀",
    ],
    "varchar(5)": ["", "ab   ", "😀😀😀😀😀"],
    "char(5)": ["", "ab", "é"],
    "name": ["x" * 63],
    '"char"': ["", "a"],
    "uuid": ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"],
    "bit(5)": ["00000", "01010"],
    "varbit": ["", "0001"],
    "date": ["0001-01-01", "9999-12-31", "1582-10-05", "1900-02-28"],
    "timestamp": ["0001-01-01", "9999-12-31 23:59:59.999999", "1582-10-10 12:00", "2024-02-29 00:00:00.000001"],
    "timestamptz": ["0001-01-01 00:00+00", "9999-12-31 23:59:59.999999+00", "1883-11-18 12:03:57-04:56:02"],
    "time": ["00:00", "23:59:59.999999", "23:59:59.9999994"],
    "timetz": ["24:00:00+15:59:59", "00:00-15:59", "12:34:56.789+02"],
    "interval": ["1 mon -1 day 00:00:00.000001", "-178000000 years", "P1Y2M3DT4H5M6S", "0"],
    "int4range": ["empty", "(,)", "[1,5)"],
    "tsrange": ["[infinity,infinity]", "[2024-01-01,2024-01-02)"],
    "int4multirange": ["{}", "{[1,3),[5,7)}"],
    "inet": ["10.0.0.1/32", "10.0.0.1/8", "::1/128"],
    "cidr": ["10.0.0.0/8", "2001:db8::/32"],
    "macaddr": ["08:00:2b:01:02:03"],
    "macaddr8": ["08:00:2b:01:02:03:04:05"],
    "point": ["(1.5,-0)"],
    "path": ["[(0,0),(1,1)]", "((0,0),(1,1))"],
    "polygon": ["((0,0),(1,1),(1,0))"],
    "circle": ["<(0,0),1>"],
    "tsvector": ["'a':1A 'it''s':2"],
    "tsquery": ["'a' & !'b'"],
    "pg_lsn": ["FFFFFFFF/FFFFFFFF"],
    "xid": ["4294967295"],
    "xid8": ["18446744073709551615"],
    "regclass": ["pg_catalog.pg_class"],
    "regtype": ["pg_catalog.int4"],
    "int2vector": ["1 2 3", ""],
    "oidvector": ["1 2"],
    "xml": ["<a b='1'>\n<c/></a>", "just text"],
    "txid_snapshot": ["10:20:10,14"],
}  # fmt: skip

CONVERTED = [
    ("bytea", r"\x00ff5c78", "00ff5c78"),
    ("bytea", "", ""),
    ("money", "-92233720368547758.08", "-92233720368547758.08"),
    ("json", '  {"b": 1,\n "a": [ ] }', '  {"b": 1,\n "a": [ ] }'),
    ("json", "null", "null"),
    ("json", '""', '""'),
    ("jsonb", '{"b":1.50,"a":null}', '{"a": null, "b": 1.50}'),
    ("jsonb", "null", "null"),
    ("int[]", "{}", "[]"),
    ("int[]", "{{1,2},{NULL,4}}", "[[1,2],[null,4]]"),
    ("text[]", '{NULL,"null","","a\\\\b"}', '[null,"null","","a\\\\b"]'),
    ("float8[]", "{NaN,-Infinity,1e300}", '["NaN","-Infinity",1e+300]'),
    ("numeric[]", "{" + "9" * 38 + ",NaN}", "[" + "9" * 38 + ',"NaN"]'),
    ("bytea[]", '{"\\\\x00ff"}', '["\\\\x00ff"]'),
    ("timestamptz[]", "{2024-01-01 00:00:00+01}", '["2023-12-31T23:00:00+00:00"]'),
    ("date[]", "{infinity}", '["infinity"]'),
    ("boolean[]", "{t,f}", "[true,false]"),
    ("jsonb[]", '{"{\\"a\\":1}"}', '[{"a": 1}]'),
]

DIGITS_38 = "1234567890" * 3 + "12345678"
NOT_LOST = {
    "json": [
        DIGITS_38, "-0." + DIGITS_38[:37], "1e2", "1.5E-7", "3.3333333333333335e-7", "5e-324", "0e0",
        '"' + "9" * 60 + '"', '{"1e999": "1e999,", "k\\"1e9999": 1}', '"\\\\u0000"', '"\\\\\\\\ud800"',
        '"\\ud83d\\ude00"',
        '"\\uD83D\\uDE00 \\u00e9"', '["3e512", "12345e678"]', '[1e1, "' + "1.5" * 30 + '"]', "1" + "0" * 50, "true",
    ],
    "jsonb": [
        DIGITS_38, "-0." + DIGITS_38[:37], '"' + "9" * 60 + '"', '{"' + "1" * 50 + '": 1}', "1e50", '"\\\\u0000"',
    ],
    "numeric(50,45)[]": ["{12.5}"],
    "numeric[]": ["{" + DIGITS_38 + "}"],
    "json[]": ['{"1e2"}'],
    "int[]": ["[1:2]={1,2}", "[1:1][1:2]={{1,2}}", "{}", "{NULL}"],
}  # fmt: skip

LOST = [
    ("json", "1" + DIGITS_38, "digits"),
    ("json", "0." + DIGITS_38, "digits"),
    ("json", '{"a": [1, -1' + DIGITS_38 + "]}", "digits"),
    ("json", "1e400", "digits"),
    ("json", "1e-400", "digits"),
    ("json", "1e99999999999", "digits"),
    ("json", "[1.23456789012345678901e5, 2]", "digits"),
    ("json", "9" * 200_000, "digits"),
    ("json", '"\\u0000"', "nul"),
    ("json", '{"\\\\\\u0000": 1}', "nul"),
    ("json", '"\\ud83d"', "surrogate"),
    ("json", '"\\ude00\\ud83d"', "surrogate"),
    ("json", '"x\\uDC00"', "surrogate"),
    ("json", '"\\ud83d\\\\\\ude00"', "surrogate"),
    ("json", '"\\ud83d\\ud83d\\ude00\\ude00"', "surrogate"),
    ("jsonb", "1" + DIGITS_38, "digits"),
    ("jsonb", '{"a": 1e-400}', "digits"),
    ("jsonb", '{"' + "1" * 50 + '": 0.' + DIGITS_38 + "}", "digits"),
    ("numeric[]", "{1" + DIGITS_38 + "}", "digits"),
    ("jsonb[]", "{1" + DIGITS_38 + "}", "digits"),
    ("int[]", "[0:1]={1,2}", "bounds"),
    ("text[]", "[2:2]={a}", "bounds"),
    ("int[]", "[1:1][0:1]={{1,2}}", "bounds"),
    ("numeric[]", "[0:0]={1}", "bounds"),
]

REFUSED_BY_TARGET = [
    ("date", "infinity", "infinity"),
    ("date", "-infinity", "infinity"),
    ("date", "0044-03-15 BC", "year"),
    ("date", "0001-12-31 BC", "year"),
    ("date", "10000-01-01", "year"),
    ("date", "5874897-12-31", "year"),
    ("timestamp", "infinity", "infinity"),
    ("timestamp", "0001-12-31 23:59:59.999999 BC", "year"),
    ("timestamp", "294276-12-31 23:59:59.999999", "year"),
    ("timestamptz", "-infinity", "infinity"),
    ("timestamptz", "10000-01-01 00:00:00+00", "year"),
    ("timestamptz", "4713-01-01 00:00:00+00 BC", "year"),
    ("time", "24:00:00", "midnight"),
    ("numeric(12,2)", "NaN", "nan"),
]


@pytest.fixture
async def connection(postgres):
    async with reading(postgres.dsn()) as connection:
        yield connection


@pytest.mark.parametrize("type_name", EXACT)
@pytest.mark.parametrize("on_loss", ["error", "null", "text"])
async def test_a_value_is_staged_as_postgresql_prints_it(connection, type_name, on_loss):
    name = await filled(connection, type_name, EXACT[type_name])
    fields, rows = await column(connection, name, on_loss)
    bare = [row[0] for row in await printed(connection, name)]
    assert [row if isinstance(row, (str, type(None))) else row[0] for row in rows] == bare
    assert all(row[1] is None for row in rows if isinstance(row, list))
    assert len(bare) == len(EXACT[type_name]) + 1
    assert bare[-1] is None
    assert None not in bare[:-1]
    assert await lost(connection, name, fields[0]) == {}


@pytest.mark.parametrize("type_name", EXACT)
async def test_canonical_text_is_null_only_for_null(connection, type_name):
    name = await filled(connection, type_name, EXACT[type_name])
    field = (await mapped(connection, name)).fields[0]
    rows = await connection.fetch(f"SELECT {field.canonical_source} FROM {name} ORDER BY ctid")
    assert [row[0] is None for row in rows] == [False] * len(EXACT[type_name]) + [True]


async def test_times_are_compared_to_the_microsecond(connection):
    for type_name, value, text in [
        ("timestamp", "1969-12-31 23:59:59.999999", "-1"),
        ("timestamptz", "9999-12-31 23:59:59.999999+00", "253402300799999999"),
        ("time", "00:00:00.000001", "00:00:00.000001"),
        ("date", "0001-01-01", "-719162"),
    ]:
        name = await filled(connection, type_name, [value])
        field = (await mapped(connection, name)).fields[0]
        assert await connection.fetchval(f"SELECT {field.canonical_source} FROM {name} LIMIT 1") == text


async def test_doubles_that_differ_have_canonical_texts_that_differ(connection):
    """By the last bit, around every power of two: where the bands of the text begin and end, and within them."""
    powers = [2.0**n for n in range(-1074, 1024)]
    values = [v for power in powers for v in (math.nextafter(power, 0.0), power, math.nextafter(power, math.inf))]
    values = sorted({v for v in [*values, 0.1, math.pi * 1e-100, math.inf] for v in (v, -v)})
    await connection.execute("CREATE TEMP TABLE doubles (c float8)")
    await connection.copy_records_to_table("doubles", records=[(v,) for v in [*values, math.nan]])
    field = (await mapped(connection, "pg_temp.doubles")).fields[0]
    texts = [row[0] for row in await connection.fetch(f"SELECT {field.canonical_source} FROM doubles")]
    assert len(set(texts)) == len(values) + 1  # 0 and -0 are equal, and one in the set
    assert None not in texts


@pytest.mark.parametrize(("type_name", "value", "form"), CONVERTED)
@pytest.mark.parametrize("on_loss", ["error", "null"])
async def test_a_value_is_staged_in_the_form_that_the_target_reads(connection, type_name, value, form, on_loss):
    name = await filled(connection, type_name, [value])
    fields, rows = await column(connection, name, on_loss)
    assert rows == [form, None]
    assert await lost(connection, name, fields[0]) == {}


@pytest.mark.parametrize("type_name", NOT_LOST)
async def test_f16_what_only_looks_lost_arrives(connection, type_name):
    name = await filled(connection, type_name, NOT_LOST[type_name])
    fields, rows = await column(connection, name, "error")
    assert None not in rows[:-1]
    assert rows == (await column(connection, name, "null"))[1]
    assert all(kept is None for _, kept in (await column(connection, name, "text"))[1])
    assert await lost(connection, name, fields[0]) == {}


@pytest.mark.parametrize(("type_name", "value", "reason"), LOST)
async def test_a_lost_value_raises_with_its_column_and_reason_and_nothing_of_the_value(
    connection, type_name, value, reason
):
    name = await filled(connection, type_name, [value])
    with pytest.raises(asyncpg.PostgresError) as caught:
        await column(connection, name)
    marked = f'"borealis:loss:1:{reason}"'
    assert str(caught.value).endswith(marked)
    assert value[-10:] not in str(caught.value).removesuffix(marked)


@pytest.mark.parametrize(("type_name", "value", "reason"), [*LOST, *REFUSED_BY_TARGET])
async def test_a_lost_value_is_counted_and_becomes_null_or_text(connection, type_name, value, reason):
    name = await filled(connection, type_name, [value])
    text = (await printed(connection, name))[0][0]
    fields, rows = await column(connection, name, "null")
    assert rows == [None, None]
    assert await lost(connection, name, fields[0]) == {reason: 1}
    fields, rows = await column(connection, name, "text")
    assert rows == [[None, text], [None, None]]
    assert fields[1].target == "C__PG_TEXT"
    for field in fields[:1]:
        if field.canonical_source is not None:
            assert await connection.fetchval(f"SELECT {field.canonical_source} FROM {name} LIMIT 1") is None


@pytest.mark.parametrize(("type_name", "value", "reason"), REFUSED_BY_TARGET)
async def test_what_the_target_refuses_is_left_to_it(connection, type_name, value, reason):
    name = await filled(connection, type_name, [value])
    fields, rows = await column(connection, name)
    assert fields[0].select == '"c"'
    assert rows == [value, None]


@pytest.mark.parametrize("type_name", ["numeric", "numeric(60,40)", "numeric(38,38)", "numeric(36,-5)"])
async def test_f14_a_numeric_is_measured(connection, type_name):
    values = {"numeric": ["12345.6700", "-0.5"], "numeric(60,40)": ["1.25"]}.get(type_name, ["0"])
    name = await filled(connection, type_name, values)
    plan = await mapped(connection, name)
    scale = {"numeric": 2, "numeric(60,40)": 2}.get(type_name, 0)
    assert plan.fields[0].target_type == f"NUMBER(38,{scale})"
    assert "measured" in plan.notes[0]
    assert await staged(connection, name, plan.fields) == await printed(connection, name)
    canonical = await connection.fetchval(f"SELECT {plan.fields[0].canonical_source} FROM {name} LIMIT 1")
    assert canonical == {"numeric": "12345.67", "numeric(60,40)": "1.25"}.get(type_name, "0")


@pytest.mark.parametrize("values", [["1" + "0" * 38], ["0." + "1" * 38], ["1" * 20, "0." + "1" * 19]])
async def test_f14_a_numeric_too_wide_for_a_number_stays_text(connection, values):
    name = await filled(connection, "numeric", [*values, "NaN"])
    plan = await mapped(connection, name)
    assert plan.fields[0].target_type == "VARCHAR(134217728)"
    assert await staged(connection, name, plan.fields) == [[value] for value in [*values, "NaN", None]]


async def test_f14_special_values_among_measured_ones_follow_the_policy(connection):
    name = await filled(connection, "numeric", ["1.5", "NaN", "Infinity", "-Infinity"])
    with pytest.raises(RefusedError, match=r"'c': 3 values are NaN or infinite.*nan.*\"VARCHAR\""):
        await mapped(connection, name)
    assert (await column(connection, name, "null"))[1] == ["1.5", None, None, None, None]
    fields, rows = await column(connection, name, "text")
    kept = ["NaN", "Infinity", "-Infinity"]
    assert rows == [["1.5", None], *([None, value] for value in kept), [None, None]]
    assert await lost(connection, name, fields[0]) == {"nan": 3}


async def test_f14_a_numeric_that_outgrew_its_measure_raises(connection):
    """The target would round what is over its scale, silently."""
    name = await filled(connection, "numeric", ["1.5"])
    plan = await mapped(connection, name)
    await connection.execute(f"INSERT INTO {name} VALUES (1.55)")
    with pytest.raises(asyncpg.PostgresError, match="borealis:loss:1:digits"):
        await staged(connection, name, plan.fields)


async def test_an_empty_numeric_column_is_whole(connection):
    name = await filled(connection, "numeric", [])
    assert (await mapped(connection, name)).fields[0].target_type == "NUMBER(38,0)"


async def test_f16_duplicate_keys_are_counted(connection):
    twice = ['{"a": 1, "a": 2}', r'[{"b": {"\u0061": 1, "a": "x:y"}}]', r'{"\\": ":", "\\": "\":"}']
    once = ['{"a": 1, "b": {"a": 2}}', r'{"a\"": 1, "a": ":"}', "[]"]
    broken = [r'"\u0000"', r'"\ud83d"', "1e999999", '{"a":' + "9" * 200_000 + "}"]  # no jsonb can be made of them
    name = await filled(connection, "json", [*twice, *once, *broken])
    plan = await mapped(connection, name)
    assert await lost(connection, name, plan.fields[0]) == {"duplicate": 3, "nul": 1, "surrogate": 1, "digits": 2}
    name = await filled(connection, "json", [*twice, *once])
    assert (await column(connection, name))[1][: len(twice)] == twice  # the target refuses them
    assert (await column(connection, name, "null"))[1] == [None, None, None, *once, None]
    assert (await column(connection, name, "text"))[1][0] == [None, twice[0]]


async def test_text_by_choice_is_what_psql_prints(connection):
    values = {"date": "infinity", "numeric": "NaN", "bytea": r"\x00", "json": '"\\u0000"', "int[]": "[0:0]={1}"}
    for type_name, value in values.items():
        name = await filled(connection, type_name, [value])
        plan = await mapped(connection, name, {"c": ColumnPolicy(type="VARCHAR")})
        assert await staged(connection, name, plan.fields) == await printed(connection, name)
        assert [loss.reason for loss in plan.fields[0].losses] == ["size"]
        assert await lost(connection, name, plan.fields[0]) == {}
