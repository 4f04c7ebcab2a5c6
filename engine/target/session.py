"""A session at the target: one connection, one thread at a time, each driver error told once with what to do."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

import anyio
import anyio.to_thread
import snowflake.connector as driver
import snowflake.connector.errors as driver_errors

from engine.errors import TargetError

logging.getLogger("snowflake.connector").setLevel(logging.CRITICAL)  # its lines quote statements

Row = tuple[Any, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Result:
    rows: list[Row]
    rowcount: int
    columns: tuple[str, ...] = ()


_BY_NUMBER: dict[int, tuple[str, bool]] = {
    250001: ("check target.account, target.host and the network path (PrivateLink DNS, port 443)", True),
    250003: ("check the network path to the target", True),
    251005: ("set target.user", False),
    290404: ("check target.account and target.host", False),
    390100: ("check target.user and its password, or the secret at target.vault", False),
    390144: ("check account, user, key pair (RSA_PUBLIC_KEY of the user) and this machine's clock", False),
    390114: ("the session expired: run again", True),
    390189: ("the role does not exist or is not granted to the user: check target.role", False),
    606: ("set target.warehouse, and GRANT USAGE on it to the role", False),
    90073: ("the resource monitor's quota is used up: raise it", False),
    625: ("too many statements wait for a lock on the table: run again later", True),
    630: ("the statement ran into its time limit: raise target.statement_timeout_s or the warehouse's size", False),
    604: ("the statement was cancelled", True),
    2003: ("it does not exist, or the role may not use it: check the name and the grants", False),
    3001: ("GRANT the missing privilege to the role", False),
    100072: ("a NULL in a column that is NOT NULL at the target", False),
    100076: ("the staged file did not decompress: run again, or set limits.codec to the other codec", True),
    100079: ("the staged file did not decompress: run again, or set limits.codec to the other codec", True),
    100090: ("the key is not unique at the source: declare `key` with the columns that are", False),
}
VALUE_ERRORS = frozenset(
    {100035, 100037, 100038, 100039, 100040, 100046, 100069, 100071, 100074, 100078, 100082, 100115}
)
"""The target refuses a value of a row. Its message quotes the value, so ours does not repeat it."""
REFUSED_LOGINS = frozenset({390100, 390144})
"""The password, or the key, is not the user's (any more)."""


def translate(error: BaseException, doing: str) -> TargetError:
    """What a driver's error means. Matched on its number, never on its text."""
    number = getattr(error, "errno", None) or 0
    if number in VALUE_ERRORS:
        return TargetError(f"{doing}: the target refuses a value", errno=number, code="value")
    remedy, retryable = _BY_NUMBER.get(number, ("", False))
    if isinstance(error, driver_errors.OperationalError) and number not in _BY_NUMBER:
        retryable = True
    if isinstance(error, (ConnectionError, TimeoutError)):
        remedy, retryable = "check the network path to the target", True
    text = getattr(error, "raw_msg", None) or getattr(error, "msg", None) or str(error)
    said = " ".join(str(text).split()).partition(" (request_id=")[0].rstrip(".")[:500] or type(error).__name__
    return TargetError(f"{doing}: {said}", remedy=remedy, retryable=retryable, errno=number)


