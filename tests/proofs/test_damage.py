"""Whatever is damaged at the target is found, and named by key and column; a repair makes just that equal again."""

import hashlib
import math
import unicodedata
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from random import Random

import pytest

from engine.quoting import sf_literal
from engine.repair import repair
from engine.verify import verify
from tests.conftest import connected
from tests.proofs.random_values import TYPES, column, edges

ROWS = 150
DAMAGES_MAX = 50
T = '{db}."SHOP"."T"'
COLUMNS = {
    "n": "integer", "b": "bigint", "d": "numeric(12,2)", "big": "numeric(38,0)", "m": "numeric",
    "f": "double precision", "t": "text", "v": "varchar(40)", "c": "char(9)", "y": "bytea", "bits": "varbit",
    "day": "date", "ts": "timestamp", "tz": "timestamptz", "clock": "time", "clock_tz": "timetz", "i": "interval",
    "rg": "int4range", "e": "mood", "ok": "boolean", "net": "inet",
}  # fmt: skip
TABLES = {
    "a number": (("id",), {}),
    "text": (("label",), {}),
    "a uuid": (("u",), {}),
    "text and a moment": (("label", "at"), {}),
    "nothing": ((), {}),
    "a number, merged": (("id",), {"mode": "incremental", "cursor": "at"}),
}
"""What identifies a row, and how its table is copied."""


def other(draw, kind, value):
    """A value that is a little different, as SQL; None where there is none."""
    if value is None:
        return FILLED.get(kind, f"'2000-01-01 00:00:00'::{kind}")
    if draw.random() < 0.1:
        return "NULL"
    return OTHER.get(kind, of_moment)(draw, value)


def of_number(draw, value):
    with localcontext(prec=76):  # the usual 28 round the least digit of 38 away
        digit = Decimal(1).scaleb(Decimal(value).as_tuple().exponent)
        least = Decimal(value) - digit if value > 0 else Decimal(value) + digit
        return f"{draw.choice([least, -Decimal(value) if value else least]):f}"


def of_float(draw, value):
    nearest = math.nextafter(value, 0.0) if value and not math.isnan(value) else 5e-324
    found = draw.choice([nearest, -value if value and not math.isnan(value) else nearest, math.nan])
    return f"'{found!r}'::FLOAT" if repr(found) != repr(value) else f"'{1.5!r}'::FLOAT"


def of_text(draw, value):
    at = draw.randrange(len(value)) if value else 0
    found = [
        value + " ", " " + value, value[:-1], value.rstrip(), value.swapcase(), value[:at] + "\u00e9" + value[at + 1 :],
        value[:at] + value[at + 1 :], unicodedata.normalize("NFD", value), value[:at] + "\u200b" + value[at:], "",
    ]  # fmt: skip
    return sf_literal(draw.choice([text for text in found if text != value]))


def of_bytes(draw, value):
    at = draw.randrange(len(value)) if value else 0
    flipped = value[:at] + bytes([value[at] ^ 1 << draw.randrange(8)]) + value[at + 1 :] if value else b"\0"
    return f"'{draw.choice([flipped, bytes(value) + bytes(1), flipped[:-1] if value else flipped]).hex()}'::BINARY"


def of_day(draw, value):
    return f"'{value + timedelta(days=draw.choice([1, 365]) * (1 if value.year < 9000 else -1))}'::DATE"


def of_clock(draw, value):
    at = datetime.combine(date(2000, 1, 1), value) + timedelta(microseconds=draw.choice([1, 10**6, 3600 * 10**6]))
    return f"'{at.time()}'::TIME"


def of_moment(draw, value):
    """By the least there is, or as a zone that was taken for another would have it."""
    by = draw.choice([timedelta(microseconds=1), *(timedelta(hours=hours) for hours in (1, 2, 5.5, 12))])
    at = value + (by if value.year < 9000 else -by)
    kind = "TIMESTAMP_TZ" if value.tzinfo else "TIMESTAMP_NTZ"
    return f"'{at.isoformat(sep=' ')}'::{kind}"


