"""The flow of one table: readers -> bounded stream of files -> loaders. Where a batch is, this file shows.

    event loop                                         loader tasks, each call in a thread
    reader 1..R  COPY or cursor -> spool -> file --+   +-- PUT file;  whole chunks: BEGIN, COPY, ledger, COMMIT
    takes the next chunk --------------------------+---+
                                     at most `files_max` files on disk

A file is on disk from its first block until its PUT has returned, or on its way to a bucket; `tokens` bounds how many
there are, over all tables of a run. A chunk is in the landing table exactly when the ledger has it. At the deadline
readers stop, loaders bring in what was read, and the chunks that are left are for the next function.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from secrets import token_hex
from time import monotonic
from typing import TYPE_CHECKING

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from engine.deadline import Deadline
from engine.ledger import Assembly, WholeChunk
from engine.losses import lost_values
from engine.model import Chunk, Lost, StagedFile
from engine.plan import TablePlan, cut
from engine.retrying import retrying
from engine.source.connection import Connection, Translated
from engine.source.governor import cancelled
from engine.source.readers import READERS
from engine.source.snapshot import Snapshot
from engine.spool import LossPossibleError, SpoolSettings, spool
from engine.sql import source as source_sql
from engine.tasks import Unwrapped
from engine.telemetry import span

if TYPE_CHECKING:
    from engine.target.snowflake import Target

Progress = Callable[[int, int], None]
"""Called with rows and CSV bytes that were read since the last call."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard: tasks and files, and how often a step that failed for a passing reason is tried."""

    readers: int
    loaders: int
    queue: int
    attempts: int

    @property
    def files_max(self) -> int:
        return self.readers + self.queue + self.loaders


