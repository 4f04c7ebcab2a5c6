"""What is measured, one module a scenario, in the order in which they run."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import cast

from benchmarks.bench import Profile, Scenario

BUDGET_S: Mapping[str, Mapping[Profile, int]] = {
    "losses": {"quick": 32, "full": 20},
    "extract": {"quick": 146, "full": 900},
    "null_target": {"quick": 19, "full": 60},
    "loading": {"quick": 21, "full": 100},
    "end_to_end": {"quick": 37, "full": 140},
    "growth": {"quick": 27, "full": 90},
    "adaptive": {"quick": 58, "full": 250},
    "resume": {"quick": 20, "full": 50},
    "fan_out": {"quick": 28, "full": 50},
    "merge": {"quick": 20, "full": 60},
    "verify": {"quick": 18, "full": 65},
    "small_tables": {"quick": 44, "full": 200},
    "simulated": {"quick": 70, "full": 200},
    "cold_start": {"quick": 0, "full": 180},
}
"""Seconds of each module on two quiet cores, its tables made and all that was left read again: quick as it was measured
(9 minutes, result of 2026-11-23T212547), full as that lets expect."""


def scenarios() -> list[Scenario]:
    return [cast("Scenario", importlib.import_module(f"benchmarks.scenarios.{module}")) for module in BUDGET_S]


def budget_s(scenario: Scenario, profile: Profile) -> int:
    return BUDGET_S[scenario.__name__.rpartition(".")[2]][profile]
