"""The stores behind the port of state, for the tests of its contract."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from engine.aws import client
from engine.local.dynamodb import create_table
from engine.state.dynamodb import DynamoState
from engine.state.port import State
from engine.state.sqlite import SqliteState

LEASE_S = 60.0
OVER_S = -1.0
"""A store with leases of this length prolongs them into the past: nobody sleeps until a lease has ended."""


class Backend:
    """One state, as several processes see it: each call opens it anew."""

    def __init__(self, place: Path | str, opened: AsyncExitStack) -> None:
        self.place = place
        self._opened = opened

    def __call__(self, *, lease_s: float = LEASE_S, history_days: float = 90) -> State:
        if isinstance(self.place, Path):
            return SqliteState(self.place, lease_s=lease_s)
        state = DynamoState(self.place, owner="borealis-worker:1", lease_s=lease_s, history_days=history_days)
        self._opened.push_async_callback(state.close)
        return state


@asynccontextmanager
async def backend(kind: str, directory: Path) -> AsyncIterator[Backend]:
    async with AsyncExitStack() as opened:
        place: Path | str = directory / "deep" / "state.db"
        if kind == "dynamodb":
            place = f"state-{uuid.uuid4().hex}"
            async with client("dynamodb") as dynamodb:
                await create_table(dynamodb, place)
        yield Backend(place, opened)
