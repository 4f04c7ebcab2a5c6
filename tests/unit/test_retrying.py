"""A step is tried again while that may help, there are attempts left and time is left."""

import contextlib
import time

import pytest

from engine.deadline import Deadline
from engine.errors import SourceError
from engine.retrying import retrying

PASSING = SourceError("lost", retryable=True)


async def tries(error, attempts=4, deadline=None, *, passes_at=99):
    """How often a step was tried that raises, until it passes."""
    count = 0
    with contextlib.suppress(type(error)):
        async for attempt in retrying(attempts, deadline or Deadline(), wait_s=0.01):
            with attempt:
                count += 1
                assert attempt.num == count
                if count < passes_at:
                    raise error
    return count


async def test_an_error_that_may_pass_is_tried_again_until_it_has_passed():
    assert await tries(PASSING, passes_at=2) == 2


async def test_attempts_bound_it():
    assert await tries(PASSING, attempts=2) == 2


@pytest.mark.parametrize("error", [SourceError("the password is wrong"), ValueError("ours")])
async def test_what_will_not_pass_is_not_tried_again(error):
    assert await tries(error) == 1


async def test_the_deadline_bounds_it_before_the_attempts_do():
    began = time.monotonic()
    count = await tries(PASSING, attempts=1000, deadline=Deadline.within(0.3))
    assert 1 < count < 100
    assert time.monotonic() - began < 1


async def test_past_the_deadline_a_step_is_tried_again_once_at_most():
    assert await tries(PASSING, deadline=Deadline.within(-1)) <= 2
