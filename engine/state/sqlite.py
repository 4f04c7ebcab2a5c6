"""State in a local SQLite file, for one machine: leases end with their process, or when nobody renews them."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio.to_thread
import orjson

from engine.errors import ConfigError, LeaseError
from engine.state.port import Lease

LEASE_S = 60.0
"""A lease outlives its last heartbeat this long; heartbeats come three times as often."""
HEARTBEAT_S = LEASE_S / 3
BUSY_S = 10.0
T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS lease (target TEXT PRIMARY KEY, run_id TEXT, token INTEGER, owner TEXT, expires REAL);
CREATE TABLE IF NOT EXISTS run (run_id TEXT PRIMARY KEY, target TEXT, began REAL, receipt BLOB);
CREATE INDEX IF NOT EXISTS run_target ON run (target, began);
"""


class SqliteState:
    """One file; every call is one short transaction in a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._owner = f"{socket.gethostname()}:{os.getpid()}"

    async def acquire(self, table: str, run_id: str) -> Lease:
        return await self._call(partial(self._acquire, table, run_id))

    async def heartbeat(self, lease: Lease) -> bool:
        return await self._call(partial(_heartbeat, lease))

    async def release(self, lease: Lease) -> None:
        await self._call(partial(_release, lease))

    async def record(self, run_id: str, target: str, receipt: dict[str, Any]) -> None:
        await self._call(partial(_record, run_id, target, receipt))

    async def last_receipts(self) -> dict[str, dict[str, Any]]:
        return await self._call(_last_receipts)

    async def leases(self) -> list[dict[str, Any]]:
        return await self._call(_leases)

    async def began(self, run_id: str) -> bool:
        return await self._call(partial(_began, run_id))

    async def _call(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await anyio.to_thread.run_sync(self._in_transaction, work)

    def _in_transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)) as db:
                db.executescript(_SCHEMA)
                db.execute("BEGIN IMMEDIATE")
                with db:
                    return work(db)
        except (sqlite3.Error, OSError) as error:
            raise ConfigError(
                [f"state.path: cannot use {self._path}: {error}; set it to a file on a local disk that may be written"]
            ) from error

    def _acquire(self, table: str, run_id: str, db: sqlite3.Connection) -> Lease:
        now = time.time()
        held = db.execute("SELECT run_id, token, owner, expires FROM lease WHERE target = ?", [table]).fetchone()
        if held and held[0] and held[3] > now and not _is_dead(held[2]):
            raise LeaseError(
                f"{table} is being written by run {held[0]} ({held[2]})",
                remedy=f"wait for it to end; the lease ends {held[3] - now:.0f} s after its last sign of life",
            )
        token = (held[1] if held else 0) + 1
        db.execute(
            "INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?, ?)", [table, run_id, token, self._owner, now + LEASE_S]
        )
        db.execute("INSERT OR IGNORE INTO run VALUES (?, ?, ?, NULL)", [run_id, table, now])
        return Lease(table, run_id, token)


def _is_dead(owner: str) -> bool:
    """A process of this machine that is no more; of another machine nothing is known until the lease ends."""
    host, _, pid = owner.rpartition(":")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _heartbeat(lease: Lease, db: sqlite3.Connection) -> bool:
    done = db.execute(
        "UPDATE lease SET expires = ? WHERE target = ? AND token = ? AND run_id = ?",
        [time.time() + LEASE_S, lease.table, lease.token, lease.run_id],
    )
    return done.rowcount == 1


def _release(lease: Lease, db: sqlite3.Connection) -> None:
    """The row stays for its token: the next lease has a higher one."""
    db.execute("UPDATE lease SET run_id = '', expires = 0 WHERE target = ? AND token = ?", [lease.table, lease.token])


def _record(run_id: str, target: str, receipt: dict[str, Any], db: sqlite3.Connection) -> None:
    db.execute(
        "INSERT INTO run VALUES (?, ?, ?, ?) ON CONFLICT (run_id) DO UPDATE SET receipt = excluded.receipt",
        [run_id, target, time.time(), orjson.dumps(receipt)],
    )


def _last_receipts(db: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    rows = db.execute("SELECT target, receipt FROM run WHERE receipt IS NOT NULL ORDER BY began, run_id").fetchall()
    return {target: orjson.loads(receipt) for target, receipt in rows}


def _leases(db: sqlite3.Connection) -> list[dict[str, Any]]:
    now = time.time()
    rows = db.execute("SELECT target, run_id, owner, expires FROM lease WHERE run_id <> ''").fetchall()
    return [
        {"target": target, "run_id": run_id, "owner": owner, "seconds_left": round(expires - now, 1)}
        for target, run_id, owner, expires in rows
        if expires > now and not _is_dead(owner)
    ]


def _began(run_id: str, db: sqlite3.Connection) -> bool:
    found = db.execute("SELECT 1 FROM run WHERE run_id = ? OR run_id GLOB ? LIMIT 1", [run_id, f"{run_id}_*"])
    return found.fetchone() is not None
