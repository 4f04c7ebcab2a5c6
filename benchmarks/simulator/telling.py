"""What a simulation says: a row a degree, what changes it, where its figures come from; as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.simulator.run import NeverEndsError, Outcome, simulate
from benchmarks.simulator.world import INSTANCES, SOURCES, Costs, World, scaled
from engine import tuning

DEGREES = (1, 2, 4, 8, 16, 32, 64)
SENSITIVE_AT = 16
"""Functions at which the assumptions are changed one by one."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The same run with one assumption changed."""

    what: str
    outcome: Outcome


def degrees(world: World, table_bytes: int, functions: Sequence[int] = DEGREES) -> list[Outcome]:
    """Of those degrees that come to an end at all."""
    told = []
    for count in functions:
        with suppress(NeverEndsError):
            told.append(simulate(replace(world, functions=count), table_bytes))
    return told


def sensitivity(world: World, table_bytes: int) -> list[Changed]:
    """One assumption at a time, at SENSITIVE_AT functions."""
    base = replace(world, functions=SENSITIVE_AT)
    low, high = base.network
    changes = {
        "as above": base,
        "every function has 0.4 Gbit/s": replace(base, network=(low, low)),
        "every function has 0.7 Gbit/s": replace(base, network=(high, high)),
        "cores half as fast as the benchmark's": replace(base, costs=scaled(base.costs, 2)),
        "half of the source is left to us": replace(base, source_share=0.5),
        "a warehouse thread is half as fast": replace(base, load_bytes_s=base.load_bytes_s / 2),
        "8 loaders, as chosen once earlier runs say that readers waited": replace(base, loaders=tuning.LOADERS_MAX),
        "staged files of 128 MiB of CSV, so that a COPY has several": replace(base, file_bytes=128 * tuning.MIB),
        "three functions are killed": replace(base, killed=3),
    }
    return [Changed(what, simulate(each, table_bytes)) for what, each in changes.items()]


def instances(world: World, table_bytes: int) -> list[Changed]:
    """On each documented size of the source, the fewest functions that copy at 95 % of what most of them do."""
    found = []
    for name, instance in INSTANCES.items():
        outcomes = degrees(replace(world, source=instance), table_bytes)
        best = max(each.mb_s for each in outcomes)
        found.append(Changed(name, next(each for each in outcomes if each.mb_s >= 0.95 * best)))
    return found


def finding(world: World, table_bytes: int, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """As one scenario of a result file."""
    return {
        "scenario": "simulation",
        "dataset": "lineitem",
        "costs": world.costs.source,
        "source": world.source.name,
        "table_bytes": table_bytes,
        "degrees": [each.to_json() for each in outcomes],
        "sensitivity": [{"what": each.what, **each.outcome.to_json()} for each in sensitivity(world, table_bytes)],
        "instances": [{"what": each.what, **each.outcome.to_json()} for each in instances(world, table_bytes)],
        "figures": [dict(zip(("what", "is", "kind", "from"), each, strict=True)) for each in SOURCES],
    }


# --- for a terminal ----------------------------------------------------------------------------------------------

HEADS = ("functions", "rounds", "min", "Mrows/s", "MB/s", "ends first", "GB-s", "warehouse", "credits", "$", "$/TB")


def row(outcome: Outcome) -> list[str]:
    first = outcome.saturated
    return [
        f"{outcome.functions}", f"{outcome.rounds}", f"{outcome.wall_s / 60:,.0f}", f"{outcome.rows_s / 1e6:.2f}",
        f"{outcome.mb_s:,.0f}", f"{first} {outcome.bound[first]:.0%}", f"{outcome.lambda_gb_s:,.0f}",
        outcome.warehouse, f"{outcome.credits:.1f}", f"{outcome.dollars['total']:.2f}", f"{outcome.dollars_tb:.2f}",
    ]  # fmt: skip


def show(world: World, table_bytes: int, outcomes: Sequence[Outcome], to: Console) -> None:
    to.print(f"{table_bytes / 1e12:g} TB of table from {world.source.name}; {_told(world.costs)}", soft_wrap=True)
    to.print(_table(HEADS, [row(each) for each in outcomes]))
    to.print(f"Each sends {outcomes[0].privatelink_gb:,.0f} GB over PrivateLink. A degree that is missing never ends:")
    to.print("so many readers share the source that none reads a chunk within its function's time.")
    to.print(f"\nOne assumption changed, {SENSITIVE_AT} functions")
    changed = [[each.what, *row(each.outcome)[1:]] for each in sensitivity(world, table_bytes)]
    to.print(_table(("", *HEADS[1:]), changed))
    to.print("\nSizes of the source, each with the fewest functions that come to 95 % of what it can")
    to.print(_table(("source", *HEADS), [[each.what, *row(each.outcome)] for each in instances(world, table_bytes)]))
    to.print("\nWhere the figures come from")
    to.print(_table(("figure", "is", "", "from"), [list(each) for each in SOURCES]))


def _told(costs: Costs) -> str:
    return (
        f"{costs.source}: {costs.client_cpu_s:.2f} and {costs.backend_cpu_s:.2f} CPU s a million rows of function and "
        f"source, {costs.row_bytes:.0f} bytes a row, {costs.staged_share:.0%} of them compressed"
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        text = head in ("", "figure", "is", "from", "source", "ends first", "warehouse")
        table.add_column(head, justify="left" if text else "right", overflow="fold", no_wrap=not text)
    for each in rows:
        table.add_row(*(Text(cell) for cell in each))
    return table
