"""Random typed rows: PostgreSQL, our select, gzip CSV, PUT, COPY, and back through the real connector."""

import asyncio
import gzip
import json
import os
import uuid
from datetime import date, datetime, time
from decimal import Context, Decimal, Inexact
from itertools import zip_longest

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engine.quoting import quote
from engine.sql import source, target
from engine.typemap import ColumnPolicy
from engine.typemap.canonical import shape_of, target_text
from tests.integration.test_types import CONVERTED, EXACT, NOT_LOST
from tests.integration.typed_rows import csv_of, mapped, parsed, printed, reading

FACTOR = float(os.environ.get("BOREALIS_PROVE", "1"))
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
"""An example takes half a second: shrinking thirty columns would take minutes, and the assertion names its column."""


def whole(bits):
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1).map(str)


def scaled(digits, scale):
    return st.integers(-(10**digits) + 1, 10**digits - 1).map(lambda n: f"{n}e{-scale}")


characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
words = st.text(characters) | st.sampled_from(["\\N", "\\.", '"', "\r\n", "\ufeff", ",", "NULL", "\u2028"])
days = st.dates().map(str) | st.sampled_from(["infinity", "-infinity", "0044-03-15 BC", "10000-01-01", "1582-10-10"])
moments = st.datetimes().map(str) | st.sampled_from(["infinity", "-infinity", "0001-12-31 BC", "294276-12-31"])
json_numbers = st.integers(-(10**45), 10**45) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | json_numbers | st.text(characters, max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(characters, max_size=5), inner, max_size=3),
    max_leaves=6,
).map(json.dumps)


def braced(items):
    return "{" + ",".join("NULL" if item is None else json.dumps(item, ensure_ascii=False) for item in items) + "}"


def lists(items):
    return st.lists(st.none() | items, max_size=4).map(braced)


VALUES = {
    "smallint": whole(16),
    "integer": whole(32),
    "bigint": whole(64),
    "numeric(38,0)": scaled(38, 0) | st.just("NaN"),
    "numeric(38,37)": scaled(38, 37),
    "numeric(12,2)": scaled(12, 2) | st.just("NaN"),
    "numeric(5,-2)": scaled(5, -2),
    "numeric(2,5)": scaled(2, 5),
    "numeric": scaled(15, 6) | st.just("-Infinity"),
    "real": st.floats(width=32).map(repr),
    "double precision": st.floats().map(repr),
    "money": st.integers(-(2**62), 2**62).map(lambda cents: f"{cents // 100}.{cents % 100:02}"),
    "boolean": st.sampled_from(["t", "f"]),
    "text": words,
    "char(7)": st.text(characters, max_size=7),
    "uuid": st.uuids().map(str),
    "bytea": st.binary().map(lambda b: "\\x" + b.hex()),
    "varbit": st.text("01", max_size=9),
    "date": days,
    "timestamp": moments,
    "timestamptz": st.datetimes().map("{}-07".format) | moments,
    "time": st.times().map(str) | st.just("24:00:00"),
    "timetz": st.times().map(lambda t: f"{t}+05:30"),
    "interval": st.builds("{} mon {} day {} us".format, whole(16), whole(16), whole(40)),
    "int4range": st.builds("[{},)".format, whole(31)),
    "json": json_values,
    "jsonb": json_values.filter(lambda text: "\\u0000" not in text),
    "integer[]": lists(st.integers(-(2**31), 2**31 - 1)) | st.just("[0:1]={1,2}"),
    "text[]": lists(st.text(characters.filter(lambda c: c >= " "), max_size=9)),
    "numeric[]": lists(st.integers(-(10**45), 10**45)),
}


def edges():
    """Every value with an exact form, by type; not xml, which a server may lack."""
    found = {type_name: list(values) for type_name, values in EXACT.items() if type_name != "xml"}
    for type_name, value, *_ in CONVERTED:
        found.setdefault(type_name, []).append(value)
    for type_name, values in NOT_LOST.items():
        found.setdefault(type_name, []).extend(values)
    return found


