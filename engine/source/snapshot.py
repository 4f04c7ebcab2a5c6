"""One exported snapshot that all readers of a run share, and the locks that keep its tables as they are.

The holder locks the tables ACCESS SHARE, as pg_dump does, before its first query: LOCK takes no snapshot, so nothing
can rewrite or truncate a table between what the catalogue says and what a chunk reads.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio

from engine.errors import RefusedError, SourceError
from engine.model import Table
from engine.quoting import literal
from engine.source import catalogue
from engine.source.catalogue import Relation
from engine.source.connection import Address, Connection, Translated, connect, connected
from engine.sql.source import relation as quoted_relation

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_IDENTITY = "SELECT pg_current_snapshot()::text"


class Snapshot:
    """A consistent view of the source. `reader()` lends a connection that sees exactly this view."""

    def __init__(self, address: Address, holder: Connection, snapshot_id: str, identity: str, readers: int) -> None:
        self.id = snapshot_id
        self.readers = readers
        self.holder = holder
        self._address = address
        self._identity = identity
        self._slots = anyio.Semaphore(readers)
        self._idle: list[Connection] = []

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Connection]:
        """A connection inside the snapshot; at most `readers` at once. After an error it is not used again."""
        async with self._slots:
            connection = self._idle.pop() if self._idle else await self._open()
            try:
                yield connection
            except BaseException:
                connection.terminate()
                raise
            self._idle.append(connection)

    async def _open(self) -> Connection:
        connection = await connect(self._address)
        try:
            with Translated("cannot join the run's snapshot"):
                await connection.execute(f"{_BEGIN}; SET TRANSACTION SNAPSHOT {literal(self.id)}")
                seen = await connection.fetchval(_IDENTITY)
        except BaseException:
            connection.terminate()
            raise
        if seen != self._identity:
            connection.terminate()
            raise SourceError(
                "a reader sees another snapshot than the run's: the endpoint led to another node",
                remedy="use the endpoint of one instance in source.dsn, then run again",
                retryable=True,
            )
        return connection

    async def tables(self, relations: Sequence[Relation]) -> dict[int, Table]:
        """The tables by oid as the snapshot sees them; RefusedError where one changed its name in between."""
        with Translated("cannot read the catalogue"):
            found = await catalogue.tables(self.holder, [r.oid for r in relations])
        for relation in relations:
            table = found.get(relation.oid)
            if table is None or (table.schema, table.name) != (relation.schema, relation.name):
                raise RefusedError([f"{relation.schema}.{relation.name} was replaced while the run began; run again"])
        return found

    def close(self) -> None:
        for connection in [*self._idle, self.holder]:
            connection.terminate()


@asynccontextmanager
async def open_snapshot(address: Address, relations: Sequence[Relation], readers: int) -> AsyncIterator[Snapshot]:
    """Locks the relations and exports a snapshot that lives until the context ends."""
    async with connected(address) as holder:
        locked = [quoted_relation(r.schema, r.name) for r in relations if r.kind in ("r", "p")]
        names = ", ".join(f"{r.schema}.{r.name}" for r in relations[:5])
        with Translated(f"cannot lock {names}{' and more' if len(relations) > 5 else ''}"):
            await holder.execute(_BEGIN)
            if locked:
                await holder.execute(f"LOCK TABLE {', '.join(locked)} IN ACCESS SHARE MODE")
        with Translated("cannot export a snapshot"):
            snapshot_id = await holder.fetchval("SELECT pg_export_snapshot()")
            identity = await holder.fetchval(_IDENTITY)
        snapshot = Snapshot(address, holder, snapshot_id, identity, readers)
        try:
            yield snapshot
        finally:
            snapshot.close()
