"""The one place that makes clients of AWS services: aioboto3 behind it may be replaced here.

`AWS_ENDPOINT_URL` and the other variables of the SDK are honoured. A client belongs to the event loop that made it.
"""

from __future__ import annotations

import functools
import os
from contextlib import AbstractAsyncContextManager
from typing import Any

import aioboto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from engine.classification import AWS, AWS_UNREACHED, Verdict
from engine.errors import AwsError, BorealisError

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
    identity = tuple(os.environ.get(name) for name in _IDENTITY)
    made: AbstractAsyncContextManager[Any] = _session(region, identity).client(service, config=config)
    return made


_IDENTITY = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
"""What a session reads once, where the environment says who we are."""


@functools.lru_cache(maxsize=4)
def _session(region: str | None, identity: tuple[str | None, ...]) -> Any:
    """The first client of a session reads the models of AWS, 50 to 200 ms; each later one takes 2 to 8 ms."""
    del identity  # it tells one session from another
    return aioboto3.Session(region_name=region)


class Translated:
    """`with Translated("what was being done"):` turns the SDK's errors into an error of ours, once, at the edge."""

    def __init__(self, doing: str, kind: type[BorealisError] = AwsError) -> None:
        self._doing = doing
        self._kind = kind

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (ClientError, BotoCoreError, OSError)):
            verdict = verdict_on(error)
            raise self._kind(
                f"{self._doing}: {verdict.meaning} ({_code(error)})",
                remedy=verdict.remedy,
                retryable=verdict.retryable,
            ) from error


def verdict_on(error: BaseException) -> Verdict:
    """What an error of the SDK means; its text may quote what was sent, so ours does not repeat it."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        otherwise = Verdict("AWS refuses", status >= 500, "")
        return AWS.get(_code(error), otherwise)
    found = (AWS_UNREACHED[each.__name__] for each in type(error).__mro__ if each.__name__ in AWS_UNREACHED)
    return next(found, Verdict("the connection was lost", isinstance(error, OSError), "check the network path to AWS"))


def _code(error: BaseException) -> str:
    return str(error.response["Error"].get("Code")) if isinstance(error, ClientError) else type(error).__name__
