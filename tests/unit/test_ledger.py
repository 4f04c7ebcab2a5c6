"""When a chunk is whole, and what COPY INTO must have answered."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from engine.errors import GateError
from engine.ledger import (
    FILES_TOLD_MAX,
    TEXT_BYTES_MAX,
    Assembly,
    Loaded,
    WholeChunk,
    check_copy,
    check_noted,
    files_of,
)
from engine.model import LOST_KEYS_MAX, Lost, StagedFile
from engine.sql.target import FILES_MAX


def file(chunk: int, name: str) -> StagedFile:
    return StagedFile(chunk, name, Path(name), rows_bytes=10, file_bytes=4, sha256=f"sum of {name}")


def manifest(names) -> str:
    return orjson.dumps([[name, 4, f"sum of {name}"] for name in names]).decode()


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
    assert assembly.take() == [WholeChunk(1, 7, ("a", "b"), 8, manifest=manifest(("a", "b")))]
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
    row = (1, 5, 2, 40, 90, '[{"column": "price", "reason": "nan", "rows": 3, "keys": [{"id": "7"}]}]', "10:12:", None)
    loaded = Loaded.of([row, (2, 1, 1, 8, 20, None, "11:12:", None)])
    assert loaded.of_others("10:12:") == [2]
    assert (loaded.rows, loaded.losses, set(loaded.chunks)) == (6, [Lost("price", "nan", 3, ({"id": "7"},))], {1, 2})
    with pytest.raises(GateError) as caught:
        Loaded.of([row, row])
    assert (str(caught.value), caught.value.code) == (f"chunk 1 was loaded twice. {AGAIN}.", "doubled")


def test_losses_of_chunks_are_added_up_in_their_order_and_keep_the_first_keys():
    def chunk(number: int) -> WholeChunk:
        keys = tuple({"id": f"{number}{n}"} for n in range(6))
        return WholeChunk(number, 9, (), 0, losses=(Lost("price", "nan", 6, keys), Lost("day", "year", 1)))

    loaded = Loaded({2: chunk(2), 1: chunk(1)})
    price, day = loaded.losses
    assert price.rows == 12
    assert [key["id"] for key in price.keys] == "10 11 12 13 14 15 20 21 22 23".split()
    assert len(price.keys) == LOST_KEYS_MAX
    assert day == Lost("day", "year", 2)


def test_the_ledger_s_lines_are_the_chunks_that_were_loaded_whatever_a_driver_makes_of_numbers():
    loss = Lost("price", "nan", 3, ({"id": "7"},))
    told = orjson.dumps([loss]).decode()
    assert Loaded.of([("1", "5", 2, "40", "90", told, "10:12:", "[]"), (2, 1, 1, 8, None, None, "11:12:", None)]) == (
        Loaded({1: WholeChunk(1, 5, (), 40, 90, (loss,), "10:12:", "[]"), 2: WholeChunk(2, 1, (), 8, 0, (), "11:12:")})
    )


def test_a_chunk_is_told_with_the_snapshot_it_was_read_in_and_what_was_lost():
    assembly = Assembly("10:12:")
    loss = Lost("price", "nan", 3)
    assembly.read(1, 7, 90, (loss,))
    assert assembly.take() == [WholeChunk(1, 7, (), 0, 90, (loss,), "10:12:")]


def test_what_is_announced_or_waits_for_a_copy_is_unfinished():
    assembly = Assembly()
    assembly.announced(file(1, "a"))
    assert assembly.unfinished
    assembly.staged(file(1, "a"))
    assembly.read(1, rows=7)
    assert assembly.unfinished
    assembly.take()
    assert not assembly.unfinished


def test_a_chunk_may_fail_before_its_first_file():
    assembly = Assembly()
    assembly.dropped(1)
    assert not assembly.unfinished


def test_a_line_of_the_ledger_takes_400_bytes_and_what_grows():
    assert WholeChunk(1, 0, (), 0).text_bytes == 402
    lost = (Lost("price", "nan", 3),)
    assert WholeChunk(1, 0, (), 0, 0, lost, "s" * 7, "m" * 9).text_bytes == 416 + len(orjson.dumps(lost))


def test_a_second_attempt_does_not_take_the_files_of_the_first():
    assembly = Assembly()
    assembly.announced(file(1, "a-1"))
    assembly.dropped(1)
    assembly.staged(file(1, "a-1"))
    assembly.announced(file(1, "a-2"))
    assembly.read(1, rows=5)
    assert assembly.take() == []
    assembly.staged(file(1, "a-2"))
    assert assembly.take() == [WholeChunk(1, 5, ("a-2",), 4, manifest=manifest(("a-2",)))]


def test_one_copy_names_no_more_files_than_snowflake_takes():
    assembly = Assembly()
    for chunk in range(1, FILES_MAX + 11):
        assembly.announced(file(chunk, f"c{chunk}"))
        assembly.staged(file(chunk, f"c{chunk}"))
        assembly.read(chunk, rows=1)
    assert len(assembly.take()) == FILES_MAX
    assert len(assembly.take()) == 10


def test_one_statement_notes_no_more_chunks_than_snowflake_takes_lines_of():
    """Empty chunks have no file, and the snapshot's name grows with the transactions that were open in it."""
    assembly = Assembly()
    for chunk in range(1, 2 * FILES_MAX + 11):
        assembly.read(chunk, rows=0)
    assert [len(assembly.take()) for _ in range(4)] == [FILES_MAX, FILES_MAX, 10, 0]
    assembly.snapshot = "7:9:" + "8," * 30_000
    for chunk in range(10_001, 10_021):
        assembly.read(chunk, rows=0)
    taken = assembly.take()
    assert 1 < len(taken) < 20
    assert sum(chunk.text_bytes for chunk in taken) <= TEXT_BYTES_MAX


