"""Spares a source that suffers: fewer readers, shorter statements, a pause; and gives them back when it is calm.

no connection left (53300), few left for others    fewer readers
a statement cancelled (57014, 40001)               half the readers, and statements over half the bytes
a replica lags                                     no new chunk begins until it has caught up, or PAUSE_S_MAX
CALM_CHUNKS a reader without any of these          one reader more
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import asyncpg

from engine.errors import SourceError
from engine.source.connection import Address, Connection

LOOK_EVERY_S = 5.0
CALM_CHUNKS = 2
"""Of each reader, before there is one more."""
SETTLE_S = 1.0
"""Readers that fail within it fail for one reason."""
PAUSE_S_MAX = 60.0
"""Our own snapshot may be what holds a standby's replay back, so waiting longer could be waiting for ourselves."""
STATEMENT_BYTES_MIN = 64 * 1024

_LOOK = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
       - (SELECT sum(numbackends)::int FROM pg_stat_database) AS free
"""
_LAG = """
SELECT CASE WHEN NOT pg_is_in_recovery()
            THEN (SELECT max(extract(epoch FROM replay_lag)) FROM pg_stat_replication)
            WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::float8
"""


def cancelled(error: BaseException) -> str:
    """The code of an error that says that the source ended a statement, else ""."""
    return error.code if isinstance(error, SourceError) and error.code in ("cancelled", "conflict") else ""


class Governor:
    """How many readers a source is given at once, how much one statement reads, and what was taken away and why."""

    def __init__(self, address: Address, holder: Connection, readers: int) -> None:
        self.readers_max = readers
        self.statement_bytes = math.inf
        """Of a table, what one statement may read; grows no more once a statement was cancelled."""
        self.steps: list[dict[str, Any]] = []
        """`{"at", "signal", "what", "from", "to"}` each; `what`: readers, statement_bytes, pause_s."""
        self._limiter = anyio.CapacityLimiter(readers)
        self._address = address
        self._holder = holder
        self._looking = anyio.Lock()
        self._looked = 0.0
        self._stepped = -math.inf
        self._calm = 0

    @property
    def readers(self) -> int:
        return int(self._limiter.total_tokens)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A reader's place; waited for while there are fewer than ask, or the source is not to be asked for more."""
        borrower = object()
        await self._limiter.acquire_on_behalf_of(borrower)
        try:
            await self._look()  # with the place in hand, since the holder may be the one that reads
            yield
        finally:
            self._limiter.release_on_behalf_of(borrower)

    def refused(self, open_now: int) -> bool:
        """No connection is left beside the open ones; False where there is none to wait for."""
        if open_now:
            self._fewer("no connection was left", open_now)
        return open_now > 0

    def failed(self, error: BaseException) -> None:
        """A reader's statement has failed."""
        words = {"cancelled": "a statement was cancelled", "conflict": "a standby's replay was in the way"}
        if (code := cancelled(error)) and time.monotonic() - self._stepped > SETTLE_S:
            self._fewer(words[code], self.readers // 2)

    def shorten(self, statement_bytes: int) -> None:
        """A statement over so many bytes was cancelled."""
        now = max(STATEMENT_BYTES_MIN, statement_bytes // 2)
        if now < self.statement_bytes:
            self._note("a statement was cancelled", "statement_bytes", statement_bytes, now)
            self.statement_bytes = now

    def read(self) -> None:
        """A reader has done what it was lent for."""
        self._calm += 1
        if self._calm >= CALM_CHUNKS * self.readers and self.readers < self.readers_max:
            self._note("calm", "readers", self.readers, self.readers + 1)
            self._limiter.total_tokens = self.readers + 1
            self._calm = 0

    def _fewer(self, signal: str, to: int) -> None:
        self._calm, self._stepped, to = 0, time.monotonic(), max(1, to)
        if to < self.readers:
            self._note(signal, "readers", self.readers, to)
            self._limiter.total_tokens = to

    def _note(self, signal: str, what: str, before: float, now: float) -> None:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.steps.append({"at": at, "signal": signal, "what": what, "from": before, "to": now})

    # --- looking ---------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Now and then, before a reader begins."""
        async with self._looking:
            if time.monotonic() - self._looked < LOOK_EVERY_S:
                return
            free = await self._asked(_LOOK)
            missing = 0 if free is None else self._address.connections_spare - int(free)
            if missing > 0:
                self._fewer("few connections are left for others", self.readers - missing)
            if self._address.replica_lag_s_max is not None:
                await self._wait_for_replicas(self._address.replica_lag_s_max)
            self._looked = time.monotonic()

    async def _wait_for_replicas(self, lag_s_max: float) -> None:
        began = time.monotonic()
        while (lag := await self._asked(_LAG)) is not None and lag > lag_s_max:
            if time.monotonic() - began > PAUSE_S_MAX:
                break
            await anyio.sleep(min(1.0, lag_s_max))
        paused = round(time.monotonic() - began, 1)
        if paused >= min(1.0, lag_s_max):
            self._note(f"a replica was more than {lag_s_max:g} s behind", "pause_s", 0, paused)

    async def _asked(self, question: str) -> float | None:
        """By the snapshot's holder, which lives on if the question fails: Aurora lacks some functions; None then."""
        try:
            await self._holder.execute("SAVEPOINT look; SELECT pg_stat_clear_snapshot()")
            try:
                answer: float | None = await self._holder.fetchval(question)
            except asyncpg.PostgresError:
                await self._holder.execute("ROLLBACK TO look")
                answer = None
            await self._holder.execute("RELEASE look")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            return None  # the holder is gone, which readers notice
        return answer
