"""Reading without a target: files are compressed and thrown away, so that reading and loading can be told apart.

Beside psql, whose output nobody takes: what the server and one connection cost. Rows are counted; `extract` compares
the values of the same pipeline's files.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.bench import Bench, Finding, Profile, Table
from benchmarks.contenders import null, psql
from benchmarks.contest import Contender, Left, Told
from benchmarks.scenarios.end_to_end import SHARE
from benchmarks.warehouse import served

NAME = "null-target"
ABOUT = "a table read and compressed, and thrown away"
DATASETS = {"quick": ["lineitem"], "full": ["lineitem"]}

BASE = "psql to nothing"
CODECS: dict[Profile, tuple[str, ...]] = {"quick": ("gzip",), "full": ("gzip", "zstd")}


def run(bench: Bench) -> list[Finding]:
    table = bench.table("lineitem", bench.scale * SHARE[bench.profile])
    with served(bench.scratch / NAME) as warehouse:
        check = partial(_counted, table)
        program = psql.program(bench.server.bin_dir)
        contenders = [Contender(BASE, null.psql_argv(program, table.dsn, table.name), check)]
        for codec in CODECS[bench.profile]:
            config = warehouse.settings(codec, table.dsn, {"name": f"public.{table.name}"}, codec=codec)
            contenders.append(Contender(f"borealis {codec}", null.argv(config), check))
        outcomes = bench.race(contenders)
    return [Finding(NAME, table.dataset, table.rows, BASE, outcomes)]


def _counted(table: Table, directory: Path, told: Told) -> Left:
    """Its rows are those that it tells of; the contest compares them with the table's."""
    del directory
    return Left(table.rows, table.raw_bytes, told.get("extra", {}).get("bytes_staged", 0))
