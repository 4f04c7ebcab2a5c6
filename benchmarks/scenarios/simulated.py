"""Holds the model against fan-outs on this machine: what one worker measured predicts what more of them take.

Functions are processes here, and share the machine's cores with the source and the warehouse. Once nothing else bounds
them, and once each connection to the source is so slow that the cores do not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import psutil

from benchmarks.bench import Bench, Finding, Profile
from benchmarks.contenders import fan_out
from benchmarks.contest import Contender, DisqualifiedError, Left, Outcome, Run, Told
from benchmarks.simulator.run import simulate
from benchmarks.simulator.world import Costs, Instance, World
from engine import config as settings
from engine.local.warehouse.process import Endpoint, serve
from engine.verify import verify
from tests.faults.proxy import FaultProxy

NAME = "simulated"
ABOUT = "fan-outs over processes beside what the simulator makes of the one with a single worker"
DATASETS: Mapping[Profile, Sequence[str]] = {"quick": ["lineitem"], "full": ["lineitem"]}

SCALE_SHARE = 1 / 4
"""Of the suite's rows: slow lines are slow."""
ROUNDS: Mapping[Profile, int] = {"quick": 1, "full": 2}
WORKERS = (1, 2, 4)
READERS, LOADERS, QUEUE = 2, 2, 2
CHUNK_BYTES = 2 * 2**20
"""Of table: as many chunks a worker as a big table has."""
LINE_BYTES_S = 4e6
"""Of each connection: eight of them are a fifth of what one worker reads on two cores."""
FREE, SLOW = "whole machine", "slow lines"
PLENTY = 1e15
"""Of what does not bound a process: it has no network, and shares the cores."""
ENDLESS = Instance("this machine", PLENTY, PLENTY)


@dataclass(frozen=True, slots=True)
class Case:
    """Seconds of a fan-out, measured (median of rounds) and predicted from the run with one worker."""

    what: str
    workers: int
    measured_s: float
    predicted_s: float
    measured_work_s: float
    predicted_work_s: float
    saturated: str

    @property
    def error(self) -> float:
        return self.predicted_s / self.measured_s - 1

    @property
    def told(self) -> str:
        return (
            f"{self.what}, {self.workers} workers: {self.measured_s:.1f} s measured, {self.predicted_s:.1f} s "
            f"predicted ({self.error:+.0%}), copying {self.measured_work_s:.1f} and {self.predicted_work_s:.1f} s; "
            f"{self.saturated} ends first"
        )

    def figures(self) -> Iterator[tuple[str, float]]:
        for name in ("measured_s", "predicted_s", "measured_work_s", "predicted_work_s", "error"):
            yield f"{self.what}, {self.workers} workers: {name}", round(getattr(self, name), 3)


@dataclass(slots=True)
class Place:
    """Where it is measured: a table, a warehouse, and the line between source and functions."""

    bench: Bench
    warehouse: Endpoint
    folder: Path
    cpu_s: dict[str, float] = field(default_factory=dict)

    def contender(self, workers: int, dsn: str, what: str) -> Contender:
        name = f"{what}, {workers} workers"
        file = self.folder / f"{what.split(maxsplit=1)[0]}{workers}.toml"
        file.write_text(
            f'[source]\ndsn = "{dsn}"\n[target]\nlocal = "{self.folder / "warehouse"}"\ndatabase = "BENCH"\n'
            f'schema = "S"\n[limits]\nreaders = {READERS}\nloaders = {LOADERS}\nqueue = {QUEUE}\nworkers = {workers}\n'
            f'chunk_bytes = {CHUNK_BYTES}\n[state]\npath = "{self.folder / "state.db"}"\n'
            '[[tables]]\nname = "public.lineitem"\n',
            encoding="utf-8",
        )

        def before() -> None:
            self.cpu_s[name] = _cpu_s(self.warehouse.pid)

        def check(_: Path, told: Told) -> Left:
            told["extra"]["warehouse_cpu_s"] = _cpu_s(self.warehouse.pid) - self.cpu_s[name]
            (result,) = anyio.run(verify, settings.load(file), [])
            if not result.ok:
                raise DisqualifiedError(result.error or "the target's checksum differs from the source's")
            (receipt,) = told["extra"]["receipts"]
            return Left(result.rows_target, receipt["bytes_read"], receipt["bytes_staged"])

        warm_up = None if (what, workers) == (FREE, WORKERS[0]) else ()
        return Contender(name, fan_out.argv(file, workers), check, before=before, warm_up=warm_up)


