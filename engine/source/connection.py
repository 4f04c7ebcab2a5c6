"""A connection to the source: pinned settings, and each driver error told once, with where and what to do."""

from __future__ import annotations

import math
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias
from urllib.parse import urlsplit

import asyncpg

from engine.classification import SOURCE, SOURCE_CLASSES, SOURCE_UNREACHED
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
    connections_spare: int = 3
    """Left to others at the server, before readers give up theirs."""
    replica_lag_s_max: float | None = None
    snapshot_s_max: float = math.inf
    snapshot_transactions_max: float = math.inf
    """How long one snapshot may keep the source from cleaning up, by the clock and by transactions since."""

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
    await pin(connection, address)


async def pin(connection: Connection, address: Address) -> None:
    """Every setting as ours again: for a new session, and where a view's functions may have set others."""
    version = connection.get_server_version().major
    await connection.execute(sql.pin(version, address.statement_timeout_s, address.lock_timeout_s))


@asynccontextmanager
async def connected(address: Address) -> AsyncIterator[Connection]:
    connection = await connect(address)
    try:
        yield connection
    finally:
        connection.terminate()


CODES = {"53300": "connections", "57014": "cancelled", "40001": "conflict"}
"""Of the faults that fewer readers or shorter statements may cure, by SQLSTATE."""

LOSS = re.compile(r"borealis:loss:(\d+):(\w+)")


class LossFoundError(SourceError):
    """A value with no exact form was met while reading; carries the column's number and the reason."""

    def __init__(self, column_number: int, reason: str) -> None:
        super().__init__("a value has no exact form in the target")
        self.column_number = column_number
        self.reason = reason


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
        reason = getattr(error, "verify_message", "") or error.reason or "no reason"
        return _unreached(doing, "TLS", f"TLS failed ({reason})")
    if isinstance(error, ConnectionError) and "rejected SSL" in str(error):  # asyncpg has no class for it
        return _unreached(doing, "no TLS")
    if isinstance(error, ConnectionRefusedError):
        return _unreached(doing, "unreached", error.strerror)
    if isinstance(error, asyncpg.InterfaceError) and "closed" not in str(error) and "lost" not in str(error):
        return _unreached(doing, "refused by the driver", str(error).partition("\n")[0])
    if isinstance(error, (asyncpg.InterfaceError, asyncpg.InternalClientError, ConnectionError, EOFError)):
        return _unreached(doing, "lost")  # an internal one is raised where the server's farewell was read, its end not
    if isinstance(error, TimeoutError):
        return _unreached(doing, "silent")
    if isinstance(error, OSError):
        return _unreached(doing, "unreached", error.strerror or str(error))
    if isinstance(error, ValueError):
        return _unreached(doing, "malformed")
    return None


def _unreached(doing: str, kind: str, said: str | None = None) -> SourceError:
    verdict = SOURCE_UNREACHED[kind]
    return SourceError(f"{doing}: {said or verdict.meaning}", remedy=verdict.remedy, retryable=verdict.retryable)


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
    verdict = SOURCE.get(state) or SOURCE_CLASSES.get(state[:2])
    if state.startswith("22") and state != "22021":
        message = f"{type(error).__name__} ({state})"  # the server's text may quote the value
    if verdict is None:
        return SourceError(f"{doing}: {message}")
    return SourceError(
        f"{doing}: {message}", remedy=verdict.advice, retryable=verdict.retryable, code=CODES.get(state, "")
    )
