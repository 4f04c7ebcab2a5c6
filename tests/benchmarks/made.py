"""Results as they are kept, made up."""

from typing import Any

from benchmarks.bench import Finding, Target
from benchmarks.contest import Outcome, Run

ROWS = 1_000_000


def outcome(name: str, seconds: list[float], **told: Any) -> Outcome:
    """Rounds of those seconds that cost 0.5 s of CPU at the client, 1 s at the backends, and 100 MB."""
    phases = told.pop("phases", {})
    runs = [
        Run(each, ROWS, 140 * ROWS, 40 * ROWS, 0.5, 1.0, 10**8, phases, {"csv_bytes": 140 * ROWS}) for each in seconds
    ]
    return Outcome(name, runs, versions={"made": "1.0"}, **told)


def finding(contenders: dict[str, list[float]], *, measured: float = 1.4, scenario: str = "extract") -> Finding:
    """Of contenders by name with the seconds of their rounds; the first is the base."""
    outcomes = [outcome(name, seconds) for name, seconds in contenders.items()]
    target = Target("rate beside psql", "at least", 1.35, measured)
    return Finding(scenario, "lineitem", ROWS, outcomes[0].name, outcomes, [target])


def result(*findings: Finding, at: str = "2026-11-23T12:00:00+00:00", cores: int = 2) -> dict[str, Any]:
    return {
        "at": at,
        "commit": "0123456",
        "machine": {"cpu": "Some CPU", "cores": cores, "memory_gib": 16.0, "system": "Linux", "load_1m": 0.1},
        "versions": {"python": "3.11.7"},
        "profile": "quick",
        "scale": 0.25,
        "rounds": 3,
        "scenarios": [found.to_json() for found in findings],
    }
