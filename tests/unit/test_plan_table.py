"""What a plan says of itself: its id, its JSON, its readers, its groups, and how exactly its chunks are cut."""

import itertools
from dataclasses import replace

import pytest

from engine.errors import RefusedError
from engine.model import Chunk, Column, Decision, Field, Leaf, Loss, Table, Tuning, TypeRef
from engine.plan import (
    Cursor,
    Evolution,
    TablePlan,
    Window,
    as_held,
    assign,
    biggest_first,
    cursor_of,
    cut,
    left_of_groups,
    split,
    tuned,
)

PAGE = 8192


def leaf(pages: int, *, kind: str = "r", size: int | None = None) -> Leaf:
    return Leaf(1, "public", "t", kind, pages, pages * PAGE if size is None else size)


def table(*leaves: Leaf, columns: tuple[Column, ...] = ()) -> Table:
    return Table(1, "public", "t", "r", columns, (), leaves)


def column(name: str, type_name: str = "int8", *, typmod: int = -1) -> Column:
    return Column(1, name, TypeRef(1, "pg_catalog", type_name, "b", typmod=typmod))


ID = Field("id", "ID", "NUMBER(10,0)", '"id"', quoted=False, canonical_source="s", canonical_target="t")
NOTE = Field("note", "NOTE", "VARCHAR(9)", '"note"', quoted=True, losses=(Loss("size", "x"),), on_loss="null")
WHOLE = Chunk(1, 0, None, None, 100)
PLAN = TablePlan(table(leaf(1)), (ID, NOTE), "T", "full", "swap", ("id",), (WHOLE,), Evolution(), target_exists=True)


# --- chunks -----------------------------------------------------------------------------------------------------


def test_chunks_are_numbered_from_the_biggest_and_ones_of_a_size_in_the_order_of_the_table():
    assert split(table(leaf(10), leaf(0), leaf(9, kind="v"), leaf(2)), 4 * PAGE) == (
        Chunk(1, 2, None, None, 9 * PAGE),
        Chunk(2, 0, (0, 0), (4, 0), 4 * PAGE),
        Chunk(3, 0, (4, 0), (8, 0), 4 * PAGE),
        Chunk(4, 0, (8, 0), None, 2 * PAGE),
        Chunk(5, 3, None, None, 2 * PAGE),
        Chunk(6, 1, None, None, 0),
    )


@pytest.mark.parametrize(
    ("pages", "size", "chunk_bytes", "chunks"),
    [
        (2, 2 * PAGE, 2 * PAGE, [(None, None, 2 * PAGE)]),
        (2, 2 * PAGE, 2 * PAGE - 1, [((0, 0), (1, 0), PAGE), ((1, 0), None, PAGE)]),
        (3, 0, 2 * PAGE, [((0, 0), (2, 0), 2 * PAGE), ((2, 0), None, PAGE)]),
        (1, 291_000, 100_000, [((0, 0), (0, 100), 100_000), ((0, 100), (0, 200), 100_000), ((0, 200), None, 100_000)]),
        (1, 291_000, 291_000, [(None, None, 291_000)]),
    ],
    ids=["one", "two", "a page is a page", "lines", "a page of large values"],
)
def test_a_range_has_as_many_whole_pages_as_fit_or_else_lines(pages, size, chunk_bytes, chunks):
    """A page holds 291 rows at most."""
    cut_up = split(table(leaf(pages, size=size)), chunk_bytes)
    assert sorted([(c.first, c.end, c.bytes_estimate) for c in cut_up], key=str) == sorted(chunks, key=str)


def test_a_line_is_the_least_that_is_read():
    chunks = split(table(leaf(1, size=2**40)), 1)
    assert (len(chunks), chunks[0].end, chunks[-1].first) == (291, (0, 1), (0, 290))


CUT = Chunk(5, 2, (10, 0), (20, 0), 1000)


@pytest.mark.parametrize(
    ("chunk", "of", "bytes_max", "borders", "size"),
    [
        (CUT, leaf(99), 300, [(10, 0), (12, 0), (15, 0), (17, 0), (20, 0)], 250),
        (CUT, leaf(99), 500, [(10, 0), (15, 0), (20, 0)], 500),
        (CUT, leaf(99), 1, [(page, 0) for page in range(10, 21)], 100),
        (replace(CUT, end=None), leaf(14), 500, [(10, 0), (12, 0), None], 500),
        (replace(CUT, first=None, end=None), leaf(3), 500, [(0, 0), (1, 0), None], 500),
    ],
    ids=["four", "two", "pages", "open end", "whole"],
)
def test_a_chunk_is_cut_into_ranges_of_whole_pages(chunk, of, bytes_max, borders, size):
    assert cut(chunk, of, bytes_max) == tuple(
        Chunk(5, 2, first, end, size) for first, end in itertools.pairwise(borders)
    )


