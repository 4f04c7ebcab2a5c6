"""Compares source and target, as `borealis verify` does: each counts, or computes checksums, by itself."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from benchmarks.contenders import protocol
from engine.config import Config, load
from engine.verify import verify

LEVELS = ("checksum", "count", "bisect")


def argv(config: Path, level: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.contenders.verify", "--config", str(config), "--level", level]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--level", choices=LEVELS, required=True)
    parser.add_argument("--into", help="nothing is left there")
    asked = parser.parse_args()
    config = load(asked.config, env={})
    protocol.run(lambda: anyio.run(partial(_verify, config, asked.level)))


async def _verify(config: Config, level: str) -> dict[str, Any]:
    results = await verify(config, [], level=level)
    if different := [result.table for result in results if not result.ok]:
        raise SystemExit(f"not equal: {', '.join(different)}")
    return {"rows": sum(result.rows_target for result in results)}


if __name__ == "__main__":
    main()
