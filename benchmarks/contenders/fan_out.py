"""Ours over processes: one plans and holds the snapshot, N copy, one publishes, as functions of a fan-out do."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio

from benchmarks.contenders import protocol
from engine import config as settings
from engine import fanout
from engine.config import Config
from engine.deadline import Deadline
from engine.runs import Silent
from engine.state.chosen import state_of
from engine.wiring import Wanted, new_run_id

MODULE = [sys.executable, "-m", "benchmarks.contenders.fan_out"]
PLAN_S_MAX = 60.0


def argv(config: Path, workers: int) -> list[str]:
    """`limits.workers` of the configuration is at least that many, and its target is served already."""
    return [*MODULE, "--config", str(config), "--workers", str(workers)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--group", type=int)
    parser.add_argument("--into")
    asked = parser.parse_args()
    config = settings.load(asked.config)
    if asked.group is not None:
        _worker(config, asked.group)
        return
    command = [*MODULE, "--config", str(asked.config), "--group"]
    workers = [
        subprocess.Popen([*command, str(group)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for group in range(asked.workers)
    ]
    for each in workers:
        assert each.stdout is not None
        each.stdout.readline()
    protocol.run(lambda: anyio.run(_fanned_out, config, workers))


def _worker(config: Config, group: int) -> None:
    """Waits for the id of the run, as a warm function waits for its event."""
    print("ready", flush=True)
    run_id = sys.stdin.readline().strip()
    if not run_id:
        return  # who plans has failed, and says why
    began, cpu_s = time.monotonic(), time.process_time()
    told = anyio.run(_work, config, run_id, group)
    told |= {"total_s": time.monotonic() - began, "cpu_s": time.process_time() - cpu_s}
    print(json.dumps(told), flush=True)


async def _work(config: Config, run_id: str, group: int) -> dict[str, Any]:
    return await fanout.work(config, run_id, group, observer=Silent(), deadline=Deadline())


async def _fanned_out(config: Config, workers: list[subprocess.Popen[str]]) -> dict[str, Any]:
    run_id, began = new_run_id(), time.monotonic()
    async with anyio.create_task_group() as tasks, AsyncExitStack() as stack:
        state = state_of(config)
        stack.push_async_callback(state.close)

        async def hold() -> None:
            await fanout.hold(
                config, run_id, Wanted(full=True), observer=Silent(), deadline=Deadline(), successor=_nobody
            )

        async def start_holder() -> None:
            tasks.start_soon(hold)

        groups = await fanout.plan_round(state, config, run_id, 1, start_holder, PLAN_S_MAX)
        assert groups == len(workers), f"{groups} groups for {len(workers)} workers: make chunks smaller"
        planned = time.monotonic()
        told: list[dict[str, Any]] = []

        async def wait_for(worker: subprocess.Popen[str]) -> None:
            assert worker.stdin is not None
            assert worker.stdout is not None
            worker.stdin.write(run_id + "\n")
            worker.stdin.flush()
            told.append(json.loads(await anyio.to_thread.run_sync(worker.stdout.readline)))

        async with anyio.create_task_group() as waiting:
            for worker in workers:
                waiting.start_soon(wait_for, worker)
        worked = time.monotonic()
        status, receipts = await fanout.finish(config, run_id, last=True, observer=Silent(), deadline=Deadline())
        assert status == "ENDED", receipts
        for worker in workers:
            worker.wait()
        finished = time.monotonic()
    return {
        "rows": sum(receipt["rows_loaded"] for receipt in receipts),
        "phases": {"plan": planned - began, "work": worked - planned, "finish": finished - worked},
        "extra": {
            **{name: sum(receipt[name] for receipt in receipts) for name in ("bytes_read", "bytes_staged")},
            "workers": told,
            "receipts": receipts,
        },
    }


async def _nobody(run_id: str) -> None:
    raise AssertionError(f"the holder of {run_id} has no time limit")


if __name__ == "__main__":
    main()
