"""The one place that makes clients of AWS services: aioboto3 behind it may be replaced here.

`AWS_ENDPOINT_URL` and the other variables of the SDK are honoured. A client belongs to the event loop that made it.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

import aioboto3
from botocore.config import Config

CONNECT_S = 5
READ_S = 30
"""Seconds for one answer: every call of ours is short, but a synchronous invocation, which asks for its own."""
ATTEMPTS = 4


def client(
    service: str, region: str | None = None, *, read_s: float = READ_S, connections: int = 20
) -> AbstractAsyncContextManager[Any]:
    """A client in a context, such as one of `dynamodb`; the SDK itself retries throttling and lost connections."""
    config = Config(
        connect_timeout=CONNECT_S,
        read_timeout=read_s,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    made: AbstractAsyncContextManager[Any] = aioboto3.Session(region_name=region).client(service, config=config)
    return made
