"""A run that is killed, or out of time, when half of its rows are read, and the next one, which goes on."""

from __future__ import annotations

import statistics
from functools import partial

from benchmarks.bench import Bench, Finding
from benchmarks.contenders import resume
from benchmarks.contest import Contender
from benchmarks.scenarios.end_to_end import SHARE_OF_MANY
from benchmarks.warehouse import served

NAME = "resume"
ABOUT = "a run that is killed or out of time in its middle, and the next one, which goes on"
DATASETS = {"quick": ["lineitem"], "full": ["lineitem"]}

ROUNDS_MAX = {"quick": 1, "full": 2}
CHUNKS = 16
"""About: what is under way at the interruption is read again, and large chunks are much of the table."""
LIMITS = {"readers": 2, "loaders": 2, "queue": 2}
"""At most six chunks are under way then, so that of the eight that were read some are loaded."""


def run(bench: Bench) -> list[Finding]:
    table = bench.table("lineitem", bench.scale * SHARE_OF_MANY[bench.profile])
    with served(bench.scratch / NAME) as warehouse:
        config = warehouse.settings(
            NAME,
            table.dsn,
            {"name": f"public.{table.name}"},
            chunk_bytes=max(8192, table.heap_bytes // CHUNKS),
            **LIMITS,
        )
        contenders = [
            Contender(
                how, resume.argv(config, how, table.rows // 2), partial(warehouse.arrived, config),
                before=warehouse.empty, warm_up=None if how == resume.HOWS[0] else (),
            )
            for how in resume.HOWS
        ]  # fmt: skip
        outcomes = bench.race(contenders, min(bench.rounds, ROUNDS_MAX[bench.profile]))
    whole, *interrupted = outcomes
    figures = {}
    for outcome in interrupted:
        pairs = list(zip(outcome.runs, whole.runs, strict=False))
        if pairs:
            name = outcome.name.replace("-", "_")
            figures[f"{name}_cost_s"] = statistics.median(run.seconds - base.seconds for run, base in pairs)
            figures[f"{name}_second_read_share"] = statistics.median(
                run.extra["bytes_of_last"] / run.extra["bytes_read"] for run, _ in pairs
            )
    notes = [
        "processes have started before the time is taken, as warm functions have",
        "second_read_share: of the table's bytes, what the second process read; what the first had read is half",
    ]
    told = {name: round(value, 3) for name, value in figures.items()}
    return [Finding(NAME, table.dataset, table.rows, whole.name, outcomes, [], notes, told)]
