"""A table and its copy compared: by counts, by checksums, or down to the rows that differ.

Both sides compute by themselves, the source in one snapshot; what travels are sums, and digests of the rows of buckets
whose sums differ.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.checksum import source_checksum, target_checksum
from engine.errors import RefusedError
from engine.model import Chunk, Field
from engine.plan import TablePlan
from engine.source.connection import Translated
from engine.source.snapshot import Snapshot
from engine.sql import difference as sql
from engine.sql import source as source_sql
from engine.sql import target as target_sql
from engine.sql.difference import BUCKETS, Compared, Kind
from engine.target.snowflake import Target
from engine.tasks import in_turns

Level = Literal["count", "checksum", "bisect"]
SHOWN_MAX = 100
"""Rows that are told by their key; the others are counted."""
LISTED_MAX = 1_000_000
"""Rows whose digests are fetched from a side: about 150 MB of memory. Where more differ, a full load is the remedy."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A key whose rows are not the same on both sides."""

    kind: Kind
    key: dict[str, str | None] | None
    """What its database prints, by source column; None where nothing identifies a row."""
    columns: tuple[str, ...] = ()
    """Of a changed row: the source columns that differ."""
    chunk: int | None = None
    """Of the source's rows; None where it has none."""


@dataclass(slots=True)
class VerifyResult:
    """One table compared now. Rows of an incremental table that changed after its last run are `newer`, no fault."""

    table: str
    target_table: str
    level: Level
    rows_source: int = 0
    rows_target: int = 0
    checksum_source: str | None = None
    checksum_target: str | None = None
    excluded_columns: list[str] = field(default_factory=list)
    """What is in their values is not compared; of most of them the shape is."""
    sampled: float | None = None
    """The part of the keys that was looked at; rows and checksums are theirs."""
    differing: dict[Kind, int] = field(default_factory=dict)
    """Keys by what is the matter with them; after a repair, with those that are left."""
    differences: list[Difference] = field(default_factory=list)
    """The first of them."""
    repaired: dict[Kind, int] = field(default_factory=dict)
    """Keys whose rows were made equal, by what had been the matter."""
    only_newer: bool = False
    """Of counts or checksums that are not equal: changes that the next run will bring are why."""
    error: str | None = None

    @property
    def ok(self) -> bool:
        if self.level == "bisect":
            return self.error is None and self.differing.keys() <= {"newer"}
        return self.error is None and (self.is_same or self.only_newer)

    @property
    def is_same(self) -> bool:
        return (self.rows_source, self.checksum_source) == (self.rows_target, self.checksum_target)

    def to_json(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        shown = [
            {"kind": each.kind, "key": each.key, "columns": each.columns, "chunk": each.chunk}
            for each in self.differences
        ]
        return {"ok": self.ok, **values, "differences": shown}


def is_compared(item: Field) -> bool:
    return item.canonical_source is not None and not item.shape


@dataclass(frozen=True, slots=True)
class Sides:
    """A table and its copy, as they are compared."""

    snapshot: Snapshot
    target: Target
    plan: TablePlan
    table: str
    """At the target, without the rows that are marked as gone; quoted and qualified."""
    deleted: Field | None = None
    """The source's column that marks rows as deleted, which then are not at the target."""
    watermark: str | None = None
    """Up to where the target is known to be: what is above it at the source is newer."""
    mark: str | None = None
    """The target's column that marks rows as gone; of `table` they are left out."""

    @property
    def key(self) -> tuple[Field, ...]:
        """What identifies a row; () where nothing does that both databases write alike."""
        names = self.plan.key or self.plan.table.key
        fields = {f.source: f for f in reversed(self.plan.fields) if is_compared(f)}
        return tuple(fields[name] for name in names) if fields.keys() >= set(names) else ()

    @property
    def compared(self) -> Compared:
        """Of JSON, arrays and composites only the shape: they have no text that both databases write alike."""
        fields = tuple(f for f in self.plan.fields if f.canonical_source is not None)
        return Compared(fields, self.key or fields)

    @property
    def newer(self) -> str:
        """SQL over a source row."""
        return sql.newer(self.plan.window, self.watermark)

    async def at_source(
        self,
        question: Callable[[str], str],
        take: Callable[[Sequence[Any], int], None],
        *,
        with_deleted: bool = False,
    ) -> None:
        """Asks each chunk, as many at once as there are readers; `take` is given each row of the answers, and whose."""

        async def ask(chunk: Chunk) -> None:
            rows = source_sql.rows_of(self.plan, chunk)
            rows = rows if with_deleted else source_sql.unflagged(rows, self.deleted)
            async with self.snapshot.reader() as connection:
                with Translated(f"cannot compare {self.plan.table.label}"):
                    answer = await connection.fetch(question(rows))
            for row in answer:
                take(row, chunk.id)

        await in_turns(self.plan.chunks, self.snapshot.readers, ask)

    async def at_target(self, question: Callable[[str], str]) -> list[tuple[Any, ...]]:
        return await self.target.execute(question(f"FROM {self.table}"), doing=f"cannot compare {self.table}")


async def compare(sides: Sides, level: Level, sample: float | None = None) -> tuple[VerifyResult, dict[int, Kind]]:
    """What is found, and for `bisect` what is the matter with each key that differs, by its digest."""
    plan, target = sides.plan, sides.target
    result = VerifyResult(plan.table.label, target.names.table(plan.target_name), level, sampled=sample)
    if level == "count":
        await _count(sides, result)
        return result, {}
    result.excluded_columns = [item.source for item in plan.fields if not is_compared(item)]
    if level == "checksum":
        result.rows_source, total = await source_checksum(sides.snapshot, plan, plan.fields, sides.deleted)
        result.checksum_source = str(total)
        result.rows_target, total = await target_checksum(target, sides.table, plan.fields)
        result.checksum_target = str(total)
        if result.is_same or sides.newer == sql.NEVER:
            return result, {}
    found, chunks = await _bisect(sides, result, BUCKETS if sample is None else max(1, round(BUCKETS * sample)))
    result.differing = dict(Counter(found.values()).most_common())
    result.only_newer = level != "bisect" and result.differing.keys() == {"newer"}
    await _show(sides, result, found, chunks)
    return result, found


async def _count(sides: Sides, result: VerifyResult) -> None:
    """Rows that came after the last run are at the source only, those marked as deleted after it at the target only."""
    plan = sides.plan
    rows = source_sql.all_rows_of(plan.table, plan.window)
    async with sides.snapshot.reader() as connection:
        with Translated(f"cannot count {plan.table.label}"):
            question = source_sql.count_apart(rows, sides.newer, sides.deleted)
            result.rows_source, came, went = await connection.fetchrow(question)
    ((count,),) = await sides.target.execute(target_sql.count(sides.table), doing="cannot count the target")
    result.rows_target = int(count)
    result.only_newer = not result.is_same and -came <= result.rows_target - result.rows_source <= went


async def _bisect(sides: Sides, result: VerifyResult, buckets_max: int) -> tuple[dict[int, Kind], dict[int, int]]:
    """What is the matter with each key that differs, and the chunk of those that the source has, by their digest."""
    compared = sides.compared
    sums: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0, 0])

    def add(at: int, row: Sequence[Any]) -> None:
        total = sums[int(row[0])]
        total[at] += int(row[1])
        total[at + 1] += int(row[2])

    await sides.at_source(lambda rows: sql.buckets(compared.source, rows, buckets_max), lambda row, _: add(0, row))
    for row in await sides.at_target(lambda rows: sql.buckets(compared.target, rows, buckets_max)):
        add(2, row)
    result.rows_source, result.rows_target = sum(s[0] for s in sums.values()), sum(s[2] for s in sums.values())
    result.checksum_source = str(sum(s[1] for s in sums.values()))
    result.checksum_target = str(sum(s[3] for s in sums.values()))
    differing = [bucket for bucket, total in sums.items() if total[:2] != total[2:]]
    if not differing:
        return {}, {}
    if max(sum(sums[bucket][at] for bucket in differing) for at in (0, 2)) > LISTED_MAX:
        few = f"{len(differing):,} of {len(sums):,} groups of keys differ, too many to list their rows"
        raise RefusedError([f"{sides.plan.table.label}: {few}; look at a part of them (--sample 0.01), or run --full"])
    at_source: dict[int, Counter[int]] = defaultdict(Counter)
    at_target: dict[int, Counter[int]] = defaultdict(Counter)
    newer_keys: set[int] = set()
    chunks: dict[int, int] = {}

    def take(row: Sequence[Any], chunk: int) -> None:
        key, digest, newer, gone = row
        if newer:
            newer_keys.add(key)
        if not gone:
            at_source[key][digest] += 1
            chunks[key] = chunk

    marks = sides.newer, source_sql.flagged(sides.deleted)
    await sides.at_source(lambda rows: sql.rows_in(compared.source, rows, differing, *marks), take, with_deleted=True)
    for row in await sides.at_target(lambda rows: sql.rows_in(compared.target, rows, differing)):
        at_target[int(row[0])][int(row[1])] += 1
    return sql.kinds(at_source, at_target, newer_keys), chunks


