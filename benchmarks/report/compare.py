"""What changed between two results, and what of that is more than noise."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.report.results import slug
from benchmarks.report.sheet import Found

RESOLUTION = 0.01
"""Less is never told as a change: the kernel counts CPU in ticks of 10 ms, and a short run has about a hundred."""


@dataclass(frozen=True, slots=True)
class Measure:
    """`of(run)` is its value in one round, None where it was not measured."""

    title: str
    key: str
    form: str
    of: Callable[[Found], float | None]
    more_is_better: bool = False
    beside_base: bool = False
    """Divided by the base's value in the same round."""
    one_machine: bool = False
    """Told by the clock alone, so it says nothing beside another machine's."""


def _a_row(key: str) -> Callable[[Found], float | None]:
    return lambda run: None if run[key] is None else run[key] / run["rows"]


def _rate(run: Found) -> float:
    return float(run["rows"] / run["seconds"])


MEASURES = [
    Measure("x base", "ratio_to_base", ".2f", _rate, more_is_better=True, beside_base=True),
    Measure("client\ncpu", "client_cpu_s_per_million_rows", ".2f", _a_row("client_cpu_s")),
    Measure("server\ncpu", "backend_cpu_s_per_million_rows", ".2f", _a_row("backend_cpu_s")),
    Measure("peak\nMB", "rss_peak_mb", ".0f", lambda run: run["rss_peak_bytes"]),
    Measure("rows/s", "rows_per_second", ",.0f", _rate, more_is_better=True, one_machine=True),
]


@dataclass(frozen=True, slots=True)
class Change:
    """`noise` is the part by which rounds of the same result differ, of both together; None where one had one round."""

    measure: Measure
    old: float
    new: float
    noise: float | None

    @property
    def part(self) -> float:
        return self.new / self.old - 1

    @property
    def is_real(self) -> bool:
        return self.noise is not None and abs(self.part) > max(self.noise, RESOLUTION)

    @property
    def is_better(self) -> bool:
        return self.is_real and (self.part > 0) == self.measure.more_is_better

    @property
    def is_worse(self) -> bool:
        return self.is_real and not self.is_better


@dataclass(frozen=True, slots=True)
class Compared:
    """A finding that both results have; `changes` by contender, and by the measure's key."""

    title: str
    changes: Mapping[str, Mapping[str, Change]]
    only_old: Sequence[str]
    only_new: Sequence[str]
    figures: Mapping[str, tuple[float, float]]
    """Old and new of those that were counted or timed once, so without a spread."""


def compared(old: Found, new: Found) -> Iterator[Compared]:
    """Of the findings with the same scenario, dataset and base."""
    before = {_key(finding): finding for finding in old["scenarios"]}
    measures = [measure for measure in MEASURES if not measure.one_machine or _one_machine(old, new)]
    for finding in new["scenarios"]:
        if _key(finding) in before:
            yield _compared(before[_key(finding)], finding, measures)


def targets(old: Found, new: Found) -> Iterator[tuple[str, Found, Found]]:
    """(scenario, before, after) of those that were met and are missed now, or the other way round."""
    before = {(*_key(finding), target["name"]): target for finding, target in _targets(old)}
    for finding, target in _targets(new):
        was = before.get((*_key(finding), target["name"]), target)
        if was["met"] != target["met"]:
            yield finding["scenario"], was, target


