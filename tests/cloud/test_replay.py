"""What failed for good is in the queue with all that a replay needs, people are told, `borealis replay` sends it."""

import contextvars
import json
import time

import anyio
import pytest

from engine import config as settings
from engine.audit import Entry
from engine.errors import SourceError
from engine.local.cloud.functions import Functions, FunctionSpec, arn_of
from handlers import failure
from handlers.entry import Call
from handlers.events import RunRequest
from tests.cloud.conftest import CODE

CONFIG = {
    "source": {"dsn": "postgresql://reader@127.0.0.1:1/shop"},
    "target": {"account": "A", "user": "U", "password": "none", "database": "D", "schema": "S"},
    "tables": [{"name": "public.*"}],
}
ERROR = SourceError("the password is wrong", remedy="check source.password")
RUN = "20261123T020000A1B2C3"


@pytest.fixture
def reached(aws, monkeypatch):
    """The clients of this process, and of the command line, reach `aws`."""
    for name, value in {**aws.variables, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    return aws


@pytest.fixture
def queue(reached):
    return reached.queue(f"letters-{time.monotonic_ns()}")


@pytest.fixture
def functions(reached, tmp_path):
    with Functions(tmp_path / "functions", {"scheduled": FunctionSpec("plain.handler", code=CODE)}) as functions:
        reached.functions = functions
        yield functions


def call(function="scheduled", **aws_settings):
    config = settings.parse({**CONFIG, "aws": aws_settings})
    return Call(config, "request-1", "c-1", function, arn_of(function), lambda: 60.0, Entry(None, {}))


def told(event, **aws_settings):
    async def tell():
        return await failure.tell(call(**aws_settings), event, ERROR, run_id=RUN)

    return anyio.run(tell)


def test_a_letter_has_all_that_a_replay_needs_and_people_are_told_in_words(reached, queue):
    inbox = reached.queue(f"inbox-{time.monotonic_ns()}")
    topic = reached.topic(f"failures-{time.monotonic_ns()}", inbox)
    event = RunRequest(group="nightly", idempotency_key="k-1", trace="Root=1-2-3")
    letter = told(event, dead_letter_queue=queue, topic=topic)
    (body,) = reached.messages(queue)
    assert json.loads(body) == letter
    assert letter.pop("time").endswith("Z")
    assert letter == {
        "function": arn_of("scheduled"),
        "state_machine": None,
        "event": {"tables": [], "group": "nightly", "full": False, "dry_run": False, "idempotency_key": "k-1"},
        "run_id": RUN,
        "correlation_id": "c-1",
        "error": {
            "code": "source",
            "message": "the password is wrong",
            "remedy": "check source.password",
            "retryable": False,
        },
    }
    (text,) = reached.messages(inbox)
    assert text.startswith(f"run {RUN} of scheduled has failed at ")
    for words in ("the password is wrong", "check source.password", '"group":"nightly"', "c-1", "borealis replay"):
        assert words in text


def test_what_cannot_be_told_is_noted_at_the_error_that_matters(reached):
    error = SourceError("the password is wrong")

    async def tell():
        await failure.tell(call(dead_letter_queue=reached.url + "/123456789012/gone"), RunRequest(), error)

    anyio.run(tell)
    assert "cannot write to aws.dead_letter_queue: there is no such queue" in error.__notes__[0]


def test_where_nothing_is_set_it_is_counted_for_the_alarm_alone(capsys):
    contextvars.Context().run(told, RunRequest())  # without what an earlier invocation told of itself
    (line,) = capsys.readouterr().out.splitlines()
    assert (json.loads(line)["DeadLetters"], json.loads(line)["function"]) == ([1.0], "scheduled")


# --- replay -----------------------------------------------------------------------------------------------------


def replay(borealis, queue, *arguments, code=0):
    ran = borealis(CONFIG, "replay", "--queue", queue, *arguments)
    assert ran.code == code, ran.log
    return ran.output["messages"]


def test_a_dry_run_shows_the_letters_and_leaves_them(borealis, reached, queue, functions):
    told(RunRequest(group="nightly"), dead_letter_queue=queue)
    (shown,) = replay(borealis, queue, "--dry-run")
    assert (shown["sent"], shown["error"]) == (False, None)
    assert shown["goes_to"] == arn_of("scheduled")
    assert shown["failure"] == "source: the password is wrong"
    assert not functions.trace
    assert len(reached.messages(queue)) == 1  # at once, without waiting for it to become visible again


def test_each_letter_is_sent_again_once_under_a_key_of_its_own(borealis, reached, queue, functions):
    told(RunRequest(group="nightly", idempotency_key="k-1"), dead_letter_queue=queue)
    told(RunRequest(group="hourly"), dead_letter_queue=queue)
    sent = replay(borealis, queue)
    assert all(each["sent"] for each in sent)
    assert functions.settle(30)
    arrived = [each.event for each in functions.trace]
    assert sorted((each.get("group"), each["tables"]) for each in arrived) == [("hourly", []), ("nightly", [])]
    assert {each["idempotency_key"] for each in arrived} == {f"replay-{each['message_id']}" for each in sent}
    assert reached.messages(queue) == []
    assert replay(borealis, queue) == []


def test_a_run_that_stopped_half_way_is_resumed_as_it_was(borealis, reached, queue, functions):
    event = {"resume": RUN, "generation": 7}
    letter = {**told(RunRequest()), "event": event}
    reached.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(letter))
    replay(borealis, queue)
    assert functions.settle(30)
    assert [each.event for each in functions.trace] == [event]


