"""COPY of CSV: what Snowflake documents, the refusals too."""

# ruff: noqa: E501, DTZ001  (a case is a line, so that cases can be compared; TIMESTAMP_NTZ has no zone)

from __future__ import annotations

import datetime as dt
import gzip
import random
import re
from decimal import Decimal
from typing import Any

import pytest
import zstandard
from snowflake.connector import ProgrammingError

from .conftest import FORMAT, House

UTC = dt.UTC


def test_every_type_arrives_exactly(house: House) -> None:
    """Each type reads back through the connector with the value that its text had."""
    columns = ('"N" NUMBER(38,0), "D" NUMBER(10,2), "F" FLOAT, "T" VARCHAR(134217728), "B" BINARY(67108864), "OK" BOOLEAN, '
               '"DAY" DATE, "TM" TIME(6), "TS" TIMESTAMP_NTZ(6), "TZ" TIMESTAMP_TZ(6)')  # fmt: skip
    data = ('99999999999999999999999999999999999999,-12345678.90,0.1,"é",00fF,t,0001-01-01,23:59:59.999999,'
            "1969-12-31 23:59:59.999999,1969-12-31 23:59:59.999999+00\n"
            '-99999999999999999999999999999999999999,0.01,-inf,"",,f,9999-12-31,00:00:00,9999-12-31 23:59:59.999999,'
            "2024-02-29 12:00:00.000001+05:30\n"
            ",,,,,,,,,\n")  # fmt: skip
    table = house.load(columns, data)
    assert house.run(f'SELECT * FROM {table} ORDER BY "N"') == [
        (-(10**38) + 1, Decimal("0.01"), float("-inf"), "", None, False, dt.date(9999, 12, 31), dt.time(),
         dt.datetime(9999, 12, 31, 23, 59, 59, 999999), dt.datetime(2024, 2, 29, 6, 30, 0, 1, tzinfo=UTC)),
        (10**38 - 1, Decimal("-12345678.90"), 0.1, "é", b"\x00\xff", True, dt.date(1, 1, 1), dt.time(23, 59, 59, 999999),
         dt.datetime(1969, 12, 31, 23, 59, 59, 999999), dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        (None,) * 10,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\\N",
        "\\",
        'say "x"',
        "a\nb",
        "a\r\nb",
        "a\rb",
        ",",
        "\t",
        "\ufeffx",
        "\u2028",
        "\\.",
        "'",
        "null",
        " x ",
        "😀",
        "é" * 5000,
    ],
)
def test_text_is_byte_identical(house: House, text: str) -> None:
    """Text between quotes is kept whatever it holds, and an empty one is not NULL."""
    quoted = text.replace('"', '""')
    table = house.load('"N" NUMBER(10,0), "T" VARCHAR', f'1,"{quoted}"\n2,\n')
    assert house.run(f'SELECT "N", "T" FROM {table} ORDER BY 1') == [(1, text), (2, None)]


REFUSED = [
    ("NUMBER(10,0)", "abc", 100038), ("NUMBER(10,0)", '""', 100038), ("NUMBER(10,0)", "NaN", 100038),
    ("NUMBER(10,0)", "Infinity", 100038), ("NUMBER(10,0)", "10000000000", 100039), ("NUMBER(5,2)", "1000.00", 100039),
    ("NUMBER(38,0)", "1" * 39, 100039), ("FLOAT", "x", 100038), ("BOOLEAN", '"maybe"', 100037),
    ("DATE", "infinity", 100040), ("DATE", "-infinity", 100040), ("DATE", "0044-03-15 BC", 100040),
    ("DATE", "10000-01-01", 100040), ("DATE", "2023-02-29", 100040), ("DATE", "epoch", 100040),
    ("TIME", "24:00:00", 100108), ("TIME", "23:59:60", 100108), ("TIME", "12:00:00+02", 100108),
    ("TIMESTAMP_NTZ", "infinity", 100035), ("TIMESTAMP_NTZ", "10000-01-01 00:00:00", 100035),
    ("TIMESTAMP_NTZ", "0044-03-15 00:00:00 BC", 100035), ("TIMESTAMP_NTZ", "2024-01-01 24:00:00", 100035),
    ("TIMESTAMP_TZ", "2024-01-01 00:00:00+00:19:32", 100035), ("TIMESTAMP_TZ", "2024-01-01 00:00:00 UTC", 100035),
    ("VARCHAR(3)", '"abcd"', 100074), ("BINARY(2)", "000000", 100074), ("BINARY", "0g", 100115), ("BINARY", "000", 100115),
    ("VARIANT", '"{""a"": 1, ""a"": 2}"', 100069), ("VARIANT", '"{""a"": "', 100069), ("VARIANT", "{", 100069),
    ("VARIANT", '"{""x"": [{""a"": 1}, {""b"": 1, ""b"": 2}]}"', 100069), ("NUMBER(10,0) NOT NULL", "", 100088),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "field", "errno"), REFUSED)
