"""Where a function may run from: the unpacked package with nothing beside it, or this checkout in its environment.

Of what Lambda's own runtime holds only the runtime client is laid beside the package, not its boto3: what the package
lacks is not found.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.local.cloud.environment import FunctionSpec
from package.build import REPOSITORY, Runtime, build, interpreter_of

OWN_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True, slots=True)
class Place:
    name: str
    code: Path
    python: Sequence[str]
    """The interpreter with its options."""
    path: str
    """PYTHONPATH"""
    manifest: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def spec(self, handler: str, variables: Mapping[str, str], **limits: Any) -> FunctionSpec:
        """For `Functions` of the local cloud."""
        env = {**variables, "PYTHONPATH": self.path}
        return FunctionSpec(handler, env=env, code=self.code, python=self.python, **limits)


CHECKOUT = Place(f"checkout, Python {OWN_PYTHON}", REPOSITORY, [sys.executable], str(REPOSITORY))


def packaged(folder: Path, python: str, config: Path | None = None) -> Place | None:
    """Built for this machine and that Python; None where the machine has no such Python to run it.

    Without site-packages, and writing no byte code, as where the file system is read-only.
    """
    interpreter = interpreter_of(python)
    if interpreter is None:
        return None
    architecture = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    manifest = build(Runtime(architecture, python), folder, config)
    with zipfile.ZipFile(folder / manifest["name"]) as archive:
        archive.extractall(folder / "task")
    uv = [sys.executable, "-m", "uv", "--quiet", "pip", "install", "--python", sys.executable, "--only-binary", ":all:"]
    pinned = ["--constraint", str(REPOSITORY / "requirements-dev.txt"), "--python-version", python]
    subprocess.run([*uv, *pinned, "--target", str(folder / "client"), "awslambdaric"], check=True, cwd=folder)
    code, client = folder / "task", folder / "client"
    path = f"{code}{os.pathsep}{client}"
    return Place(f"package, Python {python}", code, [interpreter, "-S", "-B"], path, manifest)


def without_byte_code(place: Place, folder: Path) -> Place:
    """The same package as it is built where there is no Python of its version."""
    shutil.copytree(place.code, folder, ignore=shutil.ignore_patterns("__pycache__"))
    path = place.path.replace(str(place.code), str(folder))
    return replace(place, name=f"{place.name}, no byte code", code=folder, path=path)
