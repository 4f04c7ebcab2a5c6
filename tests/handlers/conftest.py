"""A function as the runtime calls it, in this process: a fresh execution environment a test, and the context."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from handlers import entry

MINIMAL = {
    "BOREALIS_SOURCE__DSN": "postgresql://reader@127.0.0.1:1/shop",
    "BOREALIS_TARGET__ACCOUNT": "ORG-ACCOUNT",
    "BOREALIS_TARGET__USER": "LOADER",
    "BOREALIS_TARGET__PASSWORD": "none",
    "BOREALIS_TARGET__DATABASE": "ANALYTICS",
    "BOREALIS_TARGET__SCHEMA": "SHOP",
    "BOREALIS_TABLES": '[{"name": "public.*", "group": "nightly"}]',
}


@dataclass
class Context:
    """What the runtime client passes as the second argument."""

    seconds: float = 30.0
    aws_request_id: str = "request-1"
    function_name: str = "borealis-scheduled"
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:borealis-scheduled:live"
    began: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        return round((self.seconds - (time.monotonic() - self.began)) * 1000)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cold execution environment; its settings come from variables alone until a test says otherwise."""
    for name, value in MINIMAL.items():
        monkeypatch.setenv(name, value)
    fresh = entry.Environment()
    monkeypatch.setattr(entry, "_environment", fresh)
    yield fresh
    if fresh._sessions.pool is not None:
        fresh._runner.run(fresh._sessions.pool.close())
    fresh._runner.close()
