"""Source and target compared: by counts, checksums of every value, and those of buckets, each in its own database."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.bench import Bench, Finding
from benchmarks.contenders import replicate, verify
from benchmarks.contest import Contender, Left, Told
from benchmarks.scenarios.end_to_end import SHARE_OF_MANY
from benchmarks.warehouse import served

NAME = "verify"
ABOUT = "a replicated table compared with its source, by counts, by checksums, by buckets"
LEVELS = {"quick": verify.LEVELS[:2], "full": verify.LEVELS}
"""Buckets cost what a checksum does, and a digest of the key: the quick suite has no time for them."""
DATASETS = {"quick": ["lineitem"], "full": ["lineitem"]}


def run(bench: Bench) -> list[Finding]:
    table = bench.table("lineitem", bench.scale * SHARE_OF_MANY[bench.profile])
    with served(bench.scratch / NAME) as warehouse:
        config = warehouse.settings(NAME, table.dsn, {"name": f"public.{table.name}"})
        command = [*replicate.argv(config), "--into", str(bench.scratch)]
        subprocess.run(command, input="go\n", stdout=subprocess.DEVNULL, text=True, check=True)

        def compared(directory: Path, told: Told) -> Left:
            """It compares rows itself, and fails where they differ; what is left to see is that it saw all of them."""
            del directory, told
            ((rows,),) = warehouse.execute(f'SELECT COUNT(*) FROM PUBLIC."{table.name.upper()}"')
            return Left(int(rows), table.raw_bytes, 0, extra=warehouse.spent())

        contenders = [
            Contender(level, verify.argv(config, level), compared, before=warehouse.begin)
            for level in LEVELS[bench.profile]
        ]
        outcomes = bench.race(contenders)
    return [Finding(NAME, table.dataset, table.rows, verify.LEVELS[0], outcomes)]
