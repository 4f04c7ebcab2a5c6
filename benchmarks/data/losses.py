"""Values that are legal in PostgreSQL and that readers drop, bend or refuse: a table of its own for each kind.

Each table has a key and a column `value` whose rows are the awkward values, a NULL and a plain one, so that one kind
that a reader refuses says nothing of the others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import asyncpg

NAME = "losses"


@dataclass(frozen=True, slots=True)
class Case:
    about: str
    type: str
    values: tuple[str, ...]
    """As PostgreSQL reads them; a plain one last."""
    equal: str = "="
    """How two values of the type are the same one to PostgreSQL; its text where = takes different ones for equal."""

    @property
    def table(self) -> str:
        return f"losses_{re.sub(r'[^a-z0-9]+', '_', self.about.lower()).strip('_')}"


TEXT = "as text"
TIMES = ("2024-03-31 01:30:00.123456",)
CASES = [
    Case("numeric NaN", "numeric(20,2)", ("NaN", "1.25")),
    Case("numeric infinity", "numeric", ("Infinity", "-Infinity", "1.25")),
    Case("numeric of 38 digits", "numeric(38,18)", ("12345678901234567890.123456789012345678", "1.25")),
    Case("numeric unbounded", "numeric", ("1234567890123456789012345.0123456789012345678901", "1.25")),
    Case("float NaN, infinity", "double precision", ("NaN", "-Infinity", "0.1", "5e-324", "1.5")),
    Case("date infinity", "date", ("infinity", "-infinity", "2024-02-29")),
    Case("date BC", "date", ("0044-03-15 BC", "2024-02-29")),
    Case("date after 9999", "date", ("10000-01-01", "5874897-12-31", "2024-02-29")),
    Case("timestamp infinity", "timestamp", ("infinity", "-infinity", *TIMES)),
    Case("timestamp BC", "timestamp", ("0044-03-15 12:00:00.000001 BC", *TIMES)),
    Case("timestamp after 9999", "timestamp", ("10000-01-01", "294276-12-31 23:59:59.999999", *TIMES)),
    Case("timestamptz", "timestamptz", ("1883-11-18 12:03:57.999999-04:56", "2024-03-31 01:30:00.123456+02")),
    Case("timestamptz infinity", "timestamptz", ("-infinity", "2024-03-31 01:30:00.123456+02")),
    Case("time 24:00:00", "time", ("24:00:00", "23:59:59.999999")),
    Case("timetz", "timetz", ("04:05:06.789+05:30", "04:05:06+00")),
    Case("interval of months", "interval", ("1 year 2 mons 3 days 04:05:06", "1 min"), TEXT),
    Case("interval negative, fine", "interval", ("-1 mon +1 day", "00:00:00.000001", "1 min"), TEXT),
    Case("jsonb long numbers", "jsonb", ('{"n": 12345678901234567890.1234567890123, "i": 9007199254740993}', "[1]")),
    Case("bytea", "bytea", (r"\x00ff5c2c220a80", r"\x", r"\x41")),
    Case("array of integers", "integer[]", ("{1,NULL,3}", "{}", "{1}")),
    Case("array of arrays", "integer[]", ("{{1,2},{3,4}}", "{1}")),
    Case("array of text", "text[]", (r'{"a,b",NULL,"","NULL","\"q\"","\\N"}', "{a}")),
    Case(
        "text like escapes", "text", ("\\N", "\\.", "a\\b", "\\x41", "NULL", 'a,b"c\r\nd\te', "\ufeffmark", "a"), TEXT
    ),
    Case("empty text beside NULL", "text", ("", " ", "a"), TEXT),
    Case("char(n)", "char(5)", ("ab", "abcde"), TEXT),
    Case("uuid", "uuid", ("6b414b5a-c53a-4c80-9ed4-9cb70b1420b9",)),
    Case("range", "int4range", ("[1,5)", "empty")),
    Case("inet", "inet", ("10.1.2.3/8", "::1")),
]


async def make(connection: asyncpg.Connection) -> None:
    for case in CASES:
        await connection.execute(f"CREATE TABLE {case.table} (id integer NOT NULL, value {case.type})")
        values = [*case.values, None]
        await connection.execute(
            f"INSERT INTO {case.table} SELECT n, v::{case.type} FROM unnest($1::text[]) WITH ORDINALITY AS u (v, n)",
            values,
        )
        await connection.execute(f"VACUUM (FREEZE, ANALYZE) {case.table}")
