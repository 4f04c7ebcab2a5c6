"""One exported snapshot that all readers of a run share, and the locks that keep its tables as they are.

The holder locks the tables ACCESS SHARE, as pg_dump does, before its first query: LOCK takes no snapshot, so nothing
can rewrite or truncate a table between what the catalogue says and what a chunk reads. Functions that share a run join
its snapshot by a baton, and each exports it again, so that any of them may be the last to hold it.

A standby exports a snapshot without the transactions that are open in it once one of those has subtransactions (with
`wal_level = logical` a single one, else 64). Who joins it takes them for failed, and PostgreSQL notes that on the rows,
which the standby then shows to nobody. So there the holder alone reads while transactions are open.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import anyio
import asyncpg

from engine.errors import RefusedError, SourceError
from engine.model import Table
from engine.quoting import literal
from engine.source import catalogue
from engine.source.catalogue import Relation
from engine.source.connection import Address, Connection, Translated, connect, connected, may_lack_its_role, pin
from engine.source.governor import Governor
from engine.sql.source import relation as quoted_relation

CALM_S, CALM_LOOK_S = 3.0, 0.02
"""How long, and how often, a moment without open transactions is looked for on a standby, so that readers can join."""
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_IDENTITY = "SELECT pg_current_snapshot()::text, pg_is_in_recovery()"

_ORIGIN = (
    """SELECT host(inet_server_addr()) || ':' || inet_server_port() AS node, current_database() AS database,
       pg_is_in_recovery() AS standby""",
    "SELECT system_identifier::text AS system FROM pg_control_system()",
    "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text AS lsn",
)

_NO_SNAPSHOT = (
    asyncpg.InvalidParameterValueError, asyncpg.UndefinedObjectError, asyncpg.ObjectNotInPrerequisiteStateError
)  # fmt: skip

_NODE = """
SELECT CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END
       || ', started ' || (pg_postmaster_start_time() AT TIME ZONE 'UTC')
