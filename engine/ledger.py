"""Decides when a chunk is whole, what a COPY may take, and whether what it loaded is what was read. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from engine.errors import GateError
from engine.model import StagedFile
from engine.sql.target import FILES_MAX


@dataclass(frozen=True, slots=True)
class WholeChunk:
    """A chunk that was read to its end and whose files are all on the stage."""

    id: int
    rows: int
    files: tuple[str, ...]
    """None, where the chunk has no rows."""
    bytes: int
    """Of the compressed files."""
    bytes_read: int = 0
    losses: tuple[LossCount, ...] = ()
    snapshot: str = ""
    """In which it was read, or found to be the same: `xmin:xmax:xip,...`."""


LossCount = tuple[str, str, int]
"""Column, reason, rows: values that a policy let pass in another form."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the ledger says of a run: the chunks that are in its landing table, by id."""

    chunks: Mapping[int, WholeChunk]
    counted: bool = False
    """The landing table was counted as they were loaded: it has their rows and no others."""

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]]) -> Loaded:
        """From the ledger's rows. Raises GateError where a chunk stands there twice: its rows are doubled."""
        chunks: dict[int, WholeChunk] = {}
        for chunk, count, _, size, bytes_read, losses, snapshot in rows:
            if int(chunk) in chunks:
                raise GateError(
                    f"chunk {chunk} was loaded twice", remedy="run again; the target is untouched", code="doubled"
                )
            found = tuple((column, reason, int(n)) for column, reason, n in orjson.loads(losses or "[]"))
            chunks[int(chunk)] = WholeChunk(
                int(chunk), int(count), (), int(size), int(bytes_read or 0), found, snapshot
            )
        return cls(chunks)

    @property
    def rows(self) -> int:
        return sum(chunk.rows for chunk in self.chunks.values())

    def of_others(self, snapshot: str) -> list[int]:
        """The chunks that were read in another snapshot, and not found to be the same in this one."""
        return [number for number, chunk in self.chunks.items() if chunk.snapshot != snapshot]

    @property
    def losses(self) -> dict[tuple[str, str], int]:
        """(column, reason) -> rows."""
        found: dict[tuple[str, str], int] = {}
        for chunk in self.chunks.values():
            for column, reason, rows in chunk.losses:
                found[column, reason] = found.get((column, reason), 0) + rows
        return found


@dataclass(slots=True)
class Assembly:
    """Brings together what readers and loaders know of each chunk: its files, its rows, what is staged."""

    snapshot: str = ""
    """In which the chunks are read."""
    _announced: dict[int, list[StagedFile]] = field(default_factory=dict)
    _staged: dict[int, set[str]] = field(default_factory=dict)
    _read: dict[int, tuple[int, int, tuple[LossCount, ...]]] = field(default_factory=dict)
    _settled: set[int] = field(default_factory=set)
    _whole: list[WholeChunk] = field(default_factory=list)

    def announced(self, file: StagedFile) -> None:
        """A reader has finished a file of a chunk that may go on."""
        self._announced.setdefault(file.chunk, []).append(file)

    def staged(self, file: StagedFile) -> None:
        """A loader has put the file on the stage."""
        self._staged.setdefault(file.chunk, set()).add(file.name)
        self._settle(file.chunk)

    def read(self, chunk: int, rows: int, bytes_read: int = 0, losses: tuple[LossCount, ...] = ()) -> None:
        """A reader has reached the end of the chunk: there are no more files than those announced."""
        self._read[chunk] = rows, bytes_read, losses
        self._settle(chunk)

    def dropped(self, chunk: int) -> None:
        """The chunk failed half read: its files will never be loaded, and another attempt brings its own."""
        assert chunk not in self._read
        self._announced.pop(chunk, None)
        self._staged.pop(chunk, None)

    def _settle(self, chunk: int) -> None:
        files = self._announced.get(chunk, [])
        names = tuple(file.name for file in files)
        if chunk not in self._read or chunk in self._settled or not self._staged.get(chunk, set()).issuperset(names):
            return
        self._settled.add(chunk)
        rows, bytes_read, losses = self._read[chunk]
        size = sum(file.file_bytes for file in files)
        self._whole.append(WholeChunk(chunk, rows, names, size, bytes_read, losses, self.snapshot))
        self._announced.pop(chunk, None)

    def take(self) -> list[WholeChunk]:
        """The whole chunks that wait for a COPY, as many as one statement can name."""
        taken: list[WholeChunk] = []
        names = 0
        while self._whole and names + len(self._whole[0].files) <= FILES_MAX:
            names += len(self._whole[0].files)
            taken.append(self._whole.pop(0))
        return taken

    @property
    def unfinished(self) -> bool:
        return bool(self._announced or self._whole)


def check_copy(results: Sequence[tuple[object, ...]], chunks: Sequence[WholeChunk]) -> None:
    """COPY INTO's own account, one line a file, against what was read. Raises GateError; nothing is committed then."""
    wanted = {name for chunk in chunks for name in chunk.files}
    rows_wanted = sum(chunk.rows for chunk in chunks)
    loaded: dict[str, int] = {}
    for result in results:
        if len(result) < 4 or str(result[1]).upper() != "LOADED" or result[2] != result[3]:
            raise GateError("COPY INTO did not load every file whole", remedy="run again; the target is untouched")
        loaded[str(result[0]).rpartition("/")[2]] = int(str(result[3]))
    if set(loaded) != wanted:
        raise GateError(
            f"COPY INTO loaded {len(set(loaded) & wanted)} of the {len(wanted)} files it was given",
            remedy="run again; the target is untouched",
        )
    if sum(loaded.values()) != rows_wanted:
        raise GateError(
            f"COPY INTO loaded {sum(loaded.values())} rows where {rows_wanted} were read",
            remedy="run again; the target is untouched",
        )


def check_noted(count: int, chunks: Sequence[WholeChunk]) -> None:
    """Raises GateError unless each chunk has its line in the ledger: a chunk alone has none if the count is another."""
    if count != len(chunks):
        raise GateError(
            f"{sum(chunk.rows for chunk in chunks)} rows were read, others are in the landing table",
            remedy="run again; the target is untouched",
        )
