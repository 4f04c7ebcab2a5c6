"""ALTER TABLE: swap, rename, columns that come, go and widen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from engine.local.warehouse.catalog import Change, Entry, quote
from engine.local.warehouse.columns import read_type
from engine.local.warehouse.faults import SqlError, exists, unsupported
from engine.local.warehouse.session import Session
from engine.local.warehouse.tables import CONSTRAINTS, physical, read_column
from engine.local.warehouse.wire import Result, message
from engine.local.warehouse.words import Words


def alter(session: Session, words: Words) -> Result:
    words.expect("ALTER")
    if not words.accept("TABLE"):
        raise unsupported(f"ALTER {words.here.text.upper()}")
    optional = words.accept("IF", "EXISTS")
    path = session.resolve(words.name())
    if optional and session.catalog.find("TABLE", path) is None:
        return message("Statement executed successfully.")
    table = session.table(path)
    with session.catalog.change() as change:
        for lead, act in _ACTS:
            if words.accept(*lead):
                act(session, change, table, words)
                break
        else:
            raise unsupported(f"ALTER TABLE {words.here.text.upper()}")
        words.end()
    return message("Statement executed successfully.")


def _rename(session: Session, change: Change, table: Entry, words: Words) -> None:
    path = words.name()
    new = (table.db, table.schema, *path) if len(path) == 1 else session.resolve(path)
    session.catalog.get("SCHEMA", new[:2])
    if session.catalog.find("TABLE", new):
        raise exists(new[-1])
    change.put(replace(table, db=new[0], schema=new[1], name=new[2]), columns=False, was=table)


def _rename_column(_: Session, change: Change, table: Entry, words: Words) -> None:
    old = table.column(words.identifier())
    words.expect("TO")
    new = words.identifier()
    change.sql(f"ALTER TABLE {table.physical} RENAME COLUMN {quote(old.name)} TO {quote(new)}")
    columns = tuple(replace(c, name=new) if c is old else c for c in table.columns)
    change.put(replace(table, columns=columns), was=table)


def _add(session: Session, change: Change, table: Entry, words: Words) -> None:
    if any(words.sees(w) for w in CONSTRAINTS):
        words.at = len(words.tokens)
        return
    words.accept("COLUMN")
    columns = list(table.columns)
    while True:
        optional = words.accept("IF", "NOT", "EXISTS")
        new = read_column(words)
        known = any(c.name == new.name for c in columns)
        if known and not optional:
            raise SqlError(1430, "42601", f"SQL compilation error:\ncolumn '{new.name}' already exists")
        if not known:
            if (
                not new.nullable
                and new.default is None
                and change.sql(f"SELECT 1 FROM {table.physical} LIMIT 1").fetchone()
            ):
                raise SqlError(
                    1471, "42601",
                    f"SQL compilation error:\nNon-nullable column '{new.name}' cannot be added to non-empty table "
                    f"'{table.name}' unless it has a non-null default value.",
                )  # fmt: skip
            text = physical(session, replace(new, nullable=True))
            change.sql(f"ALTER TABLE {table.physical} ADD COLUMN {text}")
            if not new.nullable:
                change.sql(f"ALTER TABLE {table.physical} ALTER COLUMN {quote(new.name)} SET NOT NULL")
            columns.append(new)
        if not words.accept(","):
            break
        words.accept("COLUMN")
    change.put(replace(table, columns=tuple(columns)), was=table)


def _drop_columns(_: Session, change: Change, table: Entry, words: Words) -> None:
    if words.accept("PRIMARY") or words.accept("CONSTRAINT") or words.accept("UNIQUE"):
        words.at = len(words.tokens)
        return
    words.accept("COLUMN")
    optional = words.accept("IF", "EXISTS")
    columns = list(table.columns)
    while True:
        name = words.identifier()
        if not (optional and all(c.name != name for c in columns)):
            columns.remove(table.column(name))
            change.sql(f"ALTER TABLE {table.physical} DROP COLUMN {quote(name)}")
        if not words.accept(","):
            break
    change.put(replace(table, columns=tuple(columns)), was=table)


def _alter_columns(_: Session, change: Change, table: Entry, words: Words) -> None:
    bracket = words.accept("(")
    columns = {c.name: c for c in table.columns}
    while True:
        words.accept("COLUMN") or words.accept("ALTER", "COLUMN") or words.accept("MODIFY", "COLUMN")
        name = words.identifier()
        old = table.column(name)
        where = f"ALTER TABLE {table.physical} ALTER COLUMN {quote(name)}"
        if words.accept("DROP", "NOT", "NULL"):
            change.sql(f"{where} DROP NOT NULL")
            columns[name] = replace(old, nullable=True)
        elif words.accept("SET", "NOT", "NULL"):
            change.sql(f"{where} SET NOT NULL")
            columns[name] = replace(old, nullable=False)
        elif words.accept("COMMENT"):
            columns[name] = replace(old, comment=words.string())
        elif words.accept("DROP", "DEFAULT"):
            change.sql(f"{where} DROP DEFAULT")
            columns[name] = replace(old, default=None)
        else:
            words.accept("SET", "DATA")
            words.accept("TYPE")
            new = read_type(words)
            if not old.type.widens_to(new):
                raise SqlError(
                    2108, "22023",
                    f"SQL compilation error: cannot change column {name} from type {old.type.shown} to {new.shown}",
                )  # fmt: skip
            if old.type.duck != new.duck:
                change.sql(f"{where} SET DATA TYPE {new.duck}")
            columns[name] = replace(old, type=new)
        if not words.accept(","):
            break
    if bracket:
        words.expect(")")
    change.put(replace(table, columns=tuple(columns.values())), was=table)


def _swap(session: Session, change: Change, table: Entry, words: Words) -> None:
    change.swap(table, session.table(words.name()))


def _comment(_: Session, change: Change, table: Entry, words: Words) -> None:
    words.expect("=")
    change.put(replace(table, comment=words.string()), columns=False, was=table)


def _uncomment(_: Session, change: Change, table: Entry, words: Words) -> None:
    del words
    change.put(replace(table, comment=None), columns=False, was=table)


def _accept(_session: Session, _change: Change, _table: Entry, words: Words) -> None:
    """Properties without an effect here: retention, clustering, tags."""
    words.at = len(words.tokens)


_ACTS: list[tuple[tuple[str, ...], Callable[[Session, Change, Entry, Words], None]]] = [
    (("SWAP", "WITH"), _swap),
    (("RENAME", "TO"), _rename),
    (("RENAME", "COLUMN"), _rename_column),
    (("ADD",), _add),
    (("DROP",), _drop_columns),
    (("SET", "COMMENT"), _comment),
    (("UNSET", "COMMENT"), _uncomment),
    (("SET",), _accept),
    (("UNSET",), _accept),
    (("CLUSTER", "BY"), _accept),
    (("ALTER",), _alter_columns),
    (("MODIFY",), _alter_columns),
]
