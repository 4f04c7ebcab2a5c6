"""Ten times the rows: at most about ten times the time, and the same memory."""

from __future__ import annotations

import statistics
from functools import partial

from benchmarks.bench import Bench, Finding, Target
from benchmarks.contenders import replicate
from benchmarks.contest import Contender, Run
from benchmarks.scenarios.end_to_end import SHARE
from benchmarks.warehouse import served

NAME = "growth"
ABOUT = "a table and one of ten times its rows into the embedded warehouse"
DATASETS = {"quick": ["lineitem"], "full": ["lineitem"]}

TIMES = 10
TIMES_MAX = 10.5
MEMORY_TIMES_MAX = 1.1
"""The same memory, as far as it can be told: peaks of one run and the next differ by some per cent."""


def run(bench: Bench) -> list[Finding]:
    scale = bench.scale * SHARE[bench.profile]
    large, small = bench.table("lineitem", scale), bench.table("lineitem", scale / TIMES)
    with served(bench.scratch / NAME) as warehouse:
        contenders = []
        for table in (small, large):
            config = warehouse.settings(f"rows-{table.rows}", table.dsn, {"name": f"public.{table.name}"})
            arrived = partial(warehouse.arrived, config)
            contenders.append(
                Contender(f"{table.rows:,} rows", replicate.argv(config), arrived, before=warehouse.empty)
            )
        outcomes = bench.race(contenders)
    one, ten = outcomes
    rounds = list(zip(one.runs, ten.runs, strict=False))
    more = large.rows / small.rows / TIMES
    ratio = statistics.median(b.seconds / a.seconds for a, b in rounds) / more if rounds else None
    memory = statistics.median(_memory(b) / _memory(a) for a, b in rounds) if rounds else None
    targets = [
        Target("ten times the rows, seconds", "at most", TIMES_MAX, ratio),
        Target("ten times the rows, peak RSS of the engine", "at most", MEMORY_TIMES_MAX, memory),
    ]
    return [Finding(NAME, large.dataset, large.rows, outcomes[0].name, outcomes, targets)]


def _memory(run: Run) -> float:
    return float(run.rss_peak_bytes or 1)
