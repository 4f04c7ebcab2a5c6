"""Secrets stay in the process that needs them: not in a command line, nor in what its children or anybody can read."""

import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from engine.local.vault import OpenBao
from tests.conftest import ROOT
from tests.integration.conftest import Engine, engine

__all__ = ["engine"]

SECRETS = {
    "BOREALIS_SOURCE__PASSWORD": "zq-source-password",
    "BOREALIS_TARGET__PRIVATE_KEY_PASSPHRASE": "zq-passphrase",
    "PGPASSWORD": "zq-pgpassword",
    "VAULT_TOKEN": "zq-vault-token",
    "SNOWFLAKE_PASSWORD": "zq-snowflake",
}
MARK = b"zq-"


def children(pid: int) -> list[int]:
    """Of a process, with theirs."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *children(child)]
    return found


def test_no_secret_is_handed_to_a_child(engine: Engine, borealis, tmp_path):
    """The embedded warehouse is the one that a run starts; here from secrets of the environment and of a file."""
    config = engine.values({"name": "public.*"}, source={"dsn": engine.dsn.replace("@", ":zq-in-the-address@")})
    config["target"]["local"] = str(tmp_path / "a warehouse of its own")
    process = borealis.start(config, "run", **SECRETS)
    seen: dict[int, bytes] = {}
    while process.poll() is None and not seen:
        for child in children(process.pid):
            try:
                command = Path(f"/proc/{child}/cmdline").read_bytes()
                if b"engine.local.warehouse" in command:
                    seen[child] = command + Path(f"/proc/{child}/environ").read_bytes()
            except OSError:
                continue
        own = Path(f"/proc/{process.pid}/cmdline").read_bytes() if process.poll() is None else b""
        assert MARK not in own
        time.sleep(0.01)
    output, log = process.communicate(timeout=120)
    assert seen, log
    assert all(MARK not in what for what in seen.values())
    assert "zq-" not in output + log


def test_a_command_line_takes_no_secret():
    """There is no option that one could be given by: everybody on a machine reads command lines."""
    shown = ""
    for command in ("run", "check", "verify", "status", "plan", "rollback", "replay", "demo", "warehouse"):
        program = "from engine.cli import main; main()"
        ran = subprocess.run([sys.executable, "-c", program, command, "--help"], check=True, capture_output=True,
                             text=True, cwd=ROOT, timeout=60)  # fmt: skip
        shown += ran.stdout
    assert "--config" in shown
    assert not [word for word in ("--password", "--token", "--secret", "--dsn", "--key") if word in shown]


def test_vault_s_root_token_is_in_no_command_line(tmp_path):
    with OpenBao(tmp_path) as bao:
        lines = b"".join(Path(f"/proc/{child}/cmdline").read_bytes() for child in children(bao._process._shell.pid))
        assert b"server" in lines
        assert bao.root_token.encode() not in lines


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt", "requirements-scanners.txt"])
def test_everything_that_is_installed_is_locked_by_version_and_hash(lock):
    """A package that was replaced at the registry does not install; `make advisories` looks for known faults."""
    for block in (ROOT / lock).read_text().replace("\\\n", " ").splitlines():
        assert "==" in block, block
        assert "--hash=sha256:" in block, block


def test_what_we_name_is_in_the_lock():
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    locked = {line.partition("==")[0].lower() for line in lines if "==" in line}
    assert {re.split(r"[^\w.-]", entry)[0].lower() for entry in named} <= locked
