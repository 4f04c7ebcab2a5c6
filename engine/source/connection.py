"""A connection to the source: pinned settings, and each driver error told once, with where and what to do."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias
from urllib.parse import urlsplit

import asyncpg

from engine.errors import BorealisError, RefusedError, SourceError
from engine.sql import source as sql

APPLICATION_NAME = "borealis"
VERSION_MIN = 14
"""TID range scans, which chunks are made of, came with PostgreSQL 14."""

Connection: TypeAlias = asyncpg.Connection


@dataclass(frozen=True, slots=True)
class Login:
    """Who a connection is; what it leaves out is in the address, or in PostgreSQL's own files and variables."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)


class Logins(Protocol):
    """`await logins()` is the login of one new connection; given one that the server refused, another or the same."""

    @property
    def leased(self) -> bool:
        """Whether a role may be dropped under sessions of its own, when its lease ends or is revoked."""

    async def __call__(self, refused: Login | None = None) -> Login: ...


@dataclass(frozen=True, slots=True)
class FixedLogin:
    login: Login = Login()
    leased: bool = False

    async def __call__(self, refused: Login | None = None) -> Login:  # noqa: ARG002 - there is no other
        return self.login


@dataclass(frozen=True, slots=True)
class Address:
    """Where the source is and how to behave there. `dsn` holds a secret: never printed."""

    dsn: str
    logins: Logins = FixedLogin()
    connect_timeout_s: float = 10
    statement_timeout_s: float = 0
    lock_timeout_s: float = 10

    @property
    def place(self) -> str:
        """host:port/database, for messages."""
        parts = urlsplit(self.dsn)
        return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"

    def __repr__(self) -> str:
        return f"Address({self.place})"


async def connect(address: Address) -> Connection:
    """A new session with every setting pinned that could change what is read. Raises SourceError."""
    with Translated(f"cannot connect to {address.place}"):
        login = await address.logins()
        try:
            connection = await _open(address, login)
        except asyncpg.InvalidAuthorizationSpecificationError:
            other = await address.logins(refused=login)
            if other == login:
                raise
            connection = await _open(address, other)
        try:
            await _prepare(connection, address)
        except BaseException:
            connection.terminate()
            raise
    return connection


async def _open(address: Address, login: Login) -> Connection:
    return await asyncpg.connect(
        address.dsn,
        user=login.user,
        password=login.password,
        timeout=address.connect_timeout_s,
        server_settings={"application_name": APPLICATION_NAME},
        statement_cache_size=0,
    )


async def _prepare(connection: Connection, address: Address) -> None:
    version = connection.get_server_version().major
    if version < VERSION_MIN:
        raise SourceError(
            f"the source at {address.place} is PostgreSQL {version}", remedy="Borealis needs PostgreSQL 14 or newer"
        )
    await connection.execute(sql.pin(version, address.statement_timeout_s, address.lock_timeout_s))


@asynccontextmanager
async def connected(address: Address) -> AsyncIterator[Connection]:
    connection = await connect(address)
    try:
        yield connection
    finally:
        connection.terminate()


LOSS = re.compile(r"borealis:loss:(\d+):(\w+)")


class LossFoundError(SourceError):
    """A value with no exact form was met while reading; carries the column's number and the reason."""

    def __init__(self, column_number: int, reason: str) -> None:
        super().__init__("a value has no exact form in the target")
        self.column_number = column_number
        self.reason = reason


