"""Turns a stream of CSV into compressed files on local disk: one gzip member or one zstd frame a file.

The bytes of a file depend only on the rows: input is fed to the compressor in blocks of exactly `BLOCK_BYTES`, and
a file is cut at the first end of a row at or after `file_bytes_max` bytes of CSV, however the stream was delivered.
Memory: two blocks a stream, one filling and one in the compressor's thread.
"""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import anyio
import anyio.to_thread
import zstandard
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from isal import isal_zlib

from engine.errors import BorealisError
from engine.model import StagedFile

BLOCK_BYTES = 2**20
"""Large enough that a hop to a thread (about 0.1 ms) is lost beside its compression (2 ms)."""
GZIP_WBITS = 31
SUFFIXES = {"gzip": "csv.gz", "zstd": "csv.zst"}


class Compressor(Protocol):
    def compress(self, data: Any, /) -> bytes: ...
    def flush(self) -> bytes: ...


def compressor(codec: str, level: int) -> Compressor:
    if codec == "gzip":
        made: Compressor = isal_zlib.compressobj(level, isal_zlib.DEFLATED, GZIP_WBITS)
        return made
    return zstandard.ZstdCompressor(level=level, write_checksum=True).compressobj()


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    directory: Path
    file_bytes_max: int
    """Bytes of CSV in one file, before compression."""
    codec: str = "gzip"
    level: int = 1


FileReady = Callable[[StagedFile], Awaitable[None]]
Block = tuple[bytes | memoryview, bool]
"""Bytes of the current file, and whether they end it."""


class Spool:
    """Takes the CSV of one chunk in pieces that begin and end with whole rows; hands over each file that is done."""

    def __init__(self, settings: SpoolSettings, blocks: MemoryObjectSendStream[Block]) -> None:
        self._settings = settings
        self._blocks = blocks
        self._pieces: list[bytes | memoryview] = []
        self._pending_bytes = 0
        self._file_bytes = 0
        self.bytes_written = 0

    async def write(self, rows: bytes) -> None:
        """Adds whole rows. Waits while the block before is still being compressed."""
        self.bytes_written += len(rows)
        view = memoryview(rows)
        while self._file_bytes + len(view) >= self._settings.file_bytes_max:
            cut = _row_end(view, max(0, self._settings.file_bytes_max - self._file_bytes))
            await self._add(view[:cut])
            await self._end_file()
            view = view[cut:]
        if view:
            await self._add(view)

    async def close(self) -> None:
        if self._file_bytes:
            await self._end_file()

    async def _add(self, view: memoryview) -> None:
        self._file_bytes += len(view)
        missing = BLOCK_BYTES - self._pending_bytes
        if len(view) >= missing:
            await self._blocks.send((b"".join([*self._pieces, view[:missing]]), False))
            self._pieces, self._pending_bytes, view = [], 0, view[missing:]
            while len(view) >= BLOCK_BYTES:
                await self._blocks.send((view[:BLOCK_BYTES], False))
                view = view[BLOCK_BYTES:]
            view = memoryview(bytes(view))  # a slice would keep the whole of a huge row alive
        if view:
            self._pieces.append(view)
            self._pending_bytes += len(view)

    async def _end_file(self) -> None:
        await self._blocks.send((b"".join(self._pieces), True))
        self._pieces = []
        self._pending_bytes = self._file_bytes = 0


def _row_end(rows: memoryview, offset: int) -> int:
    """One past the first end of a row at or after `offset`; `rows` is whole rows: quotes balance at its ends."""
    data = bytes(rows)
    start, position = 0, max(0, offset - 1)
    inside = False
    while True:
        newline = data.index(b"\n", position)
        inside ^= data.count(b'"', start, newline) % 2 == 1
        if not inside:
            return newline + 1
        start, position = newline, newline + 1


@asynccontextmanager
async def spool(
    settings: SpoolSettings, tokens: anyio.Semaphore, chunk: int, name: str, ready: FileReady
) -> AsyncIterator[Spool]:
    """A spool for one chunk. A file takes a token when it is begun; with `ready`, awaited for each file in order, the
    token passes on. A file that is not finished is deleted and gives its token back.
    """
    send, receive = anyio.create_memory_object_stream[Block](1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_compress, settings, tokens, chunk, name, receive, ready)
        async with send:
            writer = Spool(settings, send)
            yield writer
            await writer.close()


async def _compress(
    settings: SpoolSettings,
    tokens: anyio.Semaphore,
    chunk: int,
    name: str,
    blocks: MemoryObjectReceiveStream[Block],
    ready: FileReady,
) -> None:
    number = 0
    file: _File | None = None
    try:
        async with blocks:
            async for block, last in blocks:
                if file is None:
                    number += 1
                    await tokens.acquire()
                    file = _File(settings, tokens, f"{name}_{number}.{SUFFIXES[settings.codec]}")
                await anyio.to_thread.run_sync(file.add, block, last)
                if last:
                    done, file = file, None
                    await ready(StagedFile(chunk, done.path.name, done.path, done.rows_bytes, done.file_bytes))
    except OSError as error:
        raise _disk_error(error, settings.directory) from error
    finally:
        if file is not None:
            file.discard()


class _File:
    """One compressed file while it grows."""

    def __init__(self, settings: SpoolSettings, tokens: anyio.Semaphore, name: str) -> None:
        self.path = settings.directory / name
        self.rows_bytes = self.file_bytes = 0
        self._tokens = tokens
        self._compressor = compressor(settings.codec, settings.level)
        try:
            self._file: IO[bytes] = self.path.open("wb", buffering=0)
        except OSError:
            tokens.release()
            raise

    def add(self, block: bytes | memoryview, last: bool) -> None:
        self.rows_bytes += len(block)
        self._write(self._compressor.compress(block))
        if last:
            self._write(self._compressor.flush())
            self._file.close()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = self._file.write(view)
            assert written is not None
            view = view[written:]
            self.file_bytes += written

    def discard(self) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)
        self._tokens.release()


def _disk_error(error: OSError, directory: Path) -> BorealisError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return BorealisError(
            f"no space left in {directory} for the files to be staged",
            remedy="free space, or set limits.spool_dir to a larger disk, or lower limits.file_bytes_max",
            code="disk",
        )
    return BorealisError(
        f"cannot write to {directory}: {error.strerror}",
        remedy="set limits.spool_dir to a directory that this user may write to",
        code="disk",
    )
