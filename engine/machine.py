"""What this process may use: the cores, memory and disk that the kernel, the container or the function grants it."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from engine.config import Config
from engine.tuning import Bounds, Machine, bounds

CGROUP = Path("/sys/fs/cgroup")
MB_A_CORE = 1769
"""Of a function's memory: at that it has one vCPU's worth of time, and in proportion (AWS Lambda's documentation)."""
UNLIMITED = 2**60
"""Control groups of version 1 tell no limit by a number near 2**63."""


def function_memory_mb() -> int | None:
    """Of the function that this is; None where it is none."""
    told = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    return int(told) if told else None


def machine(config: Config) -> Machine:
    cores, memory_mb = float(_cores()), function_memory_mb()
    if quota := _quota():
        cores = min(cores, quota)
    memory = memory_mb * 2**20 if memory_mb else _memory_limit()
    if memory_mb:
        cores = min(cores, memory_mb / MB_A_CORE)
    return Machine(round(cores, 2), memory, None if config.stage.url else _free(config.limits.spool_dir))


def bounds_of(config: Config) -> Bounds:
    """The most readers and loaders of this process."""
    return bounds(config, machine(config))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quota() -> float | None:
    """Cores' worth of time that the control group grants; None for no limit."""
    with suppress(OSError, ValueError):
        quota, period = (CGROUP / "cpu.max").read_text(encoding="ascii").split()
        return int(quota) / int(period)
    with suppress(OSError, ValueError):
        quota, period = ((CGROUP / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 else None
    return None


def _memory_limit() -> int | None:
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            limit = int((CGROUP / file).read_text(encoding="ascii"))
            return limit if limit < UNLIMITED else None
    return None


def _free(directory: Path | None) -> int | None:
    """Bytes, where the directory of files in flight is, or will be made."""
    place = directory or Path(tempfile.gettempdir())
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        return shutil.disk_usage(place).free
    except OSError:
        return None
