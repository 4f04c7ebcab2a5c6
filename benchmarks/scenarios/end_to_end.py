"""A table into the embedded warehouse, beside its two halves: extraction alone, and loading alone of the same files.

The stages overlap if the whole takes no longer than the slower half. All three, the server and the warehouse share
the cores of one machine: where the halves together need more CPU than it has, no overlap can hide that, so what the
cores were busy is told too.
"""

from __future__ import annotations

import os
import statistics
from functools import partial

from benchmarks.bench import Bench, Finding, Table, Target
from benchmarks.contenders import extract, load, replicate
from benchmarks.contest import Contender, Outcome, Run
from benchmarks.extracted import extracted
from benchmarks.warehouse import served

NAME = "end-to-end"
ABOUT = "a table into the embedded warehouse, beside extraction alone and loading alone"
DATASETS = {"quick": ["lineitem"], "full": ["lineitem"]}

SHARE = {"quick": 0.4, "full": 0.5}
"""Of the suite's scale."""
SHARE_OF_MANY = {"quick": 0.2, "full": 0.25}
"""The same where one contender is several runs, or several processes."""
WHOLE, EXTRACT, LOAD = "end to end", "extract alone", "load alone"
SLOWER_MAX = 1.10


def run(bench: Bench) -> list[Finding]:
    table = bench.table("lineitem", bench.scale * SHARE[bench.profile])
    folder = bench.scratch / NAME
    with served(folder) as warehouse:
        config = warehouse.settings("run", table.dsn, {"name": f"public.{table.name}"})
        alone = warehouse.settings("load", table.dsn, {"name": f"public.{table.name}"})
        files = extracted(table, folder)
        arrived = partial(warehouse.arrived, config)
        contenders = [
            Contender(WHOLE, replicate.argv(config), arrived, before=warehouse.empty),
            Contender(EXTRACT, extract.argv(table.dsn, table.name), table.check),
            Contender(LOAD, load.argv(alone, files.manifest), arrived, before=warehouse.empty),
        ]
        outcomes = bench.race(contenders)
    return [_found(table, outcomes)]


def _found(table: Table, outcomes: list[Outcome]) -> Finding:
    whole, extraction, loading = outcomes
    rounds = list(zip(whole.runs, extraction.runs, loading.runs, strict=False))
    ratio = _median([w.seconds / max(e.seconds, o.seconds) for w, e, o in rounds])
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    figures = {
        "cores": cores,
        "busy_share_of_cores": _median([_cpu_s(w) / cores / w.seconds for w, _, _ in rounds]),
        "cpu_s_per_million_rows": _median([_cpu_s(w) / w.rows * 1e6 for w, _, _ in rounds]),
        "seconds_over_cpu_bound": _median(
            [w.seconds / max(e.seconds, o.seconds, (_cpu_s(e) + _cpu_s(o)) / cores) for w, e, o in rounds]
        ),
        "warehouse_rss_peak_mb": _median([float(w.extra.get("warehouse_rss_peak_mb", 0)) for w, _, _ in rounds]),
    }
    target = Target(f"{WHOLE} / slower of {EXTRACT} and {LOAD}, seconds", "at most", SLOWER_MAX, ratio)
    notes = [
        "client CPU and RSS are those of the engine; the warehouse's are in extra.warehouse_*",
        "seconds_over_cpu_bound: beside the slower half, or what both need of CPU on all cores, whichever is more",
    ]
    told = {name: round(value, 3) for name, value in figures.items() if value is not None}
    return Finding(NAME, table.dataset, table.rows, EXTRACT, outcomes, [target], notes, told)


def _cpu_s(run: Run) -> float:
    """Of the engine, PostgreSQL and the warehouse."""
    return (run.client_cpu_s or 0.0) + (run.backend_cpu_s or 0.0) + float(run.extra.get("warehouse_cpu_s", 0.0))


def _median(values: list[float]) -> float | None:
    return statistics.median(values) if values else None
