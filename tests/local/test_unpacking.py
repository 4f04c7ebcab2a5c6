"""A staged file is unpacked to parts that each begin and end with a record, and are the file when put together."""

import csv
import gzip
import io

import pytest

from engine.local.warehouse import unpacking
from engine.local.warehouse.faults import SqlError
from engine.local.warehouse.stage import StagedFile
from engine.local.warehouse.unpacking import unpack

ROWS = [["1", 'a "quoted" text'], ["2", "two\nlines, and\n"], ["3", ""], ["\ufeff4", '"'], ["5", "\n\n"]] * 50


def written(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def staged(folder, data: bytes) -> StagedFile:
    path = folder / "a.csv.gz"
    path.write_bytes(data)
    return StagedFile("a.csv.gz", path, len(data), "etag", 0.0)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(unpacking, "PART_BYTES", 100)
    monkeypatch.setattr(unpacking, "BLOCK_BYTES", 16)


def test_each_part_is_whole_records_and_none_begins_with_a_mark_of_byte_order(tmp_path):
    parts = unpack(staged(tmp_path, gzip.compress(written(ROWS), 0)), "gzip", tmp_path, ",")
    texts = [part.read_text() for part in parts]
    assert len(texts) > 10
    assert [row for text in texts for row in csv.reader(io.StringIO(text, newline=""))] == ROWS
    assert not any(text.startswith("\ufeff") for text in texts)


def test_a_quote_within_a_field_ends_the_cutting(tmp_path):
    """It is a character there, so what follows can no longer be told to be in a text or not."""
    data = written(ROWS) + b'1,5" pipe\n' + written(ROWS)
    parts = unpack(staged(tmp_path, gzip.compress(data, 0)), "gzip", tmp_path, ",")
    assert b"".join(part.read_bytes() for part in parts) == data
    assert parts[-1].read_bytes().endswith(b'1,5" pipe\n' + written(ROWS))


@pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda _: b"", lambda data: data[:-6] + b"abcdef"])
def test_a_file_that_is_cut_or_changed_is_refused(tmp_path, damage):
    with pytest.raises(SqlError, match="not able to decompress"):
        unpack(staged(tmp_path, damage(gzip.compress(written(ROWS)))), "gzip", tmp_path, None)
