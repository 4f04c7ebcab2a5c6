"""Decides when a chunk is whole, what a COPY may take, and whether what it loaded is what was read. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from engine.errors import GateError
from engine.model import Lost, StagedFile
from engine.sql.target import FILES_MAX

TEXT_BYTES_MAX = 500_000
"""Of the lines of one INSERT: a statement may have 1 MB (Snowflake: query text size)."""
LINE_BYTES = 400
"""Of a line without what grows: run id, a name of up to 130 characters, numbers, the time."""
FILES_TOLD_MAX = 100
"""In a receipt by themselves; of more it has the root."""
AGAIN = "run again; the target is untouched"


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
    losses: tuple[Lost, ...] = ()
    snapshot: str = ""
    """In which it was read, or found to be the same: `xmin:xmax:xip,...`."""
    manifest: str = ""
    """Its files as JSON, `[[name, bytes, sha256], ...]`; "" without files."""

    @property
    def text_bytes(self) -> int:
        """About what its line in the ledger takes of a statement."""
        return LINE_BYTES + len(self.manifest) + len(self.snapshot) + len(orjson.dumps(self.losses))


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the ledger says of a run: the chunks that are in its landing table, by id."""

    chunks: Mapping[int, WholeChunk]
    counted: bool = False
    """The landing table was counted as they were loaded: it has their rows and no others."""

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]]) -> Loaded:
        """From the ledger's rows. Raises GateError where a chunk stands there twice, its rows being doubled, or where a
        row is none of ours.
        """
        chunks: dict[int, WholeChunk] = {}
        for row in rows:
            try:
                chunk = _noted(row)
            except (ValueError, TypeError, LookupError, OverflowError):
                raise GateError(
                    "a row of the ledger was not written by this version of Borealis",
                    remedy="see who else may write to LEDGER, delete the run's rows there, and run again",
                ) from None
            if chunk.id in chunks:
                raise GateError(f"chunk {chunk.id} was loaded twice", remedy=AGAIN, code="doubled")
            chunks[chunk.id] = chunk
        return cls(chunks)

    @property
    def rows(self) -> int:
        return sum(chunk.rows for chunk in self.chunks.values())

    def of_others(self, snapshot: str) -> list[int]:
        """The chunks that were read in another snapshot, and not found to be the same in this one."""
        return [number for number, chunk in self.chunks.items() if chunk.snapshot != snapshot]

    @property
    def losses(self) -> list[Lost]:
        """Values that a policy let pass in another form."""
        return Lost.added(lost for number in sorted(self.chunks) for lost in self.chunks[number].losses)


def files_of(loaded: Loaded) -> dict[str, Any]:
    """For a receipt: how many files, `root`: the SHA-256 of `chunks` as JSON, `[[chunk, rows, manifest], ...]`, which
    is left out where they are more than `FILES_TOLD_MAX`.
    """
    listed = [c for _, c in sorted(loaded.chunks.items()) if c.manifest]
    chunks = [[chunk.id, chunk.rows, orjson.loads(chunk.manifest)] for chunk in listed]
    count = sum(len(files) for _, _, files in chunks)
    root = sha256(orjson.dumps(chunks)).hexdigest()
    return {"count": count, "root": root, "chunks": chunks if count <= FILES_TOLD_MAX else []}


def _noted(row: Sequence[Any]) -> WholeChunk:
    """Raises what these conversions do for a row that no run has noted."""
    chunk, count, _, size, bytes_read, losses, snapshot, manifest = row
    found = tuple(Lost(**lost | {"keys": tuple(lost["keys"])}) for lost in orjson.loads(losses or "[]"))
    len(orjson.loads(manifest or "[]"))
    return WholeChunk(
        int(chunk), int(count), (), int(size), int(bytes_read or 0), found, str(snapshot or ""), manifest or ""
    )


@dataclass(slots=True)
class Assembly:
    """Brings together what readers and loaders know of each chunk: its files, its rows, what is staged."""

    snapshot: str = ""
    """In which the chunks are read."""
    _announced: dict[int, list[StagedFile]] = field(default_factory=dict)
    _staged: dict[int, set[str]] = field(default_factory=dict)
    _read: dict[int, tuple[int, int, tuple[Lost, ...]]] = field(default_factory=dict)
    _settled: set[int] = field(default_factory=set)
    _whole: list[WholeChunk] = field(default_factory=list)

    def announced(self, file: StagedFile) -> None:
        """A reader has finished a file of a chunk that may go on."""
        self._announced.setdefault(file.chunk, []).append(file)

    def staged(self, file: StagedFile) -> None:
        """A loader has put the file on the stage."""
        self._staged.setdefault(file.chunk, set()).add(file.name)
        self._settle(file.chunk)

    def read(self, chunk: int, rows: int, bytes_read: int = 0, losses: tuple[Lost, ...] = ()) -> None:
        """A reader has reached the end of the chunk: there are no more files than those announced."""
        self._read[chunk] = rows, bytes_read, losses
        self._settle(chunk)

    def dropped(self, chunk: int) -> None:
        """The chunk failed half read: its files will never be loaded, and another attempt brings its own."""
        assert chunk not in self._read
        self._announced.pop(chunk, None)

    def _settle(self, chunk: int) -> None:
        files = self._announced.get(chunk, [])
        names = tuple(file.name for file in files)
        if chunk not in self._read or chunk in self._settled or not self._staged.get(chunk, set()).issuperset(names):
            return
        self._settled.add(chunk)
        rows, bytes_read, losses = self._read[chunk]
        size = sum(file.file_bytes for file in files)
        manifest = orjson.dumps([[file.name, file.file_bytes, file.sha256] for file in files]).decode() if files else ""
        self._whole.append(WholeChunk(chunk, rows, names, size, bytes_read, losses, self.snapshot, manifest))
        self._announced.pop(chunk, None)

    def take(self) -> list[WholeChunk]:
        """The whole chunks that wait for a COPY: one, or as many as it and an INSERT into the ledger can name."""
        taken = names = text = 0
        for chunk in self._whole:
            names, text = names + max(1, len(chunk.files)), text + chunk.text_bytes
            if taken and (names > FILES_MAX or text > TEXT_BYTES_MAX):
                break
            taken += 1
        chunks, self._whole = self._whole[:taken], self._whole[taken:]
        return chunks

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
            raise GateError("COPY INTO did not load every file whole", remedy=AGAIN)
        loaded[str(result[0]).rpartition("/")[2]] = int(str(result[3]))
    if set(loaded) != wanted:
        raise GateError(
            f"COPY INTO loaded {len(set(loaded) & wanted)} of the {len(wanted)} files it was given",
            remedy=AGAIN,
        )
    if sum(loaded.values()) != rows_wanted:
        raise GateError(
            f"COPY INTO loaded {sum(loaded.values())} rows where {rows_wanted} were read",
            remedy=AGAIN,
        )


def check_noted(count: int, chunks: Sequence[WholeChunk]) -> None:
    """Raises GateError unless each chunk has its line in the ledger: a chunk alone has none if the count is another."""
    if count != len(chunks):
        raise GateError(
            f"{sum(chunk.rows for chunk in chunks)} rows were read, others are in the landing table",
            remedy=AGAIN,
        )
