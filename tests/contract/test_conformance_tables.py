"""Tables and their columns: described, altered, named and listed."""

# ruff: noqa: E501  (a case is a line, so that cases can be compared)

from __future__ import annotations

import pytest

from .conftest import House


def test_columns_are_described(house: House) -> None:
    """INFORMATION_SCHEMA.COLUMNS has each type's numbers as Snowflake shows them."""
    house.table('"ID" NUMBER(19,0) NOT NULL, "T" VARCHAR, "L" VARCHAR(134217728), "B" BINARY, "J" VARIANT, "A" ARRAY, "O" OBJECT, '
                '"TS" TIMESTAMP_NTZ(6), "TZ" TIMESTAMP_TZ(6), "D" DATE, "TM" TIME(6), "F" FLOAT, "OK" BOOLEAN, "I" INTEGER')  # fmt: skip
    rows = house.run(
        "SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION, IS_NULLABLE "
        f'FROM "{house.database}".INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION',
        (house.schema, "T"),
    )
    assert rows == [
        ("ID", "NUMBER", None, 19, 0, None, "NO"), ("T", "TEXT", 16777216, None, None, None, "YES"),
        ("L", "TEXT", 134217728, None, None, None, "YES"), ("B", "BINARY", 8388608, None, None, None, "YES"),
        ("J", "VARIANT", None, None, None, None, "YES"), ("A", "ARRAY", None, None, None, None, "YES"),
        ("O", "OBJECT", None, None, None, None, "YES"), ("TS", "TIMESTAMP_NTZ", None, None, None, 6, "YES"),
        ("TZ", "TIMESTAMP_TZ", None, None, None, 6, "YES"), ("D", "DATE", None, None, None, None, "YES"),
        ("TM", "TIME", None, None, None, 6, "YES"), ("F", "FLOAT", None, None, None, None, "YES"),
        ("OK", "BOOLEAN", None, None, None, None, "YES"), ("I", "NUMBER", None, 38, 0, None, "YES"),
    ]  # fmt: skip
    described = {r[0]: (r[1], r[3]) for r in house.run(f"DESCRIBE TABLE {house.name('T')}")}
    assert described["ID"] == ("NUMBER(19,0)", "N")
    assert described["L"] == ("VARCHAR(134217728)", "Y")
    assert described["TS"] == ("TIMESTAMP_NTZ(6)", "Y")


ALTERED = [
    ("NUMBER(10,0)", "NUMBER(19,0)", True), ("NUMBER(19,0)", "NUMBER(10,0)", False), ("NUMBER(10,2)", "NUMBER(12,3)", False),
    ("VARCHAR(10)", "VARCHAR(20)", True), ("VARCHAR", "VARCHAR(134217728)", True), ("VARCHAR(10)", "NUMBER(10,0)", False),
    ("NUMBER(10,0)", "VARCHAR", False), ("BINARY(10)", "BINARY(20)", False), ("DATE", "TIMESTAMP_NTZ", False),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "allowed"), ALTERED)
def test_a_column_widens_only(house: House, old: str, new: str, allowed: bool) -> None:
    """A text becomes longer and a number gets digits of the same scale; any other change of type is refused."""
    table = house.table(f'"A" {old}, "B" VARCHAR')
    house.run(f"INSERT INTO {table} SELECT NULL, 'x'")
    statement = f'ALTER TABLE {table} ALTER COLUMN "A" SET DATA TYPE {new}'
    if allowed:
        house.run(statement)
        assert house.run(f"DESCRIBE TABLE {table}")[0][1] == new
        assert house.one(f"SELECT COUNT(*) FROM {table}") == 1
    else:
        assert house.refused(statement) in (2108, 2023, 40050)


def test_columns_come_and_go(house: House) -> None:
    """ADD COLUMN takes several; existing rows are NULL there; DROP COLUMN removes it."""
    table = house.table('"A" NUMBER(10,0)')
    house.run(f"INSERT INTO {table} VALUES (1)")
    house.run(f'ALTER TABLE {table} ADD COLUMN "x" NUMBER(10,0), "Y Z" VARCHAR')
    assert house.run(f'SELECT "A", "x", "Y Z" FROM {table}') == [(1, None, None)]
    house.run(f'ALTER TABLE {table} DROP COLUMN "x"')
    assert house.refused(f'SELECT "x" FROM {table}') == 904


NAMES = [
    "Order",
    "order",
    'a"b',
    "a.b",
    "a b",
    "😀",
    "ß",
    "select",
    "é",
    "x" * 255,
    "$1",
    "%s",
    "'",
    "-- no",
    "/*",
    "a\\b",
]


def test_any_name_will_do(house: House) -> None:
    """Quoted names keep their case and every character, and differ by case alone."""
    quoted = ['"' + n.replace('"', '""') + '"' for n in NAMES]
    for name, text in zip(NAMES, quoted, strict=True):
        del text
        table = house.table(", ".join(f"{q} NUMBER(10,0)" for q in quoted), name)
        house.run(f"INSERT INTO {table} ({', '.join(quoted)}) SELECT {', '.join(str(i) for i in range(len(quoted)))}")
        assert house.run(f"SELECT {', '.join(reversed(quoted))} FROM {table}") == [tuple(reversed(range(len(quoted))))]
        assert house.names == list(reversed(NAMES))
    listed = house.run(
        f'SELECT TABLE_NAME FROM "{house.database}".INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = %s', (house.schema,)
    )
    assert sorted(r[0] for r in listed) == sorted(NAMES)


def test_constraints_are_not_enforced(house: House) -> None:
    """PRIMARY KEY and UNIQUE are recorded at most; NOT NULL is enforced."""
    table = house.table('"A" NUMBER(10,0) NOT NULL, "B" VARCHAR UNIQUE, PRIMARY KEY ("A")')
    house.run(f"INSERT INTO {table} VALUES (1, 'x'), (1, 'x')")
    assert house.refused(f"INSERT INTO {table} VALUES (NULL, 'x')") == 100072


def test_objects_that_are_not_there(house: House) -> None:
    """A missing table is 002003, one that is there 002002, and IF EXISTS is silent about both."""
    assert house.refused(f"SELECT * FROM {house.name('NOPE')}") == 2003
    assert house.refused(f"DROP TABLE {house.name('NOPE')}") == 2003
    house.run(f"DROP TABLE IF EXISTS {house.name('NOPE')}")
    house.run(f"TRUNCATE TABLE IF EXISTS {house.name('NOPE')}")
    table = house.table('"A" NUMBER(10,0)')
    assert house.refused(f'CREATE TABLE {table} ("A" DATE)') == 2002
    house.run(f'CREATE TABLE IF NOT EXISTS {table} ("A" DATE)')
    assert house.refused("SELEC 1") in (1003, 2)


def test_tables_are_listed(house: House) -> None:
    """SHOW TABLES LIKE finds by pattern, and SHOW names the columns that clients look for."""
    house.table('"A" NUMBER(10,0)', "LANDING_1", "COMMENT = 'a'")
    house.table('"A" NUMBER(10,0)', "OTHER")
    rows = house.run(f"""SHOW TABLES LIKE 'LANDING\\\\_%' IN SCHEMA "{house.database}"."{house.schema}" """)
    assert [r[house.names.index("name")] for r in rows] == ["LANDING_1"]
    assert [r[house.names.index("comment")] for r in rows] == ["a"]
