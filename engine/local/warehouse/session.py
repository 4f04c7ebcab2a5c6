"""A session: its settings and its transaction, in Snowflake's terms on top of DuckDB's.

DuckDB's transactions see one snapshot, conflict instead of waiting, and die of any error. Snowflake's read what is
committed, wait, and go on after an error unless TRANSACTION_ABORT_ON_ERROR. So a transaction here is the list of its
writing statements: while it is empty every statement takes a new snapshot; after a conflict, or an error that must
not end it, what was written is undone and the list is run again.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

import duckdb

from engine.local.warehouse.catalog import Catalog, Entry
from engine.local.warehouse.faults import SqlError, conflict, syntax
from engine.local.warehouse.locks import Locks
from engine.local.warehouse.words import Name

T = TypeVar("T")
Cursor = duckdb.DuckDBPyConnection
Step = Callable[[Cursor], T]
REPLAYS_MAX = 200  # each needs another session's commit in between, so this many never pass without progress elsewhere

DEFAULTS = {
    "AUTOCOMMIT": "true", "TIMEZONE": "America/Los_Angeles", "TRANSACTION_ABORT_ON_ERROR": "false",
    "STATEMENT_TIMEOUT_IN_SECONDS": "172800", "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS": "0", "LOCK_TIMEOUT": "43200",
    "QUOTED_IDENTIFIERS_IGNORE_CASE": "false", "QUERY_TAG": "", "ABORT_DETACHED_QUERY": "false",
    "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ", "BINARY_INPUT_FORMAT": "HEX", "BINARY_OUTPUT_FORMAT": "HEX",
    "DATE_INPUT_FORMAT": "AUTO", "TIME_INPUT_FORMAT": "AUTO", "TIMESTAMP_INPUT_FORMAT": "AUTO",
    "DATE_OUTPUT_FORMAT": "YYYY-MM-DD", "CLIENT_SESSION_KEEP_ALIVE": "false",
    "ERROR_ON_NONDETERMINISTIC_MERGE": "true", "READ_CONSISTENCY_MODE": "SESSION",
}  # fmt: skip


class Session:
    """One DuckDB connection. The server runs its statements one after another."""

    def __init__(self, number: int, catalog: Catalog, cursor: Cursor, locks: Locks, user: str) -> None:
        self.number = number
        self.catalog = catalog
        self.cursor = cursor
        self.locks = locks
        self.user = user
        self.role = "ACCOUNTADMIN"
        self.warehouse: str | None = None
        self.account = "LOCAL"
        self.base_url = ""
        """Where its client reaches this server, with a slash at the end: files go the way that statements go."""
        self.database: str | None = None
        self.schema: str | None = None
        self.parameters = dict(DEFAULTS)
        self.last_query_id: str | None = None
        self.busy = threading.RLock()
        self.used = time.monotonic()
        self.cursor.execute("SET TimeZone = 'America/Los_Angeles'")
        self._steps: list[Step[object]] | None = None  # the writes of the open transaction
        self._aborted = False

    # ---- settings

    def set(self, name: str, value: object) -> None:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        name = name.upper()
        if name == "TIMEZONE":
            try:
                self.cursor.execute(f"SET TimeZone = '{text.replace(chr(39), '')}'")
            except duckdb.Error:
                raise SqlError(1066, "22023", f"SQL compilation error:\ninvalid value [{text}] for TIMEZONE") from None
        if name == "AUTOCOMMIT":
            self.commit()
        self.parameters[name] = text

    def reset(self, name: str) -> None:
        if name in DEFAULTS:
            self.set(name, DEFAULTS[name])
        else:
            self.parameters.pop(name, None)

    def on(self, name: str) -> bool:
        return self.parameters.get(name, "").lower() == "true"

    @property
    def timeout_s(self) -> float:
        return float(self.parameters["STATEMENT_TIMEOUT_IN_SECONDS"]) or 604_800.0

    def resolve(self, name: Name) -> tuple[str, str, str]:
        """Database, schema and name of an object."""
        if len(name) == 1:
            if self.database is None or self.schema is None:
                what = "database" if self.database is None else "schema"
                raise SqlError(
                    90105 if self.database is None else 90106, "22000",
                    f"Cannot perform operation. This session does not have a current {what}. "
                    f"Call 'USE {what.upper()}', or use a qualified name.",
                )  # fmt: skip
            return (self.database, self.schema, name[0])
        if len(name) == 2:
            if self.database is None:
                raise SqlError(
                    90105, "22000", "Cannot perform operation. This session does not have a current database."
                )
            return (self.database, name[0], name[1])
        if len(name) > 3:
            raise syntax(f"invalid name {'.'.join(name)}")
        return (name[0], name[1], name[2])

    def table(self, name: Name) -> Entry:
        entry = self.catalog.get("TABLE", self.resolve(name))
        if entry.kind != "TABLE":
            raise SqlError(2203, "02000", f"SQL compilation error:\n'{entry.name}' is a view, not a table.")
        return entry

    # ---- transactions

    @property
    def open(self) -> bool:
        return self._steps is not None

    def begin(self) -> None:
        """A second BEGIN is ignored, as Snowflake does."""
        if self._steps is None:
            self._steps = []
            self._aborted = False

    def commit(self) -> None:
        if self._steps is not None and not self._aborted:
            for attempt in range(REPLAYS_MAX):
                try:
                    self._duck("COMMIT")
                    break
                except duckdb.Error as error:
                    self._duck("ROLLBACK")
                    if not conflict(error) or attempt == REPLAYS_MAX - 1:
                        self._close()
                        raise
                    _pause(attempt)
                    self._replay()
        self._close()

    def rollback(self) -> None:
        self._duck("ROLLBACK")
        self._close()

    def _close(self) -> None:
        if self._aborted:
            self._duck("ROLLBACK")
        self._steps = None
        self._aborted = False
        self.locks.release(self)

    def _duck(self, word: str) -> None:
        try:
            self.cursor.execute(word)
        except duckdb.TransactionException as error:
            if "no transaction is active" not in str(error):
                raise

    def _replay(self) -> None:
        self.cursor.execute("BEGIN")
        for step in self._steps or []:
            step(self.cursor)

    def read(self, step: Step[T]) -> T:
        """Run a statement that only reads."""
        self.guard()
        if self._steps is None:
            return step(self.cursor)
        return self._inside(step)

    def write(self, step: Step[T], locks: Iterable[Hashable] = ()) -> T:
        """Run a statement that writes, alone or in the open transaction, holding `locks` until that ends."""
        self.guard()
        if self._steps is None and not self.on("AUTOCOMMIT"):
            self.begin()
        alone = self._steps is None
        try:
            self.locks.take(self, locks, min(self.timeout_s, float(self.parameters["LOCK_TIMEOUT"])))
            if alone:
                return self._alone(step)
            result = self._inside(step)
        finally:
            if alone:
                self.locks.release(self)
        assert self._steps is not None
        self._steps.append(step)
        return result

    def guard(self) -> None:
        if self._aborted:
            raise SqlError(
                90232, "25P02",
                "Current transaction is aborted, statements are refused until COMMIT or ROLLBACK "
                "(TRANSACTION_ABORT_ON_ERROR is set).",
            )  # fmt: skip

    def _alone(self, step: Step[T]) -> T:
        for attempt in range(REPLAYS_MAX):
            try:
                self.cursor.execute("BEGIN")
                result = step(self.cursor)
                self.cursor.execute("COMMIT")
            except BaseException as error:
                self._duck("ROLLBACK")
                if not conflict(error) or attempt == REPLAYS_MAX - 1:
                    raise
                _pause(attempt)
            else:
                return result
        raise AssertionError

    def _inside(self, step: Step[T]) -> T:
        assert self._steps is not None
        fresh = not self._steps  # nothing written yet: see what others have committed since the last statement
        for attempt in range(REPLAYS_MAX):
            try:
                if fresh:
                    self._duck("ROLLBACK")
                    self.cursor.execute("BEGIN")
                return step(self.cursor)
            except BaseException as error:
                self._duck("ROLLBACK")
                again = conflict(error) and attempt < REPLAYS_MAX - 1
                if not again and self.on("TRANSACTION_ABORT_ON_ERROR"):
                    self._aborted = True
                    raise
                if again:
                    _pause(attempt)
                if not fresh:
                    self._replay()
                if not again:
                    raise
        raise AssertionError

    def interrupt(self) -> None:
        self.cursor.interrupt()

    def close(self) -> None:
        with contextlib.suppress(duckdb.Error):
            self.rollback()
        self.locks.release(self)
        self.cursor.close()


def _pause(attempt: int) -> None:
    time.sleep(random.uniform(0, min(0.2, 0.002 * 2**attempt)))  # noqa: S311