def run(bench: Bench) -> list[Finding]:
    """Both cases in turns; every run is verified by checksum before its time is believed."""
    table = bench.table("lineitem", bench.scale * SCALE_SHARE)
    with _place(bench) as place, FaultProxy(bench.server.port) as line:
        line.answers_per_s = LINE_BYTES_S
        slow = table.dsn.replace(f":{bench.server.port}", f":{line.port}")
        assert slow != table.dsn
        cases = {FREE: table.dsn, SLOW: slow}
        racing = [place.contender(count, dsn, what) for what, dsn in cases.items() for count in WORKERS]
        outcomes = bench.race(racing, min(bench.rounds, ROUNDS[bench.profile]))
    free, slowed = outcomes[: len(WORKERS)], outcomes[len(WORKERS) :]
    if any(outcome.failed for outcome in outcomes):
        return [Finding(NAME, table.name, table.rows, outcomes[0].name, outcomes)]
    found = [
        *cases_of(FREE, free, world_of(free[0], slowed[0], table.heap_bytes, line=False), table.heap_bytes),
        *cases_of(SLOW, slowed, world_of(slowed[0], slowed[0], table.heap_bytes, line=True), table.heap_bytes),
    ]
    figures = {
        f"{case.what}, {case.workers} workers: {name}": value for case in found for name, value in case.figures()
    }
    notes = [case.told for case in found]
    return [Finding(NAME, table.name, table.rows, outcomes[0].name, outcomes, notes=notes, figures=figures)]


@contextmanager
def _place(bench: Bench) -> Iterator[Place]:
    folder = bench.scratch / NAME
    folder.mkdir()
    with serve(folder / "warehouse") as endpoint:
        yield Place(bench, endpoint, folder)


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


# --- predicted ---------------------------------------------------------------------------------------------------


def world_of(one: Outcome, idle: Outcome, heap_bytes: int, *, line: bool) -> World:
    """From the runs of one worker. `idle`: of the one that left cores idle, where nothing waited for a core.

    The embedded warehouse is one process that works on one core: all COPYs together are as fast as that, and one alone
    as fast as it was where cores were idle.
    """
    rows = one.runs[0].rows
    raw = one.runs[0].raw_bytes

    def middle(outcome: Outcome, of: str) -> float:
        value = outcome.median(lambda run: _measured(run)[of])
        assert value is not None
        return value

    million = 1e6 / rows
    join_s = middle(one, "join_s")
    return World(
        Costs(
            source="one worker",
            client_cpu_s=middle(one, "client_cpu_s") * million,
            backend_cpu_s=middle(one, "backend_cpu_s") * million,
            row_bytes=raw / rows,
            staged_share=one.runs[0].compressed_bytes / raw,
            csv_share=raw / heap_bytes,
        ),
        memory_mb=10**9,
        network=(PLENTY, PLENTY),
        readers=READERS,
        loaders=LOADERS,
        queue=QUEUE,
        line_bytes_s=raw / middle(one, "read_s") if line else math.inf,
        limit_s=10**9,
        start_s=(join_s, join_s),
        step_s=0.0,
        lease_write_s=0.0,
        plan_s=middle(one, "plan_s") - join_s,
        publish_s=middle(one, "finish_s") - join_s,
        source=ENDLESS,
        put_bytes_s=one.runs[0].compressed_bytes / middle(idle, "put_s"),
        load_bytes_s=raw / middle(one, "warehouse_cpu_s"),
        warehouse_threads=max(1.0, middle(idle, "load_s") / middle(one, "warehouse_cpu_s")),
        warehouse_times=1,
        machine_cores=float(psutil.cpu_count() or 1),
        load_cpu_s=middle(one, "warehouse_cpu_s") * million,
        chained=False,
    )


def _measured(run: Run) -> Mapping[str, float]:
    """Of a run with one worker, in seconds."""
    (worker,) = run.extra["workers"]
    seconds = worker["seconds"]
    assert run.backend_cpu_s is not None
    return {
        **{f"{phase}_s": seconds[phase] for phase in ("read", "put", "load")},
        "client_cpu_s": worker["cpu_s"],
        "backend_cpu_s": run.backend_cpu_s,
        "warehouse_cpu_s": run.extra["warehouse_cpu_s"],
        "join_s": worker["total_s"] - seconds["copy"],
        "plan_s": run.phases["plan"],
        "finish_s": run.phases["finish"],
    }


def cases_of(what: str, outcomes: Sequence[Outcome], world: World, heap_bytes: int) -> Iterator[Case]:
    for count, outcome in zip(WORKERS, outcomes, strict=True):
        told = simulate(replace(world, functions=count), heap_bytes, CHUNK_BYTES)
        seconds, work = outcome.median(lambda run: run.seconds), outcome.phases["work"]
        assert seconds is not None
        assert work is not None
        yield Case(
            what=what,
            workers=count,
            measured_s=seconds,
            predicted_s=told.wall_s,
            measured_work_s=work,
            predicted_work_s=told.copy_s,
            saturated=told.saturated,
        )
