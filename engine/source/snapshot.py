"""One exported snapshot that all readers of a run share, and the locks that keep its tables as they are.

The holder locks the tables ACCESS SHARE, as pg_dump does, before its first query: LOCK takes no snapshot, so nothing
can rewrite or truncate a table between what the catalogue says and what a chunk reads. Functions that share a run join
its snapshot by a baton, and each exports it again, so that any of them may be the last to hold it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import asyncpg

from engine.errors import RefusedError, SourceError
from engine.model import Table
from engine.quoting import literal
from engine.source import catalogue
from engine.source.catalogue import Relation
from engine.source.connection import Address, Connection, Translated, connect, connected, may_lack_its_role
from engine.source.governor import Governor
from engine.sql.source import relation as quoted_relation

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_IDENTITY = "SELECT pg_current_snapshot()::text, pg_is_in_recovery()"

_NO_SNAPSHOT = (
    asyncpg.InvalidParameterValueError, asyncpg.UndefinedObjectError, asyncpg.ObjectNotInPrerequisiteStateError
)  # fmt: skip
_BUDGET = "SELECT age(backend_xmin) FROM pg_stat_activity WHERE pid = pg_backend_pid()"

GIVEN_BACK_S = 0.1
"""How often a reader that was refused a connection looks for one that another has done with."""

LOCKED_BY_READERS_MAX = 200
"""Tables that every reader locks from the start, biggest first: PostgreSQL has room for some 6,000 locks by default."""


class SnapshotLostError(SourceError):
    """Nobody holds the snapshot any more, so nobody can join it."""

    code = "snapshot"
    retryable = True


@dataclass(frozen=True, slots=True)
class Baton:
    """What another function needs to join a snapshot while its holder lives."""

    exported: str
    """Of pg_export_snapshot()."""
    identity: str
    """Of pg_current_snapshot(): `xmin:xmax:xip,...`, the same for all who see the snapshot."""
    taken_at: float
    """Unix seconds."""


class Snapshot:
    """A consistent view of the source. `reader()` lends a connection that sees exactly this view."""

    def __init__(self, address: Address, holder: Connection, baton: Baton, readers: int) -> None:
        self.baton = baton
        self.readers = readers
        self.holder = holder
        self.busy: set[int] = set()
        """Relations that could not be locked, so that nothing is known of them."""
        self.standby = False
        self.version = holder.get_server_version().major * 10000
        """As `server_version_num`, to the major."""
        self._address = address
        self.governor = Governor(address, holder, readers)
        self._idle: list[Connection] = []
        self._open_now = 0
        """Readers' connections, idle or lent."""
        self._age = 0
        """Grows when the role of the connections so far was dropped."""

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Connection]:
        """A connection inside the snapshot; at most `readers` at once. After an error it is not used again."""
        async with self.governor.place():
            if self._address.logins.leased:
                await self._address.logins()  # in use, so the lease is renewed
            age = self._age
            connection = await self._taken()
            try:
                yield connection
            except BaseException as error:
                self._end(connection)
                self.governor.failed(error)
                if self._address.logins.leased and may_lack_its_role(error):
                    self._forget_role(error)
                raise
            self.governor.read()
            if age == self._age and self._open_now <= self.governor.readers:
                self._idle.append(connection)
            else:
                self._end(connection)

    async def _taken(self) -> Connection:
        """An idle connection, else a new one; where none is to be had, one that another reader gives back."""
        while not self._idle:
            if connection := await self._opened():
                return connection
            while not self._idle and self._open_now:  # noqa: ASYNC110 - many give back, and some end what they had
                await anyio.sleep(GIVEN_BACK_S)
        return self._idle.pop()

    async def _opened(self) -> Connection | None:
        """A new one; None where the server has none left beside those that are open."""
        try:
            return await self._open()
        except SourceError as error:
            if error.code != "connections" or not self.governor.refused(self._open_now):
                raise
        return None

    def _end(self, connection: Connection) -> None:
        self._open_now -= 1
        connection.terminate()

    def _forget_role(self, error: BaseException) -> None:
        """The lease was revoked: other connections of the role are of no use, with those of a new one it may work."""
        assert isinstance(error, SourceError)
        error.retryable = True
        self._age += 1
        while self._idle:
            self._end(self._idle.pop())

    async def open_readers(self, count: int, tables: Sequence[Table]) -> None:
        """Opens connections and lets each lock the tables now.

        A session that asks later would wait behind a schema change that waits behind us. Where one waits already, this
        run yields: SourceError, and the holder's locks go with it.
        """
        names = [quoted_relation(t.schema, t.name) for t in tables if t.kind in ("r", "p")][:LOCKED_BY_READERS_MAX]
        while len(self._idle) < min(count, self.governor.readers):
            if connection := await self._opened():
                self._idle.append(connection)
        for connection in self._idle if names else ():
            try:
                await connection.execute(f"LOCK TABLE {', '.join(names)} IN ACCESS SHARE MODE NOWAIT")
            except asyncpg.LockNotAvailableError as error:
                raise SourceError(
                    "another session waits to change one of the tables", remedy="this run yields to it; run again later"
                ) from error

    async def is_over_budget(self, seconds_max: float, transactions_max: int) -> bool:
        """Whether the source has kept old rows for it long enough, by the clock or by transactions since."""
        with Translated("cannot ask how old the snapshot is"):
            transactions = int(await self.holder.fetchval(_BUDGET) or 0)
        return time.time() - self.baton.taken_at > seconds_max or transactions > transactions_max

    async def _open(self) -> Connection:
        connection = await connect(self._address)
        try:
            with Translated("cannot join the run's snapshot"), _Joined():
                await connection.execute(f"{_BEGIN}; SET TRANSACTION SNAPSHOT {literal(self.baton.exported)}")
                seen, _ = await connection.fetchrow(_IDENTITY)
        except BaseException:
            connection.terminate()
            raise
        if seen != self.baton.identity:
            connection.terminate()
            raise SourceError(
                "a reader sees another snapshot than the run's: the endpoint led to another node",
                remedy="use the endpoint of one instance in source.dsn, then run again",
                retryable=True,
            )
        self._open_now += 1
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

    def close_readers(self) -> None:
        """Those that nobody uses; the snapshot itself is held on."""
        while self._idle:
            self._end(self._idle.pop())

    def close(self) -> None:
        for connection in [*self._idle, self.holder]:
            connection.terminate()


