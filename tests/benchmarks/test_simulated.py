"""What one worker measured is what the model knows of this machine, and what more of them are predicted from."""

from dataclasses import replace

import psutil
import pytest

from benchmarks.contest import Outcome, Run
from benchmarks.scenarios.simulated import LOADERS, READERS, WORKERS, cases_of, world_of
from benchmarks.simulator.run import simulate

ROWS, RAW = 1_000_000, 160_000_000
PER_WORKER_S = 20.0


def outcome(seconds: float, workers: int = 1) -> Outcome:
    """A run with a second of plan and of gates, whose workers join in half a second."""
    worker = {
        "seconds": {"read": 2 * seconds, "put": 1.0, "load": 4.0, "copy": seconds}, "cpu_s": 0.5 / workers,
        "total_s": seconds + 0.5,
    }  # fmt: skip
    phases = {"plan": 1.0, "work": seconds + 0.5, "finish": 1.0}
    extra = {"workers": [worker] * workers, "warehouse_cpu_s": 1.0}
    run = Run(seconds + 2.5, ROWS, RAW, 40_000_000, 0.6, 1.0, 10**8, phases, extra)
    return Outcome("a fan-out", [run])


def test_rates_are_those_of_the_run_with_one_worker():
    world = world_of(outcome(PER_WORKER_S), outcome(PER_WORKER_S), 2 * RAW, line=True)
    assert (world.costs.client_cpu_s, world.costs.backend_cpu_s, world.load_cpu_s) == (0.5, 1.0, 1.0)
    assert (world.costs.row_bytes, world.costs.staged_share, world.costs.csv_share) == (160, 0.25, 0.5)
    assert world.line_bytes_s == pytest.approx(RAW / PER_WORKER_S / READERS)
    assert (world.load_bytes_s, world.warehouse_threads, world.warehouse) == (RAW / 1.0, 4.0, 1)
    assert world.put_bytes_s == 40e6
    assert (world.machine_cores, world.loaders) == (psutil.cpu_count(), LOADERS)


def test_the_run_that_the_rates_come_from_is_predicted_well():
    one = outcome(PER_WORKER_S)
    told = simulate(world_of(one, one, 2 * RAW, line=True), 2 * RAW, 2**21)
    assert told.wall_s == pytest.approx(one.runs[0].seconds, rel=0.1)


def test_slow_lines_are_predicted_to_scale_and_a_busy_machine_not_to():
    slow = [outcome(PER_WORKER_S / count, count) for count in WORKERS]
    cases = list(cases_of("slow lines", slow, world_of(slow[0], slow[0], 2 * RAW, line=True), 2 * RAW))
    assert [case.saturated for case in cases] == ["one connection"] * len(WORKERS)
    assert all(abs(case.error) < 0.25 for case in cases), cases
    world = replace(world_of(slow[0], slow[0], 2 * RAW, line=False), machine_cores=1.0)
    free = list(cases_of("whole machine", slow, world, 2 * RAW))
    assert {case.saturated for case in free} <= {"machine CPU", "warehouse"}
    assert free[-1].predicted_work_s == pytest.approx(free[0].predicted_work_s, rel=0.3)
    assert free[0].predicted_work_s > 2.4, "seconds of CPU on one core"
