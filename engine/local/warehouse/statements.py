"""One statement in, one result out: which module knows it, and how it stands to the open transaction."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from sqlglot import exp

from engine.local.warehouse import altering, loading, query, show, stage, tables
from engine.local.warehouse.faults import syntax, unsupported
from engine.local.warehouse.query import Compiled
from engine.local.warehouse.session import Cursor, Session
from engine.local.warehouse.stage import Stages
from engine.local.warehouse.wire import DELETE, INSERT, MERGE, TCL, UPDATE, Result, counts, fetched, message
from engine.local.warehouse.words import Words

_COMPILED_MAX = 512  # statements of a few kilobytes each
_FIRST = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*\(?\s*([A-Za-z]+)", re.DOTALL)
_DONE = "Statement executed successfully."


class Statements:
    def __init__(self, stages: Stages) -> None:
        self.stages = stages
        self._compiled: OrderedDict[tuple[object, ...], Compiled] = OrderedDict()

    def run(self, session: Session, sql: str, parameters: Sequence[Any] = ()) -> Result:
        found = _FIRST.match(sql)
        verb = found[1].upper() if found else ""
        if verb in ("SELECT", "WITH", "VALUES", "INSERT", "UPDATE", "DELETE", "MERGE"):
            return self._query(session, sql, list(parameters))
        if verb == "PUT":
            return stage.put(session, sql)
        act = _STATEMENTS.get(verb)
        if act is None:
            raise unsupported(verb) if verb else syntax("Empty SQL statement.")
        words = Words(sql)
        if verb == "COPY":
            return loading.run(session, words, self.stages)
        if verb in _DDL and not words.sees("ALTER", "SESSION"):
            session.guard()
            session.commit()
        return act(self, session, words)

    def describe(self, session: Session, sql: str) -> Result:
        """The columns of a SELECT without its rows."""
        compiled = self._compile(session, sql)
        if not isinstance(compiled.tree, exp.Query):
            return message(_DONE)
        for node in compiled.tree.find_all(exp.Placeholder):
            node.replace(exp.Null())
        text = compiled.tree.sql(dialect="duckdb")
        return session.read(lambda c: fetched(c.execute(f"SELECT * FROM ({text}) LIMIT 0")))

    def _compile(self, session: Session, sql: str) -> Compiled:
        key = (sql, session.database, session.schema, session.catalog.version)
        found = self._compiled.get(key)
        if found is None:
            found = query.compile_query(session, sql)
            if found.lasting and len(sql) < 20_000:
                self._compiled[key] = found
                while len(self._compiled) > _COMPILED_MAX:
                    self._compiled.popitem(last=False)
        return found

    def _query(self, session: Session, sql: str, parameters: list[Any]) -> Result:
        compiled = self._compile(session, sql)
        tree, target = compiled.tree, compiled.target
        if target is None:
            return session.read(lambda c: fetched(c.execute(compiled.sql, parameters or None)))
        if isinstance(tree, exp.Insert):
            return self._insert(session, sql, compiled, parameters)
        lock = [("table", target.id)]
        if isinstance(tree, exp.Merge):
            return session.write(lambda c: _merge(c, compiled, parameters), lock)
        number = session.write(lambda c: _count(c, compiled.sql, parameters), lock)
        if isinstance(tree, exp.Update):
            return counts(UPDATE, rows_updated=number, multi_joined_rows_updated=0)
        return counts(DELETE, rows_deleted=number)

    def _insert(self, session: Session, sql: str, compiled: Compiled, parameters: list[Any]) -> Result:
        target = compiled.target
        assert target is not None
        if not re.match(r"\s*INSERT\s+OVERWRITE\b", sql, re.IGNORECASE):
            return counts(INSERT, rows_inserted=session.write(lambda c: _count(c, compiled.sql, parameters)))
        source = compiled.tree.args["expression"].sql(dialect="duckdb")
        head = compiled.sql.removesuffix(source)
        assert head != compiled.sql

        def step(cursor: Cursor) -> int:
            cursor.execute(f"CREATE OR REPLACE TEMP TABLE sf_overwrite AS {source}", parameters or None)
            cursor.execute(f"DELETE FROM {target.physical}")
            number = _count(cursor, f"{head} FROM sf_overwrite", [])
            cursor.execute("DROP TABLE sf_overwrite")
            return number

        def direct(cursor: Cursor) -> int:
            cursor.execute(f"DELETE FROM {target.physical}")
            return _count(cursor, compiled.sql, parameters)

        reads_itself = any(entry.id == target.id for entry in compiled.reads)
        return counts(INSERT, rows_inserted=session.write(step if reads_itself else direct, [("table", target.id)]))

    # ---- statements read word by word

    def _begin(self, session: Session, _words: Words) -> Result:
        session.guard()
        session.begin()
        return message(_DONE, TCL)

    def _commit(self, session: Session, _words: Words) -> Result:
        session.commit()
        return message(_DONE, TCL)

    def _rollback(self, session: Session, _words: Words) -> Result:
        session.rollback()
        return message(_DONE, TCL)

    def _use(self, session: Session, words: Words) -> Result:
        words.expect("USE")
        for kind in ("DATABASE", "SCHEMA", "ROLE", "WAREHOUSE", "SECONDARY"):
            if len(words.tokens) > 2 and words.accept(kind):
                break
        else:
            kind = "SCHEMA" if len(words.tokens) > 2 else "DATABASE"
        if kind == "SECONDARY":
            return message(_DONE)
        path = words.name()
        if kind == "ROLE":
            session.role = path[-1]
        elif kind == "WAREHOUSE":
            session.warehouse = path[-1]
        elif kind == "DATABASE":
            session.catalog.get("DATABASE", path)
            session.database = path[0]
            session.schema = "PUBLIC" if session.catalog.find("SCHEMA", (*path, "PUBLIC")) else None
        else:
            full = path if len(path) == 2 else (session.database or "", *path)
            session.catalog.get("SCHEMA", full)
            session.database, session.schema = full
        return message(_DONE)

    def _alter(self, session: Session, words: Words) -> Result:
        if words.accept("ALTER", "SESSION", "SET"):
            for name, value in words.options().items():
                session.set(name, value)
            words.end()
            return message(_DONE)
        if words.accept("ALTER", "SESSION", "UNSET"):
            while not words.done:
                session.reset(words.identifier())
                words.accept(",")
            return message(_DONE)
        return altering.alter(session, words)


def _count(cursor: Cursor, sql: str, parameters: list[Any]) -> int:
    row = cursor.execute(sql, parameters or None).fetchone()
    return int(row[0]) if row else 0


def _merge(cursor: Cursor, compiled: Compiled, parameters: list[Any]) -> Result:
    """DuckDB's own MERGE, which refuses to change a row twice; counted by action, for the clauses it has."""
    assert compiled.target is not None
    text = [type(w.args["then"]).__name__ if isinstance(w.args["then"], exp.Expression) else str(w.args["then"])
            for w in compiled.tree.args["whens"].expressions]  # fmt: skip
    kinds = ["Insert" if "Insert" in t else "Update" if "Update" in t else "Delete" for t in text]
    if "Delete" in kinds and "Update" in kinds and "Insert" in kinds:
        actions = [
            row[0] for row in cursor.execute(f"{compiled.sql} RETURNING merge_action", parameters or None).fetchall()
        ]
        done = {"Insert": actions.count("INSERT"), "Update": actions.count("UPDATE"), "Delete": actions.count("DELETE")}
    else:
        size = f"SELECT count(*) FROM {compiled.target.physical}"
        before = _count(cursor, size, [])
        total = _count(cursor, compiled.sql, parameters)
        grown = _count(cursor, size, []) - before
        if "Delete" not in kinds:
            done = {"Insert": grown, "Update": total - grown}
        elif "Insert" not in kinds:
            done = {"Delete": -grown, "Update": total + grown}
        else:
            done = {"Insert": (total + grown) // 2, "Delete": (total - grown) // 2}
    names = {"Insert": "rows_inserted", "Update": "rows_updated", "Delete": "rows_deleted"}
    return counts(MERGE, **{names[k]: done[k] for k in ("Insert", "Update", "Delete") if k in kinds})


_Act = Callable[[Statements, Session, Words], Result]
_DDL = {"CREATE", "DROP", "ALTER", "COMMENT", "GRANT", "REVOKE"}
_STATEMENTS: dict[str, _Act] = {
    "COPY": lambda s, session, words: loading.run(session, words, s.stages),
    "CREATE": lambda s, session, words: tables.create(session, words, s.stages),
    "DROP": lambda s, session, words: tables.drop(session, words, s.stages),
    "ALTER": Statements._alter,  # noqa: SLF001
    "COMMENT": lambda _, session, words: tables.comment(session, words),
    "GRANT": lambda _, session, words: tables.grant(session, words),
    "REVOKE": lambda _, session, words: tables.grant(session, words),
    "TRUNCATE": lambda _, session, words: tables.truncate(session, words),
    "LIST": lambda s, session, words: stage.show(session, words, s.stages),
    "LS": lambda s, session, words: stage.show(session, words, s.stages),
    "REMOVE": lambda s, session, words: stage.remove(session, words, s.stages),
    "RM": lambda s, session, words: stage.remove(session, words, s.stages),
    "SHOW": lambda _, session, words: show.show(session, words),
    "DESCRIBE": lambda _, session, words: show.describe(session, words),
    "DESC": lambda _, session, words: show.describe(session, words),
    "BEGIN": Statements._begin,  # noqa: SLF001
    "START": Statements._begin,  # noqa: SLF001
    "COMMIT": Statements._commit,  # noqa: SLF001
    "ROLLBACK": Statements._rollback,  # noqa: SLF001
    "USE": Statements._use,  # noqa: SLF001
}
