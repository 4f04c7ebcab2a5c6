"""Turns a stream of CSV into compressed files: one gzip member or one zstd frame a file.

The bytes of a file depend only on the rows: input is fed to the compressor in blocks of exactly `BLOCK_BYTES`, and
a file is cut at the first end of a row at or after `file_bytes_max` bytes of CSV, however the stream was delivered.
Memory: of a stream a block that fills, one that waits, one in the compressor's thread, there also in pieces, and what
the sink of a file holds back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from typing import Any, Protocol

import anyio
import anyio.to_thread
import zstandard
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from isal import isal_zlib

from engine.errors import BorealisError
from engine.model import SUFFIXES, StagedFile
from engine.stage.port import Sink, Sinks
from engine.typemap.losses import DIGITS_LONG, TEXT_BYTES_MAX

BLOCK_BYTES = 2**20
"""Large enough that a hop to a thread (about 0.1 ms) is lost beside its compression (2 ms)."""
GZIP_WBITS = 31
LONG = b"0" * DIGITS_LONG
_DIGITS = bytes(b"0"[0] if byte in b"0123456789." else b" "[0] for byte in range(256))


class Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...


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
    sinks: Sinks
    file_bytes_max: int
    """Bytes of CSV in one file, before compression."""
    codec: str = "gzip"
    level: int = 1
    waiting: Callable[[], AbstractContextManager[None]] = nullcontext
    """Around each wait for a sink whose bytes leave as they come."""
    watched: bool = False
    """The rows are of `Field.watched`: what may be lost in them raises LossPossibleError."""


class LossPossibleError(BorealisError):
    """A row may hold a JSON number or text too long for the target: its SELECT has to find out."""

    def __init__(self) -> None:
        super().__init__("a value may have no exact form in the target")


class Watch:
    """Looks through the blocks of a file for what numbers too long for the target look like, wherever it stands.

    0.9 ms a MiB, where a regular expression over each JSON value took the source 10 times as long.
    """

    def __init__(self) -> None:
        self._tail = b""

    def look(self, block: bytes) -> None:
        """Raises LossPossibleError."""
        digits = block.translate(_DIGITS)
        if LONG in digits or LONG in self._tail + digits[: DIGITS_LONG - 1]:
            raise LossPossibleError
        self._tail = digits[1 - DIGITS_LONG :]


FileReady = Callable[[StagedFile], Awaitable[None]]
Block = tuple[list[bytes | memoryview], bool]
"""Pieces of the current file that fill a block, joined in the compressor's thread, and whether they end the file."""


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
        if self._settings.watched and len(rows) > TEXT_BYTES_MAX:
            raise LossPossibleError
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
            await self._blocks.send(([*self._pieces, view[:missing]], False))
            self._pieces, self._pending_bytes, view = [], 0, view[missing:]
            while len(view) >= BLOCK_BYTES:
                await self._blocks.send(([view[:BLOCK_BYTES]], False))
                view = view[BLOCK_BYTES:]
            view = memoryview(bytes(view))  # a slice would keep the whole of a huge row alive
        if view:
            self._pieces.append(view)
            self._pending_bytes += len(view)

    async def _end_file(self) -> None:
        await self._blocks.send((self._pieces, True))
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
    settings: SpoolSettings, tokens: anyio.Semaphore, chunk: int, path: str, ready: FileReady
) -> AsyncIterator[Spool]:
    """A spool for one chunk, whose files are `path_1.csv.gz` and so on.

    A file takes a token when it is begun; with `ready`, awaited for each file in order, the token passes on. A file
    that is not finished is discarded and gives its token back.
    """
    send, receive = anyio.create_memory_object_stream[Block](1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_compress, settings, tokens, chunk, path, receive, ready)
        async with send:
            writer = Spool(settings, send)
            yield writer
            await writer.close()


async def _compress(
    settings: SpoolSettings,
    tokens: anyio.Semaphore,
    chunk: int,
    path: str,
    blocks: MemoryObjectReceiveStream[Block],
    ready: FileReady,
) -> None:
    numbers = count(1)
    async with blocks:
        async for first in blocks:
            await tokens.acquire()
            file = None
            try:
                file = await _file(settings, chunk, f"{path}_{next(numbers)}.{SUFFIXES[settings.codec]}", first, blocks)
            finally:
                if file is None:
                    tokens.release()
            if file is not None:
                await ready(file)


async def _file(
    settings: SpoolSettings, chunk: int, path: str, block: Block, blocks: MemoryObjectReceiveStream[Block]
) -> StagedFile | None:
    """The file that begins with the block; None where the stream ended before the file did."""
    packer, watch = compressor(settings.codec, settings.level), Watch() if settings.watched else None
    digest = sha256()
    rows_bytes = file_bytes = 0
    async with settings.sinks.open(path) as sink:
        while True:
            rows, last = block
            rows_bytes += sum(map(len, rows))
            file_bytes += await anyio.to_thread.run_sync(_pack, watch, packer, digest, rows, last, sink)
            with settings.waiting():
                await sink.drain()
            if last:
                break
            try:
                block = await blocks.receive()
            except anyio.EndOfStream:
                return None
        with settings.waiting():
            await sink.close()
    return StagedFile(chunk, path.rpartition("/")[2], sink.path, rows_bytes, file_bytes, digest.hexdigest())


def _pack(
    watch: Watch | None, packer: Compressor, digest: Digest, rows: list[bytes | memoryview], last: bool, sink: Sink
) -> int:
    """Returns how many bytes went to the sink, and into the digest: 0.6 ms a MB."""
    block = b"".join(rows)
    if watch is not None:
        watch.look(block)
    data = packer.compress(block)
    if last:
        data += packer.flush()
    sink.add(data)
    digest.update(data)
    return len(data)
