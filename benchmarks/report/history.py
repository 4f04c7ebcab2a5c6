"""The part of the page that shows what our own contenders did from result to result on one machine. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle

from benchmarks.report.plots import SERIES, Curve, lines
from benchmarks.report.sheet import Cell, Column, Found, Part, Plot, Row, Table, cpu_of, is_ours, number, text, title_of

DAYS_MAX = 6
"""What an axis has room for."""

Told = Sequence[tuple[int, Found]]
"""Our contenders of one scenario, each with the place of its result among the kept ones."""


def parts_of(kept: Sequence[Found]) -> Iterator[Part]:
    """`kept`, oldest first, are of one machine and profile. Nothing where no scenario stands in two of them."""
    plots: list[Plot] = []
    rows: list[Row] = []
    days: dict[float, str] = {place: result["at"][5:10] for place, result in enumerate(kept)}
    for title in dict.fromkeys(title_of(finding) for result in kept for finding in result["scenarios"]):
        told = list(_told(kept, title))
        if len({place for place, _ in told}) > 1:
            plots += _plots(title, told, days)
            rows += [_row(title, kept[place], contender) for place, contender in told]
    if rows:
        titles = ["Scenario", "At", "Commit", "×\u00a0base", "CPU s/M rows", "Peak MB"]
        about = "Kept results of this machine and profile, oldest first. CPU is of client and backends together."
        columns = [*map(Column, ["Contender", *titles])]
        yield Part("History", about, plots=plots, tables=[Table("Borealis, result by result", columns, rows)])


def _told(kept: Sequence[Found], title: str) -> Iterator[tuple[int, Found]]:
    for place, result in enumerate(kept):
        for finding in result["scenarios"]:
            if title_of(finding) == title:
                yield from ((place, contender) for contender in finding["contenders"] if is_ours(contender))


def _plots(title: str, told: Told, days: Mapping[float, str]) -> Iterator[Plot]:
    every = (len(days) - 1) // DAYS_MAX + 1
    ticks = {place: day for place, day in days.items() if place % every == 0}
    names = dict.fromkeys(contender["name"] for _, contender in told)
    colours = dict(zip(names, cycle(SERIES), strict=False))
    measures: dict[str, Callable[[Found], float | None]] = {
        "ratio to base": lambda contender: contender["ratio_to_base"],
        "CPU seconds per million rows": lambda contender: sum(cpu_of(contender).values()) or None,
    }
    for unit, measure in measures.items():
        curves = [
            Curve(name, colour, points)
            for name, colour in colours.items()
            if (points := [(place, value) for place, of in told if of["name"] == name and (value := measure(of))])
        ]
        if curves:
            drawn = lines(f"History, {title}: {unit}", curves, ticks=ticks)
            yield Plot(title, unit, drawn, {curve.role: curve.name for curve in curves})


def _row(title: str, result: Found, contender: Found) -> Row:
    return Row(
        [
            text(contender["name"]),
            text(title),
            Cell(result["at"][:16].replace("T", " "), result["at"]),
            Cell(str(result["commit"]), str(result["commit"])),
            number(contender["ratio_to_base"]),
            number(sum(cpu_of(contender).values()) or None),
            number(contender["rss_peak_mb"], ",.0f"),
        ]
    )