FILLED = {
    "VARCHAR": "''", "NUMBER": "0", "FLOAT": "'0'::FLOAT", "BOOLEAN": "FALSE", "DATE": "'2000-02-29'::DATE",
    "TIME": "'00:00:00'::TIME", "BINARY": "''::BINARY",
}  # fmt: skip
OTHER = {
    "NUMBER": of_number, "FLOAT": of_float, "VARCHAR": of_text, "BINARY": of_bytes, "DATE": of_day, "TIME": of_clock,
    "BOOLEAN": lambda _, value: str(not value),
}  # fmt: skip


class Damage:
    """Damages a target through one session, and knows what `verify` must say of each row: its kind and columns."""

    def __init__(self, engine, cursor, draw, key, types):
        self.table = T.format(db=f'"{engine.database}"')
        self.cursor, self.draw, self.key, self.types = cursor, draw, key, types
        self.wanted: dict[int, tuple[str, tuple[str, ...]]] = {}

    def run(self, statement):
        return self.cursor.execute(statement.replace("{t}", self.table)).fetchall()

    def rows(self):
        return sorted(map(repr, self.run("SELECT * FROM {t}")))

    def value(self, row, name):
        return self.run(f'SELECT "{name.upper()}" FROM {{t}} WHERE "ID" = {row}')[0][0]

    def missing(self, row):
        self.run(f'DELETE FROM {{t}} WHERE "ID" = {row}')
        self.wanted[row] = ("missing", ())

    def doubled(self, row):
        self.run(f'INSERT INTO {{t}} SELECT * FROM {{t}} WHERE "ID" = {row}')
        self.wanted[row] = ("doubled", ())

    def added(self, row):
        new = {"id": '-"ID"', "label": "\"LABEL\" || 'x'", "u": 'REVERSE("U")'}
        names = {f'"{name.upper()}"': new.get(name, f'"{name.upper()}"') for name in self.types}
        self.run(
            f'INSERT INTO {{t}} ({", ".join(names)}) SELECT {", ".join(names.values())} FROM {{t}} WHERE "ID" = {row}'
        )
        self.wanted[-row] = ("extra", ())

    def moved(self, row):
        """Its key has changed: the row is gone, and one is there that nobody knows."""
        self.added(row)
        self.missing(row)

    def changed(self, row):
        names = self.draw.sample(list(COLUMNS), self.draw.choice([1, 1, 1, 2, 3]))
        values = [f'"{name.upper()}" = {other(self.draw, self.types[name], self.value(row, name))}' for name in names]
        self.run(f'UPDATE {{t}} SET {", ".join(values)} WHERE "ID" = {row}')
        self.wanted[row] = ("changed", tuple(name for name in COLUMNS if name in names))

    def crossed(self, row):
        """Two texts of one row, each in the other's place."""
        if self.value(row, "t") == self.value(row, "v"):
            self.missing(row)
            return
        self.run(f'UPDATE {{t}} SET "T" = "V", "V" = "T" WHERE "ID" = {row}')
        self.wanted[row] = ("changed", ("t", "v"))

    def swapped(self, row):
        """A value of one row in another, and the other way round, which a sum of values alone would not see."""
        second = row + ROWS  # the upper half of the rows is damaged in no other way
        name = self.draw.choice(["n", "t", "day", "ts", "big"])
        if self.value(row, name) == self.value(second, name):
            self.missing(row)
            return
        column = f'"{name.upper()}"'
        of = [f'(SELECT {column} FROM {{t}} WHERE "ID" = {each})' for each in (row, second)]
        self.run(f'UPDATE {{t}} SET {column} = CASE "ID" WHEN {row} THEN {of[1]} ELSE {of[0]} END'
                 f' WHERE "ID" IN ({row}, {second})')  # fmt: skip
        self.wanted[row] = self.wanted[second] = ("changed", (name,))


KINDS = (
    Damage.missing, Damage.doubled, Damage.added, Damage.moved, Damage.crossed, Damage.swapped, *[Damage.changed] * 6
)  # fmt: skip


