"""Runs of the command line without the 1.2 s of CPU that Python needs to start one: a process that has imported what
the engine imports forks for each, and the rest of a start takes 0.2 s.

    with Launcher(directory) as launcher:
        running = launcher.start(config, "run", "public.t")
        running.kill()
        code = running.wait().code

The native core of Snowflake's connector has threads, which a fork would lose, so each run imports that itself.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import tomlkit

ROOT = Path(__file__).parents[2]
WAIT_S_MAX = 120.0
"""A run that takes longer hangs."""
IMPORTED = (
    "pandas", "pyarrow", "aioboto3", "asyncpg", "stamina", "engine.cli", "engine.state.dynamodb",
    "engine.state.sqlite", "engine.state.idempotency", "engine.stage.s3", "engine.stage.disk",
    "engine.local.warehouse.process", "engine.secrets.vault", "engine.source.snapshot", "engine.source.horizon",
    "engine.source.readers", "engine.telemetry.traces", "engine.telemetry.functions", "engine.spool",
    "engine.pipeline", "engine.extraction", "engine.foresight", "engine.sql.target", "engine.sql.difference",
)  # fmt: skip
"""All that is slow and does not import the connector."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: its exit code (-9 where it was killed), its one JSON object (None without one), its log."""

    code: int
    output: Any
    log: str


class Running:
    """A run in a process of its own; `wait` may be called from any thread."""

    def __init__(self, directory: Path, connection: socket.socket) -> None:
        self.directory = directory
        connection.settimeout(WAIT_S_MAX)
        self._told = connection.makefile("r")
        connection.close()  # the file keeps it open
        self.pid = int(self._told.readline())

    @property
    def alive(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> Outcome:
        """Raises TimeoutError, and kills it, where it hangs."""
        with self._told:
            try:
                code = int(self._told.readline())
            except TimeoutError as error:
                self.kill()
                raise TimeoutError(f"the run has not ended after {WAIT_S_MAX:.0f} s:\n{self.log()}") from error
        output = (self.directory / "output").read_text(encoding="utf-8")
        whole = output.endswith("\n")  # a killed run may have written half of it
        return Outcome(code, json.loads(output) if whole else None, self.log())

    def log(self) -> str:
        return (self.directory / "log").read_text(encoding="utf-8")


class Launcher:
    """The process that forks, for as long as the block runs; each run has a directory of its own in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._runs = 0

    def __enter__(self) -> Self:
        threads = {"OPENBLAS_NUM_THREADS": "1"}  # one more would not survive a fork either
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.launcher"],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **threads},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # it ends with its standard input, and all that still runs with it

    def start(self, config: Mapping[str, Any], *arguments: str, **environment: str) -> Running:
        """`borealis ARGUMENTS --config FILE --json`, with these variables beside those of the launcher.

        ENTRY=module:function calls that instead.
        """
        self._runs += 1
        directory = self.directory / str(self._runs)
        directory.mkdir(parents=True)
        for name, text in (("borealis.toml", tomlkit.dumps(config)), ("output", ""), ("log", "")):
            (directory / name).write_text(text, encoding="utf-8")
        connection = socket.create_connection(("127.0.0.1", self._port))
        asked = {"directory": str(directory), "arguments": arguments, "environment": environment}
        connection.sendall(json.dumps(asked).encode() + b"\n")
        return Running(directory, connection)


def serve() -> dict[str, Any]:
    """Forks for each run that is asked for. Returns in the process of the run, with what was asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended, woken = socket.socketpair()
    woken.setblocking(False)
    before = signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken.fileno())
    print(listener.getsockname()[1], flush=True)  # noqa: T201
    asked: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([sys.stdin, listener, ended], [], [])
        if ended in ready:
            ended.recv(4096)
            _tell_the_ended(asked)
        if sys.stdin in ready:
            for pid in asked:
                os.kill(pid, signal.SIGKILL)
            sys.exit()
        if listener in ready:
            connection, _ = listener.accept()
            request: dict[str, Any] = json.loads(connection.makefile().readline())
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, before)
                for each in (listener, ended, woken, connection, *asked.values()):
                    each.close()
                return request
            asked[pid] = connection
            connection.sendall(f"{pid}\n".encode())


def _tell_the_ended(asked: dict[int, socket.socket]) -> None:
    for pid in list(asked):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            with asked.pop(pid) as connection, suppress(OSError):
                connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def become(asked: Mapping[str, Any]) -> None:
    """The process of a run: where it works, what it reads and writes, its environment and its command line."""
    os.setsid()
    os.chdir(asked["directory"])
    os.environ.update(asked["environment"])
    for number, (name, flags) in enumerate([("/dev/null", os.O_RDONLY), ("output", os.O_WRONLY), ("log", os.O_WRONLY)]):
        file = os.open(name, flags)
        os.dup2(file, number)
        os.close(file)
    sys.argv = ["borealis", *asked["arguments"], "--config", "borealis.toml", "--json"]


if __name__ == "__main__":
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()  # what no run collects none has to copy
    become(serve())
    module, _, name = os.environ.get("ENTRY", "engine.cli:main").partition(":")
    getattr(importlib.import_module(module), name)()
