"""Ours, loading alone: the pipeline of a run whose readers find every chunk extracted, in files that lie ready.

What is left of a run is its plan, PUT, COPY INTO, the ledger, and the table's name.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from benchmarks.contenders import protocol
from engine.config import Config, load
from engine.deadline import Deadline
from engine.model import Chunk, StagedFile
from engine.pipeline import Limits, Pipeline
from engine.spool import SpoolSettings
from engine.sql import target as sql
from engine.stage.disk import DiskSinks
from engine.wiring import Wanted, looking, new_run_id


def argv(config: Path, manifest: Path) -> list[str]:
    """`manifest`: JSON, of each file a line `{"chunk", "file", "rows", "rows_bytes"}`."""
    module = [sys.executable, "-m", "benchmarks.contenders.load"]
    return [*module, "--config", str(config), "--manifest", str(manifest)]


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--config", "--manifest", "--into"):
        parser.add_argument(name, type=Path, required=True)
    asked = parser.parse_args()
    config, files = load(asked.config, env={}), json.loads(asked.manifest.read_text())
    protocol.run(lambda: anyio.run(partial(_load, config, files, asked.into)))


@dataclass(slots=True)
class Ready(Pipeline):
    files: Mapping[int, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """Of the manifest, by chunk."""
    into: Path = Path()
    """Where a file is linked to, since a loader deletes what it has PUT."""

    async def _read_chunk(self, chunk: Chunk, ready: MemoryObjectSendStream[StagedFile]) -> bool:
        files = self.files[chunk.id]
        for each in files:
            await self.tokens.acquire()
            path = self.into / Path(each["file"]).name
            os.link(each["file"], path)
            file = StagedFile(chunk.id, path.name, path, each["rows_bytes"], path.stat().st_size)
            await self._announce(ready, file)
        self._assembly.read(chunk.id, sum(each["rows"] for each in files), sum(each["rows_bytes"] for each in files))
        return True


async def _load(config: Config, files: Sequence[Mapping[str, Any]], into: Path) -> dict[str, Any]:
    by_chunk: dict[int, list[Mapping[str, Any]]] = {}
    for each in files:
        by_chunk.setdefault(each["chunk"], []).append(each)
    async with looking(config, Wanted()) as (made, found):
        plans, _ = await found.plan_all(full=True)
        (plan,) = plans.values()
        limits, tuning = config.limits, plan.tuning
        how_hard = Limits(tuning.readers, tuning.loaders, limits.queue, limits.attempts)
        chunks = [replace(plan.chunks[0], id=number) for number in by_chunk]
        target, run_id, landing = made.target, f"{new_run_id()}_1", f"{plan.target_name}__LANDING"
        create = sql.create_landing(target.names, landing, plan.fields, "", transient=False)
        await target.execute(create, doing="cannot make the landing table")
        pipeline = Ready(
            plan=plan,
            run_id=run_id,
            landing=target.names.ours(landing),
            snapshot=found.snapshot,
            target=target,
            settings=SpoolSettings(DiskSinks(into), tuning.file_bytes_max, tuning.codec, tuning.level),
            limits=how_hard,
            tokens=anyio.Semaphore(how_hard.files_max),
            progress=lambda _rows, _size: None,
            deadline=Deadline(),
            chunks=chunks,
            resumable=False,
            files=by_chunk,
            into=into,
        )
        await pipeline.copy()
        await target.execute(sql.rename(target.names, landing, plan.target_name), doing="cannot name the table")
    return {
        "rows": sum(chunk.rows for chunk in pipeline.loaded.values()),
        "phases": {phase: round(seconds, 3) for phase, seconds in pipeline.phases.seconds.items()},
        "extra": {
            "bytes_read": sum(chunk.bytes_read for chunk in pipeline.loaded.values()),
            "bytes_staged": sum(chunk.bytes for chunk in pipeline.loaded.values()),
            "chunks": len(chunks),
        },
    }


if __name__ == "__main__":
    main()