async def copied(engine, draw, key, options):
    """A table of twice ROWS rows and its copy; the printed key of each row, and the kinds of the target's columns."""
    primary = f", PRIMARY KEY ({', '.join(key)})" if key and not options else ""
    columns = ", ".join(f"{name} {type_name}" for name, type_name in COLUMNS.items())
    made = f"CREATE TABLE t (id int, label text, u uuid, at timestamptz, {columns}, a text[], j jsonb{primary})"
    edge = edges(lossy=False) | {"mood": ["", "so so"]}
    values = [column(draw, type_name, 2 * ROWS, edge) for type_name in COLUMNS.values()]
    rows = list(zip(range(1, 2 * ROWS + 1), *values, strict=True))
    casts = ", ".join(f"${n}::text::{type_name}" for n, type_name in enumerate(COLUMNS.values(), 2))
    async with connected(engine.dsn) as connection:
        for statement in (*TYPES, made, "SET timezone = 'UTC'"):
            await connection.execute(statement)
        await connection.executemany(
            "INSERT INTO t SELECT $1, concat('Ä b', $1::int, ' '), md5($1::int::text)::uuid,"
            f" '2026-01-01Z'::timestamptz + $1 * interval '1.000001 s', {casts}, '{{a,NULL}}', '{{\"k\": 1}}'",
            rows,
        )
        printed = await connection.fetch(f"SELECT {', '.join(f'concat({name})' for name in ('id', *key))} FROM t")
    await engine.run_one({"name": "public.t", "on_loss": "null", "key": list(key), **options})
    kinds = engine.target(
        "SELECT COLUMN_NAME, DATA_TYPE FROM {db}.INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'SHOP'"
    )
    types = {name.lower(): {"TEXT": "VARCHAR"}.get(kind, kind) for name, kind in kinds}
    return {int(row[0]): dict(zip(key, row[1:], strict=True)) for row in printed}, types


@pytest.mark.parametrize("identified_by", TABLES)
async def test_every_damage_is_found_named_and_repaired(engine, proof, identified_by):
    seed = proof.seed()
    for number in range(proof.times(1)):
        draw = Random(f"{seed} {identified_by} {number}")
        key, options = TABLES[identified_by]
        if number:
            await engine.source("DROP TABLE t; DROP TYPE mood, pair; DROP DOMAIN price")
        keys, types = await copied(engine, draw, key, options)
        config = engine.config({"name": "public.t", "on_loss": "null", "key": list(key), **options})
        with engine.warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute("ALTER SESSION SET TIMEZONE = 'UTC'")
            damage = Damage(engine, cursor, draw, key, types)
            before = damage.rows()
            for row in draw.sample(
                range(1, ROWS + 1), draw.choice([1, draw.randint(2, 9), draw.randint(10, DAMAGES_MAX)])
            ):
                draw.choice(KINDS)(damage, row)
            (checked,) = await verify(config, [])
            (found,) = await verify(config, [], level="bisect")
            missed = misses(damage.wanted, found, key, keys)
            proof("damages made", len(damage.wanted))
            proof("damages found", len(damage.wanted) - len(missed))
            proof("damages missed", len(missed) + checked.ok)
            assert not missed, f"BOREALIS_SEED={seed}: {missed}"
            assert not checked.ok, f"BOREALIS_SEED={seed}"
            (mended,) = await repair(config, [])
            left = {row for row, (kind, _) in damage.wanted.items() if kind == "extra"} if options else set()
            assert mended.differing == ({"extra": len(left)} if left else {}), f"BOREALIS_SEED={seed}: {mended}"
            for row in left:
                damage.run(f'DELETE FROM {{t}} WHERE "ID" = {row}')
            assert damage.rows() == before, f"BOREALIS_SEED={seed}"
        for level in ("count", "checksum", "bisect"):
            (clean,) = await verify(config, [], level=level)
            assert clean.ok, f"BOREALIS_SEED={seed}: {level}: {clean}"


def misses(wanted, found, key, keys):
    """The damages that are not told as they should be; where nothing identifies a row, only their number can be."""
    if not key:
        kinds = Counter(kind for kind, _ in wanted.values())
        kinds.update({"missing": kinds["changed"], "extra": kinds.pop("changed")})
        return sorted((kinds - Counter(found.differing)).elements())
    told = {each.key[key[0]]: each for each in found.differences}
    missed = []
    for row, (kind, columns) in wanted.items():
        printed = keys[abs(row)]
        name = printed[key[0]] if row > 0 else of_extra(key[0], printed[key[0]])
        each = told.pop(name, None)
        if each is None or (each.kind, each.columns) != (kind, columns) or (row > 0 and each.key != printed):
            missed.append((row, kind, columns, each))
    return missed + list(told.values())


