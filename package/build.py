"""Installs the lock for a processor, compiles what is chosen of it, and writes zip, manifest and SBOM."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import engine
from package.contents import OURS, Contents, contents, name_of
from package.sbom import sbom

REPOSITORY = Path(__file__).parents[1]
LOCK = REPOSITORY / "requirements.txt"
ZIPPED_BYTES_MAX = 50_000_000  # Lambda's quota for a direct upload is 50 MB; it does not say which kind of M
UNZIPPED_BYTES_MAX = 250_000_000
TASK_ROOT = "/var/task"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold


@dataclass(frozen=True, slots=True)
class Runtime:
    """What the zip is for. Wheels of `platform` run on Amazon Linux 2023, whose glibc is 2.34."""

    architecture: str
    python: str = "3.13"

    @property
    def platform(self) -> str:
        return {"arm64": "aarch64"}.get(self.architecture, self.architecture) + "-manylinux_2_28"


def build(runtime: Runtime, into: Path, config: Path | None = None) -> dict[str, Any]:
    """Writes `into/borealis-ARCHITECTURE.zip`, with manifest and SBOM (.json, .cdx.json) beside it; the manifest."""
    into.mkdir(parents=True, exist_ok=True)
    archive = into / f"{OURS}-{runtime.architecture}.zip"
    with tempfile.TemporaryDirectory(prefix="borealis-package-") as scratch:
        installed, task = Path(scratch, "installed"), Path(scratch, "task")
        _install(runtime, installed)
        chosen = contents(REPOSITORY, installed, runtime.python)
        _lay_out(chosen, task)
        if config:
            shutil.copyfile(config, task / "borealis.toml")
        compiler = _compile(runtime.python, task)
        write_zip(task, archive)
    manifest = _manifest(runtime, archive, chosen, compiler)
    refuse_what_lambda_would(manifest)
    for suffix, document in ((".json", manifest), (".cdx.json", sbom(archive, manifest))):
        archive.with_suffix(suffix).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return manifest


def _install(runtime: Runtime, target: Path) -> None:
    """All of the lock, by hash, as wheels. manylinux_2_28 has to be named: 2014 alone has only connector 4."""
    wheels = ["--only-binary", ":all:", "--require-hashes", "--no-deps", "--link-mode", "copy"]
    place = ["--python-version", runtime.python, "--python-platform", runtime.platform, "--target", str(target)]
    uv = [sys.executable, "-m", "uv", "--quiet", "pip", "install", "--python", sys.executable]
    subprocess.run([*uv, *wheels, *place, "-r", str(LOCK)], check=True, cwd=target.parent)  # outside of any project
    locked = dict(re.findall(r"^([\w.-]+)==([\w.+!-]+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE))
    found = {name_of(package): package.version for package in distributions(path=[str(target)])}
    wrong = {name: version for name, version in found.items() if locked.get(name) != version}
    if wrong or "snowflake-connector-python" not in found:
        raise SystemExit(f"{LOCK.name} says otherwise than what was installed for {runtime.platform}: {wrong}")


def _lay_out(chosen: Contents, task: Path) -> None:
    for file in chosen.files:
        place = task / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.source, place)


def _compile(python: str, task: Path) -> str | None:
    """The version of the interpreter that compiled, None where this machine has no Python of that version.

    A function cannot write byte code beside its sources, so without it each cold start compiles some thousand modules.
    Unchecked, because the times of files in a zip mean nothing.
    """
    interpreter = interpreter_of(python)
    if interpreter is None:
        return None
    bare = {"PYTHONHASHSEED": "0", "PATH": os.defpath}
    how = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(task), "-p", TASK_ROOT]
    subprocess.run([interpreter, "-m", "compileall", *how, str(task)], check=True, env=bare)
    told = subprocess.run([interpreter, "-V"], check=True, env=bare, capture_output=True, text=True)
    return told.stdout.split()[1]


def interpreter_of(python: str) -> str | None:
    """A Python of this version: the running one, or one that uv finds."""
    if python == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    seen = os.environ | {"PYENV_VERSION": python}  # pyenv's commands say "not found" for versions that are not chosen
    asked = [sys.executable, "-m", "uv", "python", "find", "--no-project", "--system", python]
    found = subprocess.run(asked, check=False, env=seen, capture_output=True, text=True)
    return found.stdout.strip() or None


def write_zip(task: Path, archive: Path) -> None:
    """The same bytes for the same files: names in order, one time, one mode."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path in sorted(path for path in task.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(task).as_posix(), EPOCH)
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3  # Unix, on whatever system it is built
            entry.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(entry, path.read_bytes())


def _manifest(runtime: Runtime, archive: Path, chosen: Contents, compiler: str | None) -> dict[str, Any]:
    owners = {file.name: file.package for file in chosen.files}
    zipped, unzipped = Counter[str](), Counter[str]()
    with zipfile.ZipFile(archive) as content:
        for entry in content.infolist():
            source = re.sub(r"__pycache__/([^/]+)\.cpython-\d+\.pyc$", r"\1.py", entry.filename)
            package = owners.get(source, OURS)
            zipped[package] += entry.compress_size
            unzipped[package] += entry.file_size
    versions = chosen.versions | {OURS: engine.__version__}
    return {
        "name": archive.name,
        "version": engine.__version__,
        "commit": _commit(),
        "python": runtime.python,
        "architecture": runtime.architecture,
        "byte_code_by": compiler,
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "zipped_bytes": archive.stat().st_size,
        "unzipped_bytes": unzipped.total(),
        "packages": {
            name: {"version": versions[name], "zipped_bytes": zipped[name], "unzipped_bytes": unzipped[name]}
            for name in sorted(versions)
        },
    }


def refuse_what_lambda_would(manifest: dict[str, Any]) -> None:
    limits = {"zipped_bytes": ZIPPED_BYTES_MAX, "unzipped_bytes": UNZIPPED_BYTES_MAX}
    for kind, limit in limits.items():
        if manifest[kind] >= limit:
            raise SystemExit(f"{manifest['name']}: {kind} are {manifest[kind]:,}, Lambda takes fewer than {limit:,}")


def _commit() -> str | None:
    """Of the checkout, with a plus sign where files that it keeps were changed; None outside of one."""
    asked = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"]
    told = subprocess.run(asked, check=False, cwd=REPOSITORY, capture_output=True, text=True)
    return told.stdout.strip() or None
