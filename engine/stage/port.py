"""The port to where a staged file goes while it is written: a disk, from where it is PUT, or the stage itself."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol


class Sink(Protocol):
    """One file while it grows. Nothing of it stays where it was left without `close`."""

    @property
    def path(self) -> Path | None:
        """Where it waits for its PUT; None where it is on the stage once it is closed."""

    def add(self, data: bytes) -> None:
        """Takes the next bytes. Called from the compressor's thread, so it may block on a disk."""

    async def drain(self) -> None:
        """Waits while too much of what was added is still on its way. Called after each `add`."""

    async def close(self) -> None:
        """The file is whole."""


class Sinks(Protocol):
    def open(self, path: str) -> AbstractAsyncContextManager[Sink]:
        """A sink for the file `invocation/run/name`; it is discarded where the context ends without `close`.

        Raises BorealisError, which may come in the group of a task group.
        """
