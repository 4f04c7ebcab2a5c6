"""Is the target equal to the source: by counts, by checksums, or down to the rows that differ, which can be repaired.

Both sides compute by themselves, the source in one snapshot; what travels are sums, and digests of the rows of buckets
whose sums differ.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.checksum import source_checksum, target_checksum
from engine.config import Config
from engine.errors import BorealisError, RefusedError
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
from engine.wiring import Opened, Refused, Wanted, looking

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
    """Canonical text by source column; None where nothing identifies a row."""
    columns: tuple[str, ...] = ()
    """Of a changed row: the source columns that differ."""


@dataclass(slots=True)
class VerifyResult:
    """One table compared now. What changed since the last run is a difference too; `bisect` knows it by the cursor."""

    table: str
    target_table: str
    level: Level
    rows_source: int = 0
    rows_target: int = 0
    checksum_source: str | None = None
    checksum_target: str | None = None
    excluded_columns: list[str] = field(default_factory=list)
    sampled: float | None = None
    """The part of the keys that was looked at; rows and checksums are theirs."""
    differing: dict[Kind, int] = field(default_factory=dict)
    """Keys by what is the matter with them; after a repair, with those that are left."""
    differences: list[Difference] = field(default_factory=list)
    """The first of them."""
    repaired: dict[Kind, int] = field(default_factory=dict)
    """Keys whose rows were made equal, by what had been the matter."""
    error: str | None = None

    @property
    def ok(self) -> bool:
        if self.level == "bisect":
            return self.error is None and self.differing.keys() <= {"newer"}
        same = (self.rows_source, self.checksum_source) == (self.rows_target, self.checksum_target)
        return self.error is None and same

    def to_json(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        shown = [{"kind": each.kind, "key": each.key, "columns": each.columns} for each in self.differences]
        return {"ok": self.ok, **values, "differences": shown}


@dataclass(frozen=True, slots=True)
class Sides:
    """A table and its copy, as they are compared."""

    snapshot: Snapshot
    target: Target
    plan: TablePlan
    table: str
    """At the target, without the rows that are marked as gone; quoted and qualified."""
    deleted: Field | None
    """The source's column that marks rows as deleted, which then are not at the target."""
    watermark: str | None

    @property
    def key(self) -> tuple[Field, ...]:
        """What identifies a row; () where nothing does that both databases write alike."""
        names = self.plan.key or self.plan.table.key
        key = tuple(f for f in self.plan.fields if f.source in names and f.canonical_source is not None)
        return key if len(key) == len(names) else ()

    @property
    def compared(self) -> Compared:
        """What JSON, arrays and composites hold is not: they have no text that both databases write alike."""
        fields = tuple(f for f in self.plan.fields if f.canonical_source is not None)
        return Compared(fields, self.key or fields)

    async def at_source(self, question: Callable[[str], str], take: Callable[[Sequence[Any]], None]) -> None:
        """Asks each chunk, as many at once as there are readers; `take` is given each row of the answers."""

        async def ask(chunk: Chunk) -> None:
            rows = source_sql.unflagged(source_sql.rows_of(self.plan, chunk), self.deleted)
            async with self.snapshot.reader() as connection:
                with Translated(f"cannot compare {self.plan.table.label}"):
                    answer = await connection.fetch(question(rows))
            for row in answer:
                take(row)

        await in_turns(self.plan.chunks, self.snapshot.readers, ask)

    async def at_target(self, question: Callable[[str], str]) -> list[tuple[Any, ...]]:
        return await self.target.execute(question(f"FROM {self.table}"), doing=f"cannot compare {self.table}")


def sides_of(target: Target, found: Opened, plan: TablePlan) -> Sides:
    """Raises RefusedError where the target is not there, or has other columns."""
    label = plan.table.label
    if not plan.target_exists:
        raise RefusedError([f"{label}: {plan.target_name} is not at the target yet; run it first"])
    if plan.evolution.needed:
        changes = "; ".join(plan.evolution.notes())
        raise RefusedError([f"{label}: the columns differ: {changes}; run it first"])
    choice = found.choice_of(plan)
    table = target_sql.unmarked(target.names.table(plan.target_name), found.mark_of(plan))
    watermark = choice.watermark.settled(choice.existing).value
    return Sides(found.snapshot, target, plan, table, found.flag_of(plan), watermark)


