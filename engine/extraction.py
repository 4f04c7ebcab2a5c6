"""Extraction alone: a table to compressed files through the pipeline of a run, and nothing loaded. For benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import anyio

from engine.deadline import Deadline
from engine.errors import BorealisError
from engine.model import StagedFile
from engine.pipeline import Limits, Pipeline
from engine.plan import TablePlan
from engine.source.snapshot import Snapshot
from engine.spool import SpoolSettings

OUT_OF_TIME = "timeout"
"""The code of the error that a deadline is."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """What one round brought; bytes_read raw CSV, bytes_staged compressed."""

    rows: int
    bytes_read: int
    bytes_staged: int
    seconds: float


class NoTarget:
    """In the place of the target: shows each file to `keep` before it is deleted, and loads nothing."""

    def __init__(self, keep: Callable[[StagedFile], None]) -> None:
        self._keep = keep

    def folder(self, run_id: str) -> str:
        return run_id

    async def put(self, path: str, file: StagedFile) -> None:
        del path
        self._keep(file)

    async def load(self, *_: object) -> int:
        return 1


async def extract(
    plan: TablePlan,
    snapshot: Snapshot,
    settings: SpoolSettings,
    limits: Limits,
    *,
    deadline: Deadline | None = None,
    keep: Callable[[StagedFile], None] = lambda _: None,
) -> Extracted:
    """Reads every chunk of the plan; raises BorealisError where the deadline comes before the end."""
    began = monotonic()
    pipeline = Pipeline(
        plan=plan,
        run_id="extraction",
        landing="",
        snapshot=snapshot,
        target=NoTarget(keep),  # type: ignore[arg-type]
        settings=settings,
        limits=limits,
        tokens=anyio.Semaphore(limits.files_max),
        progress=lambda _rows, _size: None,
        deadline=deadline or Deadline(),
        chunks=plan.chunks,
        resumable=False,
    )
    await pipeline.copy()
    if len(pipeline.loaded) < len(plan.chunks):
        raise BorealisError(
            f"there was no time to extract {plan.table.label} whole",
            remedy="raise the time limit, or name a smaller table",
            code=OUT_OF_TIME,
        )
    chunks = pipeline.loaded.values()
    return Extracted(
        rows=sum(chunk.rows for chunk in chunks),
        bytes_read=sum(chunk.bytes_read for chunk in chunks),
        bytes_staged=sum(chunk.bytes for chunk in chunks),
        seconds=monotonic() - began,
    )
