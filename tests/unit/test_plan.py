"""Chunks, windows and schema evolution, decided from values alone."""

import itertools
from dataclasses import replace
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import RefusedError
from engine.model import Column, Field, Leaf, Table, TypeRef
from engine.plan import (
    PAGE_BYTES,
    Evolution,
    TablePlan,
    accommodates,
    assign,
    cursor_of,
    cut,
    evolve,
    split,
    widens,
)


def leaf(pages: int, *, kind: str = "r", size: int | None = None) -> Leaf:
    return Leaf(1, "public", "t", kind, pages, pages * PAGE_BYTES if size is None else size)


def table(*leaves: Leaf, columns: tuple[Column, ...] = ()) -> Table:
    return Table(1, "public", "t", "r", columns, (), leaves)


def column(name: str, type_name: str, *, typmod: int = -1, base: TypeRef | None = None) -> Column:
    return Column(1, name, TypeRef(1, "pg_catalog", type_name, "b", typmod=typmod, base=base))


def field(target: str, target_type: str) -> Field:
    return Field(target.lower(), target, target_type, f'"{target.lower()}"', quoted=False)


def test_the_biggest_chunk_is_read_first():
    sizes = [chunk.bytes_estimate for chunk in split(table(leaf(10), leaf(1000), leaf(300)), 400 * PAGE_BYTES)]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("kind", ["v", "m", "f"])
def test_what_has_no_pages_to_range_over_is_one_chunk(kind):
    (chunk,) = split(table(leaf(1000, kind=kind)), PAGE_BYTES)
    assert (chunk.first, chunk.end) == (None, None)


def test_large_values_beside_the_heap_make_the_ranges_shorter():
    """TOAST counts: a page that points to a megabyte is a megabyte to read."""
    chunks = split(table(leaf(100, size=100 * 2**20)), 10 * 2**20)
    assert len(chunks) == 10


def test_a_page_that_points_to_more_than_a_chunk_is_split_by_its_lines():
    """200 rows of 50 MB stand on two pages."""
    chunks = split(table(leaf(2, size=10 * 2**30)), 512 * 2**20)
    assert len(chunks) >= 20
    assert max(chunk.bytes_estimate for chunk in chunks) <= 512 * 2**20
    assert {chunk.first[0] for chunk in chunks} == {0, 1}


@pytest.mark.parametrize(
    ("have", "want", "fits", "alters"),
    [
        ("NUMBER(10,0)", "NUMBER(10,0)", True, False),
        ("NUMBER(19,0)", "NUMBER(10,0)", True, False),
        ("NUMBER(10,0)", "NUMBER(19,0)", False, True),
        ("NUMBER(10,2)", "NUMBER(12,2)", False, True),
        ("NUMBER(10,2)", "NUMBER(12,4)", False, False),
        ("NUMBER(12,4)", "NUMBER(10,2)", True, False),
        ("NUMBER(12,4)", "NUMBER(12,2)", False, False),
        ("VARCHAR(10)", "VARCHAR(20)", False, True),
        ("VARCHAR(20)", "VARCHAR(10)", True, False),
        ("VARCHAR(20)", "NUMBER(10,0)", False, False),
        ("TIMESTAMP_NTZ(9)", "TIMESTAMP_NTZ(6)", True, False),
        ("TIMESTAMP_NTZ(6)", "TIMESTAMP_TZ(6)", False, False),
        ("BINARY(8388608)", "BINARY(67108864)", False, False),
        ("BOOLEAN", "BOOLEAN", True, False),
        ("VARIANT", "ARRAY", False, False),
    ],
)
def test_a_column_is_kept_altered_or_rebuilt(have, want, fits, alters):
    assert accommodates(have, want) is fits
    assert widens(have, want) is alters


def test_evolution_names_what_is_added_widened_rebuilt_and_kept():
    fields = (field("A", "NUMBER(19,0)"), field("B", "VARCHAR(5)"), field("C", "DATE"), field("D", "FLOAT"))
    found = evolve(fields, {"A": "NUMBER(10,0)", "C": "TIME(6)", "D": "FLOAT", "OLD": "DATE"})
    assert [f.target for f in found.widened] == ["A"]
    assert [f.target for f in found.added] == ["B"]
    assert [f.target for f in found.retyped] == ["C"]
    assert found.kept == ("OLD",)
    assert any("renamed" in note for note in found.notes())


def test_a_cursor_that_does_not_exist_names_the_columns_that_do():
    with pytest.raises(RefusedError, match="'updated' does not exist; columns are: updated_at"):
        cursor_of(table(columns=(column("updated_at", "timestamptz"),)), "updated")


