"""State in a local SQLite file, for one machine: leases end with their process, or when nobody renews them."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio.to_thread
import orjson

from engine.errors import ConfigError
from engine.state.forms import first_version, pack, taken, unpack
from engine.state.port import Document, Lease

BUSY_S = 10.0
_KEPT = "(expires IS NULL OR expires > ?)"
T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS lease (target TEXT PRIMARY KEY, run_id TEXT, token INTEGER, owner TEXT, expires REAL);
CREATE TABLE IF NOT EXISTS run (run_id TEXT PRIMARY KEY, target TEXT, began REAL, receipt BLOB);
CREATE INDEX IF NOT EXISTS run_of ON run (target, run_id);
CREATE TABLE IF NOT EXISTS document (name TEXT PRIMARY KEY, version INTEGER, value BLOB, expires REAL);
"""


class SqliteState:
    """One file, one connection; every call is one short transaction in a thread.

    With a write-ahead log a transaction does not wait for the disk: a power failure may undo the last ones, as if the
    process had died a moment earlier, and a killed process loses none.
    """

    def __init__(self, path: Path, *, lease_s: float) -> None:
        self._path = path
        self._lease_s = lease_s
        self._owner = f"{socket.gethostname()}:{os.getpid()}"
        self._alone = threading.Lock()
        self._db: sqlite3.Connection | None = None

    async def acquire(self, table: str, run_id: str) -> Lease:
        return await self._call(partial(self._acquire, table, run_id))

    async def heartbeat(self, lease: Lease) -> bool:
        return await self._call(partial(_heartbeat, lease, self._lease_s))

    async def release(self, lease: Lease) -> None:
        await self._call(partial(_release, lease))

    async def record(self, run_id: str, target: str, receipt: dict[str, Any]) -> None:
        await self._call(partial(_record, run_id, target, receipt))

    async def last_receipts(self) -> dict[str, dict[str, Any]]:
        return await self._call(_last_receipts)

    async def leases(self) -> list[dict[str, Any]]:
        return await self._call(_leases)

    async def receipts(self, target: str, limit: int) -> list[dict[str, Any]]:
        return await self._call(partial(_receipts, target, limit))

    async def began(self, run_id: str) -> bool:
        return await self._call(partial(_began, run_id))

    async def get(self, name: str) -> Document | None:
        return await self._call(partial(_get, name))

    async def put(
        self, name: str, value: dict[str, Any], *, version: int = 0, keep_s: float | None = None
    ) -> int | None:
        expires = None if keep_s is None else time.time() + keep_s
        return await self._call(partial(_put, name, pack(name, value), version, expires))

    async def delete(self, name: str, *, version: int) -> None:
        await self._call(partial(_delete, name, version))

    async def names(self, prefix: str) -> list[str]:
        return await self._call(partial(_names, prefix))

    async def close(self) -> None:
        await anyio.to_thread.run_sync(self._close)

    async def _call(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await anyio.to_thread.run_sync(self._in_transaction, work)

    def _in_transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with self._alone:
                self._db = self._db or self._opened()
                self._db.execute("BEGIN IMMEDIATE")
                with self._db:
                    return work(self._db)
        except (sqlite3.Error, OSError) as error:
            self._close()
            raise ConfigError(
                [f"state.path: cannot use {self._path}: {error}; set it to a file on a local disk that may be written"]
            ) from error

    def _opened(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            with suppress(sqlite3.OperationalError):  # another process makes the log now, or has the file to itself
                db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.executescript(_SCHEMA)
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _close(self) -> None:
        with self._alone:
            if self._db is not None:
                self._db.close()
            self._db = None

    def _acquire(self, table: str, run_id: str, db: sqlite3.Connection) -> Lease:
        now = time.time()
        held = db.execute("SELECT run_id, token, owner, expires FROM lease WHERE target = ?", [table]).fetchone()
        if held and held[0] and held[3] > now and not _is_dead(held[2]):
            raise taken(table, held[0], held[2], held[3] - now)
        token = (held[1] if held else 0) + 1
        db.execute(
            "INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?, ?)",
            [table, run_id, token, self._owner, now + self._lease_s],
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


def _heartbeat(lease: Lease, lease_s: float, db: sqlite3.Connection) -> bool:
    done = db.execute(
        "UPDATE lease SET expires = ? WHERE target = ? AND token = ? AND run_id = ?",
        [time.time() + lease_s, lease.table, lease.token, lease.run_id],
    )
    return done.rowcount == 1


def _release(lease: Lease, db: sqlite3.Connection) -> None:
    """The row stays for its token: the next lease has a higher one."""
    db.execute(
        "UPDATE lease SET run_id = '', expires = 0 WHERE target = ? AND token = ? AND run_id = ?",
        [lease.table, lease.token, lease.run_id],
    )


def _record(run_id: str, target: str, receipt: dict[str, Any], db: sqlite3.Connection) -> None:
    db.execute(
        "INSERT INTO run VALUES (?, ?, ?, ?)"
        " ON CONFLICT (run_id) DO UPDATE SET target = excluded.target, receipt = excluded.receipt",
        [run_id, target, time.time(), orjson.dumps(receipt)],
    )


def _last_receipts(db: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    rows = db.execute("SELECT target, receipt FROM run WHERE receipt IS NOT NULL ORDER BY run_id").fetchall()
    return {target: orjson.loads(receipt) for target, receipt in rows}


def _receipts(target: str, limit: int, db: sqlite3.Connection) -> list[dict[str, Any]]:
    rows = db.execute(
        "SELECT receipt FROM run WHERE target = ? AND receipt IS NOT NULL ORDER BY run_id DESC LIMIT ?",
        [target, limit],
    )
    return [orjson.loads(receipt) for (receipt,) in rows]


def _get(name: str, db: sqlite3.Connection) -> Document | None:
    found = db.execute(
        f"SELECT value, version FROM document WHERE name = ? AND {_KEPT}", [name, time.time()]
    ).fetchone()
    return Document(unpack(found[0]), found[1]) if found else None


def _put(name: str, packed: bytes, version: int, expires: float | None, db: sqlite3.Connection) -> int | None:
    if version == 0:
        db.execute("DELETE FROM document WHERE expires <= ?", [time.time()])
        version = first_version()
        done = db.execute("INSERT OR IGNORE INTO document VALUES (?, ?, ?, ?)", [name, version, packed, expires])
        return version if done.rowcount == 1 else None
    done = db.execute(
        "UPDATE document SET value = ?, version = version + 1, expires = ? WHERE name = ? AND version = ?",
        [packed, expires, name, version],
    )
    return version + 1 if done.rowcount == 1 else None


def _delete(name: str, version: int, db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM document WHERE name = ? AND version = ?", [name, version])


def _names(prefix: str, db: sqlite3.Connection) -> list[str]:
    rows = db.execute(
        f"SELECT name FROM document WHERE substr(name, 1, ?) = ? AND {_KEPT} ORDER BY name",
        [len(prefix), prefix, time.time()],
    )
    return [name for (name,) in rows]


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
