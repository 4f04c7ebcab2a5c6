"""What is printed of a benchmark and what is kept: a table, and one JSON file a day and kind of machine."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.measure import Outcome

RESULTS = Path(__file__).parent / "results"


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """The first outcome is the base."""
    table = Table(
        title="Table to compressed CSV files on disk",
        box=box.SIMPLE,
        padding=(0, 0, 0, 1),
        pad_edge=False,
        caption="medians; cpu in seconds per million rows",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column(no_wrap=True)
    for column in ("M rows/s", "spread", "x base", "raw\nMB/s", "file\nMB/s", "client\ncpu", "server\ncpu"):
        table.add_column(column, justify="right", no_wrap=True)
    for outcome in outcomes:
        told: dict[str, Any] = outcome.to_json(outcomes[0])
        backend = told["backend_cpu_s_per_million_rows"]
        table.add_row(
            outcome.name,
            f"{told['rows_per_second'] / 1e6:.3f}",
            f"{told['spread']:.0%}",
            f"{told['ratio_to_base']:.2f}",
            f"{told['raw_mb_per_second']:.0f}",
            f"{told['compressed_mb_per_second']:.0f}",
            f"{told['client_cpu_s_per_million_rows']:.2f}",
            "-" if backend is None else f"{backend:.2f}",
        )
    console.print(table)


def keep(found: Mapping[str, object], name: str, directory: Path) -> Path:
    """Writes what was found into `directory`; a second one of that name on the same day replaces the first."""
    now = datetime.now(UTC)
    cpu = _cpu()
    told = {
        "at": now.isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": {"cpu": cpu, "cores": os.cpu_count(), "memory_gib": _memory_gib(), "system": platform.system()},
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ("asyncpg", "isal", "zstandard")},
        },
        **found,
    }
    slug = re.sub(r"[^a-z0-9]+", "-", f"{cpu} {os.cpu_count()} cores".lower()).strip("-")
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{now.date()}-{slug}-{name}.json"
    file.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return file


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory_gib() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def _commit() -> str | None:
    """Of the checkout, with a plus sign where it has changes."""
    here = RESULTS.parent
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=here, check=True, capture_output=True, text=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "engine"], cwd=here, check=True, capture_output=True, text=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + "+" * bool(changed)
