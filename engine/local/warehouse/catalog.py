"""Every name and what it stands for: databases, schemas, tables, stages, streams, grants.

A table is held as `t.t<id>`; its name is a row here. So a swap or a rename, over schemas too, changes two rows, and
whatever belongs to the table (grants, comment, load metadata) is kept under its id and travels with it. Names are kept
as they are, so "t" and "T" are two tables; DuckDB compares column names without case, hence `encode`.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import duckdb

from engine.local.warehouse.columns import Type
from engine.local.warehouse.faults import SqlError, exists, missing
from engine.local.warehouse.words import Name, literal

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS sf; CREATE SCHEMA IF NOT EXISTS info; CREATE SCHEMA IF NOT EXISTS t;
CREATE TABLE IF NOT EXISTS sf.objects (id BIGINT, kind VARCHAR, db VARCHAR, schema VARCHAR, name VARCHAR,
  transient BOOLEAN, comment VARCHAR, body VARCHAR, created TIMESTAMPTZ, altered TIMESTAMPTZ);
CREATE TABLE IF NOT EXISTS sf.columns (id BIGINT, position INTEGER, name VARCHAR, type VARCHAR, size INTEGER,
  scale INTEGER, nullable BOOLEAN, def VARCHAR, comment VARCHAR, chars INTEGER, octets INTEGER, prec INTEGER,
  digits INTEGER, datetime INTEGER);
CREATE TABLE IF NOT EXISTS sf.grants (id BIGINT, privilege VARCHAR, kind VARCHAR, role VARCHAR, created TIMESTAMPTZ);
CREATE TABLE IF NOT EXISTS sf.loads (id BIGINT, file VARCHAR, size BIGINT, etag VARCHAR, rows BIGINT,
  loaded TIMESTAMPTZ);
CREATE OR REPLACE VIEW info.DATABASES AS SELECT name AS DATABASE_NAME, 'ACCOUNTADMIN' AS DATABASE_OWNER,
  'NO' AS IS_TRANSIENT, comment AS COMMENT, created AS CREATED, altered AS LAST_ALTERED FROM sf.objects
  WHERE kind = 'DATABASE';
CREATE OR REPLACE VIEW info.SCHEMATA AS SELECT db AS CATALOG_NAME, name AS SCHEMA_NAME, 'ACCOUNTADMIN' AS SCHEMA_OWNER,
  'NO' AS IS_TRANSIENT, comment AS COMMENT, created AS CREATED, altered AS LAST_ALTERED FROM sf.objects
  WHERE kind = 'SCHEMA';
CREATE OR REPLACE VIEW info.TABLES AS SELECT o.db AS TABLE_CATALOG, o.schema AS TABLE_SCHEMA, o.name AS TABLE_NAME,
  'ACCOUNTADMIN' AS TABLE_OWNER, CASE o.kind WHEN 'VIEW' THEN 'VIEW' ELSE 'BASE TABLE' END AS TABLE_TYPE,
  CASE WHEN o.transient THEN 'YES' ELSE 'NO' END AS IS_TRANSIENT, NULL::VARCHAR AS CLUSTERING_KEY,
  d.estimated_size::BIGINT AS ROW_COUNT, NULL::BIGINT AS BYTES, 1 AS RETENTION_TIME, o.created AS CREATED,
  o.altered AS LAST_ALTERED, 'NO' AS IS_TEMPORARY, o.comment AS COMMENT
  FROM sf.objects o LEFT JOIN duckdb_tables() d ON d.schema_name = 't' AND d.table_name = 't' || o.id
  WHERE o.kind IN ('TABLE', 'VIEW');
CREATE OR REPLACE VIEW info.COLUMNS AS SELECT o.db AS TABLE_CATALOG, o.schema AS TABLE_SCHEMA, o.name AS TABLE_NAME,
  c.name AS COLUMN_NAME, c.position AS ORDINAL_POSITION, c.def AS COLUMN_DEFAULT,
  CASE WHEN c.nullable THEN 'YES' ELSE 'NO' END AS IS_NULLABLE, c.type AS DATA_TYPE,
  c.chars AS CHARACTER_MAXIMUM_LENGTH, c.octets AS CHARACTER_OCTET_LENGTH, c.prec AS NUMERIC_PRECISION,
  CASE WHEN c.prec IS NOT NULL THEN 10 END AS NUMERIC_PRECISION_RADIX, c.digits AS NUMERIC_SCALE,
  c.datetime AS DATETIME_PRECISION, 'NO' AS IS_IDENTITY, c.comment AS COMMENT
  FROM sf.columns c JOIN sf.objects o ON o.id = c.id;
CREATE OR REPLACE VIEW info.VIEWS AS SELECT db AS TABLE_CATALOG, schema AS TABLE_SCHEMA, name AS TABLE_NAME,
  body AS VIEW_DEFINITION, created AS CREATED, comment AS COMMENT FROM sf.objects WHERE kind = 'VIEW';
CREATE OR REPLACE VIEW info.STAGES AS SELECT db AS STAGE_CATALOG, schema AS STAGE_SCHEMA, name AS STAGE_NAME,
  body AS STAGE_URL, CASE WHEN body IS NULL THEN 'Internal Named' ELSE 'External Named' END AS STAGE_TYPE,
  created AS CREATED, comment AS COMMENT FROM sf.objects WHERE kind = 'STAGE';
CREATE OR REPLACE VIEW info.LOAD_HISTORY AS SELECT o.db AS CATALOG_NAME, o.schema AS SCHEMA_NAME, l.file AS FILE_NAME,
  o.name AS TABLE_NAME, l.loaded AS LAST_LOAD_TIME, 'LOADED' AS STATUS, l.rows AS ROW_COUNT, l.rows AS ROW_PARSED
  FROM sf.loads l JOIN sf.objects o ON o.id = l.id;
CREATE OR REPLACE VIEW info.TABLE_CONSTRAINTS AS SELECT ''::VARCHAR AS CONSTRAINT_CATALOG,
  ''::VARCHAR AS CONSTRAINT_NAME, ''::VARCHAR AS TABLE_NAME, ''::VARCHAR AS CONSTRAINT_TYPE WHERE FALSE;
"""
# The column of each INFORMATION_SCHEMA view that names the database it belongs to.
VIEWS = {
    "DATABASES": "", "SCHEMATA": "CATALOG_NAME", "TABLES": "TABLE_CATALOG", "COLUMNS": "TABLE_CATALOG",
    "VIEWS": "TABLE_CATALOG", "STAGES": "STAGE_CATALOG", "LOAD_HISTORY": "CATALOG_NAME", "TABLE_CONSTRAINTS": "",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    name: str
    type: Type
    nullable: bool = True
    default: str | None = None  # as written, in Snowflake's words
    comment: str | None = None


@dataclass(frozen=True)
class Entry:
    """A named object. `body`: a view's text, the id of the table that a stream was made on, the URL of an external
    stage, the locations that a storage integration allows.
    """

    id: int
    kind: str
    db: str
    schema: str
    name: str
    columns: tuple[Column, ...] = ()
    transient: bool = False
    comment: str | None = None
    body: str | None = None
    created: float = 0.0

    @property
    def path(self) -> Name:
        return (self.db, self.schema, self.name)

    @property
    def physical(self) -> str:
        return f't."t{self.id}"'

    def column(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise SqlError(904, "42000", f"SQL compilation error: error line 1\ninvalid identifier '\"{name}\"'")


def encode(name: str) -> str:
    """A column's name for DuckDB, which would take "id" and "ID" for one: a name with lower case carries its digest."""
    if name == name.upper() or "\x01" in name:
        return name
    return f"{name}\x01{hashlib.blake2s(name.encode(), digest_size=6).hexdigest()}"


def decode(name: str) -> str:
    return name.split("\x01", 1)[0]


def quote(name: str) -> str:
    """A column as DuckDB holds it."""
    return '"' + encode(name).replace('"', '""') + '"'


class Catalog:
    """All names, in memory; `change` is the one way to alter them, and writes them to the file in one transaction."""

    def __init__(self, root: duckdb.DuckDBPyConnection) -> None:
        self._root = root
        self._writing = threading.RLock()
        self.version = 0
        root.execute(SCHEMA)
        columns: dict[int, list[Column]] = {}
        for row in root.execute(
            "SELECT id, name, type, size, scale, nullable, def, comment FROM sf.columns ORDER BY id, position"
        ).fetchall():
            columns.setdefault(row[0], []).append(Column(row[1], Type(*row[2:5]), row[5], row[6], row[7]))
        self.entries: dict[tuple[str, Name], Entry] = {}
        for row in root.execute(
            "SELECT id, kind, db, schema, name, transient, comment, body, epoch(created) FROM sf.objects"
        ).fetchall():
            number, kind, db, schema, name, transient, comment, body, created = row
            shape = tuple(columns.get(number, ()))
            self._place(Entry(number, kind, db, schema, name, shape, transient, comment, body, created))
        self._ids = itertools.count(1 + max((e.id for e in self.entries.values()), default=0))

    @staticmethod
    def _key(entry: Entry) -> tuple[str, Name]:
        kind = "TABLE" if entry.kind == "VIEW" else entry.kind
        return kind, tuple(p for p in entry.path if p)

    def _place(self, entry: Entry) -> None:
        self.entries[self._key(entry)] = entry

    def make(self, kind: str, path: tuple[str, str, str], columns: tuple[Column, ...] = (), **rest: object) -> Entry:
        return Entry(next(self._ids), kind, *path, columns=columns, created=time.time(), **rest)  # type: ignore[arg-type]

    def find(self, kind: str, path: Name) -> Entry | None:
        return self.entries.get((kind, path))

    def get(self, kind: str, path: Name) -> Entry:
        found = self.entries.get((kind, path))
        if found is None:
            if len(path) > 1 and (len(path) < 3 or not self.find("SCHEMA", path[:2])):
                kind, path = ("Database", path[:1]) if not self.find("DATABASE", path[:1]) else ("Schema", path[:2])
            elif kind == "TABLE":
                kind = "Object"
            raise missing(kind.capitalize(), ".".join(path))
        return found

    def all(self, kind: str, *inside: str) -> list[Entry]:
        """Objects of a kind (a view counts as a table), in a database or schema, by name."""
        found = [e for (k, p), e in list(self.entries.items()) if k == kind and p[: len(inside)] == inside]
        return sorted(found, key=lambda e: e.path)

    @contextmanager
    def reader(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection apart from any session."""
        with self._root.cursor() as cursor:
            yield cursor

    @contextmanager
    def change(self) -> Iterator[Change]:
        with self._writing, self._root.cursor() as cursor:
            change = Change(self, cursor)
            cursor.execute("BEGIN")
            try:
                yield change
                cursor.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(duckdb.Error):  # DuckDB may have ended it already
                    cursor.execute("ROLLBACK")
                raise
            for act in change.after:
                act()
            self.version += 1


class Change:
    """One DDL statement: DuckDB's part and ours in one transaction, memory only after COMMIT."""

    def __init__(self, catalog: Catalog, cursor: duckdb.DuckDBPyConnection) -> None:
        self.catalog = catalog
        self.sql = cursor.execute
        self.after: list[Callable[[], object]] = []
        self.gone: set[tuple[str, Name]] = set()  # what this change drops, so that CREATE OR REPLACE may name it

    def put(self, entry: Entry, *, columns: bool = True, was: Entry | None = None) -> None:
        """Write an entry; `was` is its former self, whose name it gives up."""
        key = Catalog._key(entry)  # noqa: SLF001
        if was is None and key not in self.gone and self.catalog.find(*key):
            raise exists(entry.name)
        if was is not None:
            self.sql(f"DELETE FROM sf.objects WHERE id = {entry.id}")
        self.sql(
            "INSERT INTO sf.objects VALUES (?,?,?,?,?,?,?,?,to_timestamp(?),now())",
            [entry.id, entry.kind, entry.db, entry.schema, entry.name, entry.transient, entry.comment, entry.body,
             entry.created],
        )  # fmt: skip
        if columns and was is not None:
            self.sql(f"DELETE FROM sf.columns WHERE id = {entry.id}")
        if columns and entry.columns:
            self._columns(entry)
        if was is not None:
            self.after.append(lambda: self.catalog.entries.pop(Catalog._key(was), None))  # noqa: SLF001
        self.after.append(lambda: self.catalog._place(entry))  # noqa: SLF001

    def _columns(self, entry: Entry) -> None:
        rows = ",".join(
            "(" + ",".join(literal(v) for v in (
                entry.id, i, c.name, c.type.name, c.type.size, c.type.scale, c.nullable, c.default, c.comment,
                *c.type.facts())) + ")"
            for i, c in enumerate(entry.columns, 1)
        )  # fmt: skip
        self.sql(f"INSERT INTO sf.columns VALUES {rows}")

    def swap(self, a: Entry, b: Entry) -> None:
        one = replace(a, db=b.db, schema=b.schema, name=b.name)
        two = replace(b, db=a.db, schema=a.schema, name=a.name)
        for entry, was in ((one, a), (two, b)):
            self.sql(
                "UPDATE sf.objects SET db = ?, schema = ?, name = ?, altered = now() WHERE id = ?",
                [*entry.path, was.id],
            )
        self.after += [lambda: self.catalog._place(one), lambda: self.catalog._place(two)]  # noqa: SLF001

    def drop(self, entry: Entry) -> None:
        self.gone.add(Catalog._key(entry))  # noqa: SLF001
        if entry.kind == "TABLE":
            self.sql(f"DROP TABLE IF EXISTS {entry.physical}")
        for table in ("objects", "columns", "grants", "loads"):
            self.sql(f"DELETE FROM sf.{table} WHERE id = {entry.id}")
        self.after.append(lambda: self.catalog.entries.pop(Catalog._key(entry), None))  # noqa: SLF001
