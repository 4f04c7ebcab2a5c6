"""Every way in which a value can have no exact form: counted, told by its first keys, treated as its policy says."""

import re
from pathlib import Path

import pytest

from engine.model import LOST_KEYS_MAX
from engine.typemap import ColumnPolicy
from tests.conftest import connected
from tests.integration.test_types import LOST, REFUSED_BY_TARGET
from tests.integration.typed_rows import mapped, reading

TYPES = Path(__file__).parents[2] / "docs" / "types.md"
MADE = ["CREATE TYPE holder AS (n numeric, a int[])", "CREATE DOMAIN paid AS numeric(8,2)"]

CASES = [
    *((type_name, value, reason, None) for type_name, value, reason in [*LOST, *REFUSED_BY_TARGET]),
    ("json", '{"a": 1, "a": 2}', "duplicate", None),
    ("holder", '(1,"[5:6]={1,2}")', "bounds", None),
    ("holder", f"({'7' * 40},)", "digits", None),
    ("holder[]", f'{{"({"7" * 40},)"}}', "digits", None),
    ("paid", "NaN", "nan", None),
    ("text", "abcd", "size", "VARCHAR(3)"),
    ("interval", "1 year 2 days", "size", "VARCHAR(4)"),
    ("bigint", "-100000", "range", "NUMBER(5,0)"),
    ("numeric(10,2)", "1000", "range", "NUMBER(5,2)"),
    ("numeric(10,4)", "1.2345", "digits", "NUMBER(10,2)"),
    ("numeric", "-Infinity", "nan", "NUMBER(38,9)"),
    ("timestamptz", "infinity", "infinity", "TIMESTAMP_LTZ"),
]
"""(type, value, reason, the target's type where one is asked for). Column n of the table has it in row n alone."""
EXACT = {"holder": "(1,)", "holder[]": "{}", "json": "[1]", "jsonb": "[1]", "text": "ab", "interval": "1 d",
         "date": "2024-02-29", "timestamp": "2024-02-29", "timestamptz": "2024-02-29Z", "time": "12:00"}  # fmt: skip
TARGET = '{db}."SHOP"."T"'


def columns(cases=CASES):
    return {f"c{n}": {"type": chosen} for n, (_, _, _, chosen) in enumerate(cases) if chosen}


def exact(type_name):
    return EXACT.get(type_name) or ("{}" if type_name.endswith("[]") else "1")


@pytest.fixture
async def lossy(engine):
    """The table with an exact row, copied; now each value without an exact form stands in a row of its own."""
    made = ", ".join(f"c{n} {type_name}" for n, (type_name, *_) in enumerate(CASES))
    await engine.source(*MADE, f"CREATE TABLE t (id int PRIMARY KEY, {made})")
    async with connected(engine.dsn) as connection:
        values = ", ".join("$1::text[]::text[]" and f"($1::text[])[{n + 1}]::{case[0]}" for n, case in enumerate(CASES))
        await connection.execute(f"INSERT INTO t SELECT -1, {values}", [exact(case[0]) for case in CASES])
        await engine.run_one({"name": "public.t", "columns": columns()})
        for n, (type_name, value, *_) in enumerate(CASES):
            await connection.execute(f"INSERT INTO t (id, c{n}) VALUES ({n}, $1::text::{type_name})", value)
    return engine


def told(policy):
    return [
        {"column": f"c{n}", "reason": reason, "policy": policy, "rows": 1, "keys": [{"id": str(n)}]}
        for n, (_, _, reason, _) in sorted(enumerate(CASES), key=lambda case: f"c{case[0]}")
    ]


async def test_error_names_each_column_and_reason_and_leaves_the_target_as_it_was(lossy):
    before = lossy.target(f"SELECT * FROM {TARGET}")
    (receipt,) = (await lossy.run({"name": "public.t", "columns": columns()})).values()
    assert receipt.status == "FAILED"
    faults = receipt.error["message"].splitlines()
    assert len(faults) == len(CASES)
    for n, (_, value, reason, _) in enumerate(CASES):
        (fault,) = (
            line for line in faults if line.startswith(f"public.t: column c{n}: 1 values have no exact form as ")
        )
        assert fault.endswith(f'({reason}); set columns."c{n}".on_loss to "null" or "text", or its type to "VARCHAR"')
        assert len(value) < 9 or value not in fault
    assert receipt.losses == told("error")
    assert lossy.target(f"SELECT * FROM {TARGET}") == before


