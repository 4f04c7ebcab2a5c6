"""What was found, as JSON files kept by date and machine: written, found again, read."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

RESULTS = Path(__file__).parents[1] / "results"
CLIENTS = "asyncpg duckdb isal zstandard snowflake-connector-python".split()


def keep(found: Mapping[str, Any], name: str, directory: Path = RESULTS) -> Path:
    """Writes what was found, with when, of which commit and on which machine, into a file of its own."""
    now = datetime.now(UTC)
    versions = {"python": platform.python_version(), **_versions(), **found.get("versions", {})}
    told: dict[str, Any] = {"at": now.isoformat(timespec="seconds"), "commit": _commit(), "machine": this_machine()}
    told |= {**found, "versions": versions}
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{now:%Y-%m-%dT%H%M%S}-{slug(told['machine'])}-{name}.json"
    file.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return file


def kept(directory: Path = RESULTS) -> list[Path]:
    """Results of the suite, the oldest first."""
    return sorted(file for file in directory.glob("*.json") if "scenarios" in json.loads(file.read_text("utf-8")))


def read(file: Path) -> dict[str, Any]:
    """One of `kept`. SystemExit for a file that is none."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SystemExit(f"{file} is no result of the suite: {error}") from None
    if not isinstance(told, dict) or "scenarios" not in told:
        raise SystemExit(f"{file} is no result of the suite: it has no scenarios")
    return told


def alike(told: Mapping[str, Any], directory: Path = RESULTS) -> list[dict[str, Any]]:
    """The kept ones of the same kind of machine, profile and scale, the oldest first."""
    return [each for each in map(read, kept(directory)) if _kind(each) == _kind(told)]


def latest(directory: Path = RESULTS) -> dict[str, Any]:
    """Of this kind of machine. SystemExit where there is none."""
    here = slug(this_machine())
    results = [each for each in map(read, kept(directory)) if slug(each["machine"]) == here]
    if not results:
        raise SystemExit(f"{directory} has no result of {here}: run `make bench` first, or name a file")
    return results[-1]


def previous(told: Mapping[str, Any], directory: Path = RESULTS) -> dict[str, Any]:
    """The one before it that is alike. SystemExit where it is the first."""
    older = [each for each in alike(told, directory) if each["at"] < told["at"]]
    if not older:
        raise SystemExit(
            f"{directory} has no result of the same machine, profile and scale before that of {told['at']}"
        )
    return older[-1]


def _kind(told: Mapping[str, Any]) -> tuple[str, str, float]:
    return slug(told["machine"]), told["profile"], told["scale"]


def this_machine() -> dict[str, Any]:
    """With how busy it is now: taken before anything is measured, it is what others do."""
    return {
        "cpu": _cpu(),
        "cores": len(psutil.Process().cpu_affinity()) if psutil.LINUX else os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_1m": round(os.getloadavg()[0], 2),
    }


def slug(machine: Mapping[str, Any]) -> str:
    """Of machines of the same kind the same."""
    return re.sub(r"[^a-z0-9]+", "-", f"{machine['cpu']} {machine['cores']} cores".lower()).strip("-")


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in CLIENTS}


def _commit() -> str | None:
    """Of the checkout, with a plus sign where the engine has changes; None outside one."""
    here = RESULTS.parent
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=here, check=True, capture_output=True, text=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "../engine"], cwd=here, check=True, capture_output=True, text=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + "+" * bool(changed)
