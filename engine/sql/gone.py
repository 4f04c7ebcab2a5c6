"""Statements about rows of the target that the source no longer has: deleted, or marked by a column. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from engine.model import Field
from engine.quoting import quote
from engine.sql.target import Names


def add_mark(table: str, column: str) -> str:
    """The column that notes when a row was found gone; it may be repeated."""
    return f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {quote(column)} TIMESTAMP_NTZ(6)"


def unmarked(table: str, column: str | None) -> str:
    """The rows that are not marked as gone, as a table expression."""
    return f"(SELECT * FROM {table} WHERE {quote(column)} IS NULL)" if column else table


def delete_missing(names: Names, table: str, keys_table: str, key: Sequence[Field]) -> str:
    """`table` is quoted and qualified; `keys_table` is the name of one of ours."""
    return f"DELETE FROM {table} t WHERE {_missing(names, keys_table, key)}"


def mark_missing(names: Names, target_name: str, keys_table: str, key: Sequence[Field], column: str) -> str:
    return f"{mark_gone(names.table(target_name), column)} AND {_missing(names, keys_table, key)}"


def mark_gone(table: str, column: str) -> str:
    """To be ended by a further condition: which of the rows, that are not yet marked."""
    return (
        f"UPDATE {table} t SET {quote(column)} = CURRENT_TIMESTAMP()::TIMESTAMP_NTZ(6) WHERE t.{quote(column)} IS NULL"
    )


def _missing(names: Names, keys_table: str, key: Sequence[Field]) -> str:
    match = " AND ".join(f"k.{quote(f.target)} = t.{quote(f.target)}" for f in key)
    return f"NOT EXISTS (SELECT 1 FROM {names.ours(keys_table)} k WHERE {match})"
