"""What every function shares: from an event to an answer, in the one event loop of the execution environment.

    handler = serve(WorkerEvent, body)        async def body(event: WorkerEvent, call: Call) -> dict

The answer is plain JSON. What goes wrong leaves as `RetryableError` or `FatalError`: the Retry and Catch of the state
machine know these names, and Lambda itself retries an asynchronous invocation whatever the name.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

import anyio
import orjson

from engine import __version__, failures
from engine.audit import Entry, audited
from engine.config import Config
from engine.connect import KEPT, KeptSessions
from engine.errors import BorealisError, EventError
from engine.telemetry import lines
from engine.telemetry.functions import invocation
from handlers import url
from handlers.configuration import fetched
from handlers.events import Event, parsed
from handlers.triggers import Trigger, trigger_of

RESERVE_S = 1.0
"""Of the time limit, kept for what follows a body that is cut off: cancelling, closing connections, telling of it."""

E = TypeVar("E", bound=Event)
Answer = dict[str, Any]
Handler = Callable[[Any, Any], Answer]


class RetryableError(Exception):
    """The same event may succeed later."""


class FatalError(Exception):
    """The same event would fail again: something must be corrected first."""


@dataclass(frozen=True, slots=True)
class Call:
    """One invocation as a body sees it."""

    config: Config
    request_id: str
    """The same when Lambda tries an asynchronous invocation again."""
    correlation_id: str
    """Of all invocations that one event led to."""
    function_name: str
    function_arn: str
    """As it was invoked, alias included: what a function invokes to go on by itself."""
    seconds_left: Callable[[], float]
    """Until the body is cut off, `RESERVE_S` before the time limit."""
    audit: Entry
    """In the audit log."""


class Environment:
    """What stays between invocations: the event loop, sessions at the target, the configuration once it was read."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._sessions = KeptSessions()
        self._config: Config | None = None

    def run(self, body: Coroutine[Any, Any, Answer]) -> Answer:
        """In a copy of the caller's context, for what is told of an invocation to reach its tasks and threads."""
        context = contextvars.copy_context()
        context.run(KEPT.set, self._sessions)
        return self._runner.run(body, context=context)

    async def config(self) -> Config:
        """Read by the first invocation rather than at import, where a fault could only be told as a crash."""
        if self._config is None:
            self._config = await fetched(os.environ)
        return self._config


_environment = Environment()


def serve(
    kind: Any,
    body: Callable[[E, Call], Awaitable[Answer]],
    *,
    otherwise: Callable[[BorealisError], Answer] | None = None,
) -> Handler:
    """A handler: `kind` is an Event or a union of them; `otherwise` answers in place of an error of ours.

    An event that is refused is no answer but an error, or the status 400 where it came by the function's URL.
    """
    kinds = get_args(kind) or (kind,)

    def handler(event: Any, context: Any) -> Answer:
        by_url = url.is_request(event)
        try:
            asked: Any = parsed(url.event_of(event), kinds)
            origin = asked.correlation_id or getattr(asked, "execution", None) or context.aws_request_id
            with invocation(context, correlation_id=origin, trace=asked.continued, run_id=asked.run) as telling:
                answer = _environment.run(_answered(asked, body, context, origin, trigger_of(event, asked)))
                telling.answered(answer)
        except Exception as error:  # noqa: BLE001 the outermost place: everything ends as an answer or as one of two errors
            told = failures.known(error)[0]
            if os.environ.get("BOREALIS_DEBUG"):
                traceback.print_exception(error)
            if by_url and isinstance(told, EventError):
                return url.response({"error": failures.as_json(told)}, 400)
            if otherwise is None or not isinstance(told, BorealisError) or isinstance(told, EventError):
                leaving = RetryableError if getattr(told, "retryable", False) else FatalError
                raise leaving("\n".join(failures.in_lines(told))) from None
            answer = otherwise(told)
        plain: Answer = orjson.loads(orjson.dumps(answer, default=str))
        return url.response(plain) if by_url else plain

    return handler


async def _answered(
    event: E, body: Callable[[E, Call], Awaitable[Answer]], context: Any, correlation_id: str, trigger: Trigger
) -> Answer:
    def seconds_left() -> float:
        return float(context.get_remaining_time_in_millis()) / 1000 - RESERVE_S

    with anyio.move_on_after(seconds_left()) as time_limit:
        config = await _environment.config()
        async with _audited(config, event, context, correlation_id, trigger) as entry:
            call = Call(
                config=config,
                request_id=context.aws_request_id,
                correlation_id=correlation_id,
                function_name=context.function_name,
                function_arn=context.invoked_function_arn,
                seconds_left=seconds_left,
                audit=entry,
            )
            entry.answer = answer = await body(event, call)
        return answer
    assert time_limit.cancelled_caught
    raise BorealisError(
        f"{context.function_name} did not end within its time limit",
        remedy="raise the time limit of the function, or lower limits.chunk_bytes",
        retryable=True,
        code="timeout",
    )


@asynccontextmanager
async def _audited(
    config: Config, event: Event, context: Any, correlation_id: str, trigger: Trigger
) -> AsyncIterator[Entry]:
    """One stream a function and environment, named as that of its own log: `FUNCTION/2026/11/23/[$LATEST]...`."""
    keys = {
        "function": context.function_name, "version": __version__, "request_id": context.aws_request_id,
        "correlation_id": correlation_id, "run_id": event.run, "trigger": trigger,
    }  # fmt: skip
    stream = f"{context.function_name}/{os.environ.get('AWS_LAMBDA_LOG_STREAM_NAME', os.getpid())}"
    asked = event.model_dump(mode="json", exclude_defaults=True, exclude={"trace", "correlation_id"})
    group = config.aws.audit_log_group if event.audited else None
    async with audited(config, group, stream, keys, asked) as entry:
        yield entry
    if entry.untold is not None:
        lines.tell_failure("audit_lost", entry.untold)
