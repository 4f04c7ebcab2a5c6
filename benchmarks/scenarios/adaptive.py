"""What the engine's own choices gain: a table over a slow line to the warehouse and over none, first and once more.

The first run knows nothing but the machine. The next one has its receipt, and chooses loaders, codec and level by it
(engine/tuning.py). Beside them the same with everything fixed at what is chosen without receipts. Where no line is in
the way nothing is to be gained, and nothing may be lost.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, Finding, Table
from benchmarks.contenders import replicate
from benchmarks.contest import Contender, Outcome
from benchmarks.scenarios.end_to_end import SHARE
from benchmarks.warehouse import Warehouse, served
from tests.faults.proxy import FaultProxy

NAME = "adaptive"
ABOUT = "what choosing by earlier runs gains over a slow line, and costs over a fast one"
DATASETS = {"quick": ["lineitem"], "full": ["lineitem"]}

ROUNDS = {"quick": 1, "full": 2}
LINE_BYTES_S = 8e6
"""Of all connections together, to the warehouse: a tenth of what a function's network carries, so that two cores, with
the server and the warehouse on them too, have time to spare."""
WARM_UP_SHARE = 0.1
SLOW, FAST = "slow line", "fast line"
FIXED, FIRST, AGAIN = "fixed", "first run", "with its receipt"
LIMITS = {"readers": 4, "loaders": 4, "codec": "gzip", "compression_level": 1}
"""What is chosen on two cores without receipts."""
SETTINGS: Mapping[str, Mapping[str, Any]] = {FIXED: LIMITS, FIRST: {}, AGAIN: {}}


def run(bench: Bench) -> list[Finding]:
    scale = bench.scale * SHARE[bench.profile]
    table, small = bench.table("lineitem", scale), bench.table("lineitem", scale * WARM_UP_SHARE)
    findings = []
    with served(bench.scratch / NAME) as warehouse, FaultProxy(warehouse.endpoint.port) as line:
        line.requests_per_s = LINE_BYTES_S
        for what, port in ((SLOW, line.port), (FAST, None)):
            racing = list(_contenders(warehouse, what, table, small, port))
            outcomes = bench.race(racing, min(bench.rounds, ROUNDS[bench.profile]))
            findings.append(_found(table, what, outcomes))
    return findings


def _contenders(warehouse: Warehouse, what: str, table: Table, small: Table, port: int | None) -> Iterator[Contender]:
    slug = what.partition(" ")[0]
    copied = {"name": f"public.{table.name}"}
    warm_up = replicate.argv(warehouse.settings(f"{slug}-small", small.dsn, copied, port=port))
    for name, limits in SETTINGS.items():
        config = warehouse.settings(f"{slug}-{name}", table.dsn, copied, port=port, **limits)
        history = warehouse.directory / f"{slug}-{FIRST}.db" if name == AGAIN else None
        before = partial(_prepare, warehouse, config.with_suffix(".db"), history)
        arrived = partial(warehouse.arrived, config)
        yield Contender(name, replicate.argv(config), arrived, before=before, warm_up=warm_up)


def _prepare(warehouse: Warehouse, state: Path, history: Path | None) -> None:
    """An empty target, and a state that knows nothing, or what another one knows."""
    state.unlink(missing_ok=True)
    if history is not None and history.exists():
        shutil.copy(history, state)
    warehouse.empty()


def _found(table: Table, what: str, outcomes: list[Outcome]) -> Finding:
    notes = [f"{what}, {outcome.name}: {_decisions(outcome)}" for outcome in outcomes if outcome.runs]
    figures = {}
    for outcome in outcomes:
        if outcome.runs:
            figures[f"{outcome.name}, s"] = round(statistics.median(run.seconds for run in outcome.runs), 3)
            figures[f"{outcome.name}, MB staged"] = round(outcome.runs[0].compressed_bytes / 1e6, 1)
    return Finding(f"{NAME}, {what}", table.dataset, table.rows, FIXED, outcomes, notes=notes, figures=figures)


def _decisions(outcome: Outcome) -> str:
    """Of its last run, as the receipt has them."""
    (decisions,) = outcome.runs[-1].extra["decisions"]
    return "; ".join(f"{each['setting']} {each['value']} ({each['why']})" for each in decisions)
