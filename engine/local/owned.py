"""A server of ours as a process that ends when its owner does, however the owner dies.

A shell starts it and reads from a pipe whose other end is ours; when the pipe closes, the shell ends the server.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

STOP_S = 10.0
_SHELL = '"$@" & read -r _; kill -TERM $! 2>/dev/null; wait'


ENGINES = ("BOREALIS_", "PG", "VAULT_", "BAO_", "SNOWFLAKE_")
"""How variables begin that hold the engine's secrets, and steer its drivers."""


def environment() -> dict[str, str]:
    """Ours for a server that we start, without what is the engine's alone."""
    return {name: value for name, value in os.environ.items() if not name.startswith(ENGINES)}


class OwnedProcess:
    def __init__(self, command: Sequence[str], *, cwd: Path, log: Path, env: Mapping[str, str]) -> None:
        with log.open("wb") as said:
            self._shell = subprocess.Popen(
                ["/bin/sh", "-c", _SHELL, "owner", *command],
                stdin=subprocess.PIPE, stdout=said, stderr=said, cwd=cwd, env=dict(env), start_new_session=True,
            )  # fmt: skip

    def end(self) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        try:
            self._shell.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._shell.kill()
            self._shell.wait()
