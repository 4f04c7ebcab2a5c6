"""DDL: databases, schemas, tables, views, stages, streams, grants; each statement is one change of the catalog."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.local.warehouse import query
from engine.local.warehouse.catalog import Change, Column, Entry, quote
from engine.local.warehouse.columns import Type, read_type
from engine.local.warehouse.faults import SqlError, exists, missing, syntax, unsupported
from engine.local.warehouse.session import Session
from engine.local.warehouse.wire import Result, message
from engine.local.warehouse.words import Name, Words

if TYPE_CHECKING:
    from engine.local.warehouse.stage import Stages

_RESERVED = {"CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "LOCALTIME", "LOCALTIMESTAMP"}
CONSTRAINTS = ("PRIMARY", "UNIQUE", "FOREIGN", "CONSTRAINT")


def create(session: Session, words: Words, stages: Stages) -> Result:
    words.expect("CREATE")
    replacing = words.accept("OR", "REPLACE")
    transient = words.accept("TRANSIENT")
    if words.accept("TEMPORARY") or words.accept("TEMP") or words.accept("LOCAL", "TEMPORARY"):
        raise unsupported("TEMPORARY objects in the embedded warehouse")
    words.accept("STORAGE")
    for kind in ("DATABASE", "SCHEMA", "TABLE", "VIEW", "STAGE", "STREAM", "INTEGRATION"):
        if words.accept(kind):
            break
    else:
        raise unsupported(f"CREATE {words.here.text.upper()}")
    optional = words.accept("IF", "NOT", "EXISTS")
    path = words.name()
    full = _full(session, kind, path)
    makers = {"TABLE": _table, "VIEW": _view, "STREAM": _stream, "STAGE": _stage, "INTEGRATION": _integration}
    made = makers.get(kind, _plain)
    with session.catalog.change() as change:  # from here on nobody else makes it
        old = session.catalog.find("TABLE" if kind == "VIEW" else kind, tuple(p for p in full if p))
        if old and optional:
            return message(f"{path[-1]} already exists, statement succeeded.")
        if old and not replacing:
            raise exists(path[-1])
        if old:
            _drop(change, old, stages)
        made(session, change, words, kind, full, transient)
        if kind == "DATABASE":
            change.put(session.catalog.make("SCHEMA", (path[-1], "", "PUBLIC")))
    if kind in ("DATABASE", "SCHEMA"):  # becomes the session's own
        session.database = path[-1] if kind == "DATABASE" else full[0]
        session.schema = "PUBLIC" if kind == "DATABASE" else path[-1]
    label = {"STAGE": "Stage area"}.get(kind, kind.capitalize())
    return message(f"{label} {path[-1]} successfully created.")


def _full(session: Session, kind: str, path: Name) -> tuple[str, str, str]:
    """Where the new object goes: its database and schema must be there."""
    if kind in ("DATABASE", "INTEGRATION"):
        return ("", "", path[-1])
    if kind != "SCHEMA":
        full = session.resolve(path)
        session.catalog.get("SCHEMA", full[:2])
        return full
    database = path[0] if len(path) == 2 else session.database
    if database is None:
        raise SqlError(90105, "22000", "Cannot perform CREATE SCHEMA. This session does not have a current database.")
    session.catalog.get("DATABASE", (database,))
    return (database, "", path[-1])


def _plain(
    session: Session, change: Change, words: Words, kind: str, path: tuple[str, str, str], transient: bool
) -> None:
    options = _options(words)
    change.put(session.catalog.make(kind, path, transient=transient, comment=options.get("COMMENT")))


def _stage(
    session: Session, change: Change, words: Words, kind: str, path: tuple[str, str, str], transient: bool
) -> None:
    """An external stage's URL is its body; its integration must allow it."""
    options = _options(words)
    url = options.get("URL")
    if url:
        name = options.get("STORAGE_INTEGRATION") or ""
        allowed = session.catalog.get("INTEGRATION", (name,)).body or ""
        if not any(url.startswith(place) for place in allowed.split()):
            raise SqlError(3167, "42601", f"Location '{url}' is not allowed by integration '{name}'.")
    change.put(session.catalog.make(kind, path, transient=transient, comment=options.get("COMMENT"), body=url))


