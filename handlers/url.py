"""A function behind its URL: the HTTP request as an event, the answer with a status. IAM has let the caller in by then.

GET /?deep=true             {"deep": true}
POST / {"deep": true}       the same
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import orjson

from engine.errors import EventError

UNWELL = 503
"""Of an answer that says `"ok": false`, for a load balancer or a monitor that looks at the status alone."""
_WORDS = {"true": True, "false": False}


def is_request(event: Any) -> bool:
    """Whether Lambda made it of an HTTP request, in the form 2.0."""
    context = event.get("requestContext") if isinstance(event, Mapping) else None
    return isinstance(context, Mapping) and event.get("version") == "2.0" and isinstance(context.get("http"), Mapping)


def part_of(value: Any) -> Mapping[str, Any]:
    """What should be a mapping; whoever invokes a function himself writes what he likes."""
    return value if isinstance(value, Mapping) else {}


def event_of(event: Any) -> Any:
    """What a request asks for, or the event itself. Raises EventError."""
    if not is_request(event):
        return event
    body = event.get("body")
    if not body:
        query = event.get("queryStringParameters")
        return {name: _WORDS.get(str(value), value) for name, value in part_of(query).items()}
    try:
        return json.loads(base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body)
    except (ValueError, TypeError, RecursionError):
        raise EventError(["body: is not JSON"]) from None


def response(answer: Mapping[str, Any], status: int | None = None) -> dict[str, Any]:
    return {
        "statusCode": status or (200 if answer.get("ok", True) else UNWELL),
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": orjson.dumps(answer, default=str).decode(),
    }
