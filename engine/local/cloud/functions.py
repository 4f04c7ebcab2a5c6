"""Lambda on a laptop: named functions, their warm environments, synchronous and asynchronous invocation, a trace.

`with Functions(directory, {"worker": FunctionSpec("handlers.worker.handler", timeout_s=30)}) as functions:`
`functions.invoke("worker", {"group": 3})` answers as the service would; `functions.trace` lists what ran where.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3

from engine.local.cloud.environment import Ended, Environment, FunctionSpec, Outcome
from engine.local.cloud.runtime import Posted, Work

REGION = "us-east-1"
ACCOUNT = "123456789012"
ASYNC_RETRIES = 2  # the service's default, after 1 and 2 minutes
ASYNC_RETRY_S = 0.2  # the first pause here, the second is twice that
THROTTLED_S = 0.1  # an event that found no environment is tried again after this


class Throttled(Exception):  # noqa: N818 it is what the service calls it
    """As many environments are busy as the function may have: 429 in the service."""


class UnknownFunction(Exception):  # noqa: N818 it is what the service calls it
    """There is no function of that name: 404 in the service."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One invocation: what the caller gets, and what the trace keeps."""

    function: str
    environment: str
    request_id: str
    trace_id: str
    """`Root=1-...;Parent=...;Sampled=1`, as the function saw it."""
    event: Any
    cold: bool
    started_at: float
    """Unix seconds, after the environment's own start."""
    outcome: Outcome
    payload: Any
    """What the handler returned; on a fault the service's error object."""
    seconds: float
    """Of the handler; the environment's start is `init_s`."""
    init_s: float
    remaining_s: float
    memory_mb: int
    logs: list[str] = field(repr=False)

    @property
    def error(self) -> dict[str, Any] | None:
        """`{"errorType", "errorMessage", ...}`; errorType is the class that a handler raised."""
        return None if self.outcome == "ok" else self.payload

    @property
    def killed(self) -> bool:
        """Lambda ended the process, or it ended by itself."""
        return self.outcome in {"timeout", "memory", "exit"}


