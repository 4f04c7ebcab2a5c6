"""Runs contenders in turns, checks what each left before it believes its time, and says what each run cost.

A contender is a program. It is started, imports what it needs, opens nothing of the data, prints `ready` on a line,
waits for a line, does the job, prints one line of JSON, waits until its input ends, and exits with 0:

    {"rows": int or null, "phases": {"read": seconds, ...}, "versions": {"asyncpg": "0.32.0", ...}, "extra": {...}}

All keys may be left out; contenders/protocol.py is this in Python. What it makes, it leaves in the folder that
follows `--into`, which is appended to its arguments. Measured is from the line that it gets to the line that it tells.

Rounds are interleaved (A B C, A B C, ...), so that a machine that slows down slows all of them; the first round warms
up and is dropped, unchecked.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.meter import Meter

READY = "ready"
START_SECONDS_MAX = 60.0
"""From its start to `ready`: the slowest peer imports for 3 s on two busy cores."""
RUN_SECONDS_MAX = 900.0
"""The slowest peer, 12 times slower than psql, reads 6 M rows in 3 minutes."""
TAIL_LINES = 3
STAGES = ("before", "run", "check")
"""Of a turn: what is done before it, the contender's process from start to end, what it left read again."""

Told = Mapping[str, Any]
"""The JSON of a contender."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a contender left, as counted: its rows, the table's bytes as CSV, its own bytes, and what is not equal."""

    rows: int
    raw_bytes: int
    compressed_bytes: int
    lost: str = ""
    """Which columns differ from the table's, "" for none; its rate is shown, with this beside it."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Laid over what the contender tells: what it cost others, such as a warehouse."""


Check = Callable[[Path, Told], Left]
"""Counts what was left in a folder, after the time is taken. Raises DisqualifiedError where no rate may be believed."""


class DisqualifiedError(Exception):
    """A contender that failed, or left something else than the table. It is shown as that, and the others go on."""


@dataclass(frozen=True, slots=True)
class Contender:
    name: str
    argv: Sequence[str]
    """The program; `--into FOLDER` is appended."""
    check: Check
    """`table.check` for files; a scenario's own for what is loaded into a target."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Laid over this process's environment."""
    before: Callable[[], None] = lambda: None
    """Before each run, unmeasured: empties a target, changes rows."""
    rounds_max: int | None = None
    """Slow ones race in the first so many rounds that count."""
    warm_up: Sequence[str] | None = None
    """Arguments of the dropped round where the whole would take long, such as a smaller table; empty: it has none, and
    those before it warm up what they share."""


@dataclass(frozen=True, slots=True)
class Run:
    seconds: float
    rows: int
    raw_bytes: int
    compressed_bytes: int
    client_cpu_s: float | None
    backend_cpu_s: float | None
    rss_peak_bytes: int | None
    phases: Mapping[str, float] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Outcome:
    """The runs of one contender that count; none where it `failed`."""

    name: str
    runs: list[Run] = field(default_factory=list)
    lost: str = ""
    failed: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    lossy: str = ""
    """Of the kinds of values in the scenario `losses`, changed/refused; "" where that was not run."""
    wall_s: dict[str, float] = field(default_factory=dict)
    """Of this suite's own time, by STAGES, what all its turns took, the dropped one too."""

    def median(self, value: Callable[[Run], float | None]) -> float | None:
        """None where it has no runs or one of them could not be measured."""
        values = [value(run) for run in self.runs]
        known = [number for number in values if number is not None]
        return statistics.median(known) if known and len(known) == len(values) else None

    @property
    def rows_per_second(self) -> float | None:
        return self.median(lambda run: run.rows / run.seconds)

    @property
    def spread(self) -> float | None:
        """(slowest - fastest) / median, of the seconds."""
        if not self.runs:
            return None
        seconds = [run.seconds for run in self.runs]
        return (max(seconds) - min(seconds)) / statistics.median(seconds)

    @property
    def client_cpu(self) -> float | None:
        """Seconds per million rows."""
        return self.median(lambda run: _per_million(run.client_cpu_s, run.rows))

    @property
    def backend_cpu(self) -> float | None:
        return self.median(lambda run: _per_million(run.backend_cpu_s, run.rows))

    @property
    def rss_peak_mb(self) -> float | None:
        return self.median(lambda run: None if run.rss_peak_bytes is None else run.rss_peak_bytes / 1e6)

    @property
    def phases(self) -> dict[str, float | None]:
        """Seconds of each, in the order in which they were told."""
        names = dict.fromkeys(name for run in self.runs for name in run.phases)
        return {name: _rounded(self.median(partial(_phase, name)), 3) for name in names}

    def ratio_to(self, base: Outcome) -> float | None:
        """The median over rounds of this round's rate beside the base's in the same round; None without a pair."""
        pairs = zip(self.runs, base.runs, strict=False)
        ratios = [(run.rows / run.seconds) / (other.rows / other.seconds) for run, other in pairs]
        return statistics.median(ratios) if ratios else None

    def to_json(self, base: Outcome) -> dict[str, Any]:
        return {
            "name": self.name,
            "ratio_to_base": _rounded(self.ratio_to(base), 3),
            "rows_per_second": _rounded(self.rows_per_second, 0),
            "spread": _rounded(self.spread, 3),
            "raw_mb_per_second": _rounded(self.median(lambda run: run.raw_bytes / run.seconds / 1e6), 1),
            "compressed_mb_per_second": _rounded(self.median(lambda run: run.compressed_bytes / run.seconds / 1e6), 1),
            "client_cpu_s_per_million_rows": _rounded(self.client_cpu, 3),
            "backend_cpu_s_per_million_rows": _rounded(self.backend_cpu, 3),
            "rss_peak_mb": _rounded(self.rss_peak_mb, 1),
            "phases": self.phases,
            "lost": self.lost,
            "failed": self.failed,
            "lossy": self.lossy,
            "wall_s": {stage: round(seconds, 2) for stage, seconds in self.wall_s.items()},
            "versions": dict(self.versions),
            "runs": [asdict(run) for run in self.runs],
        }


