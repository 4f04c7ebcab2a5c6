"""Says of each kind of awkward value whether what a contender left of it is exact, changed or refused.

Files are read as their formats define them: Parquet by its own types, CSV with an unquoted empty field as NULL. What
was read is written out as text and given back to PostgreSQL, which says whether it is the value that it had: so a
number that came as text is exact, and a date that only one program reads as infinity is not.
"""

from __future__ import annotations

import datetime as dt
import json
import struct
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import asyncpg
import duckdb
import numpy as np
import pyarrow as pa
from pyarrow import parquet

from benchmarks.data.losses import CASES, TEXT, Case

SHOWN = 44  # letters of a value that is told
SIDE = "value__pg_text"
"""Ours keeps here, where asked to, the exact text of what has no form in the target's own type."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`how`: what the first changed value became, or the first line of the refusal."""

    kind: Literal["exact", "changed", "refused"]
    how: str = ""


async def verdicts(
    connection: asyncpg.Connection, folder: Path, refused: Mapping[str, str], columns: Mapping[str, Sequence[str]]
) -> dict[str, Verdict]:
    """By the case's `about`. `folder` has a folder a table.

    By the table's name: the first line of a refusal, and the columns of CSV files, which have no header, where they are
    more than the table's.
    """
    found = {}
    for case in CASES:
        if case.table in refused:
            found[case.about] = Verdict("refused", refused[case.table])
        else:
            names = columns.get(case.table, ("id", "value"))
            found[case.about] = await _verdict(connection, case, folder / case.table, names)
    return found


async def _verdict(connection: asyncpg.Connection, case: Case, folder: Path, columns: Sequence[str]) -> Verdict:
    try:
        found = _read(folder, columns)
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        return Verdict("changed", f"its file cannot be read: {str(error).splitlines()[0]}")
    wanted = dict(await connection.fetch(f"SELECT id, value::text FROM {case.table} ORDER BY id"))
    if found.keys() != wanted.keys():
        return Verdict("changed", f"{len(found)} rows of {len(wanted)}")
    for key, text in wanted.items():
        written = _written(found[key], case)
        if not await _same(connection, case, text, written):
            return Verdict("changed", f"{_shown(text)} became {_shown(written)}")
    return Verdict("exact")


async def _same(connection: asyncpg.Connection, case: Case, wanted: str | None, found: str | None) -> bool:
    if wanted is None or found is None:
        return wanted is found
    if wanted == found:
        return True
    cast = f"(${{}}::text)::{case.type}"
    pair = [cast.format(1), cast.format(2)]
    if case.equal == TEXT:
        pair = [f"{each}::text" for each in pair]
    try:
        return bool(await connection.fetchval(f"SELECT {pair[0]} = {pair[1]}", wanted, found))
    except (asyncpg.DataError, asyncpg.ProgramLimitExceededError, asyncpg.CharacterNotInRepertoireError):
        return False


def _shown(text: str | None) -> str:
    if text is None:
        return "NULL"
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")


# --- reading ----------------------------------------------------------------------------------------------------


def _read(folder: Path, columns: Sequence[str]) -> dict[int, Any]:
    """The value of each id."""
    if files := sorted(folder.rglob("*.parquet")):
        tables = [parquet.read_table(file) for file in files]
        rows = (pair for table in tables for pair in zip(table["id"].to_pylist(), _cells(table["value"]), strict=True))
        return dict(rows)
    return dict(_csv(sorted(file for file in folder.rglob("*.csv*") if file.stat().st_size), columns))


def _csv(files: Sequence[Path], columns: Sequence[str]) -> Iterable[tuple[int, str | None]]:
    kept = {"columns": dict.fromkeys(columns, "VARCHAR"), "header": False, "auto_detect": False, "quotechar": '"'}
    options = {"escapechar": '"', "na_values": "", "allow_quoted_nulls": False, "strict_mode": True}
    value = f"coalesce({SIDE}, value)" if SIDE in columns else "value"
    with duckdb.connect() as database:
        rows = database.read_csv([str(file) for file in files], **kept, **options)
        yield from ((int(key), text) for key, text in rows.project(f"id, {value}").fetchall())


def _cells(column: pa.ChunkedArray) -> list[Any]:
    """As Python has them, but days and times as numpy does, whose years are not bounded by 1 and 9999."""
    kind = column.type
    if pa.types.is_date32(kind):
        return _since_epoch(column.cast(pa.int32()), "D")
    if pa.types.is_timestamp(kind):
        return _since_epoch(column.cast(pa.int64()), kind.unit)
    if pa.types.is_time(kind):
        ticks = column.cast(pa.int32() if kind.bit_width == 32 else pa.int64()).to_pylist()
        return [None if tick is None else np.timedelta64(tick, kind.unit) for tick in ticks]
    return column.to_pylist()


def _since_epoch(column: pa.ChunkedArray, unit: str) -> list[Any]:
    return [None if value is None else np.datetime64(value, unit) for value in column.to_pylist()]


# --- writing ----------------------------------------------------------------------------------------------------


def _written(value: Any, case: Case) -> str | None:
    """The text that PostgreSQL would read as this value."""
    match value:
        case None:
            return None
        case str():
            return _respelled(value, case)
        case bytes():
            return _bytes(value, case)
        case list():
            return _array(value)
        case np.datetime64():
            return _date(str(value).replace("T", " "), "+00" if case.type == "timestamptz" else "")
        case np.timedelta64() | dt.timedelta() | pa.MonthDayNano():
            return _span(value)
    return json.dumps(value, default=str) if isinstance(value, dict) else str(value)


def _bytes(value: bytes, case: Case) -> str:
    if case.type == "interval" and len(value) == 12:  # as Parquet defines it
        months, days, milliseconds = struct.unpack("<III", value)
        return f"{months} mons {days} days {milliseconds} milliseconds"
    if case.type == "uuid" and len(value) == 16:
        return str(uuid.UUID(bytes=value))
    return rf"\x{value.hex()}"


def _span(value: np.timedelta64 | dt.timedelta | pa.MonthDayNano) -> str:
    """A time of the day, or an interval."""
    if isinstance(value, pa.MonthDayNano):
        return f"{value.months} mons {value.days} days {value.nanoseconds / 1000:f} microseconds"
    if isinstance(value, dt.timedelta):
        return f"{value.days} days {value.seconds}.{value.microseconds:06} seconds"
    seconds, micros = divmod(int(value / np.timedelta64(1, "us")), 1_000_000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{micros:06}"


def _date(text: str, zone: str) -> str:
    """As numpy writes it, whose year 0 is 1 BC."""
    year, month, rest = text.rsplit("-", 2)
    era = "" if int(year) > 0 else " BC"
    return f"{int(year) if int(year) > 0 else 1 - int(year):04}-{month}-{rest}{zone}{era}"


def _respelled(text: str, case: Case) -> str:
    """What is another spelling of the value and not PostgreSQL's: hexadecimal, JSON's arrays, ISO 8601's years BC."""
    if case.type == "bytea" and not text.startswith("\\x"):
        try:
            return "\\x" + bytes.fromhex(text).hex()
        except ValueError:
            return text
    if case.type.endswith("[]") and text.startswith("["):
        try:
            return _array(json.loads(text))
        except ValueError:
            return text
    if case.type in ("date", "timestamp", "timestamptz") and text.startswith("-") and text != "-infinity":
        return _date(text, "")
    return text


def _array(values: Sequence[Any]) -> str:
    return "{" + ",".join(_element(value) for value in values) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return _array(value)
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