class Functions:
    """All functions of an account, with `variables` set in each; invocations come from many threads at once."""

    def __init__(
        self, directory: Path, specs: Mapping[str, FunctionSpec], variables: Mapping[str, str] | None = None
    ) -> None:
        self.directory = directory
        self.specs = dict(specs)
        self.variables = {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, **(variables or {})}
        self.trace: list[Answer] = []
        """What has run, in the order of its end."""
        self._changed = threading.Condition()
        self._idle: dict[str, list[Environment]] = {name: [] for name in specs}
        self._busy: dict[str, list[Environment]] = {name: [] for name in specs}
        self._started = 0
        self._underway = 0
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def invoke(self, name: str, event: Any, *, request_id: str = "", trace_id: str = "") -> Answer:
        """Of `name` or `name:alias`. Blocks until it has ended; what goes wrong inside is in the answer.

        Raises Throttled, UnknownFunction.
        """
        self._check(name)
        return self._invoke(name, event, request_id or str(uuid.uuid4()), trace_id or new_trace_id())

    def send(self, name: str, event: Any, *, request_id: str = "", trace_id: str = "") -> None:
        """The asynchronous invocation (`Event`): retried on a fault, then sent to its destination on failure."""
        self._check(name)
        with self._changed:
            self._underway += 1
        arguments = (name, event, request_id or str(uuid.uuid4()), trace_id or new_trace_id())
        threading.Thread(target=self._deliver, args=arguments, daemon=True).start()

    def settle(self, seconds: float) -> bool:
        """Waits for asynchronous invocations, with their retries; whether all have ended."""
        with self._changed:
            return self._changed.wait_for(lambda: self._underway == 0, seconds)

    def kill_one(self, name: str) -> str | None:
        """SIGKILL to an environment, one in the middle of an invocation if there is any; its id."""
        with self._changed:
            found = next(iter(self._busy[name] + self._idle[name]), None)
            if found in self._idle[name]:
                self._idle[name].remove(found)
        if found is None:
            return None
        found.kill()
        return found.id

    def close(self) -> None:
        """Ends every process; asynchronous invocations are not retried any more."""
        with self._changed:
            self._closed = True
            environments = [each for table in (self._idle, self._busy) for kept in table.values() for each in kept]
        for environment in environments:
            environment.kill()
        self.settle(10)

    def _check(self, name: str) -> None:
        if _without_alias(name) not in self.specs:
            raise UnknownFunction(name)

    def _invoke(self, invoked: str, event: Any, request_id: str, trace_id: str) -> Answer:
        name = _without_alias(invoked)
        environment, cold = self._take(name)
        failed: Posted | None = None
        log_from = 0 if cold else environment.log.stat().st_size
        try:
            if cold:
                failed = environment.start()
            started_at = time.time()
            timeout_s = self.specs[name].timeout_s
            _print(environment.log, f"START RequestId: {request_id} Version: $LATEST")
            if environment.alive:
                payload = json.dumps(event).encode()
                work = Work(request_id, payload, started_at + timeout_s, arn_of(invoked), trace_id)
                ended = environment.run(work)
            else:
                ended = Ended("init" if failed else "exit", failed, 0.0, timeout_s)
        finally:
            self._give_back(name, environment)
        answered = _payload(ended, request_id, timeout_s, environment.exit_told)
        _print(environment.log, *_report(ended, request_id, environment, cold=cold))
        with environment.log.open("rb") as log:
            log.seek(log_from)
            logs = log.read().decode(errors="replace").splitlines()
        answer = Answer(
            name, environment.id, request_id, trace_id, event, cold, started_at, ended.outcome, answered, ended.seconds,
            environment.init_s if cold else 0.0, ended.remaining_s, environment.memory_mb, logs,
        )  # fmt: skip
        self.trace.append(answer)
        return answer

    def _take(self, name: str) -> tuple[Environment, bool]:
        """A warm environment, the one used last, else a new one; and whether it is new."""
        spec = self.specs[name]
        with self._changed:
            while self._idle[name]:
                environment = self._idle[name].pop()
                if environment.alive:
                    self._busy[name].append(environment)
                    return environment, False
            if self._closed or len(self._busy[name]) >= spec.concurrency:
                raise Throttled(name)
            self._started += 1
            stream = f"{name}-{self._started}"
            environment = Environment(name, spec, self.directory / stream, self.variables)
            self._busy[name].append(environment)
            return environment, True

    def _give_back(self, name: str, environment: Environment) -> None:
        with self._changed:
            self._busy[name].remove(environment)
            if environment.alive:
                self._idle[name].append(environment)

    def _deliver(self, name: str, event: Any, request_id: str, trace_id: str) -> None:
        """An asynchronous invocation to its end, which may be its destination on failure."""
        try:
            answer: Answer | None = None
            for retry in range(ASYNC_RETRIES + 1):
                time.sleep(ASYNC_RETRY_S * retry)
                answer = self._invoke_when_possible(name, event, request_id, trace_id)
                if answer is None or answer.error is None:
                    return
            spec = self.specs[_without_alias(name)]
            if spec.on_failure and answer and answer.error:
                self._bury(spec, name, answer)
        finally:
            with self._changed:
                self._underway -= 1
                self._changed.notify_all()

    def _invoke_when_possible(self, name: str, event: Any, request_id: str, trace_id: str) -> Answer | None:
        while not self._closed:
            try:
                return self._invoke(name, event, request_id, trace_id)
            except Throttled:
                time.sleep(THROTTLED_S)
        return None

    def _bury(self, spec: FunctionSpec, name: str, answer: Answer) -> None:
        """The record that the service sends to a destination on failure, as the function's role."""
        record = {
            "version": "1.0",
            "timestamp": _now(),
            "requestContext": {
                "requestId": answer.request_id,
                "functionArn": arn_of(name) if ":" in name else f"{arn_of(name)}:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": ASYNC_RETRIES + 1,
            },
            "requestPayload": answer.event,
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": answer.error,
        }
        role = {**self.variables, **spec.env}
        client = boto3.client(
            "sqs",
            endpoint_url=role["AWS_ENDPOINT_URL"],
            region_name=REGION,
            aws_access_key_id=role["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=role["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=role.get("AWS_SESSION_TOKEN"),
        )
        client.send_message(QueueUrl=spec.on_failure, MessageBody=json.dumps(record))


def _without_alias(name: str) -> str:
    return name.partition(":")[0]


def arn_of(function: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"


def _payload(ended: Ended, request_id: str, timeout_s: float, exit_told: str) -> Any:
    """What was posted, or the error object that the service makes of a process that is gone."""
    if ended.outcome in {"ok", "error", "init"}:
        assert ended.posted is not None
        return ended.posted.value
    kind, told = {
        "timeout": ("Sandbox.Timedout", f"Task timed out after {timeout_s:.2f} seconds"),
        "memory": ("Runtime.OutOfMemory", f"Runtime {exit_told}"),
        "exit": ("Runtime.ExitError", f"Runtime {exit_told}"),
    }[ended.outcome]
    return {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {told}"}


def _report(ended: Ended, request_id: str, environment: Environment, *, cold: bool) -> list[str]:
    init_s = environment.init_s if cold else 0.0
    milliseconds = (ended.seconds + init_s) * 1000
    parts = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {ended.seconds * 1000:.2f} ms",
        f"Billed Duration: {int(milliseconds) + 1} ms",
        f"Memory Size: {environment.spec.memory_mb} MB",
        f"Max Memory Used: {environment.memory_mb} MB",
        *([f"Init Duration: {init_s * 1000:.2f} ms"] if init_s else []),
        *([] if ended.outcome == "ok" else [f"Status: {ended.outcome}"]),
    ]
    return [f"END RequestId: {request_id}", "\t".join(parts)]


def _print(log: Path, *lines: str) -> None:
    now = _now()
    with log.open("a", encoding="utf-8") as file:
        file.writelines(f"{now} {line}\n" for line in lines)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def new_trace_id() -> str:
    return f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)};Parent={secrets.token_hex(8)};Sampled=1"