"""

AGED_EVERY_S = 60.0
"""How often transactions since the snapshot are asked for; the clock is looked at before each chunk."""
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
    """Of pg_current_snapshot(): `xmin:xmax:xip,...`, the same for all who see the snapshot. A standby leaves
    out which are open; where some are, a name of its own stands there.
    """
    taken_at: float
    """Unix seconds."""
    origin: dict[str, Any] = field(default_factory=dict)
    """Of which server, and where in its log (`_ORIGIN`); empty where it does not tell."""
    node: str = ""
    """Which server has it, and as what."""


class Snapshot:
    """A consistent view of the source. `reader()` lends a connection that sees exactly this view."""

    def __init__(self, address: Address, holder: Connection, baton: Baton, readers: int) -> None:
        self.baton = baton
        self.readers = readers
        self.holder = holder
        self.busy: set[int] = set()
        """Relations that could not be locked, so that nothing is known of them."""
        self.standby = False
        self.alone = False
        """Nobody can join: the holder is the only reader."""
        self.guests = False
        """Whether reading its tables runs code of their owners, which could change what a session prints of others."""
        self.version = holder.get_server_version().major * 10000
        """As `server_version_num`, to the major."""
        found = holder.get_server_version()
        self.server = f"{found.major}.{found.micro}"
        self._address = address
        self._transactions = 0
        self._aged_at = time.monotonic()
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
            if self.guests:
                with Translated("cannot set the session right"):
                    await pin(connection, self._address)
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
            with Translated(f"cannot lock {len(names)} tables"):
                try:
                    await connection.execute(f"LOCK TABLE {', '.join(names)} IN ACCESS SHARE MODE NOWAIT")
                except asyncpg.LockNotAvailableError as error:
                    raise SourceError(
                        "another session waits to change one of the tables",
                        remedy="this run yields to it; run again later",
                    ) from error

    @property
    def spent(self) -> float:
        """The part of its budget that is used up, by the clock or by transactions since: 1 is all of it."""
        seconds = time.time() - self.baton.taken_at
        return max(seconds / self._address.snapshot_s_max, self._transactions / self._address.snapshot_transactions_max)

    async def is_spent(self) -> bool:
        """Whether the source has kept old rows for it long enough.

        age() stands still within a transaction, so it is asked in a session of its own; where that fails, later again.
        """
        if time.monotonic() - self._aged_at > AGED_EVERY_S:
            self._aged_at = time.monotonic()
            oldest = int(self.baton.identity.partition(":")[0]) % 2**32
            with suppress(SourceError):
                async with connected(self._address) as session:
                    with Translated("cannot ask how old the snapshot is"):
                        self._transactions = await session.fetchval(f"SELECT age('{oldest}'::xid)")
        return self.spent >= 1

    async def is_held(self) -> None:
        """Raises SourceError where its holder is gone."""
        with Translated("the holder of the snapshot is gone"):
            await self.holder.execute("SELECT 1")

    def read_alone(self) -> None:
        self.alone, self._idle, self._open_now = True, [self.holder], 1

    async def _open(self) -> Connection:
        if self.alone:
            raise SnapshotLostError("the one session that sees the run's snapshot has ended", remedy="run again")
        connection = await connect(self._address)
        try:
            with Translated("cannot join the run's snapshot"), _Joined():
                _refuse_another(self.baton.node, await connection.fetchval(_NODE))
                await connection.execute(f"{_BEGIN}; SET TRANSACTION SNAPSHOT {literal(self.baton.exported)}")
                seen, _ = await connection.fetchrow(_IDENTITY)
        except BaseException:
            connection.terminate()
            raise
        if seen != self.baton.identity:
            connection.terminate()
            raise SourceError("a reader sees another snapshot than the run's", remedy="run again", retryable=True)
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
        self.guests = any(table.runs_code for table in found.values())
        return found

    def close_readers(self) -> None:
        """Those that nobody uses; the snapshot itself is held on."""
        while self._idle and not self.alone:
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
        origin = await _origin(holder) if baton is None else baton.origin
        with Translated("cannot ask which node this is"):
            node = await holder.fetchval(_NODE)
        if baton is not None:
            if baton.node != node:
                raise SnapshotLostError("this is another node than the run's", remedy="the run goes on in a new one")
            await _join(holder, baton)
        tries_until = time.monotonic() + CALM_S
        while True:
            busy = await _lock(holder, [r for r in relations if r.kind in ("r", "p")], joined=baton is not None)
            with Translated("cannot export a snapshot"):
                exported = await holder.fetchval("SELECT pg_export_snapshot()")
                identity, standby = await holder.fetchrow(_IDENTITY)
            alone = standby and _has_open(identity)
            if not alone or time.monotonic() > tries_until:
                break
            await holder.execute("ROLLBACK")
            await anyio.sleep(CALM_LOOK_S)
        taken_at = baton.taken_at if baton else time.time()
        if alone:
            identity += uuid4().hex  # of two such with the same text the newer may see more
        snapshot = Snapshot(address, holder, Baton(exported, identity, taken_at, origin, node), 1 if alone else readers)
        if alone:
            snapshot.read_alone()
        snapshot.busy, snapshot.standby = busy, standby
        snapshot.guests = any(isinstance(each, Table) and each.runs_code for each in relations)
        try:
            yield snapshot
        finally:
            snapshot.close()


async def _origin(holder: Connection) -> dict[str, Any]:
    """Before the snapshot is taken, which an error would end: Aurora lacks some of these functions."""
    origin: dict[str, Any] = {}
    for question in _ORIGIN:
        with Translated("cannot ask the source which server it is"), suppress(asyncpg.PostgresError):
            origin |= dict(await holder.fetchrow(question))
    return origin


def _refuse_another(node: str, met: str) -> None:
    if met != node:
        raise SourceError(
            f"a reader met another node than the run's ({met}; the run reads from {node})",
            remedy="after a failover run again; else use the endpoint of one instance in source.dsn",
            retryable=True,
        )


class _Joined:
    """`with _Joined():` tells what it means that a snapshot cannot be imported."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _NO_SNAPSHOT):
            raise SnapshotLostError("the run's snapshot has ended", remedy="the run goes on in a new one") from None


async def _join(holder: Connection, baton: Baton) -> None:
    with Translated("cannot join the run's snapshot"), _Joined():
        await holder.execute(f"{_BEGIN}; SET TRANSACTION SNAPSHOT {literal(baton.exported)}")
        seen, standby = await holder.fetchrow(_IDENTITY)
    if seen != baton.identity:
        raise SnapshotLostError("the run's snapshot is not known on this node", remedy="the run goes on in a new one")
    if standby and _has_open(seen):
        raise SnapshotLostError("a standby's snapshot with open transactions", remedy="the run goes on in a new one")


def _has_open(identity: str) -> bool:
    """Whether transactions below its end were open; which, a standby's does not tell."""
    xmin, xmax, _ = identity.split(":")
    return xmin != xmax


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
