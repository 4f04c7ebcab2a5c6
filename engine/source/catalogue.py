"""The source's catalogue: which relations there are, and what a table is made of, in a fixed number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from engine.model import Column, Leaf, Table, TypeRef
from engine.source.connection import Connection


@dataclass(frozen=True, slots=True)
class Relation:
    """One line of the list from which a configuration's names and patterns choose."""

    oid: int
    schema: str
    name: str
    kind: str
    """`pg_class.relkind`: r, p, v, m or f."""
    is_partition: bool
    readable: bool
    """The role may SELECT from it and use its schema."""


_RELATIONS = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text, c.relispartition,
       has_schema_privilege(n.oid, 'USAGE')
       AND has_table_privilege(c.oid, 'SELECT')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%' AND c.relpersistence <> 't'
ORDER BY n.nspname, c.relname
"""

_TABLES = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text, row_security_active(c.oid) AS row_security
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY($1::oid[])
"""

_COLUMNS = """
SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull
FROM pg_attribute a WHERE a.attrelid = ANY($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""

_TYPES = """
WITH RECURSIVE wanted(oid) AS (
    SELECT unnest($1::oid[])
  UNION
    SELECT next.oid FROM wanted w JOIN pg_type t ON t.oid = w.oid
    CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem)) AS next(oid) WHERE next.oid <> 0
)
SELECT t.oid, n.nspname, t.typname, t.typtype::text, t.typbasetype, t.typtypmod, t.typelem,
       t.typoutput = 'pg_catalog.array_out'::regproc AS is_array
FROM wanted w JOIN pg_type t ON t.oid = w.oid JOIN pg_namespace n ON n.oid = t.typnamespace
"""

_KEYS = """
SELECT i.indrelid, i.indisprimary, array_agg(a.attname ORDER BY k.position) AS names
FROM pg_index i
CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, position)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = ANY($1::oid[]) AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
  AND k.position <= i.indnkeyatts
GROUP BY i.indexrelid, i.indrelid, i.indisprimary, i.indnkeyatts
HAVING count(*) = i.indnkeyatts AND bool_and(a.attnotnull)
ORDER BY i.indrelid, i.indisprimary DESC, i.indexrelid
"""

_INDEXED = """
SELECT DISTINCT i.indrelid, a.attname
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = ANY($1::oid[]) AND m.amname = 'btree' AND i.indisvalid AND i.indpred IS NULL
"""

_LEAVES = """
WITH RECURSIVE tree(root, oid) AS (
    SELECT r.oid, r.oid FROM unnest($1::oid[]) AS r(oid)
  UNION
    SELECT t.root, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid
)
SELECT t.root, c.oid, n.nspname, c.relname, c.relkind::text,
       CASE WHEN c.relkind IN ('r', 'm') THEN pg_relation_size(c.oid) / current_setting('block_size')::int ELSE 0 END,
       CASE WHEN c.relkind IN ('r', 'm') THEN pg_table_size(c.oid) ELSE 0 END,
       coalesce(pg_relation_filenode(c.oid), 0)::bigint,
       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'),
       row_security_active(c.oid), c.relpersistence = 'u'
FROM tree t JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind <> 'p' AND c.relpersistence <> 't'
ORDER BY t.root, c.oid
"""


async def relations(connection: Connection) -> list[Relation]:
    """Every table, partitioned table, view, materialized view and foreign table that is not the system's."""
    return [Relation(*row) for row in await connection.fetch(_RELATIONS)]


async def tables(connection: Connection, oids: Sequence[int]) -> dict[int, Table]:
    """The tables with these oids, as the connection's transaction sees them: six queries, however many tables."""
    wanted = list(oids)
    columns = await connection.fetch(_COLUMNS, wanted)
    types = await _types(connection, {row["atttypid"] for row in columns})
    columns_of: dict[int, list[Column]] = defaultdict(list)
    for relid, number, name, type_oid, typmod, not_null in columns:
        columns_of[relid].append(Column(number, name, types.ref(type_oid, typmod), not_null))
    keys: dict[int, tuple[str, ...]] = {}
    for relid, _, names in await connection.fetch(_KEYS, wanted):
        keys.setdefault(relid, tuple(names))
    indexed: dict[int, list[str]] = defaultdict(list)
    for relid, name in await connection.fetch(_INDEXED, wanted):
        indexed[relid].append(name)
    leaves: dict[int, list[Leaf]] = defaultdict(list)
    for root, *leaf in await connection.fetch(_LEAVES, wanted):
        leaves[root].append(Leaf(*leaf))
    return {
        oid: Table(
            oid=oid,
            schema=schema,
            name=name,
            kind=kind,
            columns=tuple(columns_of[oid]),
            key=keys.get(oid, ()),
            leaves=tuple(leaves[oid]),
            indexed=tuple(indexed[oid]),
            row_security=row_security,
        )
        for oid, schema, name, kind, row_security in await connection.fetch(_TABLES, wanted)
    }


@dataclass(frozen=True, slots=True)
class _Types:
    rows: dict[int, tuple[str, str, str, int, int, int, bool]]

    def ref(self, oid: int, typmod: int) -> TypeRef:
        schema, name, kind, base, base_typmod, element, is_array = self.rows[oid]
        if kind == "d":
            # a domain's own modifier stands with it; a column of a domain has none
            return TypeRef(oid, schema, name, kind, base=self.ref(base, base_typmod), typmod=base_typmod)
        return TypeRef(
            oid, schema, name, kind, is_array, typmod, element=self.ref(element, typmod) if is_array else None
        )


async def _types(connection: Connection, oids: set[int]) -> _Types:
    rows = await connection.fetch(_TYPES, list(oids))
    return _Types({row[0]: tuple(row[1:]) for row in rows})
