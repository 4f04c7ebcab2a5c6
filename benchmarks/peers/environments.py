"""Gives each peer an environment of its own: made by uv from its lock, by hash, kept in `.peers/` of the checkout.

One folder a lock: a changed lock makes a new one, and the old is deleted. Packages come as wheels or not at all, so
that nothing is built here and nothing is downloaded by an installation but what the lock names.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
KEPT = HERE.parents[1] / ".peers"
INSTALL_SECONDS_MAX = 300  # dlt's 430 MB took 20 s from a near registry


class AbsentError(Exception):
    """This machine cannot have the environment; why, in a line."""


def lock_of(peer: str) -> Path:
    return HERE / f"requirements-{peer}.txt"


def python_of(peer: str) -> Path:
    """The interpreter of the peer's environment, which need not have been made yet."""
    return _folder(peer) / "bin" / "python"


def make(peer: str) -> None:
    """Makes the environment where there is none of this lock and this Python. AbsentError where it cannot be made."""
    folder = _folder(peer)
    whole = folder / "whole"
    if whole.exists():
        return
    for left in KEPT.glob(f"{peer}-*"):
        shutil.rmtree(left)
    python = str(python_of(peer))
    _uv("venv", "--python", sys.executable, str(folder))
    _uv("pip", "install", "--python", python, "--no-build", "--require-hashes", "-r", str(lock_of(peer)))
    whole.touch()


def _folder(peer: str) -> Path:
    digest = hashlib.sha256(lock_of(peer).read_bytes() + sys.version.encode()).hexdigest()
    return KEPT / f"{peer}-{digest[:12]}"


def _uv(*arguments: str) -> None:
    command = [sys.executable, "-m", "uv", "--quiet", "--no-progress", *arguments]
    try:
        # From the root: in the checkout uv would take the constraints of our own project for the peer's
        subprocess.run(command, check=True, cwd="/", capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX)
    except subprocess.TimeoutExpired as error:
        raise AbsentError(f"uv {arguments[0]} took more than {INSTALL_SECONDS_MAX} s") from error
    except subprocess.CalledProcessError as error:
        raise AbsentError(f"uv {arguments[0]}: {' '.join(error.stderr.split())[:300]}") from error