def _integration(
    session: Session, change: Change, words: Words, kind: str, path: tuple[str, str, str], transient: bool
) -> None:
    """A storage integration's body is the locations that it allows."""
    del transient
    allowed = words.options().get("STORAGE_ALLOWED_LOCATIONS")
    words.end()
    if not isinstance(allowed, list):
        raise syntax("STORAGE_ALLOWED_LOCATIONS is missing")
    change.put(session.catalog.make(kind, path, body=" ".join(allowed)))


def _options(words: Words) -> dict[str, str | None]:
    """COMMENT, and whatever else a CREATE may say that has no effect here (ENCRYPTION, DATA_RETENTION_TIME_IN_DAYS)."""
    if words.accept("CLUSTER", "BY"):
        _bracket(words)
    found = {k: v if isinstance(v, str) else None for k, v in words.options().items()}
    words.end()
    return found


def _bracket(words: Words) -> None:
    """Read over `( ... )`."""
    words.expect("(")
    words.items()
    words.expect(")")


def _view(
    session: Session, change: Change, words: Words, kind: str, path: tuple[str, str, str], transient: bool
) -> None:
    words.expect("AS")
    body = words.sql[words.here.start :]
    compiled = query.compile_query(session, body)
    described = change.sql(f"DESCRIBE {compiled.sql}").fetchall()
    columns = tuple(Column(_shown(name), _type_of(duck)) for name, duck, *_ in described)
    change.put(session.catalog.make(kind, path, columns, body=body, transient=transient))


def _stream(
    session: Session, change: Change, words: Words, kind: str, path: tuple[str, str, str], transient: bool
) -> None:
    words.expect("ON", "TABLE")
    table = session.table(words.name())
    body = f"{table.id} " + ".".join(table.path)
    change.put(session.catalog.make(kind, path, body=body, transient=transient))


def _table(
    session: Session, change: Change, words: Words, kind: str, path: tuple[str, str, str], transient: bool
) -> None:
    if words.accept("LIKE"):
        like = session.table(words.name())
        grants = words.accept("COPY", "GRANTS")
        comment = _comment(words)
        words.end()
        entry = session.catalog.make(kind, path, like.columns, transient=transient, comment=comment)
        _build(session, change, entry)
        if grants:
            change.sql(
                f"INSERT INTO sf.grants SELECT {entry.id}, privilege, kind, role, now() "
                f"FROM sf.grants WHERE id = {like.id}"
            )
        return
    if words.accept("CLONE"):
        source = session.table(words.name())
        words.end()
        if source.transient and not transient:
            raise syntax("Transient object cannot be cloned to a permanent object.")
        entry = session.catalog.make(kind, path, source.columns, transient=transient, comment=source.comment)
        _build(session, change, entry)
        change.sql(f"INSERT INTO {entry.physical} SELECT * FROM {source.physical}")
        return
    columns = _columns(words) if words.sees("(") else None
    if words.accept("CLUSTER", "BY"):
        _bracket(words)
    words.accept("COPY", "GRANTS")
    comment = _comment(words)
    if words.accept("AS"):
        compiled = query.compile_query(session, words.sql[words.here.start :])
        described = change.sql(f"DESCRIBE {compiled.sql}").fetchall()
        columns = columns or tuple(Column(_shown(name), _type_of(duck)) for name, duck, *_ in described)
        entry = session.catalog.make(kind, path, columns, transient=transient, comment=comment)
        _build(session, change, entry)
        change.sql(f"INSERT INTO {entry.physical} {compiled.sql}")
        return
    if columns is None:
        raise words.fault()
    words.end()
    _build(session, change, session.catalog.make(kind, path, columns, transient=transient, comment=comment))


def _comment(words: Words) -> str | None:
    """The comment among a table's properties; the others have no effect here."""
    comment = None
    while not words.done and not words.sees("AS"):
        key = words.identifier()
        words.expect("=")
        value = words.next()
        comment = value.text[1:-1].replace("''", "'") if key == "COMMENT" else comment
    return comment


def _shown(name: str) -> str:
    return name.split("\x01", 1)[0]


