"""Staged files on local disk, in one folder, until a loader has PUT them on the target's own stage."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO

from engine.errors import BorealisError


class DiskSinks:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @asynccontextmanager
    async def open(self, path: str) -> AsyncIterator[DiskSink]:
        place = self._directory / Path(path).name
        with _translated(self._directory), place.open("wb", buffering=0) as file:
            sink = DiskSink(place, file)
            try:
                yield sink
            finally:
                if not file.closed:
                    place.unlink(missing_ok=True)


class DiskSink:
    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path = path
        self._file = file

    def add(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    async def drain(self) -> None:
        """What was added is written."""

    async def close(self) -> None:
        self._file.close()


@contextmanager
def _translated(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BorealisError(
                f"no space left in {directory} for the files to be staged",
                remedy="free space, or set limits.spool_dir to a larger disk, or lower limits.file_bytes_max",
                code="disk",
            ) from error
        raise BorealisError(
            f"cannot write to {directory}: {error.strerror}",
            remedy="set limits.spool_dir to a directory that this user may write to",
            code="disk",
        ) from error
