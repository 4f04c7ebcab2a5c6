"""One run over 1, 2 and 4 processes, by the engine's own fan-out: a snapshot that is joined, a ledger that they share.

Each worker reads with one connection and loads with one, so that one worker does not fill this machine by itself.
"""

from __future__ import annotations

import statistics
from functools import partial

from benchmarks.bench import Bench, Finding
from benchmarks.contenders import fan_out
from benchmarks.contest import Contender, Outcome
from benchmarks.scenarios.end_to_end import SHARE_OF_MANY
from benchmarks.warehouse import served

NAME = "fan-out"
ABOUT = "one table over 1, 2 and 4 worker processes"
DATASETS = {"quick": ["lineitem"], "full": ["lineitem"]}

WORKERS = (1, 2, 4)
ROUNDS_MAX = {"quick": 1, "full": 2}
CHUNKS = 16


def run(bench: Bench) -> list[Finding]:
    table = bench.table("lineitem", bench.scale * SHARE_OF_MANY[bench.profile])
    with served(bench.scratch / NAME) as warehouse:
        contenders = []
        for workers in WORKERS:
            config = warehouse.settings(
                f"workers-{workers}", table.dsn, {"name": f"public.{table.name}"}, workers=workers, readers=1,
                loaders=1, chunk_bytes=max(8192, table.heap_bytes // CHUNKS),
            )  # fmt: skip
            arrived = partial(warehouse.arrived, config)
            contender = Contender(
                _name(workers), fan_out.argv(config, workers), arrived, before=warehouse.empty,
                warm_up=() if contenders else None,
            )  # fmt: skip
            contenders.append(contender)
        outcomes = bench.race(contenders, min(bench.rounds, ROUNDS_MAX[bench.profile]))
    figures = {f"work_rows_per_second_{_name(n)}": _work_rate(o) for n, o in zip(WORKERS, outcomes, strict=True)}
    notes = [
        "processes have started before the time is taken, as warm functions have",
        "work_rows_per_second is of the phase in which workers copy, without plan and finish",
    ]
    told = {name: round(rate) for name, rate in figures.items() if rate is not None}
    return [Finding(NAME, table.dataset, table.rows, _name(1), outcomes, [], notes, told)]


def _name(workers: int) -> str:
    return f"{workers} worker{'s' * (workers > 1)}"


def _work_rate(outcome: Outcome) -> float | None:
    return statistics.median(run.rows / run.phases["work"] for run in outcome.runs) if outcome.runs else None
