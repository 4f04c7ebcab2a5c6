"""Which field of which file made a COPY fail, worded as Snowflake does: found by reading the files once more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import duckdb

from engine.local.warehouse import casts
from engine.local.warehouse.faults import SqlError, translate
from engine.local.warehouse.session import Cursor
from engine.local.warehouse.stage import StagedFile

if TYPE_CHECKING:
    from engine.local.warehouse.loading import Attempt


def blame(attempt: Attempt, cursor: Cursor, error: Exception) -> SqlError:
    """The error as Snowflake words it: the file, the line and the column."""
    text = str(error)
    # where all columns are plain casts DuckDB lets its reader do them, and a value's fault reads like one of the file
    if ("CSV Error on Line" in text and "Error when converting column" not in text) or "GZIP" in text:
        return _csv_fault(attempt.files, text)
    for file in attempt.files:
        found = _refused(attempt, cursor, file)
        if found is not None:
            return found
    fault = translate(error)
    if fault.errno == 100072:
        fault.errno = 100088
    return fault


def _csv_fault(files: list[StagedFile], text: str) -> SqlError:
    line = re.search(r"CSV Error on Line: (\d+)", text)
    file = re.search(r"file = (.*)", text)
    name = next((f.name for f in files if file and str(f.path) == file[1].strip()), files[0].name)
    where = f"\n  File '{name}', line {line[1] if line else 1}, character 1"
    counts = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    if counts:
        return SqlError(100080, "22000", f"Number of columns in file ({counts[2]}) does not match that of the "
                        f"corresponding table ({counts[1]}), use file format option "
                        f"error_on_column_count_mismatch=false to ignore this error{where}")  # fmt: skip
    if "unicode" in text or "utf-8" in text:
        return SqlError(100144, "22000", f"Invalid UTF8 detected in string{where}")
    if "GZIP" in text or "decompress" in text.lower():
        return SqlError(100076, "22000", f"Data is corrupted, not able to decompress file '{name}'")
    return SqlError(100016, "22000", f"Field delimiter or record delimiter expected: {text.splitlines()[0]}{where}")


def _refused(attempt: Attempt, cursor: Cursor, file: StagedFile) -> SqlError | None:
    load = attempt.load
    assert attempt.typed is not None
    tests, texts = [], []
    for value, kind, column in zip(load.values, attempt.typed, load.columns, strict=True):
        nullable = "TRUE" if column.nullable else "FALSE"
        flagged = value.replace("sf_json(", "sf_json_flag(")
        text = attempt.text(value) if kind == "VARCHAR" else "NULL"
        if kind == "VARCHAR":
            valid = casts.rule(column, text, load.form.get("BINARY_FORMAT", "HEX")).valid
            test = f"CASE WHEN {text} IS NULL THEN {nullable} ELSE coalesce({valid}, FALSE) END"
        elif kind == "JSON" and flagged != value:
            test = f"coalesce({flagged} <> sf_flag(), {nullable})"
            text = "'invalid document'"
        else:
            test = f"({nullable} OR {value} IS NOT NULL)"
        tests.append(test)
        texts.append(text)
    which = " ".join(f"WHEN NOT ({t}) THEN {i}" for i, t in enumerate(tests))
    value = " ".join(f"WHEN {i} THEN CAST({t} AS VARCHAR)" for i, t in enumerate(texts))
    lines = " + ".join(
        f"coalesce(strlen(c{i + 1}) - strlen(replace(c{i + 1}, chr(10), '')), 0)" for i in range(load.fields)
    )
    source = attempt.reader([file.path], load.codec(file.name))
    try:
        row = cursor.execute(
            f"SELECT n, line, bad, CASE bad {value} END FROM (SELECT *, row_number() OVER () AS n, "
            f"coalesce(sum(1 + {lines}) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) + 1 "
            f"+ {load.skip} AS line, "
            f"CASE {which} END AS bad FROM {source}) WHERE bad IS NOT NULL ORDER BY n LIMIT 1"
        ).fetchone()
    except duckdb.Error:
        return None
    if row is None:
        return None
    column = load.columns[row[2]]
    errno, state, text = casts.refusal(column, row[3])
    return SqlError(
        errno, state,
        f"{text}\n  File '{file.name}', line {row[1]}, character 1\n  Row {row[0]}, column "
        f'"{load.table.name}"["{column.name}":{row[2] + 1}]\n  If you would like to continue loading when an error is '
        "encountered, use other values such as 'SKIP_FILE' or 'CONTINUE' for the ON_ERROR option.",
    )  # fmt: skip