def show(old: Found, new: Found, console: Console) -> None:
    for name, result in (("old", old), ("new", new)):
        machine = result["machine"]
        console.print(f"{name}: {result['at']}  commit {result['commit']}  {machine['cpu']}, {machine['cores']} cores")
    if not _one_machine(old, new):
        console.print("Two machines: ratios, CPU and memory are compared, rates are not.")
    if old["scale"] != new["scale"]:
        console.print(
            f"Two scales, {old['scale']:g} and {new['scale']:g}: what costs once weighs less in the larger one."
        )
    for each in compared(old, new):
        console.print(_table(each) if each.changes else each.title)
        for name, (before, after) in each.figures.items():
            console.print(f"{name}: {_shown(before)} -> {_shown(after)}", highlight=False)
        for what, names in (("gone", each.only_old), ("new", each.only_new)):
            if names:
                console.print(f"{what}: {', '.join(names)}")
    for scenario, was, target in targets(old, new):
        verdict = "[green]now met[/]" if target["met"] else "[red]now missed[/]"
        console.print(
            f"{scenario}: {target['name']}, {target['sense']} {target['wanted']:g}: "
            f"{_shown(was['measured'])} -> {_shown(target['measured'])}, {verdict}",
            highlight=False,
        )
    console.print(
        "[green]+[/] better, [red]![/] worse than the spread of both results explains; ? one round, no spread"
    )


def _compared(old: Found, new: Found, measures: Sequence[Measure]) -> Compared:
    before = {contender["name"]: contender for contender in old["contenders"]}
    after = {contender["name"]: contender for contender in new["contenders"]}
    changes = {
        name: {
            measure.key: Change(measure, was[measure.key], now[measure.key], _noise(measure, (old, was), (new, now)))
            for measure in measures
            if was[measure.key] and now[measure.key]
        }
        for name, now in after.items()
        if (was := before.get(name))
    }
    return Compared(
        f"{new['scenario']}: {new['dataset']}" + (f", beside {new['base']}" if new["base"] else ""),
        changes,
        only_old=[name for name in before if name not in after],
        only_new=[name for name in after if name not in before],
        figures={name: (old["figures"][name], now) for name, now in new["figures"].items() if name in old["figures"]},
    )


def _noise(measure: Measure, *told: tuple[Found, Found]) -> float | None:
    spreads = [_spread(measure, finding, contender) for finding, contender in told]
    known = [spread for spread in spreads if spread is not None]
    return sum(known) if len(known) == len(spreads) else None


def _spread(measure: Measure, finding: Found, contender: Found) -> float | None:
    """(greatest - least) / median over the rounds; the base itself is always 1 x the base."""
    values = _values(measure, contender)
    if measure.beside_base:
        base = next(each for each in finding["contenders"] if each["name"] == finding["base"])
        values = [value / other for value, other in zip(values, _values(measure, base), strict=False)]
    return (max(values) - min(values)) / statistics.median(values) if len(values) > 1 else None


def _values(measure: Measure, contender: Found) -> list[float]:
    """Of each round; none where one was not measured."""
    values = [value for run in contender["runs"] if (value := measure.of(run)) is not None]
    return values if len(values) == len(contender["runs"]) else []


def _table(each: Compared) -> Table:
    table = Table(title=each.title, box=box.SIMPLE, padding=(0, 0, 0, 1), pad_edge=False, title_justify="left")
    table.add_column()
    shown = [measure for measure in MEASURES if any(measure.key in changes for changes in each.changes.values())]
    for measure in shown:
        table.add_column(measure.title, justify="right", no_wrap=True)
    for name, changes in each.changes.items():
        table.add_row(name, *(_cell(changes.get(measure.key)) for measure in shown))
    return table


def _cell(change: Change | None) -> Text:
    if change is None:
        return Text("-")
    mark, colour = ("+", "green") if change.is_better else ("!", "red") if change.is_worse else ("", "")
    if change.noise is None:
        mark = "?"
    return Text(f"{change.new:{change.measure.form}} {change.part:+.0%}{mark or ' '}", colour)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _one_machine(old: Found, new: Found) -> bool:
    return slug(old["machine"]) == slug(new["machine"])


def _targets(result: Found) -> Iterator[tuple[Found, Found]]:
    return ((finding, target) for finding in result["scenarios"] for target in finding["targets"])


def _key(finding: Found) -> tuple[str, ...]:
    return finding["scenario"], finding["dataset"], finding["base"]
