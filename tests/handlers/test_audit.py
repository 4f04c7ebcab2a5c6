"""The audit log says who asked for what and how it ended; what cannot be said there is not run."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from engine import audit
from engine.errors import RefusedError
from engine.local.cloud.aws import KEYS
from handlers import triggers
from handlers.entry import FatalError, RetryableError, serve
from handlers.events import HealthEvent, RunRequest, parsed
from tests.handlers.conftest import Context
from tests.handlers.test_events import KINDS

EXAMPLES = Path(__file__).with_name("events")
GROUP = "/borealis-test/audit"
REGION = "eu-central-1"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def logs(server, environment, monkeypatch):
    """boto3's client; the group is there and set."""
    import boto3  # noqa: PLC0415 - its server comes first

    for name, value in {**KEYS, "AWS_ENDPOINT_URL": server, "AWS_DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BOREALIS_AWS__AUDIT_LOG_GROUP", GROUP)
    monkeypatch.setenv("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/23/[$LATEST]0123456789abcdef")
    client = boto3.client("logs")
    client.create_log_group(logGroupName=GROUP)
    yield client
    if client.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]:
        client.delete_log_group(logGroupName=GROUP)


def lines(logs):
    events = logs.filter_log_events(logGroupName=GROUP)["events"]
    assert {event["logStreamName"] for event in events} <= {"borealis-scheduled/2026/11/23/[$LATEST]0123456789abcdef"}
    return [json.loads(event["message"]) for event in events]


def test_the_beginning_and_the_end_are_told_with_who_asked_and_for_what(logs):
    seen = []

    async def body(event, call):
        seen.extend(line["event"] for line in lines(logs))
        await call.audit.began("20261123T020000A1B2C3")
        table = {"table": "public.a", "status": "COMPLETE", "rows_loaded": 7, "watermark": "Anna"}
        return {"status": "COMPLETE", "run_id": "20261123T020000A1B2C3", "tables": [table]}

    serve(RunRequest, body)({"group": "nightly", "correlation_id": "c-1"}, Context())
    assert seen == ["asked"]  # before anything is done
    asked, began, ended = lines(logs)
    whose = {
        "function": "borealis-scheduled", "request_id": "request-1", "correlation_id": "c-1",
        "trigger": {"kind": "invocation"},
    }  # fmt: skip
    assert asked | whose | {"event": "asked", "asked_for": {"group": "nightly"}} == asked
    assert began | whose | {"event": "began", "run_id": "20261123T020000A1B2C3"} == began
    assert ended | whose | {"event": "ended", "run_id": "20261123T020000A1B2C3", "status": "COMPLETE"} == ended
    assert ended["tables"] == [{"table": "public.a", "status": "COMPLETE", "rows_loaded": 7}]
    assert ended["secrets"] == {"source": {"from": "settings"}, "target": {"from": "settings"}}


def test_without_a_beginning_in_the_log_nothing_is_run_and_the_same_event_may_come_again(logs):
    ran = []

    async def body(event, call):
        ran.append(event)
        return {}

    logs.delete_log_group(logGroupName=GROUP)
    handler = serve(RunRequest, body)
    with pytest.raises(RetryableError, match=rf"cannot write to aws.audit_log_group {GROUP}: .* nothing is run"):
        handler({}, Context())
    assert ran == []
    logs.create_log_group(logGroupName=GROUP)
    assert handler({}, Context()) == {}
    assert len(ran) == 1


def test_a_run_whose_id_cannot_be_told_does_not_begin(logs):
    async def body(event, call):
        logs.delete_log_group(logGroupName=GROUP)
        await call.audit.began("20261123T020000A1B2C3")
        raise AssertionError

    with pytest.raises(RetryableError, match="without its audit log nothing is run"):
        serve(RunRequest, body)({}, Context())


