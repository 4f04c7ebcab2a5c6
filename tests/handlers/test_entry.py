"""What all functions share: one loop, one reading of the configuration, a time limit, answers and errors."""

import asyncio
import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from engine.errors import RefusedError, SourceError
from engine.source.connection import Address, connected
from handlers.entry import FatalError, RetryableError, serve
from handlers.events import RunRequest
from tests.handlers.conftest import Context


async def nothing(event, call):
    return {}


def test_a_body_sees_who_asked_and_what_time_is_left(environment):
    seen = []

    async def body(event, call):
        seen.append(call)
        return {"group": event.group}

    assert serve(RunRequest, body)({"group": "nightly", "correlation_id": "c-1"}, Context(seconds=10)) == {
        "group": "nightly"
    }
    (call,) = seen
    assert call.config.target.database == "ANALYTICS"
    assert (call.request_id, call.correlation_id) == ("request-1", "c-1")
    assert call.function_arn.endswith(":live")
    assert 8 < call.seconds_left() <= 9


def test_without_a_correlation_id_the_request_s_own_stands_in(environment):
    async def body(event, call):
        return {"correlation_id": call.correlation_id}

    assert serve(RunRequest, body)({}, Context()) == {"correlation_id": "request-1"}


def test_an_answer_is_plain_json_whatever_the_engine_returns(environment):
    @dataclass
    class Receipt:
        rows: int
        path: Path

    async def body(event, call):
        return {"tables": [Receipt(1, Path("x"))]}

    answer = serve(RunRequest, body)({}, Context())
    assert json.loads(json.dumps(answer)) == {"tables": [{"rows": 1, "path": "x"}]}


def test_the_configuration_is_read_once_an_environment_and_one_loop_serves_all(environment, monkeypatch):
    loops = []

    async def body(event, call):
        loops.append(asyncio.get_running_loop())
        return {"database": call.config.target.database}

    handler = serve(RunRequest, body)
    assert handler({}, Context()) == {"database": "ANALYTICS"}
    monkeypatch.setenv("BOREALIS_TARGET__DATABASE", "OTHER")
    assert handler({}, Context()) == {"database": "ANALYTICS"}
    assert loops[0] is loops[1]


def test_a_configuration_that_is_refused_is_told_by_every_invocation_until_it_is_mended(environment, monkeypatch):
    monkeypatch.setenv("BOREALIS_TARGET__PORT", "many")
    monkeypatch.setenv("BOREALIS_LIMITS__READERS", "0")
    handler = serve(RunRequest, nothing)
    for _ in range(2):
        with pytest.raises(FatalError, match=r"the configuration is refused, 2 faults:\n.*BOREALIS_TARGET__PORT"):
            handler({}, Context())
    monkeypatch.setenv("BOREALIS_TARGET__PORT", "443")
    monkeypatch.setenv("BOREALIS_LIMITS__READERS", "2")
    assert handler({}, Context()) == {}


def test_an_event_is_refused_before_anything_is_read(environment, monkeypatch):
    monkeypatch.setenv("BOREALIS_CONFIG", "ssm:/not/there")
    with pytest.raises(FatalError, match=r"^tabels: unknown field"):
        serve(RunRequest, nothing)({"tabels": []}, Context())


@pytest.mark.parametrize(
    ("error", "leaving", "message"),
    [
        (SourceError("the connection was lost", remedy="run again", retryable=True), RetryableError,
         "the connection was lost.\nrun again."),
        (SourceError("the password is wrong"), FatalError, "the password is wrong."),
        (RefusedError(["a: b", "c: d"]), FatalError, "refused, 2 faults:\na: b\nc: d"),
        (ExceptionGroup("tasks", [ValueError("row"), SourceError("one of two", retryable=True)]), RetryableError,
         "one of two."),
    ],
)  # fmt: skip
def test_an_error_leaves_as_one_of_two_with_its_words(environment, error, leaving, message):
    async def body(event, call):
        raise error

    with pytest.raises(leaving) as left:
        serve(RunRequest, body)({}, Context())
    assert type(left.value).__name__ == leaving.__name__  # the state machine matches the name
    assert str(left.value) == message
    assert left.value.__cause__ is None
    assert left.value.__suppress_context__


def test_an_unexpected_error_says_where_and_nothing_of_a_row(environment):
    async def body(event, call):
        raise KeyError("a value of a row")

    with pytest.raises(FatalError, match=r"^unexpected KeyError at .*handlers/entry.py:\d+") as left:
        serve(RunRequest, body)({}, Context())
    assert "a value" not in str(left.value)


def test_a_function_may_answer_in_place_of_an_error_of_ours(environment, monkeypatch):
    monkeypatch.setenv("BOREALIS_TARGET__PORT", "many")

    def otherwise(error):
        return {"ok": False, "code": error.code}

    assert serve(RunRequest, nothing, otherwise=otherwise)({}, Context()) == {"ok": False, "code": "config"}


def test_a_body_is_cut_off_in_time_to_close_what_it_holds_and_to_say_so(environment):
    closed = []

    async def body(event, call):
        try:
            await anyio.sleep(60)
        finally:
            closed.append(call.seconds_left())
        return {}

    context = Context(seconds=1.3)
    with pytest.raises(RetryableError, match="borealis-scheduled did not end within its time limit"):
        serve(RunRequest, body)({}, context)
    assert -0.2 < closed[0] <= 0
    assert context.get_remaining_time_in_millis() > 700


def test_nothing_runs_between_invocations(environment, postgres):
    """Connections, threads and a task group that was cut off: no task is pending, no worker thread is left."""

    async def body(event, call):
        async with connected(Address(postgres.dsn())) as connection, anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, 60)
            await anyio.to_thread.run_sync(time.sleep, 0.01)
            assert await connection.fetchval("SELECT 1") == 1
            if event.full:
                await anyio.sleep(60)
            tasks.cancel_scope.cancel()
        return {}

    handler = serve(RunRequest, body)
    before = set(threading.enumerate())
    for _ in range(2):
        assert handler({}, Context()) == {}
        assert not asyncio.all_tasks(environment._runner.get_loop())
    with pytest.raises(RetryableError):
        handler({"full": True}, Context(seconds=1.2))
    assert not asyncio.all_tasks(environment._runner.get_loop())
    ended = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < ended:
        time.sleep(0.01)
    assert not set(threading.enumerate()) - before


@pytest.mark.parametrize("place", ["https://example.com/x.toml", "gs://x"])
def test_a_place_of_another_kind_is_refused_with_those_there_are(environment, monkeypatch, place):
    monkeypatch.setenv("BOREALIS_CONFIG", place)
    with pytest.raises(FatalError, match="BOREALIS_CONFIG: is a file, s3://bucket/key or ssm:/parameter"):
        serve(RunRequest, nothing)({}, Context())
