"""CPU and memory of a tree of processes, and CPU of PostgreSQL's, while a block of code runs. Linux; None elsewhere.

Seconds are user and system time in ticks of 10 ms, of processes that live and of those that ended and were waited for.
The peak of memory is what the process holds and each of its descendants has for itself, looked at every 20 ms, or the
kernel's own mark of one of them where that is higher. Pages that a child shares are counted once: between fork and exec
it shares all of its parent's, and connector 5 runs other programs now and then.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

SAMPLE_SECONDS = 0.02
LOOKS_MAX = 100
PROC = Path("/proc")


class Meter:
    """Of the process `client` with its descendants, and of the children of `postmaster`."""

    def __init__(self, client: int, postmaster: int | None) -> None:
        self.client_cpu_s: float | None = None
        self.backend_cpu_s: float | None = None
        self.rss_peak_bytes: int | None = None
        self._client = client
        self._postmaster = postmaster
        self._ended = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        if psutil.LINUX:
            _forget_peak(self._client)
            self._before = self._cpu()
            self.rss_peak_bytes = 0
            self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if psutil.LINUX:
            client, backends = self._cpu()
            self._ended.set()
            self._sampler.join()
            self._look()
            self.client_cpu_s = client - self._before[0]
            self.backend_cpu_s = None if backends is None else backends - (self._before[1] or 0.0)

    def _cpu(self) -> tuple[float, float | None]:
        return _cpu_s(self._client), None if self._postmaster is None else _cpu_s(self._postmaster)

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self._look()

    def _look(self) -> None:
        tree = _tree(self._client)
        marks = [_bytes(pid, "status", "VmHWM:") for pid in tree]
        held = _bytes(tree[0], "status", "VmRSS:") + sum(_bytes(pid, "smaps_rollup", "Private_") for pid in tree[1:])
        self.rss_peak_bytes = max(self.rss_peak_bytes or 0, held, *marks)


def _tree(pid: int) -> list[int]:
    return [pid, *(below for child in _children(pid) for below in _tree(child))]


def _children(pid: int) -> list[int]:
    """As the kernel lists them for each thread: to search all processes of the machine every 20 ms would be seen."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in (PROC / str(pid) / "task").iterdir():
            with contextlib.suppress(OSError):
                found += map(int, (thread / "children").read_text(encoding="ascii").split())
    return found


def _cpu_s(pid: int) -> float:
    """Of the tree, with the children that each process has waited for, as the postmaster does for backends that end.

    A child that is waited for between two looks would be counted twice or not at all, so it is looked until none is.
    """
    for _ in range(LOOKS_MAX):
        before, after = _times(_tree(pid)), _times(_tree(pid))
        if {each: times[2:] for each, times in before.items()} == {each: times[2:] for each, times in after.items()}:
            break
    return sum(sum(times) for times in after.values())


def _times(pids: list[int]) -> dict[int, tuple[float, ...]]:
    """User, system, and the same of the children that were waited for."""
    times = {}
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            times[pid] = psutil.Process(pid).cpu_times()[:4]
    return times


def _bytes(pid: int, file: str, name: str) -> int:
    """The lines that begin so, added; 0 for a process that has ended."""
    with contextlib.suppress(OSError):
        lines = (PROC / str(pid) / file).read_text(encoding="utf-8").splitlines()
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
    return 0


def _forget_peak(pid: int) -> None:
    """Lets the kernel begin its mark anew, so that what importing took and gave back is not in it."""
    with contextlib.suppress(OSError):
        (PROC / str(pid) / "clear_refs").write_text("5", encoding="ascii")
