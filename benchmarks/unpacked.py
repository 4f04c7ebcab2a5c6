"""The package as a function of Lambda finds it: unpacked, with the runtime client beside it and nothing else.

Of what Lambda's own runtime holds only the client is here, not its boto3: what the package lacks is not found.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.local.cloud.environment import FunctionSpec
from package.build import REPOSITORY, Runtime, build, interpreter_of

OWN_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True, slots=True)
class Unpacked:
    code: Path
    client: Path
    interpreter: str
    manifest: Mapping[str, Any] = field(repr=False)

    @property
    def python(self) -> list[str]:
        """Without site-packages, and writing no byte code, as where the file system is read-only."""
        return [self.interpreter, "-S", "-B"]

    @property
    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": f"{self.code}{os.pathsep}{self.client}"}

    def spec(self, handler: str, variables: Mapping[str, str], **limits: Any) -> FunctionSpec:
        """For `Functions` of the local cloud."""
        env = dict(variables) | self.environment
        return FunctionSpec(handler, env=env, code=self.code, python=self.python, **limits)


def unpacked(folder: Path, python: str) -> Unpacked | None:
    """Built for this machine and that Python; None where the machine has no such Python to run it."""
    interpreter = interpreter_of(python)
    if interpreter is None:
        return None
    architecture = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    manifest = build(Runtime(architecture, python), folder)
    with zipfile.ZipFile(folder / manifest["name"]) as archive:
        archive.extractall(folder / "task")
    pinned = ["--constraint", str(REPOSITORY / "requirements-dev.txt"), "--python-version", python]
    uv = [sys.executable, "-m", "uv", "--quiet", "pip", "install", "--python", sys.executable, "--only-binary", ":all:"]
    subprocess.run([*uv, *pinned, "--target", str(folder / "client"), "awslambdaric"], check=True, cwd=folder)
    return Unpacked(folder / "task", folder / "client", interpreter, manifest)
