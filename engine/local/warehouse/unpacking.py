"""Compressed staged files, unpacked once before DuckDB reads them: checked to their end, and cut where one is alone.

DuckDB checks neither gzip's checksum nor that a zstd frame is complete. Its reader of one file by several threads
takes line feeds in texts for ends of records and is off; files it reads side by side.
"""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Iterable, Iterator
from io import BufferedReader
from itertools import chain
from pathlib import Path

import numpy as np
import zstandard
from isal import isal_zlib

from engine.local.warehouse.faults import SqlError
from engine.local.warehouse.stage import StagedFile

BLOCK_BYTES = 1 << 18  # compressed
PART_BYTES = 32 << 20  # unpacked: a sixth of a second's work for one thread
_QUOTE, _LINE_FEED = b'"\n'
_BOM = b"\xef\xbb\xbf"  # DuckDB drops it where a file begins with it


def blocks(file: StagedFile, codec: str) -> Iterator[bytes]:
    """The file's content. Raises SqlError where it is corrupt, or ends too soon."""
    try:
        with file.path.open("rb") as source:
            if codec == "none":
                while block := source.read(BLOCK_BYTES):
                    yield block
            else:
                yield from _unpacked(source, codec)
    except (isal_zlib.error, zlib.error, zstandard.ZstdError, EOFError):  # type: ignore[misc]
        raise SqlError(100076, "22000", f"Data is corrupted, not able to decompress file '{file.name}'") from None


def _unpacked(source: BufferedReader, codec: str) -> Iterator[bytes]:
    """Members or frames, one after another."""
    reader = None
    while block := source.read(BLOCK_BYTES):
        while block:
            if reader is None:
                gzip = codec == "gzip"
                reader = isal_zlib.decompressobj(wbits=31) if gzip else zstandard.ZstdDecompressor().decompressobj()
            yield reader.decompress(block)
            block = reader.unused_data if reader.eof else b""
            if reader.eof:
                reader = None
    if reader is not None or not source.tell():
        raise EOFError


def unpack(file: StagedFile, codec: str, folder: Path, delimiter: str | None) -> list[Path]:
    """The file's content as one plain file or, where the delimiter of its fields is given, as several."""
    content = blocks(file, codec)
    parts: list[Path] = []
    rest = b""
    while delimiter is not None:
        data = rest + _at_least(PART_BYTES, content)
        end = _last_end(data, ord(delimiter)) if len(data) >= PART_BYTES else 0
        rest = data[end:]
        if not end:
            break
        parts.append(_written(folder, [data[:end]]))
    return [*parts, _written(folder, chain([rest], content))]


def _at_least(size: int, content: Iterator[bytes]) -> bytes:
    held: list[bytes] = []
    while size > 0 and (block := next(content, None)) is not None:
        held.append(block)
        size -= len(block)
    return b"".join(held)


def _last_end(data: bytes, delimiter: int) -> int:
    """Behind the last line feed that ends a record for sure, 0 where none does; `data` begins with a record.

    Quotes open and close by turns. One that opens in the middle of a field is a character: then nothing is sure.
    """
    array = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(array == _QUOTE)
    opening = quotes[::2]
    before = array[opening[opening > 0] - 1]
    if not np.isin(before, (delimiter, _LINE_FEED, _QUOTE)).all():
        return 0
    end = len(data) - len(_BOM)
    while (end := data.rfind(b"\n", 0, end)) >= 0:
        if np.searchsorted(quotes, end) % 2 == 0 and not data.startswith(_BOM, end + 1):
            return end + 1
    return 0


def _written(folder: Path, content: Iterable[bytes]) -> Path:
    path = folder / uuid.uuid4().hex
    with path.open("wb") as target:
        target.writelines(content)
    return path