def test_a_refused_field_is_named(house: House, kind: str, field: str, errno: int) -> None:
    """A field that its column refuses fails the COPY with Snowflake's number, and the text names file, line and column."""
    table = house.table(f'"N" NUMBER(10,0), "T" VARCHAR, "X" {kind}')
    house.put(f'1,"a\nb",\n2,,{field}\n' if "NOT NULL" not in kind else f'1,"a\nb",7\n2,,{field}\n')
    with pytest.raises(ProgrammingError) as caught:
        house.copy(table)
    assert caught.value.errno == errno
    if errno != 100069:
        assert re.search(r"File 'run/a.csv.gz', line 3, character \d+", str(caught.value))
    assert '"T"["X":3]' in str(caught.value)
    assert house.one(f"SELECT COUNT(*) FROM {table}") == 0


@pytest.mark.parametrize(("field", "errno"), [("NaN", 100038), ("x", 100038), ("1000.00", 100039)])
def test_a_refused_number_is_named_where_all_columns_are_numbers(house: House, field: str, errno: int) -> None:
    table = house.table('"N" NUMBER(10,0), "X" NUMBER(5,2)')
    house.put(f"1,1\n2,{field}\n")
    with pytest.raises(ProgrammingError, match=r"line 2.*\n.*\"T\"\[\"X\":2\]") as caught:
        house.copy(table)
    assert caught.value.errno == errno


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("NUMBER(10,0)", "2.5", 3), ("NUMBER(10,0)", "-2.5", -3), ("NUMBER(10,2)", "1.005", Decimal("1.01")),
        ("FLOAT", "NaN", "nan"), ("FLOAT", "Infinity", float("inf")), ("FLOAT", "5e-324", 5e-324), ("FLOAT", "1e308", 1e308),
        ("BOOLEAN", "on", True), ("BOOLEAN", "0", False), ("BINARY", '""', b""), ("VARCHAR(3)", '"äöü"', "äöü"),
        ("TIMESTAMP_TZ", "2024-01-01 00:00:00.5-01", dt.datetime(2024, 1, 1, 1, 0, 0, 500000, tzinfo=UTC)),
        ("TIMESTAMP_NTZ", "2024-01-01 00:00:00+05", dt.datetime(2024, 1, 1)),
    ],
)  # fmt: skip
def test_an_accepted_field(house: House, kind: str, field: str, value: Any) -> None:
    """Excess scale is rounded half away from zero; NaN and infinity belong in FLOAT; a zone is dropped by NTZ."""
    table = house.load(f'"N" NUMBER(10,0), "X" {kind}', f"1,{field}\n")
    found = house.one(f'SELECT "X" FROM {table}')
    assert str(found) == "nan" if value == "nan" else found == value


def test_json_keeps_its_nulls_apart(house: House) -> None:
    """An empty text is SQL NULL, `null` is JSON's null, and equal keys of different objects are no duplicates."""
    table = house.table('"N" NUMBER(10,0), "J" VARIANT')
    house.put('1,"",.\n2,"null",.\n3,,.\n4,"[{""a"": 1}, {""a"": ""x\\""y""}]",.\n5,"1.50",.\n')
    house.copy(table, columns='("N", "J")', select="$1, PARSE_JSON(IFF($3 = '.', $2, 'short record'))")
    assert house.run(f'SELECT "N", "J" IS NULL, IS_NULL_VALUE("J") FROM {table} ORDER BY 1') == [
        (1, True, None), (2, False, True), (3, True, None), (4, False, False), (5, False, False),
    ]  # fmt: skip


def test_a_transformation_that_fails_names_its_column(house: House) -> None:
    """A document that PARSE_JSON refuses fails with 100069, also when it is our mark for a short record."""
    table = house.table('"N" NUMBER(10,0), "J" VARIANT')
    house.put('1,"{}",.\n2,"{}"\n')
    with pytest.raises(ProgrammingError) as caught:
        house.copy(table, columns='("N", "J")', select="$1, PARSE_JSON(IFF($3 = '.', $2, 'short record'))")
    assert caught.value.errno == 100069


def test_a_transformation_ignores_the_number_of_fields(house: House) -> None:
    """Fields that a SELECT does not name are dropped, and one past the record's end is NULL."""
    table = house.table('"A" VARCHAR, "B" VARCHAR')
    house.put("1,2,3,4\n5,6,7,8\n")
    house.copy(table, select="$2, $9")
    assert house.run(f'SELECT * FROM {table} ORDER BY "A"') == [("2", None), ("6", None)]