def as_target(text, target_type):
    """The connector's value of a text that PostgreSQL staged."""
    kind = target_type.partition("(")[0]
    if text is None or kind == "VARCHAR":
        return text
    if kind == "NUMBER":
        return exact(Decimal(text))
    read = {
        "FLOAT": lambda: repr(float(text) + 0.0),
        "BOOLEAN": lambda: text == "t",
        "BINARY": lambda: bytes.fromhex(text),
        "DATE": lambda: date.fromisoformat(text),
        "TIME": lambda: time.fromisoformat(text),
        "TIMESTAMP_NTZ": lambda: datetime.fromisoformat(text),
        "TIMESTAMP_TZ": lambda: datetime.fromisoformat(text).timestamp(),
        "VARIANT": lambda: as_json(text),
        "ARRAY": lambda: as_json(text),
    }
    return read[kind]()


def exact(number):
    """Equal for equal numbers: the text has the decimals that PostgreSQL keeps, the target those of its type."""
    return Context(prec=38, traps=[Inexact]).normalize(Decimal(number))


def as_json(text):
    """Equal for equal values: decimals exactly, what has an exponent or over 38 digits as a double."""
    return "JSON", json.loads(text, parse_int=as_number, parse_float=as_number)


def as_number(text):
    double = "e" in text.lower() or len(text.strip("-0.").replace(".", "")) > 38
    return float(text) if double else Decimal(text).normalize(Context(prec=38))


def read_back(value, target_type):
    kind = target_type.partition("(")[0]
    if value is None:
        return None
    if kind == "NUMBER":
        return exact(value)
    if kind == "FLOAT":
        return repr(value + 0.0)
    if kind == "TIMESTAMP_TZ":
        return value.timestamp()
    if kind in {"VARIANT", "ARRAY"}:
        return as_json(value)
    return bytes(value) if kind == "BINARY" else value


@pytest.fixture(scope="module")
def names(warehouse):
    names = target.Names(f"T{uuid.uuid4().hex[:8].upper()}", "S", "BOREALIS")
    with warehouse.connect() as connection, connection.cursor() as cursor:
        for statement in [target.create_database(names), *target.create_ground(names)]:
            cursor.execute(statement)
    return names


async def source_side(dsn, types, rows, policies):
    """The plan, what is staged of the rows, what PostgreSQL prints of them, their checksum and what it is made of."""
    async with reading(dsn) as connection:
        columns = ", ".join(f'"c{n}" {type_name}' for n, type_name in enumerate(types))
        await connection.execute(f"CREATE TEMP TABLE typed ({columns})")
        values = ", ".join(f"${n}::text::{type_name}" for n, type_name in enumerate(types, 1))
        await connection.executemany(f"INSERT INTO typed VALUES ({values})", rows)
        chosen = {f"c{n}": ColumnPolicy(policies[n % len(policies)]) for n in range(len(types))}
        fields = (await mapped(connection, "pg_temp.typed", chosen)).fields
        csv = await csv_of(connection, fields, "FROM pg_temp.typed ORDER BY ctid")
        sums = await connection.fetchrow(source.checksum(fields, "FROM pg_temp.typed"))
        compared = [f.canonical_source for f in fields if f.canonical_source]
        canonical = await connection.fetch(f"SELECT {', '.join(compared)} FROM pg_temp.typed")
        counts = await connection.fetchrow(source.count_losses(fields, "FROM pg_temp.typed"))
        lost = [(item.source, n) for (item, _), n in zip(source.losses_of(fields), counts, strict=True)]
        bare = await printed(connection, "pg_temp.typed")
        return fields, csv, bare, lost, ([int(value) for value in sums], canonical)