def _phase(name: str, run: Run) -> float | None:
    return run.phases.get(name)


def _per_million(seconds: float | None, rows: int) -> float | None:
    return None if seconds is None or not rows else seconds / rows * 1e6


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def in_turns(
    contenders: Sequence[Contender],
    *,
    rounds: int,
    scratch: Path,
    postmaster: int | None,
    budget_s: float = math.inf,
    warm_up: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> list[Outcome]:
    """Of each, in the order given. One that fails or refuses is out of the rounds to come, and its runs are dropped.

    Of no rounds the warm-up is left, whose time counts for nothing, and what it leaves is checked.
    `budget_s`: no further round begins for one whose turns took so long, once it has one that counts.
    """
    outcomes = [Outcome(contender.name) for contender in contenders]
    for turn in range(0 if warm_up else 1, rounds + 1):
        for contender, outcome in zip(contenders, outcomes, strict=True):
            if outcome.failed or (contender.rounds_max is not None and turn > contender.rounds_max):
                continue
            if not turn and contender.warm_up == ():
                continue
            if outcome.runs and sum(outcome.wall_s.values()) >= budget_s:
                continue
            try:
                _take_turn(contender, outcome, turn, scratch, postmaster, say, only=not rounds)
            except DisqualifiedError as refused:
                outcome.failed, outcome.runs = str(refused), []
                say(f"round {turn or 'warm-up'}  {contender.name:<36} failed: {refused}")
    return outcomes


def _take_turn(
    contender: Contender,
    outcome: Outcome,
    turn: int,
    scratch: Path,
    postmaster: int | None,
    say: Callable[[str], None],
    *,
    only: bool,
) -> None:
    """The first one is dropped unseen, unless it is the only one."""
    into = scratch / "left"
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    try:
        with _taking(outcome, "before"):
            contender.before()
        argv = contender.argv if turn or contender.warm_up is None else contender.warm_up
        with _taking(outcome, "run"):
            measured = _started([*argv, "--into", str(into)], contender.env, scratch, postmaster)
        if not turn and not only:
            return
        with _taking(outcome, "check"):
            left = contender.check(into, measured.told)
        told_rows = measured.told.get("rows")
        if told_rows is not None and told_rows != left.rows:
            raise DisqualifiedError(f"told of {told_rows:,} rows and left {left.rows:,}")
        say(f"round {turn or 'warm-up'}  {contender.name:<36} {measured.seconds:7.2f} s")
        outcome.versions = measured.told.get("versions", {})
        outcome.lost = left.lost
        if turn:
            outcome.runs.append(measured.run(left))
    finally:
        shutil.rmtree(into, ignore_errors=True)


@contextmanager
def _taking(outcome: Outcome, stage: str) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        outcome.wall_s[stage] = outcome.wall_s.get(stage, 0.0) + time.monotonic() - began


@dataclass(frozen=True, slots=True)
class _Measured:
    told: Told
    seconds: float
    client_cpu_s: float | None
    backend_cpu_s: float | None
    rss_peak_bytes: int | None

    def run(self, left: Left) -> Run:
        return Run(
            self.seconds,
            left.rows,
            left.raw_bytes,
            left.compressed_bytes,
            self.client_cpu_s,
            self.backend_cpu_s,
            self.rss_peak_bytes,
            self.told.get("phases", {}),
            {**self.told.get("extra", {}), **left.extra},
        )


def _started(argv: Sequence[str], env: Mapping[str, str], scratch: Path, postmaster: int | None) -> _Measured:
    """From `ready` to the line that it tells. DisqualifiedError where it fails, with the end of what it said."""
    log = scratch / "stderr.txt"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env={**os.environ, **env},
            text=True, start_new_session=True,
        )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if (said := _line(process, START_SECONDS_MAX)) != READY:
            raise DisqualifiedError(f"said {said!r} instead of {READY!r}: {_tail(log)}")
        with Meter(process.pid, postmaster) as meter:
            process.stdin.write("go\n")
            process.stdin.flush()
            began = time.monotonic()
            said = _line(process, RUN_SECONDS_MAX)
            seconds = time.monotonic() - began
        try:
            told = json.loads(said)
        except ValueError:
            raise DisqualifiedError(f"ended without a line of JSON: {_tail(log) or said!r}") from None
        process.stdin.close()
        if process.wait(START_SECONDS_MAX):
            raise DisqualifiedError(f"exit code {process.returncode}: {_tail(log)}")
        return _Measured(told, seconds, meter.client_cpu_s, meter.backend_cpu_s, meter.rss_peak_bytes)
    except (BrokenPipeError, subprocess.TimeoutExpired) as error:
        raise DisqualifiedError(f"{error}: {_tail(log)}") from error
    finally:
        _end(process)


def _line(process: subprocess.Popen[str], seconds_max: float) -> str:
    """The next that it says, "" where it ended; ends it when there is none in that time."""
    assert process.stdout is not None
    late = threading.Timer(seconds_max, _kill, [process])
    late.start()
    try:
        line = process.stdout.readline()
        if not late.is_alive():
            raise DisqualifiedError(f"said nothing for {seconds_max:.0f} s")
        return line.strip()
    finally:
        late.cancel()


def _end(process: subprocess.Popen[str]) -> None:
    """With what it started."""
    _kill(process)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _kill(process: subprocess.Popen[str]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " / ".join(line.strip() for line in lines[-TAIL_LINES:])
