"""When a chunk is whole, and what COPY INTO must have answered."""

from pathlib import Path

import pytest

from engine.errors import GateError
from engine.ledger import Assembly, Loaded, WholeChunk, check_copy, check_noted
from engine.model import StagedFile
from engine.sql.target import FILES_MAX


def file(chunk: int, name: str) -> StagedFile:
    return StagedFile(chunk, name, Path(name), rows_bytes=10, file_bytes=4)


def test_a_chunk_is_whole_when_it_is_read_and_all_its_files_are_staged():
    assembly = Assembly()
    first, second = file(1, "a"), file(1, "b")
    assembly.announced(first)
    assembly.staged(first)
    assert assembly.take() == []
    assembly.announced(second)
    assembly.read(1, rows=7)
    assert assembly.take() == []
    assembly.staged(second)
    assert assembly.take() == [WholeChunk(1, 7, ("a", "b"), 8)]
    assert not assembly.unfinished


def test_the_end_of_a_chunk_may_be_told_after_its_last_file_is_staged():
    assembly = Assembly()
    assembly.announced(file(1, "a"))
    assembly.staged(file(1, "a"))
    assembly.read(1, rows=3)
    assert [chunk.id for chunk in assembly.take()] == [1]


def test_an_empty_chunk_is_whole_without_a_file():
    assembly = Assembly()
    assembly.read(1, rows=0)
    assert assembly.take() == [WholeChunk(1, 0, (), 0)]
    assert not assembly.unfinished


def test_a_late_file_of_a_dropped_attempt_does_not_make_a_chunk_whole_again():
    assembly = Assembly()
    assembly.announced(file(1, "a-1"))
    assembly.dropped(1)
    assembly.read(1, rows=0)
    assert [chunk.id for chunk in assembly.take()] == [1]
    assembly.staged(file(1, "a-1"))
    assert assembly.take() == []


def test_the_ledger_tells_what_was_loaded_and_refuses_a_chunk_that_stands_there_twice():
    row = (1, 5, 2, 40, 90, '[["price", "nan", 3]]', "10:12:")
    loaded = Loaded.of([row, (2, 1, 1, 8, 20, None, "11:12:")])
    assert loaded.of_others("10:12:") == [2]
    assert (loaded.rows, loaded.losses, set(loaded.chunks)) == (6, {("price", "nan"): 3}, {1, 2})
    with pytest.raises(GateError, match="chunk 1 was loaded twice"):
        Loaded.of([row, row])


def test_a_second_attempt_does_not_take_the_files_of_the_first():
    assembly = Assembly()
    assembly.announced(file(1, "a-1"))
    assembly.dropped(1)
    assembly.staged(file(1, "a-1"))
    assembly.announced(file(1, "a-2"))
    assembly.read(1, rows=5)
    assert assembly.take() == []
    assembly.staged(file(1, "a-2"))
    assert assembly.take() == [WholeChunk(1, 5, ("a-2",), 4)]


def test_one_copy_names_no_more_files_than_snowflake_takes():
    assembly = Assembly()
    for chunk in range(1, FILES_MAX + 11):
        assembly.announced(file(chunk, f"c{chunk}"))
        assembly.staged(file(chunk, f"c{chunk}"))
        assembly.read(chunk, rows=1)
    assert len(assembly.take()) == FILES_MAX
    assert len(assembly.take()) == 10


CHUNKS = [WholeChunk(1, 5, ("a", "b"), 8), WholeChunk(2, 1, ("c",), 4)]


def test_a_copy_that_loaded_every_row_of_every_file_passes():
    check_copy([("run/a", "LOADED", 2, 2), ("run/b", "LOADED", 3, 3), ("run/c", "LOADED", 1, 1)], CHUNKS)


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([("Copy executed with 0 files processed.",)], "did not load every file"),
        ([("a", "LOADED", 2, 2), ("b", "LOADED", 3, 3)], "2 of the 3 files"),
        ([("a", "LOADED", 2, 2), ("b", "LOAD_SKIPPED", 3, 3), ("c", "LOADED", 1, 1)], "did not load every file"),
        ([("a", "LOADED", 2, 2), ("b", "PARTIALLY_LOADED", 3, 2), ("c", "LOADED", 1, 1)], "did not load every file"),
        ([("a", "LOADED", 2, 2), ("b", "LOADED", 2, 2), ("c", "LOADED", 1, 1)], "5 rows where 6 were read"),
        ([], "0 of the 3 files"),
    ],
)
def test_any_other_answer_is_a_red_gate(results, message):
    with pytest.raises(GateError, match=message):
        check_copy(results, CHUNKS)


def test_a_chunk_that_could_not_be_noted_is_a_red_gate():
    check_noted(2, CHUNKS)
    with pytest.raises(GateError, match="6 rows were read, others are in the landing table"):
        check_noted(0, CHUNKS)
