"""The audit log, `aws.audit_log_group`: who asked for which run, over which tables, with which secrets, how it ended.

A line of JSON each, in a stream a function and execution environment:

    asked     before anything is read: who, from where, for what. A run that cannot say so does not begin
    began     the request has become a run, whose id is told
    ended     status, tables, and by which reads of Vault it was let in; or the error

Names, ids and our own words; no value of a row, and no secret.
"""

from __future__ import annotations

import getpass
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import orjson

from engine import __version__, aws, failures
from engine.config import Config
from engine.errors import AwsError, BorealisError
from engine.logins import origins

TABLES_MAX = 1000
"""In one line: names of 130 bytes are then a fifth of the 1 MiB that a line may have."""
ENDING_S = 0.5
"""For the last line of a body that was cut off: less than what an invocation keeps for its end."""
_OF_TABLE = ("table", "target_table", "status", "run_id", "mode", "rows_loaded")


class Entry:
    """One invocation or command in the audit log; a log that is not set takes nothing."""

    def __init__(self, write: Log | None, keys: Mapping[str, Any]) -> None:
        self._write = write
        self._keys = keys
        self.tables: Sequence[Mapping[str, Any]] = ()
        """Where the answer holds a part of them only."""
        self.answer: Mapping[str, Any] = {}
        self.untold: BorealisError | None = None
        """Why the end could not be said."""

    async def asked(self, asked_for: Mapping[str, Any]) -> None:
        """Raises AwsError, retryable, where it cannot be said."""
        await self._or_refuse("asked", asked_for=asked_for)

    async def began(self, run_id: str) -> None:
        """The run that the request has become. Raises as `asked`."""
        await self._or_refuse("began", run_id=run_id)

    async def _or_refuse(self, event: str, **fields: Any) -> None:
        try:
            await self.tell(event, **fields)
        except AwsError as error:
            message = f"{error.message}: without its audit log nothing is run"
            raise AwsError(message, remedy=error.remedy, retryable=True) from error

    async def tell(self, event: str, **fields: Any) -> None:
        if self._write is not None:
            await self._write({"event": event, "at": _now(), **self._keys, **fields})

    async def ended(self, config: Config, since: float, error: BaseException | None) -> None:
        told = {name: self.answer[name] for name in ("status", "run_id", "duplicate") if name in self.answer}
        if isinstance(error, anyio.get_cancelled_exc_class()):
            told = {"status": "FAILED", "error": {"code": "timeout", "message": "it was cut off"}}
        elif error is not None:
            said = failures.as_json(failures.known(error)[0])
            told = {"status": "FAILED", "error": {name: said[name] for name in ("code", "message")}}
        elif "error" in self.answer:
            told["error"] = {name: self.answer["error"][name] for name in ("code", "message")}
        whole = self.tables or self.answer.get("tables", ())
        tables = [_short(each) for each in whole if isinstance(each, Mapping)]
        first, *rest = [tables[n : n + TABLES_MAX] for n in range(0, len(tables), TABLES_MAX)] or [[]]
        await self.tell("ended", **told, secrets=origins(config, since), tables=first)
        for more in rest:
            await self.tell("ended", run_id=told.get("run_id"), more=True, tables=more)


@asynccontextmanager
async def audited(
    config: Config, group: str | None, stream: str, keys: Mapping[str, Any], asked: Mapping[str, Any]
) -> AsyncIterator[Entry]:
    """Around a body: `asked` before it, `ended` after it. Raises AwsError, retryable, where the former cannot be said.

    Where the latter cannot, the rows are where they are: `untold` says so, and nothing is raised.
    """
    since = time.time()
    async with AsyncExitStack() as stack:
        write = None
        if group is not None:
            client = await stack.enter_async_context(aws.client("logs", config.aws.region))
            write = Log(client, group, stream)
        entry, failed = Entry(write, keys), None
        await entry.asked(asked)
        try:
            yield entry
        except BaseException as error:
            failed = error
            raise
        finally:
            with anyio.move_on_after(ENDING_S if failed else aws.READ_S, shield=True):
                await _end(entry, config, since, failed)


@asynccontextmanager
async def audited_command(config: Config, command: str, asked: Mapping[str, Any]) -> AsyncIterator[Entry]:
    """The same around a command on somebody's machine, where the log is set."""
    host, pid = socket.gethostname(), os.getpid()
    trigger = {"kind": "command", "user": getpass.getuser(), "host": host}
    keys = {"function": None, "version": __version__, "command": command, "trigger": trigger}
    stream = f"command/{host}/{pid}"
    async with audited(config, config.aws.audit_log_group, stream, keys, asked) as entry:
        yield entry


async def _end(entry: Entry, config: Config, since: float, failed: BaseException | None) -> None:
    try:
        await entry.ended(config, since, failed)
    except BorealisError as untold:
        entry.untold = untold


class Log:
    """One stream; it is made when it is first written to."""

    def __init__(self, client: Any, group: str, stream: str) -> None:
        self._client = client
        self._place = {"logGroupName": group, "logStreamName": stream}

    async def __call__(self, line: Mapping[str, Any]) -> None:
        event = {"timestamp": round(time.time() * 1000), "message": orjson.dumps(line, default=str).decode()}
        with aws.Translated(f"cannot write to aws.audit_log_group {self._place['logGroupName']}"):
            try:
                await self._client.put_log_events(**self._place, logEvents=[event])
            except self._client.exceptions.ResourceNotFoundException:
                await self._client.create_log_stream(**self._place)
                await self._client.put_log_events(**self._place, logEvents=[event])


def _short(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: table[name] for name in _OF_TABLE if table.get(name) is not None}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
