"""SELECT and DML as DuckDB runs them: names resolved to physical tables, functions rewritten, result columns named."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlglot
from sqlglot import Expr, exp

from engine.local.warehouse.catalog import VIEWS, Entry, encode
from engine.local.warehouse.faults import missing, syntax
from engine.local.warehouse.functions import rewrite
from engine.local.warehouse.session import Session
from engine.local.warehouse.words import literal

VERSION = "9.40.0"


@dataclass
class Compiled:
    """`sql` for DuckDB; `target` and `reads` are tables; `lasting` if the same text always compiles to the same."""

    tree: Expr
    sql: str = ""
    target: Entry | None = None
    reads: list[Entry] = field(default_factory=list)
    lasting: bool = True


def parse(sql: str) -> Expr:
    tree = sqlglot.parse_one(sql, read="snowflake")
    if isinstance(tree, exp.Command):
        raise syntax(
            f"syntax error line 1 at position 0 unexpected '{sql.split(maxsplit=1)[0] if sql.split() else ''}'."
        )
    return tree


def compile_query(session: Session, sql: str) -> Compiled:
    return _Compiler(session).run(parse(sql))


def expression(session: Session, sql: str, inputs: Callable[[int], Expr] | None = None) -> str:
    """One scalar expression, as in DEFAULT or a COPY transformation, where `$1` stands for `inputs(1)`."""
    tree = parse("SELECT " + sql)
    if inputs is not None:
        for node in list(tree.find_all(exp.Parameter)):
            node.replace(inputs(int(node.this.name)))
    compiler = _Compiler(session)
    compiler.alias = False
    return compiler.run(tree).sql.removeprefix("SELECT ")


class _Compiler:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.alias = True
        self.now = dt.datetime.now(dt.UTC)

    def run(self, tree: Expr) -> Compiled:
        out = Compiled(tree)
        for ident in tree.find_all(exp.Identifier):
            if not ident.quoted:
                ident.set("this", ident.this.upper())
                ident.set("quoted", True)
        if self.alias:
            _name_results(tree)
        tree = rewrite(tree)
        tree = self._context(tree, out)
        self._tables(tree, out)
        for ident in tree.find_all(exp.Identifier):
            if ident.quoted:
                ident.set("this", encode(ident.this))
        if isinstance(tree, exp.Insert) and tree.args.get("overwrite"):
            tree.set("overwrite", False)
        out.tree = tree
        out.sql = tree.sql(dialect="duckdb")
        return out

    def _context(self, tree: Expr, out: Compiled) -> Expr:
        """CURRENT_...: what the session knows, written into the statement."""
        session = self.session
        now = self.now.isoformat(sep=" ", timespec="microseconds")
        texts: dict[str, str | None] = {
            "CURRENTSESSION": str(session.number), "LAST_QUERY_ID": session.last_query_id,
            "CURRENTWAREHOUSE": session.warehouse, "CURRENTACCOUNT": session.account, "CURRENTREGION": "LOCAL",
            "CURRENTROLE": session.role, "CURRENTUSER": session.user, "CURRENTDATABASE": session.database,
            "CURRENTSCHEMA": session.schema, "CURRENTVERSION": VERSION, "CURRENTACCOUNTNAME": session.account,
            "CURRENTORGANIZATIONNAME": "LOCAL", "CURRENT_TRANSACTION": None, "CURRENTIPADDRESS": "127.0.0.1",
            "CURRENTAVAILABLEROLES": f'["{session.role}"]', "CURRENTSECONDARYROLES": "ALL", "CURRENTCLIENT": "Python",
        }  # fmt: skip
        for node in list(tree.walk()):
            name = node.name.upper() if isinstance(node, exp.Anonymous) else node.key.upper()
            new: Expr | None = None
            if isinstance(node, (exp.CurrentTimestamp, exp.CurrentTimestampLTZ)) or name in ("SYSDATE", "GETDATE"):
                new = exp.Cast(this=exp.Literal.string(now), to=exp.DataType.build("TIMESTAMPTZ"))
            elif isinstance(node, exp.Func) and name in texts:
                value = texts[name]
                new = exp.Null() if value is None else exp.Literal.string(value)
            if new is not None:
                out.lasting = False
                if node is tree:
                    tree = new
                else:
                    node.replace(new)
        return tree

    def _tables(self, tree: Expr, out: Compiled) -> None:
        ctes = {cte.alias for cte in tree.find_all(exp.CTE)}
        target = tree.this if isinstance(tree, (exp.Insert, exp.Update, exp.Delete, exp.Merge)) else None
        if isinstance(target, exp.Schema):
            target = target.this
        if isinstance(tree, (exp.Update, exp.Merge)):
            _bare_assignments(tree)
        for column in tree.find_all(exp.Column):
            column.set("catalog", None)
            column.set("db", None)
        for table in list(tree.find_all(exp.Table)):
            if not isinstance(table.this, exp.Identifier) or (not table.db and table.name in ctes):
                continue
            path = tuple(p for p in (table.catalog, table.db, table.name) if p)
            if table.db == "INFORMATION_SCHEMA":
                table.replace(self._information(path, table))
                continue
            entry = self.session.catalog.get("TABLE", self.session.resolve(path))
            if table is target:
                if entry.kind == "VIEW":
                    raise syntax(f"'{entry.name}' is a view, not a table.")
                out.target = entry
            else:
                out.reads.append(entry)
            alias = table.args.get("alias") or _alias(table.name)
            if entry.kind == "VIEW":
                view = _Compiler(self.session)
                inner = view.run(parse(str(entry.body)))
                out.lasting &= inner.lasting
                table.replace(exp.Subquery(this=sqlglot.parse_one(inner.sql, read="duckdb"), alias=alias))
                continue
            table.set("catalog", None)
            table.set("db", exp.to_identifier("t", quoted=False))
            table.set("this", exp.to_identifier(f"t{entry.id}", quoted=False))
            table.set("alias", None if table is target and isinstance(tree, exp.Insert) else alias)

    def _information(self, path: tuple[str, ...], table: exp.Table) -> Expr:
        database = path[0] if len(path) == 3 else self.session.database
        column = VIEWS.get(path[-1])
        if column is None or database is None or not self.session.catalog.find("DATABASE", (database,)):
            raise missing("Object", ".".join(path))
        where = f" WHERE {column} = {literal(database)}" if column else ""
        inner = sqlglot.parse_one(f"SELECT * FROM info.{path[-1]}{where}", read="duckdb")
        return exp.Subquery(this=inner, alias=table.args.get("alias") or _alias(path[-1]))


def _alias(name: str) -> exp.TableAlias:
    return exp.TableAlias(this=exp.to_identifier(name, quoted=True))


def _bare_assignments(tree: Expr) -> None:
    """SET t.x = 1 as SET x = 1."""
    updates = [tree] if isinstance(tree, exp.Update) else list(tree.find_all(exp.Update))
    for update in updates:
        for assignment in update.expressions:
            if isinstance(assignment, exp.EQ) and isinstance(assignment.this, exp.Column):
                assignment.this.set("table", None)


def _name_results(tree: Expr) -> None:
    """Columns of the result are named after their expression's text, as in Snowflake."""
    select = tree
    while isinstance(select, (exp.SetOperation, exp.Subquery)):
        select = select.this
    if not isinstance(select, exp.Select):
        return
    for item in list(select.expressions):
        if not isinstance(item, (exp.Alias, exp.Column, exp.Star)) and not item.is_star:
            name = item.sql(dialect="snowflake")
            item.replace(exp.alias_(item.copy(), name, quoted=True))
