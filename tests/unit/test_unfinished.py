"""How far an unfinished run is, from its plan and the ledger."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import render
from engine.ledger import Loaded, WholeChunk
from engine.unfinished import chunks_of, ranges
from tests.unit.test_predict import plan_of
from tests.unit.test_render import shown

PLAN = plan_of(10**9)


@pytest.mark.parametrize(
    ("numbers", "told"), [([], ""), ([4], "4"), ([3, 1, 2, 7], "1-3, 7"), ([1, 3, 4, 9, 10, 11], "1, 3-4, 9-11")]
)
def test_numbers_are_told_as_ranges(numbers, told):
    assert ranges(numbers) == told


@given(st.sets(st.integers(1, 60)))
def test_ranges_name_every_number_once(numbers):
    named = [part.partition("-") for part in ranges(numbers).split(", ") if part]
    assert [n for first, _, last in named for n in range(int(first), int(last or first) + 1)] == sorted(numbers)


def test_rows_and_bytes_are_those_of_the_loaded_chunks_and_what_is_left_those_of_the_others():
    assert len(PLAN.chunks) > 3
    told = chunks_of(PLAN, Loaded({n: WholeChunk(n, 10, (), 100, 300) for n in (1, 3)}))
    assert (told["chunks"], told["chunks_loaded"]) == (len(PLAN.chunks), 2)
    assert told["chunks_left"].startswith("2, 4-")
    assert (told["rows"], told["bytes_read"], told["bytes_staged"]) == (20, 600, 200)
    assert told["bytes_left"] == sum(chunk.bytes_estimate for chunk in PLAN.chunks if chunk.id not in (1, 3))


def test_a_run_that_is_not_done_has_lines_of_its_own_and_a_done_one_has_none():
    done = {"table": "public.a", "watermark": None, "unfinished": None}
    half = {
        "run_id": "r_1", "began": "2026-11-23T10:00:00Z", "functions": 2, "moved": 0, "chunks": 8, "chunks_loaded": 3,
        "chunks_left": "4-8", "rows": 1234, "bytes_read": 5_000_000, "bytes_staged": 1, "bytes_left": 9_000_000,
        "held_by": {"owner": "host:1", "seconds_left": 31.0},
        "groups": [{"group": 0, "chunks": 4, "chunks_loaded": 3, "held_by": None}],
    }  # fmt: skip
    text = shown(render.show_status, [done, {"table": "public.b", "watermark": None, "unfinished": half}])
    for part in ("3 of 8", "4-8", "1,234", "5.0", "9.0", "host:1, 31 s", "2026-11-23T10:00:00Z", "group"):
        assert part in text
    assert "Unfinished" not in shown(render.show_status, [done])
    broken = {"run_id": "r_1", "began": "then", "functions": 1, "moved": 0, "held_by": None, "error": "loaded twice"}
    assert "loaded twice" in shown(render.show_status, [{"table": "public.b", "unfinished": broken}])
