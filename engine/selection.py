"""Table names as a configuration writes them, and which relations of a source they select. Pure.

`schema.table` in SQL's quoting: `"my schema"."odd.table"`. Matching is case-sensitive; `*` and `?` outside quotes stand
for any characters and any one character. Exact names win over patterns, then the first entry that matches.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.config import TableOptions

Relation = tuple[str, str, str, bool]
"""Schema, name, `pg_class.relkind`, and whether it is a partition of another relation."""

KIND_WORDS: Mapping[str, str] = {
    "r": "table",
    "p": "partitioned",
    "v": "view",
    "m": "materialized_view",
    "f": "foreign",
}


@dataclass(frozen=True, slots=True)
class Resolved:
    """A relation of the source that a configuration selects, and how it is to be replicated."""

    schema: str
    name: str
    options: TableOptions

    @property
    def label(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def target_name(self) -> str:
        return self.options.target_name or self.name.upper()


@dataclass(frozen=True, slots=True)
class NamePattern:
    """One `schema.table` with its two parts as written: text, and whether `*` and `?` in it are wild."""

    schema: str
    schema_wild: bool
    name: str
    name_wild: bool

    @classmethod
    def parse(cls, text: str) -> NamePattern:
        """Raises ValueError with the remedy."""
        parts = _split(text)
        if len(parts) != 2:
            asked = "write schema.table, such as public.orders or public.*"
            if len(parts) > 2:
                asked += '; a name that holds a dot stands in double quotes: public."odd.table"'
            raise ValueError(f"is not a table name; {asked}")
        (schema, schema_wild), (name, name_wild) = parts
        return cls(schema, schema_wild, name, name_wild)

    @property
    def exact(self) -> tuple[str, str] | None:
        return None if self.schema_wild or self.name_wild else (self.schema, self.name)

    def selects(self, schema: str, name: str) -> bool:
        return _like(schema, self.schema, self.schema_wild) and _like(name, self.name, self.name_wild)


def _split(text: str) -> list[tuple[str, bool]]:
    """The dotted parts of a name: text without quotes, and whether it is a pattern."""
    parts: list[tuple[str, bool]] = []
    rest = text
    while True:
        part = re.match(r'"((?:[^"]|"")+)"|([^".]+)', rest, re.DOTALL)
        if part is None:
            raise ValueError('is not a table name; write schema.table, or "schema"."table" with each quote doubled')
        quoted, plain = part.groups()
        if quoted is None:
            parts.append((plain, "*" in plain or "?" in plain))
        else:
            parts.append((quoted.replace('""', '"'), False))
        rest = rest[part.end() :]
        if not rest:
            return parts
        if rest[0] != ".":
            raise ValueError("is not a table name; a quote stands only around a whole schema or table name")
        rest = rest[1:]


def _like(text: str, pattern: str, wild: bool) -> bool:
    if not wild:
        return text == pattern
    head, *rest = ["".join("." if char == "?" else re.escape(char) for char in part) for part in pattern.split("*")]
    if rest:  # the first place of each part is the best one: without going back, `*a*a*a*a*b` takes no minutes
        head += "".join(f"(?>.*?{part})" for part in rest[:-1]) + f".*{rest[-1]}"
    return re.fullmatch(head, text, re.DOTALL) is not None


def written(schema: str, name: str) -> str:
    """The name as a configuration would write it: NamePattern.parse gives the same two parts back."""
    return ".".join(
        part if part and not re.search(r'[".*?\s]', part) else '"' + part.replace('"', '""') + '"'
        for part in (schema, name)
    )


def select(
    entries: Sequence[TableOptions], relations: Sequence[Relation], names: Sequence[str], group: str | None = None
) -> tuple[list[Resolved], list[str]]:
    """The relations that the entries select, in the order of the entries, of the names or the group asked for.

    And the faults. Without names and group all are asked for. A fault that no asked-for table has a part in is not
    reported.
    """
    known = {(schema, name): (kind, partition) for schema, name, kind, partition in relations}
    selected, missing = _configured(entries, relations, known)
    if group is not None:
        return _grouped(group, entries, selected, missing)
    if not names:
        return selected, [*missing.values(), *_collisions(selected, selected)]
    asked, faults = _asked(names, selected, missing, known)
    return asked, [*faults, *_collisions(selected, asked)]


def _configured(
    entries: Sequence[TableOptions], relations: Sequence[Relation], known: Mapping[tuple[str, str], tuple[str, bool]]
) -> tuple[list[Resolved], dict[tuple[str, str] | str, str]]:
    """Everything that the entries select, and the fault of each entry that names nothing, by its name."""
    taken: dict[tuple[str, str], tuple[int, TableOptions]] = {}
    missing: dict[tuple[str, str] | str, str] = {}
    for index, entry in enumerate(entries):
        exact = entry.pattern.exact
        if exact is None:
            continue
        if exact in known:
            taken.setdefault(exact, (index, entry))
        else:
            missing[exact] = f"tables[{index}].name: {_absent(exact, known)}"
    for index, entry in enumerate(entries):
        if entry.pattern.exact is not None:
            continue
        matching = [r for r in relations if entry.pattern.selects(r[0], r[1])]
        if not matching:
            missing[entry.name] = (
                f"tables[{index}].name: {entry.name} matches no relation of the source; "
                f"its schemas are {_listed(sorted({r[0] for r in relations}))}"
            )
            continue
        kinds = {KIND_WORDS.get(kind, kind) for _, _, kind, _ in matching}
        if not kinds & set(entry.kinds):
            missing[entry.name] = (
                f"tables[{index}].kinds: {entry.name} matches only relations of kind {_listed(sorted(kinds))}; "
                f"add the kinds wanted, such as kinds = {sorted(kinds)!r}".replace("'", '"')
            )
        for schema, name, kind, partition in matching:
            excluded = any(pattern.selects(schema, name) for pattern in entry.exclusions)
            if not partition and not excluded and KIND_WORDS.get(kind) in entry.kinds:
                taken.setdefault((schema, name), (index, entry))
    ordered = sorted(taken.items(), key=lambda item: item[1][0])
    return [Resolved(schema, name, entry) for (schema, name), (_, entry) in ordered], missing


def _grouped(
    group: str,
    entries: Sequence[TableOptions],
    selected: Sequence[Resolved],
    missing: Mapping[tuple[str, str] | str, str],
) -> tuple[list[Resolved], list[str]]:
    members = [entry for entry in entries if entry.group == group]
    if not members:
        groups = sorted({entry.group for entry in entries if entry.group is not None})
        there_are = f"there are {_listed(groups)}" if groups else f'set group = "{group}" in entries of tables'
        return [], [f"group {group}: no entry of tables is in it; {there_are}"]
    faults = [missing[name] for entry in members if (name := entry.pattern.exact or entry.name) in missing]
    asked = [each for each in selected if each.options.group == group]
    return asked, [*faults, *_collisions(selected, asked)]


def _asked(
    names: Sequence[str],
    selected: Sequence[Resolved],
    missing: Mapping[tuple[str, str] | str, str],
    known: Mapping[tuple[str, str], object],
) -> tuple[list[Resolved], list[str]]:
    asked: dict[tuple[str, str], Resolved] = {}
    faults: list[str] = []
    for text in names:
        try:
            pattern: NamePattern | None = NamePattern.parse(text)
        except ValueError as refusal:
            pattern, fault = None, f"{text} {refusal}"
        found = [r for r in selected if r.label == text or (pattern and pattern.selects(r.schema, r.name))]
        asked.update(((r.schema, r.name), r) for r in found)
        if found:
            continue
        if pattern is not None and pattern.exact in known:
            fault = f"{text}: is at the source, but no entry of tables selects it; add [[tables]] name = '{text}'"
        elif pattern is not None and pattern.exact and pattern.exact in missing:
            fault = missing[pattern.exact]
        elif pattern is not None:
            labels = [written(r.schema, r.name) for r in selected]
            fault = f"{text}: no configured table has this name; {_meant(text, labels)}"
        faults.append(fault)
    return list(asked.values()), faults


def _absent(exact: tuple[str, str], known: Iterable[tuple[str, str]]) -> str:
    label = written(*exact)
    return f"{label} is not at the source; {_meant(label, [written(*each) for each in known])}"


def _meant(label: str, labels: Sequence[str]) -> str:
    same = [each for each in labels if each.lower() == label.lower()]
    if same:
        return f"names are case-sensitive, did you mean {_listed(same)}?"
    close = difflib.get_close_matches(label, labels, n=3) or [
        each for each in labels if each.partition(".")[2] == label.partition(".")[2] or each.endswith(f".{label}")
    ]
    if close:
        return f"did you mean {_listed(close[:3])}?"
    return f"there are {_listed(sorted(labels))}" if labels else "the source shows no table to this role"


def _listed(words: Sequence[str], most: int = 8) -> str:
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")


def _collisions(selected: Iterable[Resolved], asked: Iterable[Resolved]) -> list[str]:
    """Two tables for one target name would overwrite each other, also when only one of them runs now."""
    by_target: dict[str, list[Resolved]] = {}
    for each in selected:
        by_target.setdefault(each.target_name, []).append(each)
    concerned = {each.target_name for each in asked}
    return [
        f'{_listed([written(e.schema, e.name) for e in group])} would all be "{target}" in the target; '
        "set target_name for one of them in its own [[tables]] entry, or exclude it"
        for target, group in by_target.items()
        if len(group) > 1 and target in concerned
    ]
