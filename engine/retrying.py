"""The retry loop of a run's steps, bounded by attempts and by the deadline. Only around what is safe to repeat.

async for attempt in retrying(attempts, deadline):
with attempt:
...                      tried again where it raised an error of ours that is retryable
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import stamina

from engine.deadline import Deadline
from engine.errors import BorealisError

WAIT_S_MAX = 10.0
"""Of one pause; pauses double and are jittered by up to a second."""


def retrying(attempts: int, deadline: Deadline, *, wait_s: float = 0.5) -> AsyncIterator[stamina.Attempt]:
    """`attempts` counts the first one; after the deadline none begins, and no pause is longer than it is away."""
    left_s = deadline.timeout_s
    wait_s_max = WAIT_S_MAX if left_s is None else min(WAIT_S_MAX, left_s)
    context = stamina.retry_context(
        on=is_retryable, attempts=attempts, timeout=left_s, wait_initial=min(wait_s, wait_s_max), wait_max=wait_s_max
    )
    return aiter(context)


def is_retryable(error: Exception) -> bool:
    return isinstance(error, BorealisError) and error.retryable