@dataclass(slots=True)
class Phases:
    """Seconds by phase, added up over tasks: `read` 20 s in a run of 10 s means that two readers were busy."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """With a span of that name."""
        with self.clocked(phase), span(phase):
            yield

    @contextmanager
    def clocked(self, phase: str) -> Iterator[None]:
        began = monotonic()
        try:
            yield
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + monotonic() - began


def added(several: Iterable[Phases]) -> dict[str, float]:
    """Seconds by phase over all."""
    seconds: dict[str, float] = {}
    for phase, value in ((phase, value) for phases in several for phase, value in phases.seconds.items()):
        seconds[phase] = round(seconds.get(phase, 0.0) + value, 3)
    return seconds


@dataclass(slots=True)
class Pipeline:
    """One table on its way: what it shares with the run, and what it has come to."""

    plan: TablePlan
    run_id: str
    """Its name in the ledger, and of its folder on the stage."""
    landing: str
    """The landing table, quoted and qualified."""
    snapshot: Snapshot
    target: Target
    settings: SpoolSettings
    limits: Limits
    tokens: anyio.Semaphore
    progress: Progress
    deadline: Deadline
    chunks: Sequence[Chunk]
    """Those of the plan that are to be copied here and now."""
    resumable: bool
    """Another function may go on with what this one leaves, so it must find every chunk in the ledger."""
    phases: Phases = field(default_factory=Phases)
    loaded: dict[int, WholeChunk] = field(default_factory=dict)
    """By id: the chunks that are in the landing table by now."""
    counted: bool = False
    """The landing table was counted with the load of its only chunk. Not so after a lost reply: what was sent before
    may have come late."""
    retries: int = 0
    _assembly: Assembly = field(default_factory=Assembly)
    _waiting: list[Chunk] = field(default_factory=list)
    _watching: bool = True
    """Rows are read as `Field.watched`: until something in them looks as if it might be lost."""
    _reading: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    _attempt_of: str = field(default_factory=lambda: token_hex(2))
    _attempts: Iterator[int] = field(default_factory=itertools.count)
    """Both in the names of files: those of a chunk that was half read, here or elsewhere, have other names."""

    async def copy(self) -> None:
        """Reads the chunks and loads them into the landing table, until the deadline. Any fault ends it all."""
        self._waiting = list(self.chunks)
        self._assembly.snapshot = self.snapshot.baton.identity
        self._reading.deadline = self.deadline.reading_until
        readers = min(self.limits.readers, self.plan.readers_max, len(self.chunks))
        loaders = min(self.limits.loaders, len(self.chunks))
        send, receive = anyio.create_memory_object_stream[StagedFile](self.limits.queue)
        undelivered = receive.clone()
        try:
            with Unwrapped():
                async with anyio.create_task_group() as tasks, receive:
                    for _ in range(loaders):
                        tasks.start_soon(self._load_files, receive.clone())
                    async with send:
                        await self._read_all(readers, send)
        finally:
            with undelivered, suppress(anyio.WouldBlock, anyio.EndOfStream):
                while True:
                    self._forget(undelivered.receive_nowait())
        assert not self._assembly.unfinished

    async def _read_all(self, readers: int, send: MemoryObjectSendStream[StagedFile]) -> None:
        with self._reading:
            async with anyio.create_task_group() as tasks:
                for _ in range(readers):
                    tasks.start_soon(self._read_chunks, send.clone())

    # --- reading ---------------------------------------------------------------------------------------------------

    def _next_chunk(self) -> Chunk | None:
        """The biggest that waits and can be expected to be read in time."""
        for position, chunk in enumerate(self._waiting):
            if self.deadline.has_time_for(chunk.bytes_estimate):
                return self._waiting.pop(position)
        return None

    async def _read_chunks(self, ready: MemoryObjectSendStream[StagedFile]) -> None:
        async with ready:
            while not await self.snapshot.is_spent() and (chunk := self._next_chunk()):
                began = monotonic()
                async for attempt in retrying(self.limits.attempts, self.deadline):
                    with attempt:
                        self.retries += attempt.num > 1
                        while not await self._read_chunk(chunk, ready):
                            pass
                self.deadline.was_read(chunk.bytes_estimate, monotonic() - began)

    async def _read_chunk(self, chunk: Chunk, ready: MemoryObjectSendStream[StagedFile]) -> bool:
        """False where what it wrote is of no use, and other statements may do: shorter ones after one was cancelled, or
        those that look for losses.
        """
        governor, leaf = self.snapshot.governor, self.plan.table.leaves[chunk.leaf]
        pieces = cut(chunk, leaf, governor.statement_bytes)
        try:
            async with self.snapshot.reader() as connection:
                count, size, losses = await self._read_pieces(connection, chunk, pieces, ready)
        except BaseException as error:
            self._assembly.dropped(chunk.id)
            if isinstance(error, LossPossibleError):
                self._watching = False
                return False
            if code := cancelled(error):
                governor.shorten(pieces[0].bytes_estimate)
                if code == "cancelled" and len(cut(chunk, leaf, governor.statement_bytes)) > len(pieces):
                    self.retries += 1
                    return False
            raise
        self._assembly.read(chunk.id, count, size, tuple(losses))
        self.progress(count, size)
        return True

    async def _read_pieces(
        self, connection: Connection, chunk: Chunk, pieces: Sequence[Chunk], ready: MemoryObjectSendStream[StagedFile]
    ) -> tuple[int, int, list[Lost]]:
        """One after another into the files of their chunk: rows, bytes of CSV, losses."""
        read, plan = READERS[self.plan.reader], self.plan
        if watched := self._watching and any(field.watched for field in plan.fields):
            plan = replace(plan, fields=tuple(replace(f, select=f.watched or f.select) for f in plan.fields))
        doing = f"cannot read chunk {chunk.id} of {len(self.plan.chunks)} of {self.plan.table.label}"
        name = f"{self.run_id}-c{chunk.id}-{self._attempt_of}{next(self._attempts)}"
        path = f"{self.target.folder(self.run_id)}/{name}"
        count, losses = 0, list[Lost]()
        settings = replace(self.settings, watched=watched, waiting=partial(self.phases.clocked, "wait"))
        with self.phases.timed("read"), Translated(doing), Unwrapped():
            async with spool(settings, self.tokens, chunk.id, path, partial(self._announce, ready)) as writer:
                for piece in pieces:
                    count += await read(connection, plan, piece, writer)
                    if plan.counts_losses:
                        losses += await lost_values(connection, plan, source_sql.rows_of(plan, piece))
        return count, writer.bytes_written, Lost.added(losses)

    async def _announce(self, ready: MemoryObjectSendStream[StagedFile], file: StagedFile) -> None:
        self._assembly.announced(file)
        try:
            with self.phases.timed("wait"):
                await ready.send(file)
        except BaseException:
            self._forget(file)
            raise

    def _forget(self, file: StagedFile) -> None:
        """The file leaves the disk, where it was on one, and makes room for another."""
        if file.path is not None:
            file.path.unlink(missing_ok=True)
        self.tokens.release()

    # --- loading ---------------------------------------------------------------------------------------------------

    async def _load_files(self, files: MemoryObjectReceiveStream[StagedFile]) -> None:
        async with files:
            async for file in files:
                began = monotonic()
                try:
                    if file.path is not None:
                        with self.phases.timed("put"):
                            await self.target.put(self.run_id, file)
                finally:
                    self._forget(file)
                self._assembly.staged(file)
                await self._load_whole()
                self.deadline.was_loaded(monotonic() - began)
                self._reading.deadline = self.deadline.reading_until
            await self._load_whole()

    async def _load_whole(self) -> None:
        """Loads what is whole by now. A reader may tell the end of a chunk after its last file is staged: then the
        next file, or the end of the stream, brings us here again.
        """
        while chunks := self._assembly.take():
            noted = [chunk for chunk in chunks if chunk.files or self.resumable]
            if noted:
                with self.phases.timed("load"):
                    tries = await self.target.load(self.plan, self.landing, self.run_id, noted)
                self.retries += tries - 1
                self.counted = len(self.plan.chunks) == 1 and tries == 1
            self.loaded |= {chunk.id: chunk for chunk in chunks}
