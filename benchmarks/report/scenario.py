"""The part of the page that shows one scenario's finding. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle

from benchmarks.report.plots import SERIES, Bar, bars
from benchmarks.report.sheet import (
    Column,
    Found,
    Part,
    Plot,
    Row,
    Table,
    cpu_of,
    is_ours,
    missing,
    number,
    text,
    title_of,
)


def part_of(finding: Found) -> Part:
    ranked = sorted(finding["contenders"], key=lambda contender: -(contender["ratio_to_base"] or 0))
    about = f"{finding['rows']:,} rows."
    if ranked and finding["base"]:
        about += f" Medians over rounds, ratios to {finding['base']}; whiskers from the slowest round to the fastest."
    return Part(
        title_of(finding),
        about,
        plots=list(_plots(finding, ranked)),
        tables=[*_contest(finding, ranked), *_phases(ranked), *_figures(finding)],
        notes=finding["notes"],
    )


def rate_text(value: float) -> str:
    return f"{value / 1e6:.2f} M" if value >= 1e6 else f"{value / 1e3:.0f} k"


# --- plots ------------------------------------------------------------------------------------------------------


def _plots(finding: Found, ranked: Sequence[Found]) -> Iterator[Plot]:
    """Of what was measured; a contender without a figure is missing in its plot."""
    whose = {"ours": "Borealis", "base": finding["base"], "peer": "others"}
    colours = dict(zip(_phase_names(ranked), cycle(SERIES), strict=False))
    lossy = "; hatched: something was lost" * any(contender["lost"] for contender in ranked)
    for title, unit, bar, legend in (
        ("Rate", f"million rows per second{lossy}", _rate_bar, whose),
        ("CPU", "seconds per million rows", _cpu_bar, {"client": "client", "backend": "PostgreSQL's backends"}),
        ("Peak memory", "MB, resident, of the client's processes", _memory_bar, whose),
        (
            "Phases",
            "seconds, added up over tasks that overlap",
            _phase_bar(colours),
            {v: k for k, v in colours.items()},
        ),
    ):
        drawn = [made for contender in ranked if (made := bar(contender, _role(finding, contender)))]
        used = {role for made in drawn for role, _ in made.parts}
        if drawn:
            shown = {role: name for role, name in legend.items() if role in used}
            yield Plot(title, unit, bars(f"{title_of(finding)}: {title}", drawn), shown)


def _role(finding: Found, contender: Found) -> str:
    return "base" if contender["name"] == finding["base"] else "ours" if is_ours(contender) else "peer"


def _rate_bar(contender: Found, role: str) -> Bar | None:
    rate = contender["rows_per_second"]
    if not rate:
        return None
    ratio = "" if contender["ratio_to_base"] is None else f" · {contender['ratio_to_base']:.2f} ×"
    rates = [run["rows"] / run["seconds"] / 1e6 for run in contender["runs"]]
    ends, hatched = (min(rates), max(rates)), bool(contender["lost"])
    return Bar(contender["name"], f"{rate_text(rate)}/s{ratio}", [(role, rate / 1e6)], *ends, hatched=hatched)


def _cpu_bar(contender: Found, _: str) -> Bar | None:
    sides = cpu_of(contender)
    figure = " + ".join(f"{seconds:.2f}" for seconds in sides.values())
    return Bar(contender["name"], f"{figure} s", list(sides.items())) if sides else None


def _memory_bar(contender: Found, role: str) -> Bar | None:
    peak = contender["rss_peak_mb"]
    return Bar(contender["name"], f"{peak:,.0f} MB", [(role, peak)]) if peak else None


def _phase_bar(colours: Mapping[str, str]) -> Callable[[Found, str], Bar | None]:
    def bar(contender: Found, _: str) -> Bar | None:
        phases = {name: seconds for name, seconds in contender["phases"].items() if seconds}
        parts = [(colours[name], seconds) for name, seconds in phases.items()]
        return Bar(contender["name"], f"{sum(phases.values()):.2f} s", parts) if parts else None

    return bar


# --- tables -----------------------------------------------------------------------------------------------------


def _contest(finding: Found, ranked: Sequence[Found]) -> Iterator[Table]:
    if not ranked:
        return
    titles = ["×\u00a0base", "Rows/s", "Spread", "Seconds", "Raw MB/s", "File MB/s", "Client CPU s/M rows"]
    columns = [
        *map(Column, ["Contender", *titles, "Backend CPU s/M rows", "Peak MB"]),
        Column("Kinds changed/refused", "text"),
        Column("Lost or refused", "text"),
    ]
    yield Table(f"Every figure of {finding['scenario']}, {finding['dataset']}", columns, [*map(_row, ranked)])


def _row(contender: Found) -> Row:
    seconds = [run["seconds"] for run in contender["runs"]]
    cells = [
        text(contender["name"]),
        number(contender["ratio_to_base"]),
        number(contender["rows_per_second"], ",.0f"),
        number(contender["spread"], ".1f", scale=0.01, unit=" %"),
        number(statistics.median(seconds) if seconds else None),
        number(contender["raw_mb_per_second"], ".0f"),
        number(contender["compressed_mb_per_second"], ".0f"),
        number(contender["client_cpu_s_per_million_rows"]),
        number(contender["backend_cpu_s_per_million_rows"]),
        number(contender["rss_peak_mb"], ",.0f"),
        text(contender["lossy"]),
        missing(contender),
    ]
    return Row(cells, "ours" if is_ours(contender) else "")


def _phases(ranked: Sequence[Found]) -> Iterator[Table]:
    names = _phase_names(ranked)
    if names:
        rows = [
            Row([text(contender["name"]), *(number(contender["phases"].get(name)) for name in names)])
            for contender in ranked
            if contender["phases"]
        ]
        yield Table("Seconds a phase", [*map(Column, ["Contender", *names])], rows)


def _figures(finding: Found) -> Iterator[Table]:
    if finding["figures"]:
        rows = [Row([text(name), number(value, ",.4g")]) for name, value in finding["figures"].items()]
        yield Table("Other figures", [*map(Column, ["What", "Value"])], rows)


def _phase_names(contenders: Sequence[Found]) -> list[str]:
    return list(dict.fromkeys(name for contender in contenders for name in contender["phases"]))
