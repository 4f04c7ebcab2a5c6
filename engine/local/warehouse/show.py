"""SHOW and DESCRIBE, answered from the catalog with the columns that clients read."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

from engine.local.warehouse.catalog import Entry
from engine.local.warehouse.faults import unsupported
from engine.local.warehouse.session import Session
from engine.local.warehouse.wire import SHOW, Result, rows
from engine.local.warehouse.words import Words

_OWNER = "ACCOUNTADMIN"
_TABLES = ["created_on", "name", "database_name", "schema_name", "kind", "comment", "cluster_by", "rows", "bytes",
           "owner", "retention_time"]  # fmt: skip
_DESCRIBE = ["name", "type", "kind", "null?", "default", "primary key", "unique key", "check", "expression", "comment",
             "policy name", "privacy domain"]  # fmt: skip


def describe(session: Session, words: Words) -> Result:
    if not words.accept("DESCRIBE"):
        words.expect("DESC")
    words.accept("TABLE") or words.accept("VIEW")
    entry = session.catalog.get("TABLE", session.resolve(words.name()))
    found = [
        (
            c.name,
            c.type.shown,
            "COLUMN",
            "Y" if c.nullable else "N",
            c.default,
            "N",
            "N",
            None,
            None,
            c.comment,
            None,
            None,
        )
        for c in entry.columns
    ]
    return rows(SHOW, _DESCRIBE, found)


def show(session: Session, words: Words) -> Result:
    words.expect("SHOW")
    words.accept("TERSE")
    kind = words.identifier()
    if kind == "GRANTS":
        return _grants(session, words)
    if kind in ("PRIMARY", "UNIQUE", "IMPORTED"):
        return rows(SHOW, ["created_on", "database_name", "schema_name", "table_name", "column_name"], [])
    like = words.string() if words.accept("LIKE") else None
    if kind == "PARAMETERS":
        found = [(k, v, v, "", "") for k, v in sorted(session.parameters.items()) if _like(k, like)]
        return rows(SHOW, ["key", "value", "default", "level", "description"], found)
    if kind == "WAREHOUSES":
        name = session.warehouse or "LOCAL"
        return rows(
            SHOW, ["name", "state", "type", "size", "auto_suspend"], [(name, "STARTED", "STANDARD", "X-Small", 600)]
        )
    makers = {"DATABASES": _databases, "SCHEMAS": _schemas, "TABLES": _tables, "VIEWS": _tables, "STAGES": _stages,
              "STREAMS": _streams}  # fmt: skip
    if kind not in makers:
        raise unsupported(f"SHOW {kind}")
    inside = _inside(session, words)
    if like is None and words.accept("LIKE"):
        like = words.string()
    of = "TABLE" if kind == "VIEWS" else kind[:-1]
    entries = [e for e in session.catalog.all(of, *inside) if _like(e.name, like)]
    if of == "TABLE":
        entries = [e for e in entries if e.kind == kind[:-1]]
    return makers[kind](session, entries)


def _inside(session: Session, words: Words) -> tuple[str, ...]:
    if words.accept("IN"):
        if words.accept("ACCOUNT"):
            return ()
        scope = words.accept("SCHEMA") or words.accept("DATABASE")
        del scope
        path = words.name()
        known = session.catalog.find("DATABASE", path[:1])
        if len(path) == 1 and not known and session.database:
            path = (session.database, *path)
        session.catalog.get("DATABASE" if len(path) == 1 else "SCHEMA", path)
        return path
    if session.database and session.schema:
        return (session.database, session.schema)
    return (session.database,) if session.database else ()


def _like(name: str, pattern: str | None) -> bool:
    if pattern is None:
        return True
    wild = {"%": ".*", "_": "."}
    text = "".join(wild.get(m[0]) or re.escape(m[0][-1]) for m in re.finditer(r"\\?.", pattern, re.DOTALL))
    return re.fullmatch(text, name, re.IGNORECASE | re.DOTALL) is not None


def _created(entry: Entry) -> str:
    return dt.datetime.fromtimestamp(entry.created, dt.UTC).isoformat(sep=" ", timespec="milliseconds")


def _databases(session: Session, entries: Sequence[Entry]) -> Result:
    found = [
        (_created(e), e.name, "N", "Y" if e.name == session.database else "N", "", _OWNER, e.comment) for e in entries
    ]
    return rows(SHOW, ["created_on", "name", "is_default", "is_current", "origin", "owner", "comment"], found)


def _schemas(session: Session, entries: Sequence[Entry]) -> Result:
    found = [
        (_created(e), e.name, "N", "Y" if e.name == session.schema else "N", e.db, _OWNER, e.comment) for e in entries
    ]
    return rows(SHOW, ["created_on", "name", "is_default", "is_current", "database_name", "owner", "comment"], found)


def _tables(session: Session, entries: Sequence[Entry]) -> Result:
    sizes = dict(
        session.cursor.cursor()
        .execute("SELECT table_name, estimated_size FROM duckdb_tables() WHERE schema_name = 't'")
        .fetchall()
    )
    found = [
        (_created(e), e.name, e.db, e.schema, "TRANSIENT" if e.transient else e.kind, e.comment or "", "",
         sizes.get(f"t{e.id}"), 0, _OWNER, "1")
        for e in entries
    ]  # fmt: skip
    return rows(SHOW, _TABLES, found, numbers=["rows", "bytes"])


def _stages(session: Session, entries: Sequence[Entry]) -> Result:
    del session
    found = [
        (_created(e), e.name, e.db, e.schema, e.body or "", "N", "N" if e.body else "Y", _OWNER, e.comment or "",
         "EXTERNAL" if e.body else "INTERNAL")
        for e in entries
    ]  # fmt: skip
    names = ["created_on", "name", "database_name", "schema_name", "url", "has_credentials", "has_encryption_key",
             "owner",
             "comment", "type"]  # fmt: skip
    return rows(SHOW, names, found)


def _streams(session: Session, entries: Sequence[Entry]) -> Result:
    """A stream is stale once the name it was made on stands for another table: after a swap, or create or replace."""
    found = []
    for entry in entries:
        made_on, _, name = str(entry.body).partition(" ")
        now = session.catalog.find("TABLE", tuple(name.split(".")))
        stale = now is None or now.id != int(made_on)
        found.append((_created(entry), entry.name, entry.db, entry.schema, _OWNER, entry.comment or "", name, "TABLE",
                      "DELTA", "true" if stale else "false", "DEFAULT"))  # fmt: skip
    names = ["created_on", "name", "database_name", "schema_name", "owner", "comment", "table_name", "source_type",
             "type", "stale", "mode"]  # fmt: skip
    return rows(SHOW, names, found)


def _grants(session: Session, words: Words) -> Result:
    names = [
        "created_on",
        "privilege",
        "granted_on",
        "name",
        "granted_to",
        "grantee_name",
        "grant_option",
        "granted_by",
    ]
    if not words.accept("ON", "TABLE"):
        return rows(SHOW, names, [])
    table = session.table(words.name())
    path = ".".join(table.path)
    kept = session.cursor.cursor().execute(
        "SELECT created::VARCHAR, privilege, role FROM sf.grants WHERE id = ? ORDER BY 3, 2", [table.id]
    )
    found = [(_created(table), "OWNERSHIP", "TABLE", path, "ROLE", _OWNER, "true", _OWNER)]
    found += [(at, privilege, "TABLE", path, "ROLE", role, "false", _OWNER) for at, privilege, role in kept.fetchall()]
    return rows(SHOW, names, found)