def test_an_end_that_cannot_be_told_changes_no_answer_and_is_told_in_the_function_s_own_log(logs, monkeypatch):
    told = []
    monkeypatch.setattr("handlers.entry.lines.tell_failure", lambda event, error: told.append((event, str(error))))

    async def body(event, call):
        logs.delete_log_group(logGroupName=GROUP)
        return {"status": "COMPLETE"}

    assert serve(RunRequest, body)({}, Context()) == {"status": "COMPLETE"}
    ((event, words),) = told
    assert event == "audit_lost"
    assert words.startswith(f"cannot write to aws.audit_log_group {GROUP}")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RefusedError(["public.a: a view"]), {"code": "refused", "message": "public.a: a view"}),
        (KeyError("a value of a row"), {"code": "unexpected"}),
    ],
)
def test_a_failure_is_told_in_our_own_words(logs, error, told):
    async def body(event, call):
        raise error

    with pytest.raises(FatalError):
        serve(RunRequest, body)({}, Context())
    ended = lines(logs)[-1]
    assert ended["status"] == "FAILED"
    assert ended["error"] | told == ended["error"]
    assert "a value" not in json.dumps(ended)


def test_who_is_cut_off_can_still_say_so(logs):
    import anyio  # noqa: PLC0415

    async def body(event, call):
        await anyio.sleep(60)

    with pytest.raises(RetryableError, match="did not end within its time limit"):
        serve(RunRequest, body)({}, Context(seconds=1.5))
    assert lines(logs)[-1]["error"]["code"] == "timeout"


def test_a_run_of_many_tables_tells_all_of_them(logs, monkeypatch):
    monkeypatch.setattr(audit, "TABLES_MAX", 2)
    tables = [{"table": f"public.t{n}", "status": "COMPLETE"} for n in range(5)]

    async def body(event, call):
        call.audit.tables = tables  # the answer itself may hold fewer
        return {"status": "COMPLETE", "run_id": "20261123T020000A1B2C3", "tables": tables[:1]}

    serve(RunRequest, body)({}, Context())
    ended = [line for line in lines(logs) if line["event"] == "ended"]
    assert [len(line["tables"]) for line in ended] == [2, 2, 1]
    assert [table for line in ended for table in line["tables"]] == tables
    assert {line["run_id"] for line in ended} == {"20261123T020000A1B2C3"}


def test_who_only_looks_at_health_stands_in_no_audit_log(logs):
    async def body(event, call):
        return {}

    serve(HealthEvent, body)({"deep": True}, Context())
    assert lines(logs) == []


def test_where_no_group_is_set_no_request_is_sent(environment, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    async def body(event, call):
        await call.audit.began("20261123T020000A1B2C3")
        return {"status": "COMPLETE"}

    assert serve(RunRequest, body)({}, Context()) == {"status": "COMPLETE"}


@pytest.mark.parametrize(
    ("example", "trigger"),
    [
        ("scheduled.rule", {"kind": "rule", "source": "acme.orders", "event_id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
                            "resource": "arn:aws:events:eu-central-1:123456789012:rule/borealis-nightly"}),
        ("scheduled.rate", {"kind": "schedule",
                            "schedule": "arn:aws:events:eu-central-1:123456789012:rule/borealis-hourly"}),
        ("scheduled.scheduler", {"kind": "schedule",
                                 "schedule": "arn:aws:scheduler:eu-central-1:123456789012:schedule/borealis/nightly"}),
        ("scheduled.resume", {"kind": "function"}),
        ("snapshot.first", {"kind": "function"}),
        ("parallel.tables", {"kind": "invocation"}),
        ("parallel.plan", {"kind": "state machine",
                    "execution": "arn:aws:states:eu-central-1:123456789012:execution:borealis:"
                                        "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa"}),
        ("health.url", {"kind": "url", "caller": "arn:aws:iam::123456789012:user/monitor", "account": "123456789012",
                        "address": "10.0.1.17", "http_request_id": "8f0f2e0c-7bd9-4c5e-9d9e-1e4d3c1f2a10"}),
    ],
)  # fmt: skip
def test_an_event_tells_what_triggered_it(example, trigger):
    raw = json.loads((EXAMPLES / f"{example}.json").read_text())
    event = parsed(triggers.url.event_of(raw), KINDS[example.partition(".")[0]])
    assert triggers.trigger_of(raw, event) == trigger


def test_a_replayed_event_is_told_as_one():
    event = RunRequest(idempotency_key="replay-5f1c")
    assert triggers.trigger_of({"idempotency_key": "replay-5f1c"}, event) == {"kind": "replay", "letter": "5f1c"}