@pytest.mark.parametrize(
    ("chunk", "of", "bytes_max"),
    [(CUT, leaf(99), 1000), (CUT, leaf(99, kind="v"), 300), (replace(CUT, end=(11, 0)), leaf(99), 300)],
    ids=["small enough", "no pages", "one page"],
)
def test_some_chunks_are_not_cut(chunk, of, bytes_max):
    assert cut(chunk, of, bytes_max) == (chunk,)


# --- the cursor, and what a column holds ------------------------------------------------------------------------


def test_a_cursor_is_refused_with_the_remedy():
    many = table(columns=tuple(column(f"c{n}") for n in range(13)))
    with pytest.raises(RefusedError) as caught:
        cursor_of(many, "x")
    known = ", ".join(f"c{n}" for n in range(12))
    assert caught.value.faults == [f"public.t: the cursor column 'x' does not exist; columns are: {known}"]
    with pytest.raises(RefusedError) as caught:
        cursor_of(table(columns=(column("a"), column("c", "text"))), "c")
    (fault,) = caught.value.faults
    assert fault == (
        "public.t: the cursor column 'c' is of type text, which does not order changes; "
        'use a timestamp, date or number column that grows with each change, or mode = "full"'
    )


@pytest.mark.parametrize(
    ("type_name", "typmod", "cursor"),
    [
        *((name, -1, Cursor("c", name, number=True)) for name in ("int2", "int4", "int8", "numeric")),
        ("date", -1, Cursor("c", "date", by_day=True)),
        ("timestamp", 5, Cursor("c", "timestamp", resolution_us=10)),
        ("timestamptz", 0, Cursor("c", "timestamptz", resolution_us=1_000_000)),
        ("timestamptz", 6, Cursor("c", "timestamptz")),
    ],
)
def test_a_cursor_has_what_is_special_about_its_type(type_name, typmod, cursor):
    assert cursor_of(table(columns=(column("a"), column("c", type_name, typmod=typmod))), "c") == cursor
    assert (Cursor("c", "x").by_day, Cursor("c", "x").number) == (False, False)


@pytest.mark.parametrize(
    ("field", "have", "scale"),
    [
        (ID, "NUMBER(12,2)", 2),
        (replace(ID, target_type="NUMBER(8,1)"), "NUMBER(38, 4)", 4),
        (ID, "NUMBER(10,0)", None),
        (ID, "NUMBER(11,2)", None),
        (ID, "", None),
        (replace(ID, target_type="TIME(6)"), "TIME(9)", None),
        (replace(ID, canonical_source=None), "NUMBER(12,2)", None),
    ],
    ids=["decimals", "more decimals", "same", "too small", "none", "no number", "not compared"],
)
def test_a_number_is_compared_with_all_the_decimals_that_its_column_keeps(field, have, scale):
    held = as_held(field, have)
    if scale is None:
        assert held is field
    else:
        assert held.canonical_source == f"round((s)::numeric, {scale})::text"
        assert held.canonical_target == f'TO_VARCHAR("ID"::NUMBER(38,{scale}))'


@pytest.mark.parametrize("what", ["added", "widened", "retyped"])
def test_each_change_of_a_column_is_needed_and_noted(what):
    evolution = Evolution(**{what: (ID,)})
    assert evolution.needed
    words = {"added": "added as", "widened": "widened to", "retyped": "rebuilt as"}
    assert evolution.notes() == [f"column ID {words[what]} NUMBER(10,0)"]


def test_a_column_that_is_kept_is_noted_and_so_is_what_looks_like_a_renaming():
    kept = "column OLD is no longer in the source: kept, NULL from now on"
    assert not Evolution(kept=("OLD",)).needed
    assert Evolution(kept=("OLD",)).notes() == [kept]
    assert Evolution(added=(ID,), kept=("OLD",)).notes() == [
        "column ID added as NUMBER(10,0)", kept, "a renamed column arrives as a dropped and an added one"
    ]  # fmt: skip


# --- the plan ---------------------------------------------------------------------------------------------------

WINDOW = Window(Cursor("id", "int8", number=True), "1", "9", bounded=False, nulls=False)


