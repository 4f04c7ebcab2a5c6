"""Which state a configuration means: a DynamoDB table where one is named, else a SQLite file."""

from __future__ import annotations

import os
import socket

from engine.config import Config
from engine.state.port import State
from engine.state.sqlite import SqliteState


def state_of(config: Config, owner: str = "") -> State:
    """`owner` says in refusals who holds a lease, such as a function with its request; without it this process."""
    settings = config.state
    if settings.table is None:
        return SqliteState(settings.path, lease_s=settings.lease_s)
    from engine.state.dynamodb import DynamoState  # noqa: PLC0415 - loads the SDK of AWS, 0.2 s

    return DynamoState(
        settings.table,
        owner=owner or f"{socket.gethostname()}:{os.getpid()}",
        lease_s=settings.lease_s,
        history_days=settings.history_days,
        region=config.aws.region,
    )
