"""The one place where identifiers and literals are quoted, for both databases, and names for people. Pure."""

from __future__ import annotations


def quote(name: str) -> str:
    """An identifier, as both PostgreSQL and Snowflake take it: any character, a double quote doubled."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A PostgreSQL string; E'' where it has a backslash, so that no setting changes what it means."""
    doubled = text.replace("'", "''")
    if "\\" in doubled:
        return "E'" + doubled.replace("\\", "\\\\") + "'"
    return f"'{doubled}'"


def sf_literal(text: str) -> str:
    """A Snowflake string, where backslash escapes are always on."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def shown(text: object) -> str:
    """For a person: names may hold line breaks and a terminal's escape sequences, which would forge what is read."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(text))