def _type_of(duck: str) -> Type:
    if duck.startswith("DECIMAL"):
        precision, scale = duck[8:-1].split(",")
        return Type("NUMBER", int(precision), int(scale))
    names = {"VARCHAR": "TEXT", "BLOB": "BINARY", "BOOLEAN": "BOOLEAN", "DATE": "DATE",
             "TIME": "TIME", "DOUBLE": "FLOAT", "FLOAT": "FLOAT", "TIMESTAMP": "TIMESTAMP_NTZ",
             "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_TZ", "JSON": "VARIANT"}  # fmt: skip
    name = names.get(duck)
    if name is None:
        return Type("NUMBER", 38, 0) if "INT" in duck else Type("VARIANT")
    size = {"TEXT": 16_777_216, "BINARY": 8_388_608}.get(name, 9 if name.startswith("TIME") else None)
    return Type(name, size)


def _columns(words: Words) -> tuple[Column, ...]:
    """`("A" NUMBER(10,0) NOT NULL DEFAULT 1, ..., PRIMARY KEY ("A"))`; constraints are read and not enforced."""
    words.expect("(")
    found: list[Column] = []
    while True:
        if words.here.kind == "word" and words.here.text.upper() in CONSTRAINTS:
            words.items()
        else:
            found.append(read_column(words))
        if not words.accept(","):
            break
    words.expect(")")
    names = [c.name for c in found]
    if len(set(names)) != len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise SqlError(2025, "42S21", f"SQL compilation error:\nduplicate column name '{twice}'")
    return tuple(found)


def read_column(words: Words) -> Column:  # noqa: C901 - one branch a property
    quoted = words.here.kind == "quoted"
    name = words.identifier()
    if not name or len(name) > 255 or (not quoted and name in _RESERVED):
        raise syntax(f"invalid column name '{name[:60]}'")
    of = read_type(words)
    nullable, default, comment = True, None, None
    while not words.done and not words.sees(",") and not words.sees(")"):
        if words.accept("NOT", "NULL"):
            nullable = False
        elif words.accept("NULL") or words.accept("UNIQUE"):
            pass
        elif words.accept("PRIMARY", "KEY"):
            nullable = False
        elif words.accept("COMMENT"):
            comment = words.string()
        elif words.accept("DEFAULT"):
            start, depth = words.at, 0
            ends = ((",",), (")",), ("NOT", "NULL"), ("COMMENT",))
            while not words.done:
                if depth == 0 and any(words.sees(*end) for end in ends):
                    break
                depth += (words.here.text == "(") - (words.here.text == ")")
                words.at += 1
            default = words.text((start, words.at))
        elif words.accept("REFERENCES"):
            words.name()
            if words.sees("("):
                words.names()
        else:
            raise unsupported(f"column property {words.here.text.upper()}")
    return Column(name, of, nullable, default, comment)


def physical(session: Session, column: Column) -> str:
    text = f"{quote(column.name)} {column.type.duck}"
    if column.default is not None:
        text += f" DEFAULT ({_default(session, column.default)})"
    return text if column.nullable else text + " NOT NULL"


def _default(session: Session, text: str) -> str:
    if text.upper().rstrip("()") in ("CURRENT_TIMESTAMP", "SYSDATE", "GETDATE"):
        return "get_current_timestamp()"
    return query.expression(session, text)


def _build(session: Session, change: Change, entry: Entry) -> None:
    change.put(entry)
    change.sql(f"CREATE TABLE {entry.physical} ({', '.join(physical(session, c) for c in entry.columns)})")


