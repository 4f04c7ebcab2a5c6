"""Borealis as its users run it: a configuration file, `engine.runs`, receipts. From plans to published tables."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from benchmarks.contenders import protocol
from engine import runs
from engine.config import Config, load
from engine.model import Receipt
from engine.wiring import Wanted


def argv(config: Path, *, full: bool = True) -> list[str]:
    """`full`: incremental tables are loaded anew."""
    return [sys.executable, "-m", "benchmarks.contenders.replicate", "--config", str(config), *["--full"] * full]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--into", help="nothing is left there: the rows are at the target")
    asked = parser.parse_args()
    config = load(asked.config, env={})
    protocol.run(lambda: anyio.run(partial(_replicate, config, full=asked.full)))


async def _replicate(config: Config, *, full: bool) -> dict[str, Any]:
    return told(await runs.run(config, Wanted(full=full)))


def told(receipts: Sequence[Receipt]) -> dict[str, Any]:
    """Of a run whose tables are all COMPLETE; seconds of phases are added up over tables and tasks."""
    phases: dict[str, float] = {}
    for receipt in receipts:
        if receipt.status != "COMPLETE":
            raise SystemExit(f"{receipt.table} is {receipt.status}: {receipt.error or receipt.notes}")
        for phase, seconds in receipt.seconds.items():
            phases[phase] = round(phases.get(phase, 0.0) + seconds, 3)
    counts = ("bytes_read", "bytes_staged", "chunks", "retries")
    return {
        "rows": sum(receipt.rows_loaded for receipt in receipts),
        "phases": phases,
        "extra": {
            **{name: sum(getattr(receipt, name) for receipt in receipts) for name in counts},
            "decisions": [receipt.decisions for receipt in receipts[:1]],
        },
    }


if __name__ == "__main__":
    main()