@asynccontextmanager
async def open_snapshot(
    address: Address, relations: Sequence[Relation | Table], readers: int, baton: Baton | None = None
) -> AsyncIterator[Snapshot]:
    """Locks the relations and exports a snapshot that lives until the context ends: a new one, or that of the baton.

    A relation that another session keeps locked for longer than the lock timeout is in `Snapshot.busy`. Raises
    SnapshotLostError where the baton's snapshot has ended.
    """
    async with connected(address) as holder:
        if baton is not None:
            await _join(holder, baton)
        busy = await _lock(holder, [r for r in relations if r.kind in ("r", "p")], joined=baton is not None)
        with Translated("cannot export a snapshot"):
            exported = await holder.fetchval("SELECT pg_export_snapshot()")
            identity, standby = await holder.fetchrow(_IDENTITY)
        snapshot = Snapshot(
            address, holder, Baton(exported, identity, baton.taken_at if baton else time.time()), readers
        )
        snapshot.busy, snapshot.standby = busy, standby
        try:
            yield snapshot
        finally:
            snapshot.close()


class _Joined:
    """`with _Joined():` tells what it means that a snapshot cannot be imported."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _NO_SNAPSHOT):
            raise SnapshotLostError("the run's snapshot has ended", remedy="the run goes on in a new one") from None


async def _join(holder: Connection, baton: Baton) -> None:
    await holder.execute(_BEGIN)
    with _Joined():
        await holder.execute(f"SET TRANSACTION SNAPSHOT {literal(baton.exported)}")
    seen, _ = await holder.fetchrow(_IDENTITY)
    if seen != baton.identity:
        raise SnapshotLostError("the run's snapshot is not known on this node", remedy="the run goes on in a new one")


async def _lock(holder: Connection, relations: Sequence[Relation | Table], *, joined: bool) -> set[int]:
    """Locks in one statement; where that takes too long, one by one without waiting. Returns the oids that are busy."""
    names = {r.oid: quoted_relation(r.schema, r.name) for r in relations}
    busy: set[int] = set()
    with Translated(f"cannot lock {len(names)} tables"):
        if not joined:
            await holder.execute(_BEGIN)
        if not names:
            return busy
        try:
            await holder.execute(f"LOCK TABLE {', '.join(names.values())} IN ACCESS SHARE MODE")
        except asyncpg.LockNotAvailableError as error:
            if joined:
                raise SourceError(
                    "another session waits to change one of the tables", remedy="this run yields to it; run again later"
                ) from error
            await holder.execute(f"ROLLBACK; {_BEGIN}")
            for oid, name in names.items():
                await holder.execute("SAVEPOINT s")
                try:
                    await holder.execute(f"LOCK TABLE {name} IN ACCESS SHARE MODE NOWAIT")
                except asyncpg.LockNotAvailableError:
                    busy.add(oid)
                    await holder.execute("ROLLBACK TO s")
                await holder.execute("RELEASE s")  # a subtransaction cannot export a snapshot
    return busy