@pytest.mark.parametrize(
    "change",
    [
        {"table": replace(PLAN.table, oid=2)},
        {"table": replace(PLAN.table, name="u")},
        {"target_name": "U"},
        {"mode": "incremental"},
        {"publish": "overwrite"},
        {"key": ()},
        {"chunks": (replace(WHOLE, end=(1, 0)),)},
        {"window": WINDOW},
        {"fields": (replace(ID, source="x"), NOTE)},
        {"fields": (replace(ID, target="X"), NOTE)},
        {"fields": (replace(ID, target_type="X"), NOTE)},
        {"fields": (replace(ID, select="x"), NOTE)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_all_that_decides_what_becomes_of_rows_is_in_the_plan_s_hash(change):
    assert len(PLAN.hash) == 64
    assert PLAN.hash == replace(PLAN).hash
    assert replace(PLAN, **change).hash != PLAN.hash
    assert PLAN.id == PLAN.hash[:16]


def test_how_a_plan_is_copied_and_what_is_expected_of_it_do_not_make_another_plan():
    other = replace(PLAN, tuning=Tuning(readers=7), prediction={"seconds": 1})
    assert (other, other.id) == (PLAN, PLAN.id)


def test_a_plan_is_told_as_json():
    plan = replace(
        PLAN, window=WINDOW, notes=("n",), prediction={"seconds": 3}, evolution=Evolution(added=(ID,)),
        tuning=Tuning(decisions=(Decision("readers", 2, "because", "cores"),)),
    )  # fmt: skip
    assert plan.to_json() == {
        "table": "public.t",
        "target_table": "T",
        "plan_id": plan.id,
        "mode": "full",
        "publish": "swap",
        "key": ["id"],
        "reader": "copy",
        "chunks": 1,
        "bytes_estimate": PAGE,
        "node": plan.node,
        "columns": [
            {"name": "ID", "type": "NUMBER(10,0)", "from": "id"},
            {"name": "NOTE", "type": "VARCHAR(9)", "from": "note"},
        ],
        "window": {"low": "1", "high": "9"},
        "changes": ["column ID added as NUMBER(10,0)"],
        "notes": ["n"],
        "decisions": [{"setting": "readers", "value": 2, "why": "because", "source": "cores"}],
        "prediction": {"seconds": 3},
    }
    new = replace(plan, window=None, target_exists=False).to_json()
    assert (new["window"], new["changes"]) == (None, [])


def test_losses_are_counted_only_where_a_policy_lets_them_pass():
    assert PLAN.counts_losses
    assert not replace(PLAN, fields=(ID, replace(NOTE, on_loss="error"))).counts_losses
    assert not replace(PLAN, fields=(replace(NOTE, losses=()),)).counts_losses


def test_a_field_is_found_by_its_column():
    assert (PLAN.field_of("id"), PLAN.field_of("note")) == (ID, NOTE)


@pytest.mark.parametrize(
    ("ends", "readers"),
    [([(1, 0), (2, 0), None], 3), ([(1, 0), (1, 7), None], 2), ([None], 1)],
    ids=["pages", "lines of a page", "whole"],
)
def test_two_readers_at_most_where_a_page_points_to_more_than_a_chunk(ends, readers):
    assert replace(PLAN, chunks=tuple(replace(WHOLE, end=end) for end in ends)).readers_max == readers


def test_no_more_readers_and_loaders_than_there_are_chunks():
    names = ("readers", "loaders", "codec")
    decisions = tuple(Decision(name, "4" if name != "codec" else "gzip", "fast", "cores") for name in names)
    fewer = tuned(replace(PLAN, chunks=(WHOLE, WHOLE)), Tuning(readers=4, loaders=4, level=3, decisions=decisions))
    why = "a chunk each: the table has no more"
    assert fewer.tuning == Tuning(
        readers=2, loaders=2, level=3,
        decisions=(Decision("readers", 2, why, "table"), Decision("loaders", 2, why, "table"), decisions[2]),
    )  # fmt: skip
    lines = replace(PLAN, chunks=(replace(WHOLE, end=(0, 9)),) * 5)
    assert (tuned(lines, Tuning(readers=4, loaders=4)).tuning.readers, lines.readers_max) == (2, 2)
    enough = Tuning(readers=1, loaders=2, decisions=(Decision("loaders", 2, "fast", "cores"),))
    assert tuned(replace(PLAN, chunks=(WHOLE, WHOLE)), enough).tuning == enough


# --- groups -----------------------------------------------------------------------------------------------------


def of_sizes(*sizes: int) -> TablePlan:
    return replace(PLAN, chunks=tuple(Chunk(n, 0, None, None, size) for n, size in enumerate(sizes, 1)))


def test_chunks_are_dealt_from_the_biggest_to_the_group_that_has_least():
    """Ones of a size in the order of plans and chunks, to the first of equal groups, so every worker deals alike."""
    plans = [of_sizes(5, 1, 9), of_sizes(5, 3)]
    assert assign(plans, 2) == [[[3], [2]], [[1, 2], [1]]]
    assert assign([of_sizes(2, 2), of_sizes(2)], 3) == [[[1], []], [[2], []], [[], [1]]]


def test_what_a_group_has_yet_to_copy_is_what_is_not_loaded():
    plans = [of_sizes(5, 1, 9), of_sizes(5, 3)]
    assert left_of_groups(plans, 1, [{3}, set()]) == [14]
    assert sum(left_of_groups(plans, 2, [set(), {1, 2}])) == 15
    assert left_of_groups(plans, 2, [{1, 2, 3}, {1, 2}]) == [0, 0]


def test_the_biggest_table_goes_first():
    big, small = (replace(PLAN, table=table(leaf(pages))) for pages in (9, 2))
    assert biggest_first([small, big]) == [big, small]
