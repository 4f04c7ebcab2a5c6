"""Starting, finding and ending the embedded warehouse's process."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from engine.errors import ConfigError
from engine.local.owned import environment

ENDPOINT = "endpoint.json"
LOG = "server.log"
READY_S = 30.0  # it takes about one; a slow disk and a large file to recover take more
STOP_S = 10.0


@dataclass(frozen=True)
class Endpoint:
    host: str
    port: int
    pid: int

    def connection(self) -> dict[str, object]:
        """What the connector needs besides a user: any name and password do."""
        return {"account": "local", "host": self.host, "port": self.port, "protocol": "http"}


class Lock:
    """One server a directory, held by the kernel for as long as the process lives."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "lock"
        self.directory = directory

    def __enter__(self) -> Self:
        self._file = self.path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise SystemExit(f"{self.directory} is already served by the process {holder}") from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


@contextmanager
def serve(directory: Path, port: int = 0) -> Iterator[Endpoint]:
    """A server of this directory for as long as the block runs; it also ends if this process does."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOG).open("wb") as said:
        process = _start(directory, port, said)
    try:
        yield _ready(process, directory)
    finally:
        _stop(process)
        assert process.stdout is not None
        process.stdout.close()


def _start(directory: Path, port: int, said: IO[bytes]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "engine.local.warehouse", "--child", "--dir", str(directory), "--port", str(port)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True, env=_environment(),
        start_new_session=True,  # Ctrl-C is for its owner, who needs it to clean up
    )  # fmt: skip


@contextmanager
def attach_or_serve(directory: Path) -> Iterator[Endpoint]:
    """The server that serves this directory already, or one of our own for the block."""
    found = find(directory)
    if found is not None:
        yield found
        return
    with serve(directory) as endpoint:
        yield endpoint


def find(directory: Path) -> Endpoint | None:
    """A living server of this directory."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads((directory / ENDPOINT).read_text())
        with urllib.request.urlopen(f"http://{told['host']}:{told['port']}/health", timeout=5) as answer:
            if json.load(answer)["data"]["directory"] == str(directory.resolve()):
                return Endpoint(told["host"], told["port"], told["pid"])
    return None


def _environment() -> dict[str, str]:
    """The child imports this package from where this process has it."""
    here = str(Path(__file__).resolve().parents[3])
    path = os.environ.get("PYTHONPATH")
    return environment() | {"PYTHONPATH": f"{here}{os.pathsep}{path}" if path else here}


def _ready(process: subprocess.Popen[str], directory: Path) -> Endpoint:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], READY_S)
    line = process.stdout.readline() if readable else ""
    if not line:
        _stop(process)
        said = (directory / LOG).read_text(errors="replace").strip().splitlines()
        reason = said[-1] if said else f"no answer within {READY_S:.0f} s"
        raise ConfigError([f"The embedded warehouse in {directory} did not start: {reason}"])
    told = json.loads(line)
    return Endpoint(told["host"], told["port"], told["pid"])


def _stop(process: subprocess.Popen[str]) -> None:
    """Close its standard input, which asks it to end; then a signal; then end it."""
    if process.stdin is not None:
        process.stdin.close()
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None and process.poll() is None:
            process.send_signal(number)
        try:
            process.wait(STOP_S / 2)
        except subprocess.TimeoutExpired:
            continue
        return
