"""What a contender costs is what its whole tree of processes and PostgreSQL's backends cost."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from benchmarks.meter import Meter
from tests.conftest import connected

pytestmark = pytest.mark.skipif(not psutil.LINUX, reason="measured on Linux only")

BURN = "import time\nwhile time.process_time() < 0.4: pass"
HOLD = "import time; held = bytearray(b'x') * 120_000_000; time.sleep(0.3)"


@pytest.fixture
def parent():
    """Starts, on each line that it gets, a child that runs it, and answers when that has ended."""
    script = (
        "import subprocess, sys\n"
        "for line in sys.stdin: subprocess.run([sys.executable, '-c', eval(line)], check=True); print(flush=True)"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def runs(code):
            process.stdin.write(repr(code) + "\n")
            process.stdin.flush()
            process.stdout.readline()

        runs("pass")
        yield process.pid, runs
        process.stdin.close()


def test_cpu_of_children_that_ended_is_the_clients(parent):
    pid, runs = parent
    with Meter(pid, None) as meter:
        runs(BURN)
    assert 0.38 <= meter.client_cpu_s < 1.5
    assert meter.backend_cpu_s is None


def test_cpu_before_the_block_is_not(parent):
    pid, runs = parent
    runs(BURN)
    with Meter(pid, None) as meter:
        runs("pass")
    assert meter.client_cpu_s < 0.3


def test_the_peak_is_that_of_all_processes_together(parent):
    pid, runs = parent
    with Meter(pid, None) as meter:
        runs(HOLD)
    assert 120e6 < meter.rss_peak_bytes < 200e6


def test_a_peak_of_before_is_forgotten():
    script = "held = bytearray(b'x') * 120_000_000; del held; print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with Meter(process.pid, None) as meter:
            time.sleep(0.1)
        process.stdin.close()
    assert 0 < meter.rss_peak_bytes < 60e6


async def test_cpu_of_backends_that_live_and_that_ended_is_the_servers(postgres):
    async with connected(postgres.dsn()) as living:
        with Meter(os.getpid(), postgres.pid) as meter:
            for _ in range(2):
                async with connected(postgres.dsn()) as connection:
                    await connection.execute("SELECT sum(n * 1.5) FROM generate_series(1, 1000000) AS n")
            ended = psutil.Process(postgres.pid).cpu_times()
            await living.execute("SELECT sum(n * 1.5) FROM generate_series(1, 2000000) AS n")
        after = psutil.Process(postgres.pid).cpu_times()
    assert meter.backend_cpu_s > 0.3
    assert ended.children_user == after.children_user