class Session:
    """One connection. Its calls block, so each runs in a thread; the driver's own time limits end it."""

    def __init__(self, connection: Any, limiter: anyio.CapacityLimiter) -> None:
        self._connection = connection
        self._limiter = limiter
        self.statements = 0

    async def execute(self, statement: str, parameters: Sequence[Any] = (), *, doing: str = "") -> Result:
        """Runs one statement; all rows of its result. Raises TargetError that says what was being done."""
        return await self._in_thread(
            partial(self._execute, statement, parameters), doing or statement.split("(", maxsplit=1)[0][:80]
        )

    async def transaction(self, statements: Sequence[tuple[str, Sequence[Any]]], *, doing: str) -> list[Result]:
        """BEGIN, the statements, COMMIT; ROLLBACK after any error. One hop to the thread."""
        return await self._in_thread(partial(self._transaction, statements, lambda _: None), doing)

    async def checked_transaction(
        self, statements: Sequence[tuple[str, Sequence[Any]]], check: Callable[[list[Result]], None], *, doing: str
    ) -> list[Result]:
        """As `transaction`; `check` sees the results before COMMIT and may raise, which rolls back."""
        return await self._in_thread(partial(self._transaction, statements, check), doing)

    async def _in_thread(self, call: Callable[[], T], doing: str) -> T:
        try:
            return await anyio.to_thread.run_sync(call, limiter=self._limiter)
        except (driver_errors.Error, OSError) as error:
            raise translate(error, doing) from error

    def _transaction(
        self, statements: Sequence[tuple[str, Sequence[Any]]], check: Callable[[list[Result]], None]
    ) -> list[Result]:
        self._execute("BEGIN", ())
        try:
            results = [self._execute(statement, parameters) for statement, parameters in statements]
            check(results)
            self._execute("COMMIT", ())
        except BaseException:
            with suppress(driver_errors.Error, OSError):
                self._execute("ROLLBACK", ())
            raise
        return results

    def _execute(self, statement: str, parameters: Sequence[Any]) -> Result:
        self.statements += 1
        with self._connection.cursor() as cursor:
            cursor.execute(statement, tuple(parameters) or None)
            columns = tuple(column.name for column in cursor.description or ())
            return Result(cursor.fetchall() if columns else [], cursor.rowcount or 0, columns)

    def close(self) -> None:
        with suppress(Exception):  # the session ends with its connection, whatever the farewell says
            self._connection.close()


class LoginParameters(Protocol):
    """The connector's parameters that log in; given those that the server refused, others or the same."""

    async def __call__(self, refused: Mapping[str, Any] | None = None) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class FixedParameters:
    parameters: Mapping[str, Any] = field(repr=False)

    async def __call__(self, refused: Mapping[str, Any] | None = None) -> Mapping[str, Any]:  # noqa: ARG002
        return self.parameters


class SessionPool:
    """Sessions for a run: made when first needed, lent one at a time, thrown away after an error."""

    def __init__(self, parameters: Mapping[str, Any], place: str, sessions_max: int, logins: LoginParameters) -> None:
        self._parameters = parameters
        self._place = place
        self._logins = logins
        self._slots = anyio.Semaphore(sessions_max)
        self._limiter = anyio.CapacityLimiter(sessions_max + 1)
        self._idle: list[Session] = []
        self.statements = 0

    @asynccontextmanager
    async def session(self, *, fresh: bool = False) -> AsyncIterator[Session]:
        """A session of one's own. `fresh` asks for a new one: it sees what other sessions committed before."""
        async with self._slots:
            session = self._idle.pop() if self._idle else None
            if fresh and session is not None:
                await anyio.to_thread.run_sync(session.close)
                session = None
            session = session or await self._open()
            before = session.statements
            try:
                yield session
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(session.close)
                raise
            finally:
                self.statements += session.statements - before
            self._idle.append(session)

    async def _open(self) -> Session:
        login = await self._logins()
        try:
            return await self._connect(login)
        except TargetError as error:
            if error.errno not in REFUSED_LOGINS:
                raise
            other = await self._logins(refused=login)
            if other == login:
                raise
        return await self._connect(other)

    async def _connect(self, login: Mapping[str, Any]) -> Session:
        connect = partial(driver.connect, **self._parameters, **login)
        try:
            connection = await anyio.to_thread.run_sync(connect, limiter=self._limiter)
        except (driver_errors.Error, OSError) as error:
            raise translate(error, f"cannot connect to {self._place}") from error
        return Session(connection, self._limiter)

    async def close(self) -> None:
        with anyio.CancelScope(shield=True):
            while self._idle:
                await anyio.to_thread.run_sync(self._idle.pop().close)
