"""What a contender costs is what its whole tree of processes and PostgreSQL's backends cost."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import asyncpg
import psutil
import pytest

from benchmarks import meter as meter_module
from benchmarks.meter import Meter

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


def test_pages_that_a_child_shares_are_counted_once(parent):
    """As between fork and exec of a program that a large process runs."""
    pid, runs = parent
    with Meter(pid, None) as meter:
        runs("import os; held = bytearray(b'x') * 120_000_000; import time; os.fork(); time.sleep(0.3)")
    assert 120e6 < meter.rss_peak_bytes < 200e6


def test_a_peak_of_before_is_forgotten():
    script = "held = bytearray(b'x') * 120_000_000; del held; print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with Meter(process.pid, None) as meter:
            time.sleep(0.1)
        process.stdin.close()
    assert 0 < meter.rss_peak_bytes < 60e6


@pytest.mark.parametrize("ends", [True, False])
async def test_cpu_of_a_backend_is_the_servers_whether_it_lives_or_has_ended(postgres, ends):
    connection = await asyncpg.connect(postgres.dsn())
    with Meter(os.getpid(), postgres.pid) as meter:
        await connection.execute("SELECT sum(n * 1.5) FROM generate_series(1, 2000000) AS n")
        if ends:
            await connection.close()
    assert 0.1 < meter.backend_cpu_s < 5
    await connection.close()


def test_cpu_never_runs_backwards_while_children_end(parent):
    """One that is waited for between two looks is counted once."""
    pid, runs = parent
    looks = []
    with ThreadPoolExecutor(1) as thread:
        ending = thread.submit(lambda: [runs(BURN.replace("0.4", "0.1")) for _ in range(15)])
        while not ending.done():
            looks.append(meter_module._cpu_s(pid))
    assert looks[-1] > 1.4
    assert all(later > earlier - 0.05 for earlier, later in pairwise(looks))
