"""Who or what made an event come, for the audit log. Pure.

What an event says of itself is only that: CloudTrail, whose record of the invocation has the same request id, knows
the caller.

    schedule         EventBridge Scheduler, which is named in the event, or a rule with a schedule
    rule             an EventBridge rule and its event
    state machine    an execution of it
    url              the function's URL: the ARN of the caller, as IAM knows it
    function         another function of the same run
    replay           `borealis replay`, from a letter in the queue
    invocation       anything else: a person or a program that may invoke the function
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handlers import url
from handlers.events import Event, Resume, RunRequest, SnapshotEvent

SCHEDULERS = ("aws.scheduler", "aws.events")
"""Sources of an envelope whose detail type is `Scheduled Event`."""
REPLAY = "replay-"
"""Begins the idempotency key of an event that is sent once more."""

Trigger = dict[str, Any]


def trigger_of(raw: Any, event: Event) -> Trigger:
    """Of an event as it came, and as it was understood."""
    if url.is_request(raw):
        return _by_url(raw["requestContext"])
    if isinstance(raw, Mapping) and "detail-type" in raw:
        return _by_rule(raw)
    if execution := getattr(event, "execution", None):
        return {"kind": "state machine", "execution": execution}
    if isinstance(event, (Resume, SnapshotEvent)):
        return {"kind": "function"}
    if isinstance(event, RunRequest) and event.schedule:
        return {"kind": "schedule", "schedule": event.schedule}
    if isinstance(event, RunRequest) and (event.idempotency_key or "").startswith(REPLAY):
        return {"kind": "replay", "letter": str(event.idempotency_key).removeprefix(REPLAY)}
    return {"kind": "invocation"}


def _by_url(context: Mapping[str, Any]) -> Trigger:
    caller = url.part_of(url.part_of(context.get("authorizer")).get("iam"))
    return {
        "kind": "url",
        "caller": caller.get("userArn"),
        "account": caller.get("accountId"),
        "address": context["http"].get("sourceIp"),
        "http_request_id": context.get("requestId"),
    }


def _by_rule(raw: Mapping[str, Any]) -> Trigger:
    named = raw.get("resources")
    resource = next(iter(named), None) if isinstance(named, list) else None
    if raw["detail-type"] == "Scheduled Event" and raw.get("source") in SCHEDULERS:
        return {"kind": "schedule", "schedule": resource}
    return {"kind": "rule", "resource": resource, "source": raw.get("source"), "event_id": raw.get("id")}
