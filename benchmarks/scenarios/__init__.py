"""What is measured, one module a scenario, in the order in which they run."""

from __future__ import annotations

import importlib
from typing import cast

from benchmarks.bench import Scenario

SCENARIOS = """
losses extract null_target loading end_to_end growth adaptive resume fan_out merge verify
small_tables simulated cold_start
""".split()


def scenarios() -> list[Scenario]:
    return [cast("Scenario", importlib.import_module(f"benchmarks.scenarios.{name}")) for name in SCENARIOS]
