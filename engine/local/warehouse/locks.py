"""Who may change a table: UPDATE, DELETE, MERGE, TRUNCATE and OVERWRITE wait for each other's transaction to end.

INSERT and COPY take no table lock, as in Snowflake; a COPY locks each file's name for its table, so that two
sessions cannot load it twice. The newest waiter of a circle is refused, and a holder that `gone` reports is undone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable

from engine.local.warehouse.faults import SqlError

LOOK_AGAIN_S = 1.0


class Locks:
    def __init__(self, gone: Callable[[object], bool]) -> None:
        self._held: dict[Hashable, object] = {}
        self._waits: dict[object, Hashable] = {}
        self._turn = threading.Condition()
        self._gone = gone

    def take(self, owner: object, keys: Iterable[Hashable], timeout_s: float) -> None:
        """Wait until `owner` holds all keys. `timeout_s` is the session's LOCK_TIMEOUT or statement timeout."""
        until = time.monotonic() + timeout_s
        for key in sorted(set(keys), key=repr):
            while True:
                with self._turn:
                    holder = self._held.setdefault(key, owner)
                    if holder is owner:
                        break
                    self._waits[owner] = key
                    try:
                        if self._circle(owner):
                            raise SqlError(1205, "40001", "Transaction was chosen as the victim of a deadlock.")
                        self._turn.wait(min(LOOK_AGAIN_S, max(0.0, until - time.monotonic())))
                    finally:
                        del self._waits[owner]
                    if time.monotonic() >= until and self._held.get(key) is holder:
                        raise SqlError(625, "57014", "Statement has locked table or waits for this lock too long.")
                if self._held.get(key) is holder:
                    self._gone(holder)

    def _circle(self, owner: object) -> bool:
        seen = owner
        while (key := self._waits.get(seen)) is not None:
            seen = self._held.get(key)
            if seen is owner:
                return True
        return False

    def release(self, owner: object) -> None:
        with self._turn:
            for key in [k for k, holder in self._held.items() if holder is owner]:
                del self._held[key]
            self._turn.notify_all()
