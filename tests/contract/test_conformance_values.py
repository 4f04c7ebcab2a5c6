"""Values: what the checksums are made of, and results as the connector reads them."""

# ruff: noqa: E501  (a case is a line, so that cases can be compared)

from __future__ import annotations

import hashlib
from decimal import Decimal

import pytest

from .conftest import House


def test_the_checksum_is_the_low_60_bits_of_md5(house: House) -> None:
    """SUM(BITAND(MD5_NUMBER_LOWER64(x), 2^60-1)) equals what PostgreSQL computes from the last 15 hex digits."""
    table = house.table('"T" VARCHAR')
    texts = [f"row {n} é😀" for n in range(100)]
    house.run(f"INSERT INTO {table} VALUES " + ", ".join(["(%s)"] * 100), texts)
    expected = sum(int(hashlib.md5(t.encode()).hexdigest()[-15:], 16) for t in texts)  # noqa: S324
    assert house.one(f'SELECT SUM(BITAND(MD5_NUMBER_LOWER64("T"), 1152921504606846975)) FROM {table}') == expected


def test_sums_are_exact(house: House) -> None:
    """A SUM over NUMBER(38,0) keeps every digit."""
    table = house.table('"N" NUMBER(38,0)')
    house.run(
        f"INSERT INTO {table} VALUES (90000000000000000000000000000000000001), (9000000000000000000000000000000000000)"
    )
    assert house.one(f'SELECT SUM("N") FROM {table}') == 99000000000000000000000000000000000001


CANONICAL = [
    ("TO_VARCHAR(12.50::NUMBER(10,3))", "12.500"), ("TO_VARCHAR('2024-01-02 03:04:05.1'::TIMESTAMP_NTZ, 'YYYY-MM-DD HH24:MI:SS.FF6')", "2024-01-02 03:04:05.100000"),
    ("DATE_PART(EPOCH_MICROSECOND, '1969-12-31 23:59:59.999999'::TIMESTAMP_NTZ)", -1),
    ("DATE_PART(EPOCH_MICROSECOND, '2024-01-01 00:00:00+02'::TIMESTAMP_TZ)", 1704060000000000),
    ("DATEDIFF('day', '1970-01-01'::DATE, '0001-01-01'::DATE)", -719162), ("TO_VARCHAR('01:02:03.4'::TIME, 'HH24:MI:SS.FF6')", "01:02:03.400000"),
    ("HEX_ENCODE('0aFF'::BINARY, 0)", "0aff"), ("MD5(TO_BINARY('0aff', 'HEX'))", hashlib.md5(b"\x0a\xff").hexdigest()),  # noqa: S324
    ("CONCAT_WS('|', 'a', COALESCE(NULL, '-'), IFF(TRUE, '1', '0'))", "a|-|1"), ("CONCAT_WS('|', 'a', NULL)", None),
    ("TRUNC(-1.7::FLOAT)", -1.0), ("ABS(-5)::NUMBER(38,0)", 5), ("CASE WHEN 1 = 2 THEN 'a' ELSE 'b' END", "b"), ("TO_VARCHAR(TRUE)", "true"),
    ("NVL2(NULL, 1, 2)", 2), ("EQUAL_NULL(NULL, NULL)", True), ("BITAND(6, 3)", 2), ("TO_VARCHAR('x'::VARIANT)", "x"),
    ("12345678901234567890123456789012345678::NUMBER(38,0)", 12345678901234567890123456789012345678),
    ("TO_NUMBER('12.345', 10, 2)", Decimal("12.35")), ("PARSE_JSON('{\"a\": {\"b\": 7}}'):a.b::NUMBER(5,0)", 7),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), CANONICAL)
def test_canonical_text(house: House, text: str, value: object) -> None:
    """The functions of the checksums answer as documented."""
    assert house.one(f"SELECT {text}") == value


def test_a_row_of_nulls_reads_back(house: House) -> None:
    """NULL of every type is None."""
    types = [
        "NUMBER(38,0)",
        "FLOAT",
        "VARCHAR",
        "BINARY",
        "BOOLEAN",
        "DATE",
        "TIME",
        "TIMESTAMP_NTZ",
        "TIMESTAMP_TZ",
        "TIMESTAMP_LTZ",
        "VARIANT",
    ]
    assert house.run(f"SELECT {', '.join(f'NULL::{t}' for t in types)}") == [(None,) * len(types)]


def test_results_of_many_rows(house: House) -> None:
    """A result of 100,000 rows comes whole and in order."""
    table = house.load('"A" NUMBER(38,0), "B" VARCHAR', "".join(f"{n},x{n}\n" for n in range(100_000)))
    rows = house.run(f'SELECT "A", "B" FROM {table} ORDER BY "A"')
    assert rows[99_999] == (99_999, "x99999")
    assert len(rows) == 100_000
