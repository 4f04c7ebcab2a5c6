"""What is left when nothing more is tried: a letter in the queue, from which it can be replayed, and word to people.

A letter holds all that a replay needs. The state machine writes the same form (terraform/state_machine.asl.json):

    {"function": "arn:...", "state_machine": null, "event": {...}, "run_id": "20261123T...", "correlation_id": "...",
     "error": {"code": "source", "message": "...", "remedy": "...", "retryable": false}, "time": "2026-11-23T02:00:00Z"}
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import orjson

from engine import aws, failures
from engine.errors import AwsError
from engine.telemetry import lines, metrics
from handlers.entry import Call
from handlers.events import Event

MESSAGE_CHARS_MAX = 10_000
"""Of an error's text: the event beside it may have 200 KB of the queue's 256."""
SUBJECT_CHARS_MAX = 100
"""SNS refuses longer ones."""

Letter = dict[str, Any]


async def tell(call: Call, event: Event, error: BaseException, *, run_id: str | None = None) -> Letter:
    """Writes the letter to `aws.dead_letter_queue`, tells `aws.topic`, where they are set, and counts it for the alarm.

    Raises nothing: what could not be sent is noted at the error, which is the one that matters.
    """
    letter = letter_of(call, event, error, run_id=run_id)
    keys = {"function": call.function_name, **lines.keys()}
    metrics.emit({"DeadLetters": 1}, {"function": keys["function"]}, {**keys, "run_id": run_id})
    settings = call.config.aws
    ways: list[Callable[[], Awaitable[None]]] = []
    if settings.dead_letter_queue is not None:
        ways.append(lambda: _enqueue(str(settings.dead_letter_queue), settings.region, letter))
    if settings.topic is not None:
        ways.append(lambda: _publish(str(settings.topic), settings.region, letter))

    async def attempt(way: Callable[[], Awaitable[None]]) -> None:
        try:
            await way()
        except AwsError as untold:
            error.add_note(str(untold))

    async with anyio.create_task_group() as tasks:
        for way in ways:
            tasks.start_soon(attempt, way)
    return letter


def letter_of(call: Call, event: Event, error: BaseException, *, run_id: str | None = None) -> Letter:
    told = failures.as_json(failures.known(error)[0])
    told["message"] = told["message"][:MESSAGE_CHARS_MAX]
    return {
        "function": call.function_arn,
        "state_machine": None,
        "event": event.model_dump(mode="json", exclude_none=True, exclude={"trace"}),
        "run_id": run_id,
        "correlation_id": call.correlation_id,
        "error": {name: told[name] for name in ("code", "message", "remedy", "retryable")},
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def in_words(letter: Mapping[str, Any]) -> str:
    """For a person who is woken by it: what, why, what to do, what was asked for."""
    error = letter["error"]
    who = (letter["function"] or letter["state_machine"]).rpartition(":")[2]
    what = f"run {letter['run_id']}" if letter["run_id"] else "a request"
    lines = [
        f"{what} of {who} has failed at {letter['time']}: {error['message']}",
        error["remedy"],
        f"Asked for: {orjson.dumps(letter['event']).decode()}",
        f"Correlation id: {letter['correlation_id']}",
        "Once the cause is mended, `borealis replay` sends it again from the dead-letter queue.",
    ]
    return "\n".join(line for line in lines if line)


async def _enqueue(queue: str, region: str | None, letter: Letter) -> None:
    with aws.Translated("cannot write to aws.dead_letter_queue"):
        async with aws.client("sqs", region) as sqs:
            await sqs.send_message(QueueUrl=queue, MessageBody=orjson.dumps(letter).decode())


async def _publish(topic: str, region: str | None, letter: Letter) -> None:
    subject = f"Borealis: {letter['error']['code']} error in {letter['run_id'] or letter['function']}"
    with aws.Translated("cannot tell aws.topic"):
        async with aws.client("sns", region) as sns:
            await sns.publish(TopicArn=topic, Subject=subject[:SUBJECT_CHARS_MAX], Message=in_words(letter))
