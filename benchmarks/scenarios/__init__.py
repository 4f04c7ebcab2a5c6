"""What is measured, one module a scenario, in the order in which they run."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import cast

from benchmarks.bench import Profile, Scenario

BUDGET_S: Mapping[str, Mapping[Profile, int]] = {
    "losses": {"quick": 20, "full": 20},
    "extract": {"quick": 125, "full": 900},
    "null_target": {"quick": 8, "full": 60},
    "loading": {"quick": 14, "full": 100},
    "end_to_end": {"quick": 26, "full": 140},
    "growth": {"quick": 18, "full": 90},
    "adaptive": {"quick": 26, "full": 250},
    "resume": {"quick": 14, "full": 50},
    "fan_out": {"quick": 14, "full": 50},
    "merge": {"quick": 12, "full": 60},
    "verify": {"quick": 9, "full": 50},
    "small_tables": {"quick": 40, "full": 200},
    "simulated": {"quick": 28, "full": 200},
    "cold_start": {"quick": 0, "full": 180},
}
"""Seconds of each module on two quiet cores, its tables made and all that was left read again. Full: 40 minutes."""


def scenarios() -> list[Scenario]:
    return [cast("Scenario", importlib.import_module(f"benchmarks.scenarios.{module}")) for module in BUDGET_S]


def budget_s(scenario: Scenario, profile: Profile) -> int:
    return BUDGET_S[scenario.__name__.rpartition(".")[2]][profile]