def target_side(warehouse, names, fields, csv, file):
    """The rows as the connector gives them, their checksum and what it is made of."""
    landing, path = f"L{uuid.uuid4().hex[:12].upper()}", uuid.uuid4().hex
    file.write_bytes(gzip.compress(csv))
    with (
        warehouse.connect(session_parameters=dict(target.SESSION_PARAMETERS)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(target.create_landing(names, landing, fields, "typed", transient=True))
        cursor.execute(target.put(names, path, str(file), "gzip"))
        cursor.execute(
            target.copy_into(names, names.ours(landing), fields, path, [file.name], codec="gzip", force=False)
        )
        columns = ", ".join(f'"{field.target}"' for field in fields)
        rows = cursor.execute(f"SELECT {columns} FROM {names.ours(landing)}").fetchall()
        sums = cursor.execute(target.checksum(names.ours(landing), fields)).fetchone()
        compared = [f.canonical_target for f in fields if f.canonical_target]
        canonical = cursor.execute(f"SELECT {', '.join(compared)} FROM {names.ours(landing)}").fetchall()
        by_type = [
            target_text(quote(f.target), f.target_type, shape_of(quote(f.target), f.canonical_target))
            for f in fields
            if f.canonical_target
        ]
        assert cursor.execute(target.checksum_of(names.ours(landing), by_type)).fetchone() == sums  # as an audit does
        cursor.execute(target.drop(names.ours(landing)))
        return rows, ([int(value) for value in sums], canonical)


def in_order(values):
    return sorted(map(repr, values))


def check(postgres, warehouse, names, file, types, rows, policies):
    """All that was staged is in the target, equal by the checksum too; what is staged bare is what psql prints, and
    what became NULL was counted.
    """
    fields, csv, bare, lost, source_proof = asyncio.run(source_side(postgres.dsn(), types, rows, policies))
    loaded, target_proof = target_side(warehouse, names, fields, csv, file)
    texts = [row[: len(fields)] for row in parsed(csv)]
    for n, field in enumerate(fields):
        arrived = in_order(read_back(row[n], field.target_type) for row in loaded)
        assert (field, arrived) == (field, in_order(as_target(row[n], field.target_type) for row in texts))
    for n, field in enumerate(f for f in fields if f.canonical_source):
        ours, theirs = (in_order(row[n] for row in proof[1]) for proof in (source_proof, target_proof))
        assert (field, theirs) == (field, ours)
    assert target_proof[0] == source_proof[0]
    main = {field.source: n for n, field in reversed(list(enumerate(fields)))}
    for column, n in main.items():
        counted = [rows for name, rows in lost if name == column]
        pairs = [(row[n], lines[int(column[1:])]) for row, lines in zip(texts, bare, strict=True)]
        gone = sum(staged is None and printed is not None for staged, printed in pairs)
        assert max(counted, default=0) <= gone <= sum(counted), column
    for row, lines in zip(texts, bare, strict=True):
        for text, field in zip(row, fields, strict=True):
            if text is not None and field.load == "{}" and not field.target_type.startswith("BINARY"):
                assert text == lines[int(field.source[1:])] or types[int(field.source[1:])] == "money"


def test_f18_edge_values_of_every_type_arrive_as_postgresql_prints_them(postgres, warehouse, names, tmp_path):
    found = edges()
    rows = list(zip_longest(*found.values()))
    check(postgres, warehouse, names, tmp_path / "rows.csv.gz", list(found), rows, ["error"])


@given(rows=st.lists(st.tuples(*(st.none() | values for values in VALUES.values())), min_size=1, max_size=12))
@settings(
    max_examples=max(1, round(10 * FACTOR)), deadline=None, suppress_health_check=list(HealthCheck), phases=UNSHRUNK,
    print_blob=True,
)  # fmt: skip
def test_random_rows_arrive_as_postgresql_prints_them(postgres, warehouse, names, tmp_path_factory, proof, rows):
    """With `error` a random lossy value would end the run, so columns have the other policies in turn."""
    file = tmp_path_factory.mktemp("csv") / "rows.csv.gz"
    check(postgres, warehouse, names, file, list(VALUES), rows, ["null", "text"])
    proof("round trips", len(rows) * len(VALUES))