def drop(session: Session, words: Words, stages: Stages) -> Result:
    words.expect("DROP")
    words.accept("STORAGE")
    kind = words.identifier()
    if kind not in ("DATABASE", "SCHEMA", "TABLE", "VIEW", "STAGE", "STREAM", "INTEGRATION"):
        raise unsupported(f"DROP {kind}")
    optional = words.accept("IF", "EXISTS")
    path = words.name()
    words.accept("CASCADE") or words.accept("RESTRICT")
    words.end()
    if kind == "SCHEMA" and len(path) == 1 and session.database:
        path = (session.database, *path)
    full = path if kind in ("DATABASE", "SCHEMA", "INTEGRATION") else session.resolve(path)
    entry = session.catalog.find("TABLE" if kind == "VIEW" else kind, full)
    if entry is None or (kind in ("TABLE", "VIEW") and entry.kind != kind):
        if optional:
            return message("Drop statement executed successfully (" + path[-1] + " already dropped).")
        raise missing(kind.capitalize(), ".".join(full))
    with session.catalog.change() as change:
        _drop(change, entry, stages)
    if entry.kind == "DATABASE" and session.database == entry.name:
        session.database = session.schema = None
    if entry.kind == "SCHEMA" and (session.database, session.schema) == (entry.db, entry.name):
        session.schema = None
    return message(f"{path[-1]} successfully dropped.")


def _drop(change: Change, entry: Entry, stages: Stages) -> None:
    catalog = change.catalog
    if entry.kind in ("DATABASE", "SCHEMA"):
        inside = (entry.name,) if entry.kind == "DATABASE" else (entry.db, entry.name)
        for kind in (
            ("TABLE", "STAGE", "STREAM", "SCHEMA") if entry.kind == "DATABASE" else ("TABLE", "STAGE", "STREAM")
        ):
            for child in catalog.all(kind, *inside):
                _drop(change, child, stages)
    if entry.kind == "STAGE":
        change.after.append(lambda: stages.clear(entry))
    change.drop(entry)


def comment(session: Session, words: Words) -> Result:
    words.expect("COMMENT")
    optional = words.accept("IF", "EXISTS")
    words.expect("ON")
    kind = words.identifier()
    path = words.name()
    words.expect("IS")
    text = words.string()
    words.end()
    if kind == "COLUMN":
        table = session.table(path[:-1])
        columns = tuple(replace(c, comment=text) if c is table.column(path[-1]) else c for c in table.columns)
        with session.catalog.change() as change:
            change.put(replace(table, columns=columns), was=table)
        return message("Statement executed successfully.")
    full = path if kind in ("DATABASE", "SCHEMA") else session.resolve(path)
    entry = session.catalog.find(kind, full)
    if entry is None and not optional:
        raise missing(kind.capitalize(), ".".join(full))
    if entry is not None:
        with session.catalog.change() as change:
            change.put(replace(entry, comment=text), columns=False, was=entry)
    return message("Statement executed successfully.")


def grant(session: Session, words: Words) -> Result:
    """GRANT and REVOKE of privileges on a table are kept, on anything else accepted: nothing checks them."""
    verb = words.next().text.upper()
    privileges = []
    while not words.done and not words.sees("ON"):
        privileges.append(words.next().text.upper())
    if not words.accept("ON", "TABLE"):
        return message("Statement executed successfully.")
    table = session.table(words.name())
    if not (words.accept("TO") or words.accept("FROM")):
        raise words.fault()
    words.accept("ROLE")
    role = words.identifier()
    listed = [p.strip() for p in " ".join(privileges).replace(" PRIVILEGES", "").split(",")]
    with session.catalog.change() as change:
        for privilege in listed:
            change.sql("DELETE FROM sf.grants WHERE id = ? AND privilege = ? AND role = ?", [table.id, privilege, role])
            if verb == "GRANT":
                change.sql("INSERT INTO sf.grants VALUES (?, ?, 'ROLE', ?, now())", [table.id, privilege, role])
    return message("Statement executed successfully.")


def truncate(session: Session, words: Words) -> Result:
    """TRUNCATE is DML: it may be rolled back, and forgets which files were loaded."""
    words.expect("TRUNCATE")
    words.accept("TABLE")
    optional = words.accept("IF", "EXISTS")
    path = session.resolve(words.name())
    words.end()
    if optional and session.catalog.find("TABLE", path) is None:
        return message("Statement executed successfully.")
    table = session.table(path)

    def step(cursor: object) -> None:
        cursor.execute(f"DELETE FROM {table.physical}")  # type: ignore[attr-defined]
        cursor.execute(f"DELETE FROM sf.loads WHERE id = {table.id}")  # type: ignore[attr-defined]

    session.write(step, [("table", table.id)])
    return message("Statement executed successfully.")