@pytest.mark.parametrize("type_name", ["text", "bool", "jsonb", "uuid", "float8", "time"])
def test_a_cursor_whose_type_does_not_order_changes_is_refused(type_name):
    with pytest.raises(RefusedError, match=f"type {type_name}"):
        cursor_of(table(columns=(column("c", type_name),)), "c")


def test_a_cursor_of_a_domain_is_what_is_under_it():
    inner = TypeRef(2, "pg_catalog", "timestamptz", "b")
    assert cursor_of(table(columns=(column("c", "moment", base=inner),)), "c").type_sql == "timestamptz"


@pytest.mark.parametrize(("typmod", "resolution"), [(-1, 0), (6, 0), (3, 1000), (0, 1_000_000)])
def test_a_rounded_timestamp_keeps_its_distance_from_the_horizon(typmod, resolution):
    cursor = cursor_of(table(columns=(column("c", "timestamp", typmod=typmod),)), "c")
    assert cursor.resolution_us == resolution


def test_numbers_are_bounded_by_no_clock_and_dates_are_read_again():
    numbers = table(columns=(column("c", "int8"),))
    dates = table(columns=(column("c", "date"),))
    assert cursor_of(numbers, "c").number
    assert cursor_of(dates, "c").by_day


def test_the_plan_of_a_partition_ranges_over_its_own_pages():
    source = replace(table(leaf(4), leaf(2)), kind="p")
    assert {(c.leaf, c.first) for c in split(source, PAGE_BYTES * 2)} == {(0, (0, 0)), (0, (2, 0)), (1, None)}


def plan_of(pages: int, size: int) -> TablePlan:
    source = table(leaf(pages))
    return TablePlan(source, (), "T", "full", "swap", (), split(source, size), Evolution(), target_exists=False)


def test_every_chunk_is_in_one_group_and_groups_have_about_as_many_bytes():
    plans = [plan_of(pages, 100 * PAGE_BYTES) for pages in (1000, 7, 350)]
    groups = assign(plans, 4)
    for number, plan in enumerate(plans):
        assert sorted(c for group in groups for c in group[number]) == sorted(chunk.id for chunk in plan.chunks)
    sizes = [
        sum(c.bytes_estimate for n, plan in enumerate(plans) for c in plan.chunks if c.id in group[n])
        for group in groups
    ]
    assert max(sizes) - min(sizes) <= max(chunk.bytes_estimate for plan in plans for chunk in plan.chunks)
    assert assign(plans, 4) == groups, "each worker works it out by itself"


def test_more_groups_than_chunks_leave_some_empty():
    plan = plan_of(1, PAGE_BYTES)
    assert sorted(len(group[0]) for group in assign([plan], 3)) == [0, 0, 1]


@settings(deadline=None)
@given(st.lists(st.integers(0, 500), min_size=1, max_size=5), st.integers(PAGE_BYTES // 4, 64 * PAGE_BYTES))
def test_chunks_cover_each_page_of_each_leaf_once_and_the_last_is_open(pages, size):
    source = table(*map(leaf, pages))
    chunks = split(source, size)
    assert sorted(chunk.id for chunk in chunks) == list(range(1, len(chunks) + 1))
    for index, count in enumerate(pages):
        ranges = sorted(((c.first or (0, 0)), c.end) for c in chunks if c.leaf == index)
        assert ranges[0][0] == (0, 0)
        assert ranges[-1][1] is None
        assert all(end == start for (_, end), (start, _) in itertools.pairwise(ranges))
        assert all(start < (max(count, 1), 0) for start, _ in ranges)


@settings(deadline=None)
@given(
    pages=st.integers(1, 3000), size=st.integers(8192, 2**26), bytes_max=st.integers(64 * 1024, 2**24) | st.just(inf)
)
def test_the_pieces_of_a_chunk_are_the_chunk(pages, size, bytes_max):
    """Each begins where the one before ends, under the same id; the ends are the chunk's own."""
    one = leaf(pages, size=pages * PAGE_BYTES)
    for chunk in split(table(one), size):
        pieces = cut(chunk, one, bytes_max)
        assert {piece.id for piece in pieces} == {chunk.id}
        assert (pieces[0].first or (0, 0), pieces[-1].end) == (chunk.first or (0, 0), chunk.end)
        assert all(before.end == after.first for before, after in itertools.pairwise(pieces))
        assert all((piece.first or (0, 0)) < (piece.end or (pages + 1, 0)) for piece in pieces)
        assert len(pieces) == 1 or all(piece.bytes_estimate <= bytes_max + PAGE_BYTES for piece in pieces)
        assert len(pieces) > 1 or chunk.bytes_estimate <= max(bytes_max, 2 * PAGE_BYTES)