def of_extra(name, printed):
    return {"id": f"-{printed}", "label": f"{printed}x", "u": printed[::-1]}[name]


async def test_damages_that_leave_every_count_as_it_was_are_found(engine, proof):
    """A row doubled where another of the same bucket is missing; values that change places, with and without a key."""
    buckets: dict[int, int] = {}
    row, pair = 0, None
    while pair is None:
        row += 1
        bucket = int(hashlib.md5(str(row).encode(), usedforsecurity=False).hexdigest()[17:], 16) % 4096
        pair = (buckets[bucket], row) if bucket in buckets else None
        buckets[bucket] = row
    for key in (" PRIMARY KEY", ""):
        await engine.source("DROP TABLE IF EXISTS t", f"CREATE TABLE t (id int{key}, n int)",
                            "INSERT INTO t SELECT n, n % 7 FROM generate_series(1, 500) n")  # fmt: skip
        await engine.run_one({"name": "public.t"})
        config = engine.config({"name": "public.t"})
        for damage, undo in [
            (f'INSERT INTO {T} SELECT * FROM {T} WHERE "ID" = {pair[0]}', f'DELETE FROM {T} WHERE "ID" = {pair[1]}'),
            (f'UPDATE {T} SET "N" = 8 WHERE "ID" = 8', f'UPDATE {T} SET "N" = 1 WHERE "ID" = 1000'),
            (f'UPDATE {T} SET "N" = 4 WHERE "ID" = 10', f'UPDATE {T} SET "N" = 3 WHERE "ID" = 11'),
        ]:
            engine.target(damage)
            engine.target(undo)
            proof("damages made", 1)
            for level in ("checksum", "bisect"):
                (found,) = await verify(config, [], level=level)
                assert not found.ok
                assert found.rows_source == found.rows_target
            proof("damages found", 1)
            (mended,) = await repair(config, [])
            assert mended.ok


SHAPES = ["NULL", "PARSE_JSON('null')", "PARSE_JSON('[]')", "PARSE_JSON('{}')", "PARSE_JSON('\"\"')",
          "PARSE_JSON('0')", "PARSE_JSON('false')", "PARSE_JSON('[null]')"]  # fmt: skip
"""By row, what the table has there, and of which each has another shape."""


@pytest.mark.parametrize("policy", ["error", "text"])
async def test_null_empty_and_cut_are_told_apart_in_json_and_arrays_too(engine, proof, policy):
    """Of what has no text that both databases write alike, kind and length are compared; what is in it is not."""
    values = """(1, NULL), (2, 'null'), (3, '[]'), (4, '{}'), (5, '""'), (6, '0'), (7, 'false'), (8, '[null]')"""
    await engine.source("CREATE TABLE t (id int PRIMARY KEY, j json, b jsonb, a int[])",
                        "INSERT INTO t SELECT n, v::json, v::jsonb, CASE WHEN n < 8 THEN array_fill(1, ARRAY[n]) END "
                        f"FROM (VALUES {values}) AS v (n, v)")  # fmt: skip
    table = {"name": "public.t", "on_loss": policy, "verify": "checksum"}
    await engine.run_one(table)
    (clean,) = await verify(engine.config(table), [], level="bisect")
    assert clean.ok
    assert clean.excluded_columns == ["j", "b", "a"]
    for by in range(1, len(SHAPES)):
        cases = " ".join(f"WHEN {n + 1} THEN {SHAPES[(n + by) % len(SHAPES)]}" for n in range(len(SHAPES)))
        cut = "PARSE_JSON('[]')" if by % 2 else "NULL"
        engine.target(f'UPDATE {T} SET "J" = CASE "ID" {cases} END, "B" = CASE "ID" {cases} END, "A" = {cut}')
        (found,) = await verify(engine.config(table), [], level="bisect")
        proof("damages made", len(SHAPES))
        proof("damages found", len(found.differences))
        assert {each.columns for each in found.differences} <= {("j", "b", "a"), ("j", "b")}
        assert len(found.differences) == len(SHAPES)
    (mended,) = await repair(engine.config(table), [])
    assert mended.ok
