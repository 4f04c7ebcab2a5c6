"""Staged files on local disk, in one folder, until a loader has PUT them on the target's own stage."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import IO

from engine.errors import BorealisError

_PREFIX = "borealis-spool-"


@contextmanager
def spool_directory(base: Path | None) -> Iterator[Path]:
    """A directory of this run alone, in `base` or among temporary ones; those that killed processes left are removed.

    A lock, which ends with its process, tells a directory in use: `/tmp` of a function outlives a killed one.
    """
    place = base or Path(tempfile.gettempdir())
    try:
        place.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        directory, lock = _made(place)
    except OSError as error:
        raise BorealisError(
            f"cannot make a directory for staged files in {place}: {error.strerror}",
            remedy="set limits.spool_dir to a directory with space that this user may write to",
            code="disk",
        ) from error
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def _made(place: Path) -> tuple[Path, int]:
    """Again where another process's sweep came between making it and locking it."""
    while True:
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        with suppress(FileNotFoundError, BlockingIOError):
            lock = _lock(directory)
            if directory.exists():
                return directory, lock
            os.close(lock)


def _sweep(place: Path) -> None:
    for left in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # in use, or another user's
            lock = _lock(left)
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)


def _lock(directory: Path) -> int:
    """Raises BlockingIOError where another process has it."""
    file = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(file)
        raise
    return file


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
