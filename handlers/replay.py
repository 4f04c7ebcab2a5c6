"""Sends what failed once more, from the dead-letter queue: each event as it came, to the function that it was for.

A message leaves the queue only after its event was accepted. Between the two nothing can be lost, and a second delivery
of the same message is the same event: its key, or the execution's name, is made of the message's id.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

import orjson

from engine import aws
from engine.errors import BorealisError
from handlers.events import unwrapped
from handlers.triggers import REPLAY

HIDDEN_S = 120
"""That a message is kept from other readers while it is sent again; one takes a second."""
BATCH = 10
"""What SQS hands out at once."""


@dataclass(slots=True)
class Replayed:
    """One message: what it holds, and what became of it. `error` says why it is in the queue still."""

    message_id: str
    goes_to: str = ""
    event: Any = None
    run_id: str | None = None
    correlation_id: str | None = None
    failed_at: str | None = None
    failure: str = ""
    sent: bool = False
    error: str | None = None


async def replay(queue: str, region: str | None, *, most: int, dry_run: bool) -> list[Replayed]:
    """At most `most` messages, the oldest first as far as SQS keeps an order. Raises AwsError without the queue."""
    async with AsyncExitStack() as stack:
        with aws.Translated("cannot read the dead-letter queue"):
            sqs = await stack.enter_async_context(aws.client("sqs", region))
        results: list[Replayed] = []
        kept: list[str] = []
        try:
            async for message in _messages(sqs, queue, most):
                result = _read(message)
                results.append(result)
                if not dry_run and result.error is None:
                    await _send(result, region)
                if result.sent:
                    with aws.Translated("it was sent again, but cannot be taken out of the queue"):
                        await sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                else:
                    kept.append(message["ReceiptHandle"])
        finally:
            with aws.Translated("cannot give messages back to the queue"):
                for handle in kept:
                    await sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=0)
        return results


async def _messages(sqs: Any, queue: str, most: int) -> AsyncIterator[Mapping[str, Any]]:
    left = most
    while left > 0:
        with aws.Translated("cannot read the dead-letter queue"):
            answer = await sqs.receive_message(
                QueueUrl=queue, MaxNumberOfMessages=min(left, BATCH), VisibilityTimeout=HIDDEN_S, WaitTimeSeconds=1,
                MessageAttributeNames=["All"],
            )  # fmt: skip
        messages = answer.get("Messages", [])
        if not messages:
            return
        for message in messages:
            yield message
        left -= len(messages)


def _read(message: Mapping[str, Any]) -> Replayed:
    """A letter of ours or of the state machine, the record of a destination on failure, an event of Scheduler."""
    result = Replayed(message["MessageId"])
    attributes = {name: each.get("StringValue", "") for name, each in message.get("MessageAttributes", {}).items()}
    try:
        body = orjson.loads(message["Body"])
        if not isinstance(body, dict):
            raise TypeError  # noqa: TRY301 told below, like everything that is not as it should be
        if "requestPayload" in body:
            _read_record(result, body)
        elif "SCHEDULE_ARN" in attributes:
            _read_scheduled(result, body, attributes)
        else:
            _read_letter(result, body)
        result.event = _keyed(unwrapped(result.event), result.message_id)
        if not isinstance(result.goes_to, str):
            raise TypeError  # noqa: TRY301
    except (ValueError, LookupError, TypeError, AttributeError):
        result.error = "this is not a letter of ours: look at it, and delete it by hand"
    return result


def _read_letter(result: Replayed, letter: Mapping[str, Any]) -> None:
    result.goes_to = letter.get("function") or letter["state_machine"]
    result.event = letter["event"]
    result.run_id = letter["run_id"]
    result.correlation_id = letter["correlation_id"]
    result.failed_at = letter["time"]
    result.failure = f"{letter['error']['code']}: {_said(letter['error']['message'])}"


def _said(message: str) -> str:
    """The state machine passes a function's error on as the JSON that it came in."""
    with suppress(ValueError, LookupError, TypeError):
        return str(orjson.loads(message)["errorMessage"])
    return message


def _read_record(result: Replayed, record: Mapping[str, Any]) -> None:
    context = record["requestContext"]
    result.goes_to = context["functionArn"].removesuffix(":$LATEST")
    result.event = record["requestPayload"]
    result.correlation_id = context["requestId"]
    result.failed_at = record["timestamp"]
    answer = record.get("responsePayload") or {}
    result.failure = f"{answer.get('errorType', context['condition'])}: {answer.get('errorMessage', '')}"


def _read_scheduled(result: Replayed, event: Mapping[str, Any], attributes: Mapping[str, str]) -> None:
    """What could not even be handed over: the event is the message, and the rest stands in its attributes."""
    result.goes_to = attributes["TARGET_ARN"]
    result.event = event
    result.correlation_id = attributes.get("EXECUTION_ID")
    result.failed_at = attributes.get("SCHEDULED_TIME")
    result.failure = f"{attributes.get('ERROR_CODE')}: {attributes.get('ERROR_MESSAGE')}"


def _keyed(event: Mapping[str, Any], message_id: str) -> dict[str, Any]:
    """A request gets a key of its own: under the first one its failure may stand as the answer."""
    if "resume" in event:
        return dict(event)
    return {**event, "idempotency_key": f"{REPLAY}{message_id}"}


async def _send(result: Replayed, region: str | None) -> None:
    doing = f"cannot send it to {result.goes_to}"
    payload = orjson.dumps(result.event)
    try:
        with aws.Translated(doing):
            if ":stateMachine:" in result.goes_to:
                async with aws.client("stepfunctions", region) as machines:
                    await machines.start_execution(
                        stateMachineArn=result.goes_to, name=f"replay-{result.message_id}", input=payload.decode()
                    )
            else:
                async with aws.client("lambda", region) as functions:
                    await functions.invoke(FunctionName=result.goes_to, InvocationType="Event", Payload=payload)
    except BorealisError as error:
        result.error = str(error)
    else:
        result.sent = True
