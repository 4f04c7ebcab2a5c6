"""Many small tables in one run, and the plan of five thousand: what a table costs where it has hardly any rows.

At a warehouse far away each statement is a round trip, so those of a run are counted on their way there.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import asyncpg

from benchmarks.bench import Bench, Finding, Target
from benchmarks.contenders import plan, replicate
from benchmarks.contest import Contender, Left, Outcome, Told
from benchmarks.data import small
from benchmarks.statements import Counting
from benchmarks.warehouse import Warehouse, served

NAME = "small-tables"
ABOUT = "many small tables in one run, statements at the target, and the plan of five thousand"
DATASETS: dict[str, list[str]] = {"quick": [], "full": []}

TABLES_AT_SCALE_1, TABLES_MAX = 400, 1000
"""100 where the suite is quick; 1,000 in the full one."""
ROUNDS_MAX = 1
PLANNED_AT_SCALE_1, PLANNED_MAX = 20_000, 5000
FIRST, AGAIN = "first run", "run again"
FEW, FEW_TABLES = "public.small_00*", 99
"""Of all tables those whose statements are counted, and that warm up."""
RUN, RUN_MAX = "of the run itself", 4
"""What all tables share: of one kind fewer statements than so many, and than a tenth of the tables."""
STATEMENTS_MAX = 8
MS_MAX = 60
PLAN_S_MAX = 5.0


def run(bench: Bench) -> list[Finding]:
    return [_replicated(bench), _planned(bench)]


def _replicated(bench: Bench) -> Finding:
    by_scale = min(max(round(TABLES_AT_SCALE_1 * bench.scale), RUN_MAX), TABLES_MAX)
    tables = TABLES_MAX if bench.profile == "full" else by_scale
    dsn = bench.database("small")
    with bench.making(f"{tables} tables of {small.ROWS_EACH} rows"):
        asyncio.run(_made(dsn, tables))
    rows = tables * small.ROWS_EACH
    with served(bench.scratch / NAME) as warehouse:
        config = warehouse.settings("run", dsn, {"name": "public.*"})
        few = replicate.argv(warehouse.settings("few", dsn, {"name": FEW}))

        def counted(directory: Path, told: Told) -> Left:
            """As the gates of the run have counted; every value is compared when all runs have ended."""
            del directory
            extra = told.get("extra", {})
            return Left(rows, extra.get("bytes_read", 0), extra.get("bytes_staged", 0), extra=warehouse.spent())

        contenders = [
            Contender(FIRST, replicate.argv(config), counted, before=warehouse.empty, warm_up=few),
            Contender(AGAIN, replicate.argv(config), counted, before=warehouse.begin, warm_up=()),
        ]
        outcomes = bench.race(contenders, min(bench.rounds, ROUNDS_MAX))
        warehouse.arrived(config, bench.scratch, {})
        few_tables = min(tables, FEW_TABLES)
        statements = _statements(warehouse, dsn, few_tables, bench.scratch)
    return _found(tables, rows, outcomes, statements, few_tables)


async def _made(dsn: str, tables: int) -> None:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await small.make(connection, tables)
    finally:
        await connection.close()


def _statements(warehouse: Warehouse, dsn: str, tables: int, scratch: Path) -> dict[str, Counter[str]]:
    """Those of a first run and of the next one, by kind; a kind that a run needs a few times only is told as RUN."""
    warehouse.empty()
    counts = {}
    for name in (FIRST, AGAIN):
        with Counting(warehouse.endpoint.port) as relay:
            config = warehouse.settings("counted", dsn, {"name": FEW}, port=relay.port)
            command = [*replicate.argv(config), "--into", str(scratch)]
            subprocess.run(command, input="go\n", stdout=subprocess.DEVNULL, text=True, check=True)
        sent = relay.statements
        counts[name] = Counter({kind: count for kind, count in sent.items() if count >= max(RUN_MAX, tables / 10)})
        counts[name][RUN] = sent.total() - counts[name].total()
    return counts


def _found(
    tables: int, rows: int, outcomes: Sequence[Outcome], statements: Mapping[str, Counter[str]], counted: int
) -> Finding:
    targets, notes = [], []
    for outcome in outcomes:
        sent = statements[outcome.name]
        seconds = outcome.median(lambda run: run.seconds)
        ms = None if seconds is None else seconds / tables * 1000
        a_table = (sent.total() - sent[RUN]) / counted
        targets += [
            Target(f"{outcome.name}, statements at the target a table", "at most", STATEMENTS_MAX, a_table),
            Target(f"{outcome.name}, ms a table", "at most", MS_MAX, ms),
        ]
        notes.append(
            f"{outcome.name} of {counted}: {', '.join(f'{kind} {count}' for kind, count in sent.most_common())}"
        )
    return Finding(NAME, f"{tables} tables", rows, FIRST, outcomes, targets, notes)


def _planned(bench: Bench) -> Finding:
    tables = min(round(PLANNED_AT_SCALE_1 * bench.scale), PLANNED_MAX)
    dsn = bench.database("many")
    with bench.making(f"{tables} tables to plan"):
        asyncio.run(_made(dsn, tables))
    with served(bench.scratch / "planning") as warehouse:
        config = warehouse.settings("plan", dsn, {"name": "public.*"})

        def all_of_them(directory: Path, told: Told) -> Left:
            del directory, told
            return Left(tables, 0, 0)

        contender = Contender(f"plan of {tables}", plan.argv(config), all_of_them)
        (outcome,) = bench.race([contender], min(bench.rounds, ROUNDS_MAX))
    seconds = outcome.median(lambda run: run.seconds)
    target = Target(f"plan of {tables} tables, seconds", "at most", PLAN_S_MAX, seconds)
    return Finding(NAME, "planning", tables, outcome.name, [outcome], [target], ["a row is a table here"])