def test_a_chunk_of_more_files_than_one_copy_takes_is_taken_by_itself():
    assembly = Assembly()
    for n in range(FILES_MAX + 1):
        assembly.announced(file(1, f"f{n}"))
        assembly.staged(file(1, f"f{n}"))
    assembly.read(1, rows=9)
    assembly.read(2, rows=0)
    assert [[chunk.id for chunk in assembly.take()] for _ in range(3)] == [[1], [2], []]


def test_the_root_is_of_every_file_and_names_them_where_they_are_few():
    """Whatever order they were loaded in, and whether or not empty chunks stand beside them."""
    chunks = {n: WholeChunk(n, 5, (), 4, manifest=manifest([f"f{n}"])) for n in (2, 1)}
    told = files_of(Loaded({**chunks, 3: WholeChunk(3, 0, (), 0)}))
    assert told == files_of(Loaded(dict(sorted(chunks.items()))))
    assert (told["count"], told["chunks"]) == (2, [[n, 5, [[f"f{n}", 4, f"sum of f{n}"]]] for n in (1, 2)])
    for other in (replace(chunks[2], rows=6), replace(chunks[2], manifest=manifest(["f3"])), replace(chunks[2], id=4)):
        assert files_of(Loaded({1: chunks[1], other.id: other}))["root"] != told["root"]
    many = {n: WholeChunk(n, 5, (), 4, manifest=manifest([f"f{n}"])) for n in range(FILES_TOLD_MAX + 1)}
    assert (files_of(Loaded(many))["count"], files_of(Loaded(many))["chunks"]) == (FILES_TOLD_MAX + 1, [])


AGAIN = "run again; the target is untouched"
CHUNKS = [WholeChunk(1, 5, ("a", "b"), 8), WholeChunk(2, 1, ("c",), 4)]


def test_f20_a_copy_that_loaded_every_row_of_every_file_passes():
    check_copy([("run/a", "LOADED", 2, 2), ("run/b", "LOADED", 3, 3), ("run/c", "LOADED", 1, 1)], CHUNKS)


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([("Copy executed with 0 files processed.",)], "did not load every file whole"),
        ([("a", "LOADED", 2, 2), ("b", "LOADED", 3, 3)], "loaded 2 of the 3 files it was given"),
        (
            [("a", "LOADED", 2, 2), ("b", "LOADED", 3, 3), ("other", "LOADED", 1, 1)],
            "loaded 2 of the 3 files it was given",
        ),
        ([("a", "LOADED", 2, 2), ("b", "LOAD_SKIPPED", 3, 3), ("c", "LOADED", 1, 1)], "did not load every file whole"),
        (
            [("a", "LOADED", 2, 2), ("b", "PARTIALLY_LOADED", 3, 3), ("c", "LOADED", 1, 1)],
            "did not load every file whole",
        ),
        ([("a", "LOADED", 2, 2), ("b", "LOADED", 4, 3), ("c", "LOADED", 1, 1)], "did not load every file whole"),
        ([("a", "LOADED", 2, 2), ("b", "LOADED", 2, 2), ("c", "LOADED", 1, 1)], "loaded 5 rows where 6 were read"),
        ([], "loaded 0 of the 3 files it was given"),
    ],
)
def test_f20_any_other_answer_of_copy_is_a_red_gate(results, message):
    with pytest.raises(GateError) as caught:
        check_copy(results, CHUNKS)
    assert str(caught.value) == f"COPY INTO {message}. {AGAIN}."


def test_a_chunk_that_could_not_be_noted_is_a_red_gate():
    check_noted(2, CHUNKS)
    with pytest.raises(GateError) as caught:
        check_noted(0, CHUNKS)
    assert str(caught.value) == f"6 rows were read, others are in the landing table. {AGAIN}."
