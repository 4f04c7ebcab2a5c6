"""How far changes are complete: what a transaction that is still open on the primary may yet commit.

A row's cursor value is often its transaction's start (`now()`), so a transaction that began before the horizon and
commits after our snapshot would be passed over. The watermark therefore stays below the oldest open transaction of the
primary. Numbers know no clock: there the greatest value is read first, and counts once all transactions open at that
moment have ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio

from engine.errors import RefusedError, SourceError
from engine.model import Table
from engine.plan import Cursor
from engine.quoting import literal
from engine.source.connection import APPLICATION_NAME, Address, Connection, Translated, connected, pin
from engine.sql import source as sql

VISIBLE_AFTER_S = 0.1
"""A backend publishes its transaction's start a moment after taking the time: the clock is read this much earlier."""
STANDBY_WAIT_S = 30.0
"""A standby that lags more than this is told of rather than waited for."""

_OPEN = f"""
SELECT min(xact_start)::text, count(*) FILTER (WHERE xact_start <= $1)
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
  AND backend_type NOT IN ('autovacuum worker', 'walsender') AND application_name <> '{APPLICATION_NAME}'
"""
_UNSEEN = f"""
SELECT (SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()),
       (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'disabled'
        AND application_name <> '{APPLICATION_NAME}')
"""
"""Transactions without a session, and sessions that tell nothing of theirs."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """`at`: changes stamped before it are complete in any snapshot taken later (timestamptz as text)."""

    at: str
    lag_s: float
    """Seconds by which open transactions hold the horizon behind the clock."""
    complete: bool = True
    """False: nothing can be said (a transaction that is prepared or hidden, a standby far behind); watermarks stay."""
    why: str = ""
    numbers: Mapping[int, str] = field(default_factory=dict)
    """By table oid: the greatest cursor value that is complete; missing where there is none, or transactions did not
    end in time.
    """


async def read_horizon(
    primary: Address,
    standby: Address | None,
    numbers: Mapping[int, tuple[Table, Cursor]],
    *,
    lag_is_set: bool,
    wait_s: float,
) -> Horizon:
    """Asks the primary; must be called before the snapshot is taken. `standby` is where rows are read, if one is.

    Raises RefusedError where the role cannot see other sessions, since what it cannot see is not the same as nothing,
    unless every table has a lag of its own set (`lag_is_set`), which the caller takes off.
    """
    async with connected(primary) as connection:
        with Translated("cannot read the horizon of open transactions"):
            if await connection.fetchval("SELECT pg_is_in_recovery()"):
                return await _on_standby(connection, lag_is_set)
            values: dict[int, str] = {}
            for oid, (table, cursor) in numbers.items():
                if (greatest := await connection.fetchval(sql.cursor_max(table, cursor))) is not None:
                    values[oid] = greatest
            if any(table.runs_code for table, _ in numbers.values()):
                await pin(connection, primary)
            now = await connection.fetchval("SELECT clock_timestamp()")
            await anyio.sleep(VISIBLE_AFTER_S)
            sees_all = await connection.fetchval("SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')")
            if not sees_all and not lag_is_set:
                raise RefusedError(
                    [
                        (
                            f"the role of {primary.place} cannot see others' transactions, so late commits would be "
                            "lost; GRANT pg_read_all_stats (or pg_monitor) to it, or set cursor_lag_s"
                        )
                    ]
                )
            oldest, older = await connection.fetchrow(_OPEN, now)
            at, behind_s = await _earliest(connection, now, oldest)
            ended = not (numbers and older) or await _ended(connection, now, wait_s)
            prepared, hidden = await connection.fetchrow(_UNSEEN)  # last: what was open may be prepared by now
            if not sees_all or hidden or not ended:
                values = {}  # no lag bounds a number
            why = ""
            if prepared:
                why = "a prepared transaction is open on the primary"
            elif hidden and not lag_is_set:
                why = "a session on the primary hides its transactions: set track_activities = on, or cursor_lag_s"
            elif standby is not None and not await _replayed(connection, standby):
                why = "the standby has not replayed what the primary had committed"
        return Horizon(at, behind_s, not why, why, values)


async def _earliest(connection: Connection, now: object, oldest: str | None) -> tuple[str, float]:
    bound = "NULL" if oldest is None else literal(oldest)
    row = await connection.fetchrow(
        f"SELECT h::text, extract(epoch FROM clock_timestamp() - h)::float8"
        f" FROM (SELECT least($1::timestamptz, {bound}::timestamptz) AS h) AS x",
        now,
    )
    return row[0], row[1]


async def _on_standby(connection: Connection, lag_is_set: bool) -> Horizon:
    """Without the primary's address only a fixed lag is left: pg_stat_activity of a standby shows no writers."""
    if not lag_is_set:
        raise RefusedError(
            [
                (
                    "source.dsn leads to a standby, where the writers' open transactions cannot be seen; set "
                    "source.primary_dsn to the writer's endpoint, or cursor_lag_s"
                )
            ]
        )
    at, lag = await _earliest(connection, await connection.fetchval("SELECT clock_timestamp()"), None)
    return Horizon(at, lag)


async def _ended(connection: Connection, moment: object, wait_s: float) -> bool:
    """Waits until no transaction that was open at `moment` is left, `wait_s` at most."""
    with anyio.move_on_after(wait_s):
        while True:
            _, older = await connection.fetchrow(_OPEN, moment)
            if not older:
                return True
            await anyio.sleep(0.1)
    return False


async def _replayed(primary: Connection, standby: Address) -> bool:
    """Waits until the standby shows all that the primary had committed when asked."""
    position = await primary.fetchval("SELECT pg_current_wal_lsn()::text")
    async with connected(standby) as connection:
        with anyio.move_on_after(STANDBY_WAIT_S), Translated("cannot ask the standby how far it is"):
            while True:
                done = await connection.fetchval(f"SELECT pg_last_wal_replay_lsn() >= {literal(position)}::pg_lsn")
                if done is None:
                    raise SourceError(
                        f"{standby.place} does not tell how far it has replayed",
                        remedy="set cursor_lag_s to more than its replication lag",
                    )
                if done:
                    return True
                await anyio.sleep(0.05)
    return False
