"""An error as Snowflake reports it: number, SQLSTATE, text; and what DuckDB's errors become."""

from __future__ import annotations

import re

import duckdb


class SqlError(Exception):
    def __init__(self, errno: int, sqlstate: str, message: str) -> None:
        super().__init__(message)
        self.errno = errno
        self.sqlstate = sqlstate
        self.message = message


def syntax(message: str) -> SqlError:
    return SqlError(1003, "42000", f"SQL compilation error:\n{message}")


def unsupported(feature: str) -> SqlError:
    return SqlError(2, "0A000", f"Unsupported feature '{feature}'.")


def missing(kind: str, name: str) -> SqlError:
    return SqlError(2003, "42S02", f"SQL compilation error:\n{kind} '{name}' does not exist or not authorized.")


def exists(name: str) -> SqlError:
    return SqlError(2002, "42710", f"SQL compilation error:\nObject '{name}' already exists.")


TIMEOUT = "Statement reached its statement or warehouse timeout of {} second(s) and was canceled."

# First match wins: DuckDB's class, a pattern in its text, then Snowflake's number, state and text ({0} = DuckDB's).
_RULES: list[tuple[type[Exception], str, int, str, str]] = [
    (duckdb.InterruptException, "", 604, "57014", "SQL execution canceled"),
    (
        duckdb.ConstraintException,
        "NOT NULL constraint failed: (.*)",
        100072,
        "22000",
        "NULL result in a non-nullable column",
    ),
    (
        duckdb.InvalidInputException,
        "cannot affect the same target row more than once",
        100090,
        "42P18",
        "Duplicate row detected during DML action",
    ),
    (duckdb.Error, "Malformed JSON", 100069, "22P02", "Error parsing JSON: {0}"),
    (duckdb.Error, r"[Cc]ould not convert string .* to BOOL", 100037, "22018", "Boolean value is not recognized: {0}"),
    (duckdb.Error, r"date field value out of range|invalid date field", 100040, "22007", "Date is not recognized: {0}"),
    (duckdb.Error, r"timestamp field value|invalid timestamp", 100035, "22007", "Timestamp is not recognized: {0}"),
    (duckdb.Error, r"time field value", 100108, "22007", "Time is not recognized: {0}"),
    (duckdb.Error, r"[Cc]ould not convert string", 100038, "22018", "Numeric value is not recognized: {0}"),
    (duckdb.Error, r"hex digit", 100115, "22000", "The following string is not a legal hex-encoded value: {0}"),
    (duckdb.Error, r"[Dd]ivision by zero|divide by zero", 100051, "22012", "Division by zero"),
    (duckdb.Error, r"[Cc]ould not cast value|out of range", 100039, "22003", "Numeric value is out of range: {0}"),
    (duckdb.OutOfRangeException, "", 100046, "22003", "Number out of representable range: {0}"),
    (duckdb.ConversionException, "", 100038, "22018", "{0}"),
    (duckdb.CatalogException, "[Ff]unction", 2140, "42601", "SQL compilation error:\nUnknown function: {0}"),
    (duckdb.CatalogException, "", 2003, "42S02", "SQL compilation error:\n{0}"),
    (duckdb.BinderException, "[Cc]olumn", 904, "42000", "SQL compilation error:\ninvalid identifier: {0}"),
    (duckdb.BinderException, "", 904, "42000", "SQL compilation error:\n{0}"),
    (duckdb.ParserException, "", 1003, "42000", "SQL compilation error:\n{0}"),
    (duckdb.Error, "", 300005, "XX000", "{0}"),
]


class Again(Exception):  # noqa: N818 - not an error
    """The step that raises it knows more now: undo what it wrote and run it again."""


def conflict(error: BaseException) -> bool:
    """Two DuckDB transactions met where Snowflake would have let one wait: run the statement again."""
    text = str(error)
    if isinstance(error, Again):
        return True
    return isinstance(error, duckdb.TransactionException) and ("onflict" in text or "write-write" in text)


def translate(error: Exception) -> SqlError:
    """Any error of a statement as one that the connector raises as a ProgrammingError."""
    if isinstance(error, SqlError):
        return error
    errno = getattr(error, "errno", None)
    if isinstance(errno, int) and errno > 0:  # fakesnow's rewrites raise the connector's own class
        return SqlError(errno, getattr(error, "sqlstate", None) or "42000", str(getattr(error, "msg", error)))
    text = re.sub("\x01[0-9a-f]+", "", str(error)).strip()
    text = re.sub(r"^\w+ ?\w* Error: ", "", text).split("\n\n")[0]
    if isinstance(error, duckdb.Error):
        for kind, pattern, number, state, message in _RULES:
            if isinstance(error, kind) and re.search(pattern, text):
                return SqlError(number, state, message.format(text))
    if type(error).__module__.startswith("sqlglot"):
        return syntax(re.sub("\x1b\\[\\d+m", "", text))
    if isinstance(error, RecursionError):
        return syntax("statement is nested too deeply")
    if isinstance(error, NotImplementedError):
        return unsupported(text)
    return SqlError(300002, "XX000", f"Internal error: {type(error).__name__}: {text}")
