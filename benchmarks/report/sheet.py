"""What stands on the page: parts of plots and tables, as plain values. Pure; `page.html` says how they look."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

Found = Mapping[str, Any]
"""A result, a finding in one, or a contender in that, as it is kept."""

OURS = "borealis"
"""What the names of our own contenders begin with."""


@dataclass(frozen=True, slots=True)
class Cell:
    """`value` is what its column is sorted by; an empty one is sorted last. `look` is a class of the page's style."""

    text: str
    value: float | str = ""
    look: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    look: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Its first cell names it."""

    cells: Sequence[Cell]
    look: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Plot:
    """`legend` names the roles that its colours stand for."""

    title: str
    unit: str
    svg: Markup
    legend: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """One section of the page."""

    title: str
    about: str = ""
    facts: Mapping[str, Any] | None = None
    plots: Sequence[Plot] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()

    @property
    def anchor(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def text(content: str | None) -> Cell:
    return Cell(content or "", content or "", "text")


def number(value: float | None, form: str = ".2f", *, scale: float = 1, unit: str = "") -> Cell:
    """`scale` divides what is shown, not what is sorted."""
    return Cell("–") if value is None else Cell(f"{value / scale:{form}}{unit}", value)


def missing(contender: Found) -> Cell:
    """What it lost, or why it failed."""
    return text(f"failed: {contender['failed']}" if contender["failed"] else contender["lost"])


def title_of(finding: Found) -> str:
    title = f"{finding['scenario']}: {finding['dataset']}"
    return title[0].upper() + title[1:]


def is_ours(contender: Found) -> bool:
    return str(contender["name"]).lower().startswith(OURS)


def cpu_of(contender: Found) -> dict[str, float]:
    """CPU seconds per million rows by side, of the sides that were measured."""
    sides = {side: contender[f"{side}_cpu_s_per_million_rows"] for side in ("client", "backend")}
    return {side: seconds for side, seconds in sides.items() if seconds is not None}
