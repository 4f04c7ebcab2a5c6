"""The part of the page that shows what the simulator makes of a result: terabytes over many functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle

from benchmarks.report.plots import SERIES, Bar, Curve, bars, lines
from benchmarks.report.sheet import Cell, Column, Found, Part, Plot, Row, Table, number, text
from benchmarks.simulator import telling
from benchmarks.simulator.run import Outcome
from benchmarks.simulator.world import SOURCES, World, costs_of

TB = 1e12
TABLES_TB = (1.0, 10.0)
TITLES = "Rounds|Minutes|M rows/s|MB/s of CSV|GB-s of functions|Credits|$|$ a TB of CSV"


def parts_of(result: Found, tables_tb: Sequence[float] = TABLES_TB) -> Iterator[Part]:
    """Nothing where the result did not measure what a row of lineitem costs."""
    try:
        world = World(costs_of(result, f"the result of {result['at'][:10]}"))
    except LookupError:
        return
    predicted = {f"{tb:g} TB": telling.degrees(world, int(tb * TB)) for tb in tables_tb}
    name, outcomes = next(iter(predicted.items()))
    changed = [(each.what, each.outcome) for each in telling.sensitivity(world, int(tables_tb[0] * TB))]
    tables = [
        *(_table(f"{size} by functions", "Functions", _degrees(told)) for size, told in predicted.items()),
        _table(f"{name} over {telling.SENSITIVE_AT} functions, one assumption changed", "Changed", changed),
        _sources(),
    ]
    about = (
        f"Simulated, not measured: a table in {world.source.name}, copied by 1 to {outcomes[-1].functions} functions, "
        f"where a row costs what it did in {world.costs.source}. Where the other figures come from stands last."
    )
    yield Part("Past this machine", about, plots=list(_plots(name, predicted)), tables=tables)


def _plots(name: str, predicted: Mapping[str, Sequence[Outcome]]) -> Iterator[Plot]:
    for title, unit, value in (
        ("Time", "minutes, by functions", lambda told: told.wall_s / 60),
        ("Throughput", "MB of CSV a second, by functions", lambda told: told.mb_s),
    ):
        curves = [
            Curve(size, role, [(told.functions, value(told)) for told in outcomes])
            for (size, outcomes), role in zip(predicted.items(), cycle(SERIES), strict=False)
        ]
        ticks: dict[float, str] = {
            told.functions: f"{told.functions}" for outcomes in predicted.values() for told in outcomes
        }
        drawn = lines(f"Past this machine: {title}", curves, ticks=ticks, logarithmic=True)
        yield Plot(title, unit, drawn, {curve.role: curve.name for curve in curves})
    outcomes = predicted[name]
    yield _stacked(
        f"What ends first, {name}", "share of the time",
        [(told.functions, f"{told.saturated} {told.bound[told.saturated]:.0%}", told.bound) for told in outcomes],
    )  # fmt: skip
    costs = [(told, {what: price for what, price in told.dollars.items() if what != "total"}) for told in outcomes]
    yield _stacked(
        f"Cost, {name}", "dollars at list prices",
        [(told.functions, f"{told.dollars['total']:.2f}", parts) for told, parts in costs],
    )  # fmt: skip


def _stacked(title: str, unit: str, told: Sequence[tuple[int, str, Mapping[str, float]]]) -> Plot:
    names = dict.fromkeys(name for *_, parts in told for name in parts)
    roles = dict(zip(names, cycle(SERIES), strict=False))
    drawn = [
        Bar(
            f"{functions} function{'s' * (functions > 1)}",
            figure,
            [(roles[name], parts[name]) for name in names if name in parts],
        )
        for functions, figure, parts in told
    ]
    return Plot(title, unit, bars(f"Past this machine: {title}", drawn), {role: name for name, role in roles.items()})


def _degrees(outcomes: Sequence[Outcome]) -> list[tuple[str, Outcome]]:
    return [(f"{outcome.functions}", outcome) for outcome in outcomes]


def _table(caption: str, first: str, told: Sequence[tuple[str, Outcome]]) -> Table:
    columns = [*map(Column, [first, *TITLES.split("|")]), Column("Warehouse", "text"), Column("Ends first", "text")]
    return Table(caption, columns, [_row(name, outcome) for name, outcome in told])


def _row(name: str, outcome: Outcome) -> Row:
    return Row(
        [
            Cell(name, outcome.functions if name.isdigit() else name),
            number(outcome.rounds, ".0f"),
            number(outcome.wall_s / 60, ",.0f"),
            number(outcome.rows_s / 1e6),
            number(outcome.mb_s, ",.0f"),
            number(outcome.lambda_gb_s, ",.0f"),
            number(outcome.credits, ".1f"),
            number(outcome.dollars["total"]),
            number(outcome.dollars_tb),
            text(outcome.warehouse),
            text(f"{outcome.saturated} {outcome.bound[outcome.saturated]:.0%}"),
        ]
    )


def _sources() -> Table:
    columns = [Column("Figure"), *(Column(title, "text") for title in ("Is", "Kind", "From"))]
    return Table("Where the simulator's figures come from", columns, [Row([*map(text, each)]) for each in SOURCES])
