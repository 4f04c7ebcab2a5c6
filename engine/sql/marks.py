"""Statements about what a table is: the mark of its run, and the watermark that went with it. Pure."""

from __future__ import annotations

from engine.quoting import sf_literal
from engine.sql.target import Names, beside


def replaced_key(target_key: str) -> str:
    """In WATERMARKS, of the table that the last swap replaced; PENDING_RUN_ID says by which run."""
    return f"{target_key} before"


def forget_watermark(names: Names) -> str:
    """Parameter: table."""
    return f'DELETE FROM {beside(names.ours("WATERMARKS"))} WHERE "TABLE_NAME" = %s'


def set_comment(table: str, comment: str) -> str:
    return f"COMMENT ON TABLE {table} IS {sf_literal(comment)}"


def select_watermarks(names: Names) -> str:
    return (
        'SELECT "TABLE_NAME", "RUN_ID", "VERSION", "CURSOR_NAME", "KEY_NAMES", "VALUE", "PENDING_RUN_ID",'
        f' "PENDING_VALUE" FROM {names.ours("WATERMARKS")}'
    )


def insert_watermark(names: Names) -> str:
    """Parameters: table, run, cursor, key, value, pending run, pending value, table again. No row, if one is there."""
    return (
        f"INSERT INTO {beside(names.ours('WATERMARKS'))} SELECT %s, %s, 1, %s, %s, %s, %s, %s,"
        f" CURRENT_TIMESTAMP()::TIMESTAMP_NTZ(6) WHERE NOT EXISTS (SELECT 1 FROM {beside(names.ours('WATERMARKS'))}"
        ' WHERE "TABLE_NAME" = %s)'
    )


def update_watermark(names: Names) -> str:
    """Parameters: run, cursor, key, value, pending run, pending value, table, version. No row, if another run was
    faster: the version is the fence.
    """
    return (
        f'UPDATE {beside(names.ours("WATERMARKS"))} SET "RUN_ID" = %s, "VERSION" = "VERSION" + 1, "CURSOR_NAME" = %s,'
        ' "KEY_NAMES" = %s, "VALUE" = %s, "PENDING_RUN_ID" = %s, "PENDING_VALUE" = %s,'
        ' "UPDATED_AT" = CURRENT_TIMESTAMP()::TIMESTAMP_NTZ(6) WHERE "TABLE_NAME" = %s AND "VERSION" = %s'
    )
