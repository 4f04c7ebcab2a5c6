"""Plans every table of a configuration, as `borealis plan` does; nothing moves."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import anyio

from benchmarks.contenders import protocol
from engine.config import Config, load
from engine.plan import TablePlan
from engine.runs import plans_of
from engine.wiring import Wanted


def argv(config: Path) -> list[str]:
    return [sys.executable, "-m", "benchmarks.contenders.plan", "--config", str(config)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--into", help="nothing is left there")
    config = load(parser.parse_args().config, env={})
    protocol.run(lambda: anyio.run(_plan, config))


async def _plan(config: Config) -> dict[str, Any]:
    """A row is a table here."""
    plans = await plans_of(config, Wanted())
    return {"rows": sum(isinstance(plan, TablePlan) for plan in plans)}


if __name__ == "__main__":
    main()
