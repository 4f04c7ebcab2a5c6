"""A table to load-ready compressed files on disk, beside psql and the peers."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.bench import Bench, Finding, Table, Target
from benchmarks.contenders import extract, psql
from benchmarks.contest import Contender, Outcome
from benchmarks.peers import peers

NAME = "extract"
ABOUT = "a table to compressed files on disk"
DATASETS = {"quick": ["lineitem", "wide"], "full": ["lineitem", "narrow", "wide", "fat"]}

OURS = "borealis copy gzip"
CURSOR = "borealis cursor gzip"
TARGETS_ON = "lineitem"
BESIDE = {
    psql.NAME: 1.35,
    "duckdb parquet": 1.0,
    "connectorx": 2.0,
    "adbc": 2.0,
    "polars": 2.0,
    "dlt": 2.0,
    "cursor + csv": 7.0,
    "sling": 10.0,
}
"""How many times their rate ours is to be: by what the names of contenders begin with."""
CLIENT_CPU_MAX = 0.55
BOTH_CPU_MAX = 1.5
"""Seconds per million rows."""
RSS_MB_MAX = 150
"""With four readers or more: the engine chooses two for each core, and four on two."""
CURSOR_SHARE_MIN = 0.6


QUICK_WIDE = ("duckdb parquet",)
"""Who races beside psql and ours on the wide table where the suite is quick: the fastest of the others."""

SHARE = {"quick": 1.0, "full": 0.4}
"""Of the suite's scale, for tables other than lineitem."""


def run(bench: Bench) -> list[Finding]:
    shares = {name: 1 if name == TARGETS_ON else SHARE[bench.profile] for name in DATASETS[bench.profile]}
    return [_race(bench, bench.table(name, bench.scale * share)) for name, share in shares.items()]


def _race(bench: Bench, table: Table) -> Finding:
    few = bench.profile == "quick" and table.dataset != TARGETS_ON
    others = peers(table, QUICK_WIDE if few else ()) if bench.peers else []
    outcomes = bench.race([_base(bench, table), *_ours(bench, table), *others])
    for outcome in outcomes:
        outcome.lossy = bench.lossy.get("borealis" if outcome.name.startswith("borealis") else outcome.name, "")
    targets = judged(outcomes) if table.dataset == TARGETS_ON else []
    ours = next(outcome for outcome in outcomes if outcome.name == OURS)
    figures = {}
    if ours.runs:
        figures["csv_share_of_table"] = round(ours.runs[0].extra["csv_bytes"] / table.heap_bytes, 3)
    return Finding(NAME, table.dataset, table.rows, psql.NAME, outcomes, targets, psql.notes(), figures)


def _base(bench: Bench, table: Table) -> Contender:
    return Contender(psql.NAME, psql.argv(bench.server.bin_dir, table.dsn, table.name), table.check)


def _ours(bench: Bench, table: Table) -> list[Contender]:
    """The default first, with as many readers as the engine chooses; zstd in the full suite only."""
    codecs = ("gzip",) if bench.profile == "quick" else ("gzip", "zstd")
    return [_contender(table, reader, codec) for reader in ("copy", "cursor") for codec in codecs]


def _contender(table: Table, reader: str, codec: str) -> Contender:
    whole, sample = (extract.argv(table.dsn, name, reader=reader, codec=codec) for name in (table.name, table.sample))
    return Contender(f"borealis {reader} {codec}", whole, table.check, warm_up=sample)


def judged(outcomes: Sequence[Outcome]) -> list[Target]:
    """What the issue asks of extraction, as far as those who raced can show it."""
    by_name = {outcome.name: outcome for outcome in outcomes}
    ours = Outcome(OURS) if by_name[OURS].lost else by_name[OURS]  # what lost a value meets nothing
    beside = [
        Target(f"{OURS} / {outcome.name}, rows/s", "at least", wanted, ours.ratio_to(outcome))
        for name, wanted in BESIDE.items()
        for outcome in outcomes
        if outcome.name.startswith(name)
    ]
    both = _sum(ours.client_cpu, ours.backend_cpu)
    return [
        *beside,
        Target(f"{CURSOR} / {OURS}, rows/s", "at least", CURSOR_SHARE_MIN, by_name[CURSOR].ratio_to(ours)),
        Target(f"{OURS}, client CPU s per million rows", "at most", CLIENT_CPU_MAX, ours.client_cpu),
        Target(f"{OURS}, client and backend CPU s per million rows", "at most", BOTH_CPU_MAX, both),
        Target(f"{OURS}, peak RSS MB", "at most", RSS_MB_MAX, ours.rss_peak_mb),
    ]


def _sum(*values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