def test_the_record_of_a_destination_on_failure_is_a_letter_too(borealis, reached, queue, tmp_path):
    """The runtime's own: the function failed as often as Lambda tries, and never had a configuration."""
    spec = FunctionSpec("plain.handler", code=CODE, on_failure=queue)
    envelope = {"detail-type": "Borealis run", "id": "e-1", "detail": {"do": "fail", "with": "not there"}}
    flat = {"do": "fail", "with": "not there"}
    with Functions(tmp_path / "failing", {"scheduled": spec}, reached.variables) as functions:
        reached.functions = functions
        functions.send("scheduled", flat)
        assert functions.settle(30)
        (body,) = reached.messages(queue)
        record = {**json.loads(body), "requestPayload": envelope}
        reached.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(record))
        (shown,) = replay(borealis, queue, "--dry-run")
    assert shown["goes_to"] == arn_of("scheduled")
    assert shown["failure"] == "RetryableError: not there"
    assert shown["event"] == {**flat, "idempotency_key": f"replay-{shown['message_id']}"}


def test_what_scheduler_could_not_hand_over_is_a_letter_too(borealis, reached, queue, functions):
    """Its form is AWS's documentation's: the target's input as the body, all else in attributes."""
    attributes = {
        "SCHEDULE_ARN": "arn:aws:scheduler:us-east-1:123456789012:schedule/borealis-prod-orders/orders",
        "TARGET_ARN": arn_of("scheduled"),
        "ERROR_CODE": "Lambda.TooManyRequestsException",
        "ERROR_MESSAGE": "Rate Exceeded.",
        "EXECUTION_ID": "e-1",
        "SCHEDULED_TIME": "2026-11-23T02:00:00Z",
    }
    reached.client("sqs").send_message(
        QueueUrl=queue,
        MessageBody='{"group": "orders", "idempotency_key": "e-1"}',
        MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
    )
    (sent,) = replay(borealis, queue)
    assert functions.settle(30)
    assert (sent["failure"], sent["correlation_id"]) == ("Lambda.TooManyRequestsException: Rate Exceeded.", "e-1")
    key = f"replay-{sent['message_id']}"
    assert [each.event for each in functions.trace] == [{"group": "orders", "idempotency_key": key}]
    assert reached.messages(queue) == []


@pytest.mark.parametrize("body", ["not JSON", "[]", '{"resume": "x"}', '{"event": {}, "function": null}'])
def test_what_is_not_a_letter_is_told_and_left(borealis, reached, queue, functions, body):
    reached.client("sqs").send_message(QueueUrl=queue, MessageBody=body)
    told(RunRequest(), dead_letter_queue=queue)
    shown = replay(borealis, queue, code=1)
    assert sorted(each["sent"] for each in shown) == [False, True]
    assert next(each["error"] for each in shown if each["error"]).startswith("this is not a letter of ours")
    assert reached.messages(queue) == [body]


def test_a_letter_that_cannot_be_sent_stays(borealis, reached, queue, functions):
    letter = {**told(RunRequest()), "function": arn_of("gone")}
    reached.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(letter))
    (shown,) = replay(borealis, queue, code=1)
    assert shown["error"].startswith(f"cannot send it to {arn_of('gone')}: it is not there")
    assert [json.loads(body) for body in reached.messages(queue)] == [letter]


def test_no_more_letters_are_taken_than_asked_for(borealis, reached, queue, functions):
    for _ in range(3):
        told(RunRequest(), dead_letter_queue=queue)
    assert len(replay(borealis, queue, "--max", "2")) == 2
    assert len(reached.messages(queue)) == 1


def test_without_a_queue_the_setting_is_asked_for(borealis):
    ran = borealis(CONFIG, "replay")
    assert ran.code == 2
    assert "aws.dead_letter_queue: is required without --queue" in ran.log


def test_a_queue_that_is_not_there_is_told(borealis, reached):
    ran = borealis(CONFIG, "replay", "--queue", f"{reached.url}/123456789012/gone")
    assert ran.code == 1
    assert "cannot read the dead-letter queue: there is no such queue" in ran.log
