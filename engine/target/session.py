"""A session at the target: one connection, one thread at a time, each driver error told once with what to do."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

import anyio
import anyio.to_thread
import snowflake.connector as driver
import snowflake.connector.errors as driver_errors

from engine.classification import TARGET, TARGET_LOGIN_REFUSED, TARGET_VALUES
from engine.errors import TargetError
from engine.sql.target import alter_session

CONNECTOR: str = driver.__version__

logging.getLogger("snowflake.connector").setLevel(logging.CRITICAL)  # its lines quote statements

Row = tuple[Any, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Result:
    rows: list[Row]
    rowcount: int
    columns: tuple[str, ...] = ()


_MAJOR = int(driver.__version__.partition(".")[0])
_NOT_REACHED, _CERTIFICATE = 250_001, 250_011
_HTTP = 290_000
"""What the driver adds to the status of an HTTP answer that it gave up on."""
_HTTP_PASSES = (408, 429)
STREAMED_BYTES_MAX = 2**20
"""A file up to this size is handed to the driver as a stream and held in memory, several times over while sent:
with 8 MiB a run of 1.5 M rows of lineitem peaks at 313 MB, by name at 203. By name connector 5 sends it 4 KiB at a
time, which costs about 0.1 s more of CPU a million rows."""
ANSWER_S = 10
"""Seconds for a session to prove that it still lives: a hundred times what it takes, and less than a new login may."""


def translate(error: BaseException, doing: str) -> TargetError:
    """What a driver's error means. Matched on its number and class; on its text only for what has no number."""
    number = _number(error)
    if number in TARGET_VALUES:
        return TargetError(f"{doing}: the target refuses a value", errno=number, code="value")
    verdict = TARGET[250003] if isinstance(error, (ConnectionError, TimeoutError)) else TARGET.get(number)
    retryable = verdict.retryable if verdict else _passes(error, number)
    text = getattr(error, "raw_msg", None) or getattr(error, "msg", None) or str(error)
    said = " ".join(str(text).split()).partition(" (request_id=")[0].rstrip(".")[:500] or type(error).__name__
    remedy = verdict.advice if verdict else "run again" if retryable else ""
    return TargetError(f"{doing}: {said}", remedy=remedy, retryable=retryable, errno=number)


def _number(error: BaseException) -> int:
    """The driver's own, but where connector 4 tells a refused login by the number of a target out of reach.

    Connector 5 has 390100 for that, and tells a login whose answer was cut off in the way of 4's refusal.
    """
    number = getattr(error, "errno", None) or 0
    if type(error).__name__ == "ForbiddenError":
        return _HTTP + 403
    if number == _HTTP + _NOT_REACHED:  # it adds the two where the service is away at the login
        return _NOT_REACHED
    if number == _NOT_REACHED and "certificate" in str(error):  # connector 5
        return _CERTIFICATE
    if _MAJOR < 5 and number == _NOT_REACHED and isinstance(error, driver_errors.DatabaseError):
        return number if isinstance(error, driver_errors.OperationalError) else 390100
    return number


def _passes(error: BaseException, number: int) -> bool:
    status = number % _HTTP
    return isinstance(error, driver_errors.OperationalError) or (
        number >= _HTTP and (status in _HTTP_PASSES or 500 <= status < 600)
    )


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

    async def upload(self, statement: str, path: Path, *, doing: str) -> Result:
        """Runs a PUT of that file."""
        return await self._in_thread(partial(self._upload, statement, path), doing)

    async def answers(self, statement: str) -> bool:
        """Whether the session, not used for a while, still takes a statement."""
        try:
            await self._in_thread(partial(self._execute, statement, (), timeout=ANSWER_S), "cannot use a session again")
        except TargetError:
            return False
        return True

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

    def _upload(self, statement: str, path: Path) -> Result:
        if path.stat().st_size > STREAMED_BYTES_MAX:
            return self._execute(statement, ())
        with path.open("rb") as stream:
            return self._execute(statement, (), stream=stream)

    def _execute(
        self, statement: str, parameters: Sequence[Any], timeout: int | None = None, stream: IO[bytes] | None = None
    ) -> Result:
        self.statements += 1
        with self._connection.cursor() as cursor:
            cursor.execute(statement, tuple(parameters) or None, timeout=timeout, file_stream=stream)
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
        self.place = place
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

    async def renew(self, session_parameters: Mapping[str, Any]) -> None:
        """After a pause: sets up idle sessions for the next run, and throws away those that are gone.

        One short statement each, side by side; it is the check and the setting in one.
        """
        self._parameters = {**self._parameters, "session_parameters": session_parameters}
        statement = alter_session(session_parameters)
        idle, self._idle = self._idle, []

        async def keep(session: Session) -> None:
            if await session.answers(statement):
                self._idle.append(session)
            else:
                await anyio.to_thread.run_sync(session.close)

        async with anyio.create_task_group() as tasks:
            for session in idle:
                tasks.start_soon(keep, session)

    async def _open(self) -> Session:
        login = await self._logins()
        try:
            return await self._connect(login)
        except TargetError as error:
            if error.errno not in TARGET_LOGIN_REFUSED:
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
            raise translate(error, f"cannot connect to {self.place}") from error
        connection.telemetry_enabled = False  # connector 5 asks its settings five times a statement whether to send
        return Session(connection, self._limiter)

    async def close(self) -> None:
        with anyio.CancelScope(shield=True):
            while self._idle:
                await anyio.to_thread.run_sync(self._idle.pop().close)