async def compare(sides: Sides, level: Level, sample: float | None = None) -> tuple[VerifyResult, dict[int, Kind]]:
    """What is found, and for `bisect` what is the matter with each key that differs, by its digest."""
    plan, target = sides.plan, sides.target
    result = VerifyResult(plan.table.label, target.names.table(plan.target_name), level, sampled=sample)
    if level == "count":
        async with sides.snapshot.reader() as connection:
            with Translated(f"cannot count {plan.table.label}"):
                rows = source_sql.unflagged(source_sql.all_rows_of(plan.table, plan.window), sides.deleted)
                result.rows_source = await connection.fetchval(f"SELECT count(*) {rows}")
        ((count,),) = await target.execute(target_sql.count(sides.table), doing="cannot count the target")
        result.rows_target = int(count)
        return result, {}
    result.excluded_columns = [item.source for item in plan.fields if item.canonical_source is None]
    if level == "checksum":
        result.rows_source, total = await source_checksum(sides.snapshot, plan, plan.fields, sides.deleted)
        result.checksum_source = str(total)
        result.rows_target, total = await target_checksum(target, sides.table, plan.fields)
        result.checksum_target = str(total)
        return result, {}
    found = await _bisect(sides, result, BUCKETS if sample is None else max(1, round(BUCKETS * sample)))
    result.differing = dict(Counter(found.values()).most_common())
    await _show(sides, result, found)
    return result, found


async def _bisect(sides: Sides, result: VerifyResult, buckets_max: int) -> dict[int, Kind]:
    compared = sides.compared
    sums: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0, 0])

    def add(at: int, row: Sequence[Any]) -> None:
        total = sums[int(row[0])]
        total[at] += int(row[1])
        total[at + 1] += int(row[2])

    await sides.at_source(lambda rows: sql.buckets(compared.source, rows, buckets_max), lambda row: add(0, row))
    for row in await sides.at_target(lambda rows: sql.buckets(compared.target, rows, buckets_max)):
        add(2, row)
    result.rows_source, result.rows_target = sum(s[0] for s in sums.values()), sum(s[2] for s in sums.values())
    result.checksum_source = str(sum(s[1] for s in sums.values()))
    result.checksum_target = str(sum(s[3] for s in sums.values()))
    differing = [bucket for bucket, total in sums.items() if total[:2] != total[2:]]
    if not differing:
        return {}
    if max(sum(sums[bucket][at] for bucket in differing) for at in (0, 2)) > LISTED_MAX:
        few = f"{len(differing):,} of {len(sums):,} groups of keys differ, too many to list their rows"
        raise RefusedError([f"{sides.plan.table.label}: {few}; look at a part of them (--sample 0.01), or run --full"])
    at_source: dict[int, Counter[int]] = defaultdict(Counter)
    at_target: dict[int, Counter[int]] = defaultdict(Counter)
    newer_keys: set[int] = set()

    def take(row: Sequence[Any]) -> None:
        at_source[row[0]][row[1]] += 1
        if row[2]:
            newer_keys.add(row[0])

    flag = sql.newer(sides.plan.window, sides.watermark)
    await sides.at_source(lambda rows: sql.rows_in(compared.source, rows, differing, flag), take)
    for row in await sides.at_target(lambda rows: sql.rows_in(compared.target, rows, differing)):
        at_target[int(row[0])][int(row[1])] += 1
    return sql.kinds(at_source, at_target, newer_keys)


async def _show(sides: Sides, result: VerifyResult, found: Mapping[int, Kind]) -> None:
    """The first differences by key, with the columns of those that changed."""
    compared, shown = sides.compared, sorted(key for key in found if found[key] != "newer")[:SHOWN_MAX]
    if not shown:
        return
    wanted: dict[int, Sequence[Any]] = {}
    await sides.at_source(lambda rows: sql.columns_at_source(compared, rows, shown), lambda r: wanted.update({r[0]: r}))
    answer = await sides.at_target(lambda rows: sql.columns_at_target(compared, rows, shown))
    have = {int(row[0]): row for row in answer}
    first = 1 + len(compared.key)
    for digest in shown:
        kind, row = found[digest], wanted.get(digest) or have.get(digest)
        assert row is not None
        key = {f.source: value for f, value in zip(compared.key, row[1:first], strict=True)}
        columns: tuple[str, ...] = ()
        if kind == "changed":
            pairs = zip(compared.fields, wanted[digest][first:], have[digest][first:], strict=True)
            columns = tuple(f.source for f, at_source, at_target in pairs if at_source != int(at_target))
        result.differences.append(Difference(kind, key if sides.key else None, columns))


async def verify(
    config: Config, names: Sequence[str], *, level: Level = "checksum", sample: float | None = None
) -> list[VerifyResult]:
    """Compares the tables now, and changes nothing. `sample`: the part of the keys that `bisect` looks at."""
    async with looking(config, Wanted(names)) as (made, found):
        plans, refused = await found.plan_all(full=True)
        results = [unplanned(made.target, each, level) for each in [*found.refused, *refused]]
        for plan in plans.values():
            try:
                result, _ = await compare(sides_of(made.target, found, plan), level, sample)
            except BorealisError as error:
                result = failed(made.target, plan.table.label, plan.target_name, level, error)
            results.append(result)
        return results


def unplanned(target: Target, refused: Refused, level: Level) -> VerifyResult:
    return failed(target, refused.label, refused.target_name, level, RefusedError(refused.faults))


def failed(target: Target, table: str, target_name: str, level: Level, error: BorealisError) -> VerifyResult:
    said = "\n".join(error.faults) if isinstance(error, RefusedError) else str(error)
    return VerifyResult(table, target.names.table(target_name), level, error=said)
