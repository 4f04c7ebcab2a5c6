"""`python -m benchmarks simulate [RESULT] [--tb 1] [--functions 1,2,4] [--source db.r7g.4xlarge] [--json]`"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.simulator import telling
from benchmarks.simulator.world import INSTANCES, SOURCE, World, read_costs

COLUMNS = 130
"""Of text where the output is no terminal."""

Result = Annotated[Path | None, typer.Argument(help="a kept result; without it the newest that has `extract`")]


def simulate(
    result: Result = None,
    *,
    tb: Annotated[float, typer.Option(min=0.001, max=100, help="terabytes of table")] = 1.0,
    functions: Annotated[str, typer.Option(help="degrees, with commas")] = ",".join(map(str, telling.DEGREES)),
    source: Annotated[str, typer.Option(help=f"one of {', '.join(INSTANCES)}")] = SOURCE.name,
    seed: Annotated[int, typer.Option(help="the same seed simulates the same run")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="the whole as JSON")] = False,
) -> None:
    """Predict a table of terabytes over many functions from measured rates, and say what ends first."""
    counts = [int(each) for each in functions.split(",") if each.isdigit()]
    if not counts or min(counts) < 1:
        raise typer.BadParameter("numbers of functions from 1 on, with commas", param_hint="--functions")
    if source not in INSTANCES:
        raise typer.BadParameter(f"is none of {', '.join(INSTANCES)}", param_hint="--source")
    try:
        costs = read_costs(result)
    except (LookupError, OSError, ValueError) as error:
        raise typer.BadParameter(str(error), param_hint="RESULT") from None
    world, table_bytes = World(costs, source=INSTANCES[source], seed=seed), int(tb * 1e12)
    outcomes = telling.degrees(world, table_bytes, counts)
    if not outcomes:
        raise typer.BadParameter("so many readers share that source that no run ends", param_hint="--functions")
    if as_json:
        print(json.dumps(telling.finding(world, table_bytes, outcomes), indent=1))
    else:
        telling.show(world, table_bytes, outcomes, Console(width=None if sys.stdout.isatty() else COLUMNS))
