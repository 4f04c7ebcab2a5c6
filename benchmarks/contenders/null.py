"""Reading without a target: as a run reads, with every compressed file thrown away; or psql, which throws away all."""

from __future__ import annotations

import argparse
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from benchmarks.contenders import protocol
from engine.config import Config, load
from engine.extraction import extract
from engine.pipeline import Limits
from engine.spool import SpoolSettings
from engine.stage.disk import DiskSinks
from engine.wiring import Wanted, looking

MODULE = [sys.executable, "-m", "benchmarks.contenders.null"]


def argv(config: Path) -> list[str]:
    """Of the one table of a configuration."""
    return [*MODULE, "--config", str(config)]


def psql_argv(psql: str, dsn: str, table: str) -> list[str]:
    """What the server and one connection cost alone."""
    return [*MODULE, "--psql", psql, "--dsn", dsn, "--table", table]


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--config", "--psql", "--dsn", "--table", "--into"):
        parser.add_argument(name)
    asked = parser.parse_args()
    if asked.psql:
        command = [asked.psql, "-X", "-q", "-d", asked.dsn, "-c", f"COPY {asked.table} TO STDOUT (FORMAT csv)"]
        protocol.run(lambda: _printed(command))
    else:
        config = load(Path(asked.config), env={})
        protocol.run(lambda: anyio.run(partial(_read, config, Path(asked.into))))


def _printed(command: list[str]) -> dict[str, Any]:
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return {}


async def _read(config: Config, into: Path) -> dict[str, Any]:
    async with looking(config, Wanted()) as (_, found):
        plans, _ = await found.plan_all(full=True)
        (plan,) = plans.values()
        limits, tuning = config.limits, plan.tuning
        how_hard = Limits(tuning.readers, tuning.loaders, limits.queue, limits.attempts)
        settings = SpoolSettings(DiskSinks(into), tuning.file_bytes_max, tuning.codec, tuning.level)
        await found.snapshot.open_readers(plan.readers_max, [plan.table])
        extracted = await extract(plan, found.snapshot, settings, how_hard)
    return {
        "rows": extracted.rows,
        "phases": {"read": round(extracted.seconds, 3)},
        "extra": {"bytes_read": extracted.bytes_read, "bytes_staged": extracted.bytes_staged},
    }


if __name__ == "__main__":
    main()
