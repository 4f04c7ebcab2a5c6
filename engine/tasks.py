"""Task groups: items that several tasks take in turns, and the one fault that ended a group."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import anyio

from engine.errors import BorealisError

Item = TypeVar("Item")


async def in_turns(items: Iterable[Item], at_once: int, work: Callable[[Item], Awaitable[None]]) -> None:
    """`at_once` tasks, each of which takes the next item when it is done with one.

    A fault ends all of them and is raised as itself; of several, one that a user can act on.
    """
    waiting = iter(items)

    async def take() -> None:
        for item in waiting:
            await work(item)

    with Unwrapped():
        async with anyio.create_task_group() as tasks:
            for _ in range(at_once):
                tasks.start_soon(take)


class Unwrapped:
    """`with Unwrapped():` lets the one fault that ended a task group out of its ExceptionGroup."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        while isinstance(error, BaseExceptionGroup):
            ours = [e for e in error.exceptions if not isinstance(e, anyio.get_cancelled_exc_class())]
            told = [e for e in ours if isinstance(e, (BorealisError, BaseExceptionGroup))]
            error = (told or ours or list(error.exceptions))[0]
            if not isinstance(error, BaseExceptionGroup):
                raise error