async def test_null_nulls_just_those_values_and_counts_each(lossy):
    before = lossy.target(f"SELECT * FROM {TARGET}")
    receipt = await lossy.run_one({"name": "public.t", "on_loss": "null", "columns": columns(), "verify": "checksum"})
    assert receipt.losses == told("null")
    rows = {row[0]: row for row in lossy.target(f"SELECT * FROM {TARGET}")}
    assert [rows.pop(-1)] == before
    assert rows == {n: (n, *[None] * len(CASES)) for n in range(len(CASES))}


async def test_text_keeps_the_exact_text_of_just_those_values(lossy):
    before = lossy.target(f"SELECT * FROM {TARGET}")
    receipt = await lossy.run_one({"name": "public.t", "on_loss": "text", "columns": columns(), "verify": "checksum"})
    assert receipt.losses == told("text")
    sides = ", ".join(f'"C{n}__PG_TEXT"' for n in range(len(CASES)))
    natural = ", ".join(f'"C{n}"' for n in range(len(CASES)))
    assert lossy.target(f'SELECT "ID", {natural} FROM {TARGET} WHERE "ID" = -1') == before
    assert set(lossy.target(f'SELECT {natural} FROM {TARGET} WHERE "ID" >= 0')) == {(None,) * len(CASES)}
    async with reading(lossy.dsn) as connection:
        printed = await connection.fetch(
            f"SELECT {', '.join(f'c{n}::text' for n in range(len(CASES)))} FROM public.t ORDER BY id"
        )
    kept = lossy.target(f'SELECT {sides} FROM {TARGET} ORDER BY "ID"')
    assert kept[0] == (None,) * len(CASES)
    assert kept[1:] == [tuple(row) for row in printed[1:]]


@pytest.mark.parametrize("limits", [{}, {"chunk_bytes": "64KiB", "readers": 3}], ids=["one chunk", "chunks"])
async def test_the_first_ten_keys_in_the_order_of_the_table_whatever_reads_it(engine, limits):
    """A key of two columns, lost in more rows than are told, over chunks that are read at the same time."""
    await engine.source(
        "CREATE TABLE t (a int, b text, day date, PRIMARY KEY (b, a))",
        "INSERT INTO t SELECT n, repeat('k', 90) || n % 3,"
        " CASE WHEN n % 50 = 0 THEN 'infinity' ELSE '2024-01-01' END::date FROM generate_series(1, 4000) AS n",
    )
    receipt = await engine.run_one({"name": "public.t", "on_loss": "null"}, limits=limits)
    assert (receipt.chunks > 3) == bool(limits)
    (lost,) = receipt.losses
    keys = [{"b": "k" * 90 + str(n % 3), "a": str(n)} for n in range(50, 50 * LOST_KEYS_MAX + 1, 50)]
    assert (lost["column"], lost["reason"], lost["rows"], lost["keys"]) == ("day", "infinity", 80, keys)
    kept = await engine.run_one({"name": "public.t", "on_loss": "null", "exclude_columns": ["b"]}, full=True)
    assert kept.losses[0]["keys"] == [], "half a key names no row, and what is excluded does not travel"


async def test_a_key_whose_value_is_lost_is_refused_by_a_merge(engine):
    """As NULL it would match no row: two would be one, and a comparison of keys would delete both."""
    await engine.source(
        "CREATE TABLE t (day date PRIMARY KEY, at timestamptz DEFAULT now())",
        "INSERT INTO t VALUES ('infinity'), ('-infinity'), ('2024-01-01')",
    )
    for options in ({}, {"deletes": "reconcile"}):
        (receipt,) = (await engine.run(
            {"name": "public.t", "mode": "incremental", "cursor": "at", "on_loss": "null", **options}
        )).values()  # fmt: skip
        assert receipt.status == "FAILED"
        assert "2 rows have no value in the key (day)" in receipt.error["message"]
    assert engine.tables("SHOP") == []