@pytest.mark.parametrize(
    "call", ["UPPER($1)", "COALESCE($1, $2)", "TRY_PARSE_JSON($1)", "SHA2($1)", "HASH($1)", "DECODE($1, 1, 2)"]
)
def test_a_transformation_has_its_own_functions(house: House, call: str) -> None:
    """A function that Snowflake does not list for transformations during a load is refused."""
    table = house.table('"A" VARCHAR')
    house.put("1,2\n")
    with pytest.raises(ProgrammingError):
        house.copy(table, select=call)


@pytest.mark.parametrize("tail", ["WHERE $1 = 1", "ORDER BY $1", "LIMIT 1"])
def test_a_transformation_only_selects(house: House, tail: str) -> None:
    """WHERE, ORDER BY and LIMIT are refused in a transformation."""
    table = house.table('"A" VARCHAR')
    house.put("1,2\n")
    with pytest.raises(ProgrammingError):
        house.run(f"COPY INTO {table} FROM (SELECT $1 FROM {house.stage}/run/ {tail}) FILES = ('a.csv.gz') {FORMAT}")


@pytest.mark.parametrize("data", ["1,2\n3\n", "1,2\n3,4,5\n"])
def test_the_number_of_fields_is_checked(house: House, data: str) -> None:
    """Without a SELECT a record with fewer or more fields than columns fails with 100080."""
    table = house.table('"A" VARCHAR, "B" VARCHAR')
    house.put(data)
    with pytest.raises(ProgrammingError) as caught:
        house.copy(table)
    assert caught.value.errno == 100080
    assert "line 2" in str(caught.value)


def test_invalid_utf8_is_refused(house: House) -> None:
    """A byte sequence that is not UTF-8 fails the COPY."""
    table = house.table('"A" VARCHAR, "B" VARCHAR')
    house.put(b'1,"a\xff"\n')
    with pytest.raises(ProgrammingError) as caught:
        house.copy(table)
    assert caught.value.errno == 100144


def _gzip_cut() -> bytes:
    return gzip.compress(b"1,2\n" * 50_000)[:-20]


def _gzip_checksum() -> bytes:
    whole = gzip.compress(b"1,2\n" * 50_000)
    return whole[:-8] + b"\0\0\0\0" + whole[-4:]


def _zstd_cut() -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(b"".join(b"%d,2\n" % i for i in range(200_000)))[:-30]


@pytest.mark.parametrize(("make", "codec"), [(_gzip_cut, "GZIP"), (_gzip_checksum, "GZIP"), (_zstd_cut, "ZSTD")])
def test_a_damaged_file_is_refused(house: House, make: Any, codec: str) -> None:
    """A compressed file that was cut or whose checksum is wrong fails with 100076, and nothing of it is loaded."""
    table = house.table('"A" VARCHAR, "B" VARCHAR')
    house.put(make(), raw=True)
    with pytest.raises(ProgrammingError) as caught:
        house.copy(table, form=FORMAT.replace("GZIP", codec))
    assert caught.value.errno in (100076, 100079)
    assert house.one(f"SELECT COUNT(*) FROM {table}") == 0


def test_zstd_is_read(house: House) -> None:
    """One zstd frame loads like gzip."""
    table = house.table('"A" VARCHAR, "B" VARCHAR')
    house.put(zstandard.ZstdCompressor().compress(b'1,"x"\n'), "a.csv.zst", raw=True)
    house.copy(table, "a.csv.zst", form=FORMAT.replace("GZIP", "ZSTD"))
    assert house.run(f"SELECT * FROM {table}") == [("1", "x")]


def test_each_file_has_its_row_in_the_result(house: House) -> None:
    """The result has one row a file, with that file's counts."""
    table = house.table('"A" NUMBER(10,0), "B" VARCHAR')
    for number, rows in enumerate((3, 1, 5000), 1):
        house.put("1,2\n" * rows, f"f{number}.csv.gz")
    result = house.copy(table, "f1.csv.gz", "f2.csv.gz", "f3.csv.gz")
    assert house.names[:4] == ["file", "status", "rows_parsed", "rows_loaded"]
    counts = {row[0].rsplit("/", 1)[-1]: tuple(int(n) for n in row[2:4]) for row in result}
    assert counts == {"f1.csv.gz": (3, 3), "f2.csv.gz": (1, 1), "f3.csv.gz": (5000, 5000)}
    assert {row[1] for row in result} == {"LOADED"}


def test_a_missing_file_aborts(house: House) -> None:
    """A listed file that is not on the stage fails the COPY, and no other is loaded."""
    table = house.table('"A" VARCHAR, "B" VARCHAR')
    house.put("1,2\n")
    with pytest.raises(ProgrammingError):
        house.copy(table, "a.csv.gz", "absent.csv.gz")
    assert house.one(f"SELECT COUNT(*) FROM {table}") == 0