_BY_STATE: dict[str, tuple[str, bool]] = {
    "28P01": ("the password is wrong: check source.dsn and source.password, or the secret at source.vault", False),
    "28000": ("the role may not log in: check source.dsn or source.vault, and the server's pg_hba.conf", False),
    "3D000": ("check the database name at the end of source.dsn", False),
    "42501": ("grant the role what it lacks: GRANT SELECT on the table, USAGE on its schema", False),
    "42P01": ("the table is gone: check the name, or run again", False),
    "53300": ("the server has no free connection: lower limits.readers, or raise max_connections", True),
    "53200": ("the server has no memory for more locks: raise max_locks_per_transaction, or name fewer tables", False),
    "55P03": ("another session holds a lock on the table: run again later, or raise source.lock_timeout_s", False),
    "08001": ("the source cannot reach the server of a foreign table: mend that, or exclude the table", False),
    "55000": ("REFRESH MATERIALIZED VIEW fills a materialized view that is empty still", False),
    "57014": ("it was cancelled: see statement_timeout and, on a standby, max_standby_streaming_delay", True),
    "40001": ("the standby removed rows that we still read: set hot_standby_feedback = on there, or run again", True),
    "40P01": ("a deadlock at the source: run again", True),
    "57P01": ("the server was shut down: run again when it is back", True),
    "57P02": ("the server crashed: run again when it is back", True),
    "57P03": ("the server is starting or stopping: run again in a moment", True),
    "25P03": ("the server ended the session: idle_in_transaction_session_timeout is enforced there", True),
    "57P05": ("the server ended the session: idle_session_timeout is enforced there", True),
    "22021": ("a text is not valid UTF-8; the database's encoding is SQL_ASCII: repair the rows or exclude the column",
              False),
    "22P05": ("a JSON text has \\u0000, which jsonb refuses: set the column's type to VARCHAR", False),
}  # fmt: skip


class Translated:
    """`with Translated("what was being done"):` turns the driver's errors into SourceError, once, at the edge."""

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, BorealisError):
            return
        told = translate(error, self._doing)
        if told is not None:
            raise told from error


def translate(error: BaseException, doing: str) -> BorealisError | None:
    """What a driver's error means; None for an error that is not about the source."""
    if isinstance(error, asyncpg.PostgresError):
        return _translate_server(error, doing)
    if isinstance(error, ssl.SSLError):
        return SourceError(
            f"{doing}: TLS failed ({error.reason or 'no reason'})", remedy="check sslmode and sslrootcert"
        )
    if isinstance(error, (asyncpg.InterfaceError, ConnectionError, EOFError)) and not isinstance(
        error, ConnectionRefusedError
    ):
        if isinstance(error, asyncpg.InterfaceError) and "closed" not in str(error) and "lost" not in str(error):
            return SourceError(f"{doing}: {error}", remedy="check source.dsn")
        return SourceError(f"{doing}: the connection was lost", remedy="run again", retryable=True)
    if isinstance(error, TimeoutError):
        return SourceError(
            f"{doing}: no answer in time",
            remedy="check the host, the security groups and source.connect_timeout_s",
            retryable=True,
        )
    if isinstance(error, OSError):
        return SourceError(
            f"{doing}: {error.strerror or error}",
            remedy="check the host and port of source.dsn, and that the server runs",
            retryable=True,
        )
    if isinstance(error, ValueError):
        return SourceError(f"{doing}: the connection string is not valid", remedy="check source.dsn")
    return None


def may_lack_its_role(error: BaseException) -> bool:
    """Whether what failed would fail so where the session's role was dropped: its sessions live on without rights."""
    return isinstance(error, SourceError) and isinstance(error.__cause__, asyncpg.InsufficientPrivilegeError)


def _translate_server(error: asyncpg.PostgresError, doing: str) -> BorealisError:
    message = str(error).splitlines()[0] if str(error) else type(error).__name__
    if found := LOSS.search(message):
        return LossFoundError(int(found[1]), found[2])
    state = getattr(error, "sqlstate", None) or ""
    if state == "42501" and "row-level security" in message:
        return RefusedError(
            [
                (
                    f"{doing}: row-level security would hide rows from this role; "
                    "give the role BYPASSRLS, read as the owner, or exclude the table"
                )
            ]
        )
    remedy, retryable = _BY_STATE.get(state, ("", state.startswith(("08", "53"))))
    if state.startswith("22") and state != "22021":
        message = f"{type(error).__name__} ({state})"  # the server's text may quote the value
    return SourceError(f"{doing}: {message}", remedy=remedy, retryable=retryable)
