"""Rows and a checksum of what a contender left, read again by DuckDB, before a rate is believed.

A checksum is the sum of a hash of each row, so it does not depend on the order of rows or of files. Values are compared
as the table's own types: a decimal that came as text is equal, one that came as a rounded float is not. Only what has
several spellings in text is brought to one: bytea to hexadecimal digits, json to its minified text, arrays to their
elements (of numbers and plain words), char(n) without its padding.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from benchmarks.contest import DisqualifiedError, Left, Told
from benchmarks.data.port import Column

MEMORY_LIMIT = "1GB"
CSV = "*.csv", "*.csv.gz", "*.csv.zst"
PARQUET = "*.parquet"


@dataclass(frozen=True, slots=True)
class Checksum:
    rows: int
    whole: int
    """Over whole rows, so that a value in another row's place is seen."""
    columns: Sequence[int]
    """Over each column alone, to name those that differ."""


def of_csv(columns: Sequence[Column], *paths: Path) -> Checksum:
    """Of CSV without a header whose fields are the columns."""
    names = [column.name for column in columns]
    source = _csv(paths, names, header=False)
    with _duckdb() as database:
        rows, whole = _whole(database, columns, dict.fromkeys(names, "VARCHAR"), source)
        return Checksum(rows, whole, _each(database, columns, dict.fromkeys(names, "VARCHAR"), source))


def files(columns: Sequence[Column], wanted: Checksum, raw_bytes: int, directory: Path, told: Told) -> Left:
    """What is in `directory`: compressed CSV (extra.header: with names; extra.columns: the fields, in order, where they
    are not the table's columns alone) or Parquet. DisqualifiedError where rows are missing or are too many.
    """
    compressed_bytes = sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
    with _duckdb() as database:
        try:
            types, source = _source(database, columns, directory, told)
            rows, whole = _whole(database, columns, types, source)
            if rows != wanted.rows:
                raise DisqualifiedError(f"left {rows:,} rows of {wanted.rows:,}")
            lost = "" if whole == wanted.whole else _lost(database, columns, types, source, wanted)
        except duckdb.Error as error:
            raise DisqualifiedError(f"what it left cannot be read: {str(error).splitlines()[0]}") from error
    return Left(rows, raw_bytes, compressed_bytes, lost)


def _lost(
    database: duckdb.DuckDBPyConnection, columns: Sequence[Column], types: dict[str, str], source: str, wanted: Checksum
) -> str:
    sums = _each(database, columns, types, source)
    differing = [c.name for c, found, own in zip(columns, sums, wanted.columns, strict=True) if found != own]
    return ", ".join(differing) or "which values make up a row"


def _duckdb() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "preserve_insertion_order": "false"})


def _source(
    database: duckdb.DuckDBPyConnection, columns: Sequence[Column], directory: Path, told: Told
) -> tuple[dict[str, str], str]:
    """The types that its columns have, and what to select from."""
    if parquet := sorted(directory.rglob(PARQUET)):
        source = f"read_parquet([{_list(parquet)}], union_by_name => true)"
        found = database.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        return {name.lower(): kind for name, kind, *_ in found}, source
    if not (paths := sorted(path for pattern in CSV for path in directory.rglob(pattern))):
        raise DisqualifiedError("left neither compressed CSV nor Parquet")
    extra = told.get("extra", {})
    names = [name.lower() for name in extra.get("columns", [column.name for column in columns])]
    return dict.fromkeys(names, "VARCHAR"), _csv(paths, names, header=extra.get("header", False))


def _csv(paths: Sequence[Path], names: Sequence[str], *, header: bool) -> str:
    fields = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    return (
        f"read_csv([{_list(paths)}], columns = {{{fields}}}, header = {header}, auto_detect = false, delim = ',', "
        f"""quote = '"', escape = '"', new_line = '\\n', nullstr = '', allow_quoted_nulls = false, """
        f"strict_mode = true)"
    )


def _list(paths: Sequence[Path]) -> str:
    return ", ".join(f"'{path}'" for path in paths)


def _whole(
    database: duckdb.DuckDBPyConnection, columns: Sequence[Column], types: dict[str, str], source: str
) -> tuple[int, int]:
    row = ", ".join(_canonical(column, types) for column in columns)
    found = database.execute(f"SELECT count(*), sum(hash({row})::HUGEINT) FROM {source}").fetchone()
    assert found is not None
    return int(found[0]), int(found[1] or 0)


def _each(
    database: duckdb.DuckDBPyConnection, columns: Sequence[Column], types: dict[str, str], source: str
) -> list[int]:
    sums = ", ".join(f"sum(hash({_canonical(column, types)})::HUGEINT)" for column in columns)
    found = database.execute(f"SELECT {sums} FROM {source}").fetchone()
    assert found is not None
    return [int(value or 0) for value in found]


def _canonical(column: Column, types: dict[str, str]) -> str:
    """The value as the one that all spellings of it become; NULL where it is not of the column's type."""
    if column.name not in types:
        return "NULL"
    name, kind, stored = f'"{column.name}"', column.type, types[column.name]
    text = f"{name}::VARCHAR"
    if kind.endswith("[]"):
        return rf"""lower(regexp_replace({text}, '[\[\]{{}}" ]', '', 'g'))"""
    if kind == "bytea":
        return f"lower(hex({name}))" if stored == "BLOB" else rf"lower(regexp_replace({text}, '^\\x', ''))"
    if kind in ("json", "jsonb"):
        return f"json({text})::VARCHAR"
    if kind.startswith("char("):
        return f"rtrim({text}, ' ')"
    if kind in ("text", "interval", "time") or kind.startswith("varchar"):
        return text
    if kind.startswith("timestamp") and stored == "VARCHAR":  # "12:00:00.5 +00" is a spelling of "12:00:00.5+00"
        name = f"replace({name}, ' +', '+')"
    return f"TRY_CAST({name} AS {_duckdb_type(kind)})"


def _duckdb_type(kind: str) -> str:
    if kind == "numeric":  # without a declared scale: what the datasets hold in it fits
        return "DECIMAL(38,10)"
    known = {"double precision": "DOUBLE", "real": "FLOAT", "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMPTZ"}
    return known.get(kind, re.sub(r"^numeric", "DECIMAL", kind).upper())
