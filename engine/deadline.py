"""Decides when a run must stop: how long readers may read, and which chunk is worth beginning. Pure but for time.

A function is killed when its time is over, so a run ends by itself before: readers stop in time for loaders to bring
in what was read, and what is left is for the next function.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from time import monotonic

RESERVE_SHARE = 0.1
RESERVE_S_MIN, RESERVE_S_MAX = 1.0, 20.0
"""Seconds between the end of reading and the end of time: a tenth of the limit, for small steps at both sides."""
HANDOVER_SHARE, HANDOVER_S_MAX = 0.25, 30.0
"""Of the limit, kept for the next function to start and to join: 2 to 10 s where it is cold, and some to spare."""
LOADS_AHEAD = 2.0
"""The slowest PUT and COPY seen so far, this many times over: the last files wait for the one before."""


@dataclass(slots=True)
class Deadline:
    """When a run must have returned, in seconds of the monotonic clock, and what its steps have cost so far."""

    at: float = math.inf
    limit_s: float = math.inf
    killed_at: float = math.inf
    """When a function is killed, which may be later than it shall work: only its snapshot is held until then."""
    hands_over: bool = False
    """Another function will be started before the end, and has to join the snapshot."""
    handover_s: float | None = None
    """What that took in this run before."""
    slowest_load_s: float = 0.0
    read_bytes: int = 0
    """Bytes of table, by the plan's estimate, of the chunks that were read."""
    read_s: float = 0.0

    @classmethod
    def within(cls, seconds: float | None, killed_s: float = math.inf, *, hands_over: bool = False) -> Deadline:
        """`seconds` from now (None: never); a function is killed after `killed_s`."""
        work_s = min(math.inf if seconds is None else seconds, killed_s)
        return cls(monotonic() + work_s, work_s, monotonic() + killed_s, hands_over)

    @property
    def is_set(self) -> bool:
        return self.at != math.inf

    def remaining_s(self) -> float:
        return self.at - monotonic()

    def alive_s(self) -> float:
        """Until the function is killed."""
        return self.killed_at - monotonic()

    @property
    def reading_until(self) -> float:
        """Where readers stop, whatever they are doing."""
        if not self.is_set:
            return math.inf
        reserve = min(RESERVE_S_MAX, max(RESERVE_S_MIN, RESERVE_SHARE * self.limit_s))
        end = self.at
        if self.hands_over:
            expected_s = HANDOVER_SHARE * self.limit_s if self.handover_s is None else 2 * self.handover_s
            end = min(end, self.killed_at - min(HANDOVER_S_MAX, expected_s))
        return end - reserve - LOADS_AHEAD * self.slowest_load_s

    @property
    def timeout_s(self) -> float | None:
        """For a retry loop: the time that is left, or None for no limit."""
        return max(0.001, self.remaining_s()) if self.is_set else None

    def statement_s(self, seconds: float) -> int:
        """The time limit of one statement at the target, whole seconds: no longer than the function lives."""
        return max(1, int(min(seconds, self.alive_s(), max(1.0, self.remaining_s()) + RESERVE_S_MAX)))

    def is_over(self) -> bool:
        return monotonic() >= self.reading_until

    def has_time_for(self, bytes_estimate: int) -> bool:
        """A chunk of so many bytes can be expected to be read in time; a guess of none refuses none."""
        if not self.is_set:
            return True
        seconds = bytes_estimate * self.read_s / self.read_bytes if self.read_bytes else 0.0
        return monotonic() + seconds < self.reading_until

    def was_read(self, bytes_estimate: int, seconds: float) -> None:
        self.read_bytes += bytes_estimate
        self.read_s += seconds

    def was_loaded(self, seconds: float) -> None:
        self.slowest_load_s = max(self.slowest_load_s, seconds)
