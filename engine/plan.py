"""Decides what one table's run will do before a row moves: chunks, schema evolution, incremental window. Pure."""

from __future__ import annotations

import hashlib
import heapq
import itertools
import math
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from engine.errors import RefusedError
from engine.model import Chunk, Field, Leaf, Mode, Table, Tid, Tuning
from engine.quoting import quote

PAGE_BYTES = 8192
LINES_A_PAGE_MAX = 291
"""Rows that fit on a page of 8 KiB at the most (PostgreSQL: MaxHeapTuplesPerPage)."""


def split(table: Table, chunk_bytes_max: int) -> tuple[Chunk, ...]:
    """Cuts a table into chunks of about `chunk_bytes_max` bytes, biggest first; at least one a leaf.

    The last range of a leaf is open-ended, so rows on pages added after the sizes were read are in it.
    """
    ranges = [(index, *span) for index, leaf in enumerate(table.leaves) for span in _ranges(leaf, chunk_bytes_max)]
    ranges.sort(key=lambda item: -item[3])
    return tuple(Chunk(number, *item) for number, item in enumerate(ranges, start=1))


def _ranges(leaf: Leaf, chunk_bytes_max: int) -> list[tuple[Tid | None, Tid | None, int]]:
    if leaf.kind != "r" or leaf.pages == 0:
        return [(None, None, leaf.bytes_total)]
    page_bytes = max(PAGE_BYTES, leaf.bytes_total // leaf.pages)
    step = chunk_bytes_max // page_bytes
    if step:
        starts = [(page, 0) for page in range(0, leaf.pages, step)]
        sizes = [min(step, leaf.pages - page) * page_bytes for page, _ in starts]
    else:  # large values beside the heap: one page points to more than a chunk
        lines = max(1, LINES_A_PAGE_MAX * chunk_bytes_max // page_bytes)
        starts = [(page, line) for page in range(leaf.pages) for line in range(0, LINES_A_PAGE_MAX, lines)]
        sizes = [page_bytes * lines // LINES_A_PAGE_MAX] * len(starts)
    if len(starts) == 1:
        return [(None, None, leaf.bytes_total)]
    return list(zip(starts, [*starts[1:], None], sizes, strict=True))


def cut(chunk: Chunk, leaf: Leaf, bytes_max: float) -> tuple[Chunk, ...]:
    """The chunk as ranges of at most `bytes_max` bytes, page by page at the least, which one after another are it."""
    first = chunk.first or (0, 0)
    pages = (chunk.end[0] if chunk.end else leaf.pages) - first[0]
    count = min(pages, math.ceil(chunk.bytes_estimate / bytes_max))
    if leaf.kind != "r" or count < 2:
        return (chunk,)
    borders = [(first[0] + pages * n // count, 0) for n in range(1, count)]
    size = chunk.bytes_estimate // count
    return tuple(
        Chunk(chunk.id, chunk.leaf, start, end, size)
        for start, end in itertools.pairwise([first, *borders, chunk.end])
        if start
    )


# --- the incremental window -------------------------------------------------------------------------------------

CURSOR_TYPES = frozenset({"int2", "int4", "int8", "numeric", "date", "timestamp", "timestamptz"})


@dataclass(frozen=True, slots=True)
class Cursor:
    """The column whose values order an incremental table's changes, and what is special about it."""

    name: str
    type_sql: str
    """The type to cast a literal to: `timestamptz`, `date`, `int8`."""
    by_day: bool = False
    """A date: later changes carry the value of earlier ones, so a merge reads the last day again."""
    resolution_us: int = 0
    """Microseconds to which a timestamp is rounded, where that is more than one."""
    number: bool = False
    """No clock bounds it."""


@dataclass(frozen=True, slots=True)
class Complete:
    """Up to where changes are complete: `at` (timestamptz text) less `lag_s`, or a number."""

    at: str
    lag_s: float
    zone: str
    """In which the writers' clock values without a zone are meant."""
    strict: bool
    """An append must not meet the last day again."""
    number: str | None = None


def cursor_of(table: Table, name: str) -> Cursor:
    """The cursor of a table, or RefusedError naming the table, the column and the remedy."""
    column = next((column for column in table.columns if column.name == name), None)
    if column is None:
        known = ", ".join(column.name for column in table.columns[:12])
        raise RefusedError([f"{table.label}: the cursor column {name!r} does not exist; columns are: {known}"])
    type_ = column.type
    while type_.base is not None:
        type_ = type_.base
    if type_.name not in CURSOR_TYPES:
        raise RefusedError(
            [
                (
                    f"{table.label}: the cursor column {name!r} is of type {type_.name}, which does not order changes; "
                    'use a timestamp, date or number column that grows with each change, or mode = "full"'
                )
            ]
        )
    if type_.name == "date":
        return Cursor(name, "date", by_day=True)
    if type_.name in ("timestamp", "timestamptz"):
        return Cursor(name, type_.name, resolution_us=10 ** (6 - type_.typmod) if 0 <= type_.typmod < 6 else 0)
    return Cursor(name, type_.name, number=True)


@dataclass(frozen=True, slots=True)
class Window:
    """The rows that an incremental run reads: after `low` (exact text; None: from the beginning)."""

    cursor: Cursor
    low: str | None
    high: str | None
    """The watermark once the run is published; rows above it are read again by the next run."""
    bounded: bool
    """Stop at `high`: an append must not load what the next run will load again."""
    nulls: bool
    """Rows whose cursor is NULL are read too, each time."""


# --- schema evolution -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Evolution:
    """How the target's columns become those that the source has now."""

    added: tuple[Field, ...] = ()
    widened: tuple[Field, ...] = ()
    retyped: tuple[Field, ...] = ()
    """Types that no ALTER reaches: only a new table can have them."""
    kept: tuple[str, ...] = ()
    """Columns that the source no longer has: kept, NULL from now on."""

    @property
    def needed(self) -> bool:
        return bool(self.added or self.widened or self.retyped)

    def notes(self) -> list[str]:
        notes = [f"column {f.target} added as {f.target_type}" for f in self.added]
        notes += [f"column {f.target} widened to {f.target_type}" for f in self.widened]
        notes += [f"column {f.target} rebuilt as {f.target_type}" for f in self.retyped]
        notes += [f"column {name} is no longer in the source: kept, NULL from now on" for name in self.kept]
        if self.added and self.kept:
            notes.append("a renamed column arrives as a dropped and an added one")
        return notes


def evolve(fields: Sequence[Field], existing: Mapping[str, str]) -> Evolution:
    """Compares the fields with the target's columns (name -> type as Snowflake describes it)."""
    added, widened, retyped = [], [], []
    for item in fields:
        have = existing.get(item.target)
        if have is None:
            added.append(item)
        elif accommodates(have, item.target_type):
            continue
        elif widens(have, item.target_type):
            widened.append(item)
        else:
            retyped.append(item)
    wanted = {item.target for item in fields}
    kept = tuple(name for name in existing if name not in wanted)
    return Evolution(tuple(added), tuple(widened), tuple(retyped), kept)


_TYPE = re.compile(r"(\w+)(?:\((\d+)(?:,\s*(\d+))?\))?$")


def _parts(type_sql: str) -> tuple[str, int, int]:
    match = _TYPE.match(type_sql)
    if not match:
        return type_sql, 0, 0
    return match[1], int(match[2] or 0), int(match[3] or 0)


def accommodates(have: str, want: str) -> bool:
    """A column of type `have` holds every value of type `want` exactly, without a change."""
    (have_name, have_size, have_scale), (want_name, want_size, want_scale) = _parts(have), _parts(want)
    if have_name != want_name:
        return False
    if have_name == "NUMBER":
        return have_scale >= want_scale and have_size - have_scale >= want_size - want_scale
    return have_size == 0 or have_size >= want_size


def as_held(item: Field, have: str) -> Field:
    """The field, compared with all the decimals of the target's column of type `have`, which stays as it is."""
    _, _, scale = _parts(have)
    if (
        not item.canonical_source
        or not item.target_type.startswith("NUMBER")
        or not accommodates(have, item.target_type)
    ):
        return item
    if scale == _parts(item.target_type)[2]:
        return item
    source = f"round(({item.canonical_source})::numeric, {scale})::text"
    return replace(
        item, canonical_source=source, canonical_target=f"TO_VARCHAR({quote(item.target)}::NUMBER(38,{scale}))"
    )


def widens(have: str, want: str) -> bool:
    """ALTER COLUMN SET DATA TYPE leads from `have` to `want`: more digits at the same scale, or a longer VARCHAR."""
    (have_name, have_size, have_scale), (want_name, want_size, want_scale) = _parts(have), _parts(want)
    if have_name != want_name or want_size <= have_size:
        return False
    return have_name == "VARCHAR" or (have_name == "NUMBER" and have_scale == want_scale)


# --- the plan ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TablePlan:
    """What one table's run will do, fixed before a row moves."""

    table: Table
    fields: tuple[Field, ...]
    target_name: str
    """The table's name in the target schema, unquoted."""
    mode: Mode
    """What this run does: an incremental table's first load, and each reload, is full."""
    publish: str
    """swap, overwrite, merge or append."""
    key: tuple[str, ...]
    """Source columns that identify a row; () where none is needed."""
    chunks: tuple[Chunk, ...]
    evolution: Evolution
    target_exists: bool
    window: Window | None = None
    only: str = ""
    """SQL over the source row: a repair reads no others."""
    reader: str = "copy"
    lag_s: float | None = None
    """Of an incremental table: seconds by which what is known to be complete is behind the clock."""
    notes: tuple[str, ...] = ()
    node: str = field(default="", compare=False)
    """Which server it was made on, and as what."""
    tuning: Tuning = field(default=Tuning(), compare=False)
    """How this process copies it."""
    prediction: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """What it is expected to take and to cost, as engine.predict tells it."""

    @property
    def readers_max(self) -> int:
        """Readers at once: two where a page points to more than a chunk, for a row of 50 MB is 150 MB on its way."""
        return 2 if any(chunk.end and chunk.end[1] for chunk in self.chunks) else len(self.chunks)

    @property
    def counts_losses(self) -> bool:
        return any(f.losses and f.on_loss != "error" for f in self.fields)

    @property
    def id(self) -> str:
        """The beginning of its hash, for people."""
        return self.hash[:16]

    @property
    def hash(self) -> str:
        """SHA-256 of all that decides which rows are read and what becomes of them, in hex."""
        parts = (
            self.table.label, str(self.table.oid), self.target_name, self.mode, self.publish, repr(self.key),
            repr(self.chunks), repr(self.window),
            repr([(f.source, f.target, f.target_type, f.select) for f in self.fields]),
        )  # fmt: skip
        return hashlib.sha256("\x00".join(parts).encode()).hexdigest()

    def field_of(self, column: str) -> Field:
        return next(f for f in self.fields if f.source == column)

    def to_json(self) -> dict[str, object]:
        return {
            "table": self.table.label,
            "target_table": self.target_name,
            "plan_id": self.id,
            "mode": self.mode,
            "publish": self.publish,
            "key": list(self.key),
            "reader": self.reader,
            "chunks": len(self.chunks),
            "bytes_estimate": self.table.bytes_total,
            "columns": [{"name": f.target, "type": f.target_type, "from": f.source} for f in self.fields],
            "node": self.node,
            "window": None if self.window is None else {"low": self.window.low, "high": self.window.high},
            "changes": self.evolution.notes() if self.target_exists else [],
            "notes": list(self.notes),
            "decisions": [asdict(each) for each in self.tuning.decisions],
            "prediction": dict(self.prediction),
        }


def tuned(plan: TablePlan, tuning: Tuning) -> TablePlan:
    """The plan, copied so; with no more readers and loaders than it has chunks for."""
    most = {"readers": plan.readers_max, "loaders": len(plan.chunks)}
    decisions = tuple(
        replace(each, value=most[each.setting], why="a chunk each: the table has no more", source="table")
        if each.setting in most and int(each.value) > most[each.setting]
        else each
        for each in tuning.decisions
    )
    readers, loaders = min(tuning.readers, most["readers"]), min(tuning.loaders, most["loaders"])
    return replace(plan, tuning=replace(tuning, readers=readers, loaders=loaders, decisions=decisions))


def assign(plans: Sequence[TablePlan], groups: int) -> list[list[list[int]]]:
    """For each group, for each plan, the ids of its chunks: about as many bytes for each group; the same each time."""
    groups_of: list[list[list[int]]] = [[[] for _ in plans] for _ in range(groups)]
    heap = [(0, group) for group in range(groups)]
    chunks = [(chunk.bytes_estimate, number, chunk.id) for number, plan in enumerate(plans) for chunk in plan.chunks]
    for size, number, chunk in sorted(chunks, key=lambda item: (-item[0], item[1], item[2])):
        filled, group = heapq.heappop(heap)
        groups_of[group][number].append(chunk)
        heapq.heappush(heap, (filled + size, group))
    return groups_of


def left_of_groups(plans: Sequence[TablePlan], groups: int, loaded: Sequence[Container[int]]) -> list[int]:
    """Bytes that each group has yet to copy; `loaded`: of each plan, the ids of its chunks that are."""
    sizes = [{chunk.id: chunk.bytes_estimate for chunk in plan.chunks} for plan in plans]
    return [
        sum(sizes[n][chunk] for n, chunks in enumerate(group) for chunk in chunks if chunk not in loaded[n])
        for group in assign(plans, groups)
    ]


def biggest_first(plans: Iterable[TablePlan]) -> list[TablePlan]:
    return sorted(plans, key=lambda plan: -plan.table.bytes_total)
