"""Plots as SVG to stand inside an HTML page: text stays text, colours are the page's, light or dark. Pure.

Matplotlib draws with colours that nobody would choose, one a role; in the SVG each becomes the CSS variable of that
role, so the page decides what it looks like. A figure is as wide as a phone: its text needs no shrinking anywhere.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

SERIES = [f"series-{number}" for number in range(8)]
"""Colours that are told apart; a ninth series begins again with the first."""

ROLES = ["ink", "faint", "line", "ours", "base", "peer", "client", "backend", *SERIES]
INK = {role: f"#0102{number:02x}" for number, role in enumerate(ROLES)}
WIDTH = 380
INCH = 72  # a unit of the SVG is a point
ROW = 36  # units of a bar and of the line of text above it
STYLE = mpl.rc_context({"svg.fonttype": "none", "font.size": 12, "text.parse_math": False})
OF_A_FILE = dict.fromkeys(("Date", "Creator", "Format", "Type"))  # metadata that an inline drawing has no use for


@dataclass(frozen=True, slots=True)
class Bar:
    """`parts` are (role, value), laid end to end; `low` and `high` are the ends of the whisker."""

    name: str
    figure: str
    parts: Sequence[tuple[str, float]]
    low: float | None = None
    high: float | None = None
    hatched: bool = False

    @property
    def length(self) -> float:
        return sum(value for _, value in self.parts)


@dataclass(frozen=True, slots=True)
class Curve:
    name: str
    role: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


@STYLE
def bars(title: str, drawn: Sequence[Bar]) -> Markup:
    """One bar below another, each under its name and its figure; the scale begins at 0."""
    figure, axes = _axes(len(drawn) * ROW + 24, bottom=20, left=1, right=5)
    axes.set_xlim(0, 1.01 * max((max(bar.length, bar.high or 0) for bar in drawn), default=0) or 1)
    axes.set_ylim(len(drawn) - 0.15, -0.35)
    axes.set_yticks([])
    axes.grid(visible=True, axis="x", color=INK["line"], linewidth=0.7)
    for place, bar in enumerate(drawn):
        _bar(axes, place + 0.37, bar)
        for x, text in ((0, bar.name), (1, bar.figure)):
            side = ("left", "right")[x]
            axes.text(x, place, text, transform=axes.get_yaxis_transform(), ha=side, va="center", color=INK["ink"])
    return _svg(figure, title)


@STYLE
def lines(title: str, curves: Sequence[Curve], *, ticks: Mapping[float, str], logarithmic: bool = False) -> Markup:
    """`ticks` are the places on the x axis that have a name; `logarithmic` is of both axes."""
    figure, axes = _axes(230, bottom=24, left=40, right=14)
    for curve in curves:
        xs, ys = zip(*curve.points, strict=True)
        style = {"linestyle": "--"} if curve.dashed else {"marker": "o", "markersize": 4}
        axes.plot(xs, ys, color=INK[curve.role], linewidth=2, clip_on=False, **style)
    if logarithmic:
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:,g}")
    else:
        axes.set_ylim(bottom=0)
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.minorticks_off()
    axes.grid(visible=True, color=INK["line"], linewidth=0.7)
    return _svg(figure, title)


def _bar(axes: Axes, y: float, bar: Bar) -> None:
    begin = 0.0
    for role, value in bar.parts:
        look: dict[str, Any] = (
            {"facecolor": "none", "hatch": "////", "edgecolor": INK[role]} if bar.hatched else {"color": INK[role]}
        )
        axes.barh(y, value, height=0.3, left=begin, **look)
        begin += value
    if bar.low is not None and bar.high is not None:
        ends = [[max(0, begin - bar.low)], [max(0, bar.high - begin)]]
        axes.errorbar(begin, y, xerr=ends, color=INK["ink"], elinewidth=1.2, capsize=3)


def _axes(height: float, *, bottom: float, left: float, right: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH / INCH, height / INCH), dpi=INCH)
    FigureCanvasSVG(figure)
    axes = figure.add_axes((left / WIDTH, bottom / height, 1 - (left + right) / WIDTH, 1 - (bottom + 4) / height))
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(labelcolor=INK["faint"], length=0, labelsize=10)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_axisbelow(True)
    return figure, axes


def _svg(figure: Figure, title: str) -> Markup:
    """The drawing without what belongs to a file of its own; `title` must be no other figure's of the page."""
    written = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": title}):  # makes the names of clips and marks the figure's own
        figure.savefig(written, format="svg", transparent=True, metadata=OF_A_FILE)
    svg = written.getvalue()
    svg = re.sub(r"\s*<(metadata|style)\b.*?</\1>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(
        r"font(-family)?: [^;\"]*'[^;\"]*;", "", re.sub(r"font: ([\d.]+px) ", r"font-size: \1; font-family: ", svg)
    )
    for role, colour in INK.items():
        svg = svg.replace(colour, f"var(--{role})")
    size = f"0 0 {WIDTH} {figure.get_figheight() * INCH:g}"
    opening = f'<svg viewBox="{size}" role="img" aria-label="{escape(title)}">'
    return Markup(re.sub(r"<svg[^>]*>", lambda _: opening, svg, count=1))  # noqa: S704 - matplotlib has escaped its text
