"""Which rows differ between a table and its copy, asked of both databases in the same words. Pure.

A row has two digests of 60 bits: of its key, and of all its columns that have a canonical text. First each side adds
up the rows of 4,096 buckets of keys; then it lists the digests in the buckets that differ; then it shows the keys of
the rows that differ, with a digest of each column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.model import Field
from engine.plan import Window
from engine.quoting import literal, quote
from engine.sql import gone, source, target

BUCKETS = 4096
Kind = Literal["missing", "extra", "doubled", "changed", "newer"]
"""Of rows with one key. `missing`, `extra` at the target; `doubled` there; `changed` in a column; `newer` at the source
than what the target is known to have, so that the next run brings them."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What is compared of a table: its fields, of which those of the key find a row, or all of them where none does."""

    fields: tuple[Field, ...]
    key: tuple[Field, ...]

    @property
    def source(self) -> tuple[str, str]:
        """Digests of key and row at the source."""
        return source.digest(self.key) or "0", source.digest(self.fields) or "0"

    @property
    def target(self) -> tuple[str, str]:
        return target.digest(self.key) or "0", target.digest(self.fields) or "0"


NEVER = "false"


def newer(window: Window | None, watermark: str | None) -> str:
    """True for a source row that changed after the last run: what the next one will read, by the same words.

    To a merge a date says so of the whole last day.
    """
    if window is None or watermark is None:
        return NEVER
    after = ">=" if window.cursor.by_day and not window.bounded else ">"
    return f"coalesce({quote(window.cursor.name)} {after} {literal(watermark)}::{window.cursor.type_sql}, false)"


def buckets(digests: tuple[str, str], rows: str, buckets_max: int = BUCKETS) -> str:
    """(bucket, rows, sum of their digests) of the first buckets; `digests` are those of the side that is asked."""
    some = f" WHERE {_bucket('k')} < {buckets_max}" if buckets_max < BUCKETS else ""
    return (
        f"SELECT {_bucket('k')} AS b, COUNT(*), SUM(d) FROM (SELECT {digests[0]} AS k, {digests[1]} AS d {rows}) AS r"
        f"{some} GROUP BY 1"
    )


def rows_in(digests: tuple[str, str], rows: str, chosen: Iterable[int], newer: str = NEVER, gone: str = NEVER) -> str:
    """(digest of the key, digest of the row, both conditions) of the rows in these buckets."""
    listed = ", ".join(map(str, chosen))
    return (
        f"SELECT k, d, n, g FROM (SELECT {digests[0]} AS k, {digests[1]} AS d, {newer} AS n, {gone} AS g {rows}) AS r"
        f" WHERE {_bucket('k')} IN ({listed})"
    )


def columns_at_source(compared: Compared, key: Sequence[Field], rows: str, keys: Iterable[int]) -> str:
    """(digest of the key, what is printed of each column in `key`, digest of each column) of the rows with these keys.

    concat() prints what the type's output function prints, which a cast to text does not always.
    """
    shown = [f"CASE WHEN {quote(f.source)} IS DISTINCT FROM NULL THEN concat({quote(f.source)}) END" for f in key]
    columns = [source.digest([f]) or "0" for f in compared.fields]
    return _columns(compared.source[0], [*shown, *columns], rows, keys)


def columns_at_target(compared: Compared, key: Sequence[Field], rows: str, keys: Iterable[int]) -> str:
    shown = [f"TO_VARCHAR({quote(f.target)})" for f in key]
    columns = [target.digest([f]) or "0" for f in compared.fields]
    return _columns(compared.target[0], [*shown, *columns], rows, keys)


def _columns(digest: str, columns: Sequence[str], rows: str, keys: Iterable[int]) -> str:
    named = ", ".join(f"{column} AS c{n}" for n, column in enumerate(columns))
    return f"SELECT * FROM (SELECT {digest} AS k, {named} {rows}) AS r WHERE {with_keys('k', keys)}"


def with_keys(digest: str, keys: Iterable[int]) -> str:
    return f"{digest} IN ({', '.join(map(str, keys))})"


def _bucket(digest: str) -> str:
    """The same words in both databases: their operators for bits differ."""
    return f"MOD({digest}, {BUCKETS})"


def delete(table: str, compared: Compared, keys: Iterable[int]) -> str:
    return f"DELETE FROM {table} WHERE {with_keys(compared.target[0], keys)}"


def mark(table: str, column: str, compared: Compared, keys: Iterable[int]) -> str:
    """Marks the rows as gone."""
    return f"{gone.mark_gone(table, column)} AND {with_keys(compared.target[0], keys)}"


def checksum_of(table: str, compared: Compared, keys: Iterable[int]) -> str:
    """(rows, sum of their digests) of those with these keys, at the target."""
    key, row = compared.target
    return f"SELECT COUNT(*), COALESCE(SUM({row}), 0) FROM {table} WHERE {with_keys(key, keys)}"


def kinds(
    at_source: Mapping[int, Counter[int]], at_target: Mapping[int, Counter[int]], newer_keys: set[int]
) -> dict[int, Kind]:
    """What is the matter with each key whose rows differ. Both map a key's digest to those of its rows, counted."""
    found: dict[int, Kind] = {}
    for key in at_source.keys() | at_target.keys():
        have, want = at_target.get(key, Counter()), at_source.get(key, Counter())
        if have == want:
            continue
        if key in newer_keys:
            found[key] = "newer"
        elif not have or (have < want and have.keys() == want.keys()):
            found[key] = "missing"
        elif not want:
            found[key] = "extra"
        else:
            found[key] = "doubled" if want < have else "changed"
    return found