async def _show(sides: Sides, result: VerifyResult, found: Mapping[int, Kind], chunks: Mapping[int, int]) -> None:
    """The first differences by key, with the columns of those that changed."""
    compared, shown = sides.compared, sorted(key for key in found if found[key] != "newer")[:SHOWN_MAX]
    if not shown:
        return
    wanted: dict[int, list[Sequence[Any]]] = defaultdict(list)
    have: dict[int, list[Sequence[Any]]] = defaultdict(list)
    key = sides.key
    await sides.at_source(
        lambda rows: sql.columns_at_source(compared, key, rows, shown), lambda row, _: wanted[row[0]].append(row[1:])
    )
    for row in await sides.at_target(lambda rows: sql.columns_at_target(compared, key, rows, shown)):
        have[int(row[0])].append([*row[1 : len(key) + 1], *map(int, row[len(key) + 1 :])])
    for digest in shown:
        rows = [*wanted[digest], *have[digest]]
        values = {f.source: value for f, value in zip(key, rows[0] if rows else (), strict=False)}
        columns: set[str] = set()
        if found[digest] == "changed":
            for n, item in enumerate(compared.fields, start=len(key)):
                sides_have = ([row[n] for row in of[digest]] for of in (wanted, have))
                if len({tuple(sorted(digests)) for digests in sides_have}) > 1:
                    columns.add(item.source)
        in_order = tuple(dict.fromkeys(f.source for f in compared.fields if f.source in columns))
        result.differences.append(
            Difference(found[digest], values if key and rows else None, in_order, chunks.get(digest))
        )