async def test_what_is_longer_than_the_widest_column_is_counted_and_not_read(engine):
    """128 MB of text and one byte, and 64 MB of bytes and one; `text` has no place for them either."""
    await engine.source(
        "CREATE TABLE t (id int PRIMARY KEY, v text, b bytea)",
        "INSERT INTO t VALUES (1, repeat('x', 134217729), ''), (2, '', decode(repeat('00', 67108865), 'hex')),"
        " (3, 'v', 'b')",
    )
    receipt = await engine.run_one({"name": "public.t", "on_loss": "null"})
    assert [(lost["column"], lost["reason"], lost["keys"]) for lost in receipt.losses] == [
        ("b", "size", [{"id": "2"}]), ("v", "size", [{"id": "1"}]),
    ]  # fmt: skip
    assert engine.target(f'SELECT "V", "B" FROM {TARGET} ORDER BY "ID"') == [(None, b""), ("", None), ("v", b"b")]
    assert receipt.bytes_read < 100


# --- the page ---------------------------------------------------------------------------------------------------------

REASONS = {"infinity", "year", "midnight", "nan", "digits", "range", "nul", "surrogate", "duplicate", "bounds", "size"}
SHOWN = {
    "numeric(p,s)": ["numeric(12,2)", "numeric(38,37)", "numeric(5,-2)", "numeric(2,5)"], "numeric": ["numeric"],
    "varchar(n)": ["varchar(9)"], "char(n)": ["char(9)"], "enums": ["mood"], "ranges": ["int4range", "tsrange"],
    "multiranges": ["int4multirange"], "arrays": ["int[]", "text[]", "date[]"], "composite types": ["holder"],
    "reg*": ["regclass", "regtype"], "domains": [],
}  # fmt: skip
"""Types of the page that are no names."""
NOT_HERE = {"hstore", "citext", "vector", "halfvec", "PostGIS", "any other"}
"""Extensions, which the server may lack; tests/unit/test_typemap.py has their reasons."""
IMPOSSIBLE = {"money": {"nan", "range"}}
"""Looked for, since a rule serves several types, though no value of the type is so."""


def rows_of_the_page():
    """(type, reasons) of the table under The mapping."""
    table = TYPES.read_text(encoding="utf-8").partition("## The mapping")[2].partition("### ")[0]
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 4 or cells[0] in {"PostgreSQL", "---"}:
            continue
        names = re.sub(r", p ≤.*", "", cells[0]).replace("pgvector's ", "").replace("any other `numeric`", "`numeric`")
        general, _, own = cells[3].partition("; of ")
        for name in (each.strip("` ") for each in re.split(r", (?![^(]*\))", names)):
            said = general + (own if own.startswith(f"`{name}`") else "")
            yield name, set(re.findall(r"`(\w+)`", said)) & REASONS


async def test_the_page_of_types_has_every_loss_of_every_type_and_no_other(postgres):
    listed = dict(rows_of_the_page())
    assert len(listed) > 40
    async with reading(postgres.dsn()) as connection:
        await connection.execute("CREATE TYPE pg_temp.holder AS (n numeric); CREATE TYPE pg_temp.mood AS ENUM ('ok')")
        for name, reasons in listed.items():
            if name in NOT_HERE:
                continue
            for number, type_name in enumerate(SHOWN.get(name, [name])):
                made = {"holder": "pg_temp.holder", "mood": "pg_temp.mood"}.get(type_name, type_name)
                table = f"of_{abs(hash((name, number)))}"
                await connection.execute(f"CREATE TEMP TABLE {table} (c {made})")
                (found,) = (await mapped(connection, f"pg_temp.{table}", {"c": ColumnPolicy("null")})).fields
                have = {loss.reason for loss in found.losses} - IMPOSSIBLE.get(name, set())
                assert have == reasons, name


def test_every_reason_is_proved_from_end_to_end():
    assert {reason for _, _, reason, _ in CASES} == REASONS


async def test_a_composite_with_nothing_in_an_attribute_is_a_value(engine):
    """In SQL it is neither NULL nor NOT NULL, and once was taken for NULL where its text was compared or looked for."""
    at = "'2020-01-01Z'::timestamptz AS at"
    await engine.source(*MADE, f"CREATE TABLE t AS SELECT 1 AS id, ROW(5, NULL)::holder AS c, {at}")
    merge = {"name": "public.t", "mode": "incremental", "cursor": "at", "key": ["id"]}
    await engine.run_one({**merge, "exclude_columns": ["c"]})
    chosen = {**merge, "columns": {"c": {"type": "VARCHAR"}}, "verify": "checksum"}
    receipt = await engine.run_one(chosen)
    assert "new columns hold values in rows that did not change: c" in receipt.notes[0]
    assert receipt.verification["excluded_columns"] == []
    assert engine.target(f'SELECT "C" FROM {TARGET}') == [("(5,)",)]
