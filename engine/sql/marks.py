"""Statements about what a table is: the mark of its run, and the watermark that went with it. Pure."""

from __future__ import annotations

from engine.quoting import sf_literal
from engine.sql.target import Names


def replaced_key(target_key: str) -> str:
    """In WATERMARKS, of the table that the last swap replaced; PENDING_RUN_ID says by which run."""
    return f"{target_key} before"


def forget_watermark(names: Names) -> str:
    """Parameter: table."""
    return f'DELETE FROM {names.ours("WATERMARKS").replace("%", "%%")} WHERE "TABLE_NAME" = %s'


def set_comment(table: str, comment: str) -> str:
    return f"COMMENT ON TABLE {table} IS {sf_literal(comment)}"
