"""Work in turns."""

import anyio
import pytest

from engine.errors import SourceError
from engine.tasks import in_turns


async def test_a_task_that_is_done_takes_the_next_item_so_no_more_run_at_once_than_may():
    running, most, done = 0, 0, []

    async def work(seconds):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.sleep(seconds)
        running -= 1
        done.append(seconds)

    await in_turns((seconds for seconds in (0.2, 0.01, 0.02, 0.03)), 2, work)
    assert most == 2
    assert done == [0.01, 0.02, 0.03, 0.2]


async def test_the_first_fault_ends_them_all_and_is_raised_as_itself():
    begun = []

    async def work(item):
        begun.append(item)
        if item == 1:
            raise SourceError("gone", remedy="try again", retryable=True)
        await anyio.sleep(60)

    with pytest.raises(SourceError, match="gone"):
        await in_turns(range(9), 3, work)
    assert begun == [0, 1, 2]