def test_more_than_a_thousand_files_are_refused(house: House) -> None:
    """FILES has at most 1,000 names."""
    table = house.table('"A" VARCHAR, "B" VARCHAR')
    with pytest.raises(ProgrammingError):
        house.copy(table, *[f"{n}.csv.gz" for n in range(1001)])


def test_a_loaded_file_is_not_loaded_again(house: House) -> None:
    """The same unchanged file is passed over, unless FORCE; an upload under its name makes it a new one."""
    table = house.load('"A" VARCHAR, "B" VARCHAR', "1,2\n")
    assert house.copy(table) == [("Copy executed with 0 files processed.",)]
    house.copy(table, force=True)
    house.put("1,2\n")
    house.copy(table)
    assert house.one(f"SELECT COUNT(*) FROM {table}") == 3


def test_load_metadata_rolls_back(house: House) -> None:
    """A COPY that was rolled back can be run again, and TRUNCATE forgets what was loaded."""
    table = house.table('"A" VARCHAR, "B" VARCHAR')
    house.put("1,2\n")
    house.run("BEGIN")
    house.copy(table)
    house.run("ROLLBACK")
    house.copy(table)
    house.run(f"TRUNCATE TABLE IF EXISTS {table}")
    house.copy(table)
    assert house.one(f"SELECT COUNT(*) FROM {table}") == 1


@pytest.mark.parametrize(
    "change", [("ON_ERROR = ABORT_STATEMENT", "VALIDATION_MODE = RETURN_ERRORS"), ("TYPE = CSV", "TYPE = TSV")]
)
def test_unknown_options_are_refused(house: House, change: tuple[str, str]) -> None:
    """An option that does not exist, or not here, is an error and never ignored."""
    table = house.table('"A" VARCHAR, "B" VARCHAR')
    house.put("1,2\n")
    if "VALIDATION" in change[1]:
        change = ("PURGE = FALSE", "PURGED = FALSE")
    with pytest.raises(ProgrammingError):
        house.copy(table, form=FORMAT.replace(*change))


def test_a_large_file_with_line_feeds_in_its_texts_loads_whole(house: House) -> None:
    """A file is one sequence of records however many readers it keeps busy."""
    table = house.table('"A" NUMBER(10,0), "B" VARCHAR')
    rows = 1_000_000
    house.put("".join(f'{n},"{n % 10}\n1,""x"",a text of some length\n"\n' for n in range(rows)))
    assert house.copy(table)[0][2:4] == (rows, rows)
    assert house.run(f'SELECT COUNT(*), SUM("A"), COUNT(DISTINCT "B") FROM {table}') == [
        (rows, rows * (rows - 1) // 2, 10)
    ]


def test_a_large_field_loads(house: House) -> None:
    """A text of many megabytes with quotes and line feeds is read whole."""
    text = 'x"\n' * 4_000_000
    table = house.load('"A" NUMBER(10,0), "B" VARCHAR(134217728)', '1,"{}"\n'.format(text.replace('"', '""')))
    assert house.run(f'SELECT LENGTH("B"), MD5("B") FROM {table}')[0][0] == len(text)


def test_texts_that_look_like_records(house: House) -> None:
    """Line feeds, quotes and commas inside quoted texts never end a record, wherever the reader's buffers end."""
    number = random.Random(5)
    lines = ['1,"x",2', "7,,9", '"', '5,"a\nb",6', ",,", '"1,""z"",3"']
    texts = ["\n".join(number.choice(lines) for _ in range(number.randint(1, 14))) for _ in range(200_000)]
    table = house.load(
        '"A" NUMBER(10,0), "B" VARCHAR, "C" NUMBER(10,0)',
        "".join('{},"{}",1\n'.format(n, t.replace('"', '""')) for n, t in enumerate(texts)),
    )
    found = house.run(f'SELECT COUNT(*), SUM(LENGTH("B")), SUM("A"), SUM("C") FROM {table}')[0]
    assert found == (200_000, sum(map(len, texts)), sum(range(200_000)), 200_000)


def test_wide_tables_load(house: House) -> None:
    """1,600 columns load with and without an expression for each."""
    names = [f'"c{n} Ä.é"' for n in range(1600)]
    table = house.table(", ".join(f"{n} VARCHAR" for n in names))
    house.put(",".join(f'"{n}"' for n in range(1600)) + "\n")
    columns = f"({', '.join(names)})"
    house.copy(table, columns=columns)
    house.copy(
        table,
        columns=columns,
        select=", ".join(f"IFF(${n + 1} = '-', NULL, ${n + 1})" for n in range(1600)),
        force=True,
    )
    assert house.run(f"SELECT {', '.join(names)} FROM {table}") == [tuple(map(str, range(1600)))] * 2
    assert set(house.run(f"SELECT {', '.join(f'COUNT({n})' for n in names)} FROM {table}")[0]) == {2}
