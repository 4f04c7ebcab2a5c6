"""The base to compare with: `psql -c "COPY t TO STDOUT (FORMAT csv)" | zstd -1`, into one file."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.contenders import protocol

NAME = "psql | zstd -1"


def programs(bin_dir: Path) -> tuple[str, str]:
    """psql, of the server's own version where it is there, and zstd. SystemExit where there is none."""
    beside = bin_dir / "psql"
    psql = str(beside) if os.access(beside, os.X_OK) else shutil.which("psql")
    zstd = shutil.which("zstd")
    if psql is None or zstd is None:
        missing = "psql" if psql is None else "zstd"
        raise SystemExit(f"There is no {missing} on PATH, which everything is compared with: install it")
    return psql, zstd


def argv(bin_dir: Path, dsn: str, table: str) -> list[str]:
    psql, zstd = programs(bin_dir)
    module = [sys.executable, "-m", "benchmarks.contenders.psql"]
    return [*module, "--psql", psql, "--zstd", zstd, "--dsn", dsn, "--table", table]


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--psql", "--zstd", "--dsn", "--table", "--into"):
        parser.add_argument(name, required=True)
    asked = parser.parse_args()
    read = [asked.psql, "-X", "-q", "-d", asked.dsn, "-c", f"COPY {asked.table} TO STDOUT (FORMAT csv)"]
    write = [asked.zstd, "-1", "-q", "-o", str(Path(asked.into) / "base.csv.zst")]
    protocol.run(lambda: _piped(read, write))


def _piped(read: list[str], write: list[str]) -> dict[str, object]:
    with (
        subprocess.Popen(read, stdout=subprocess.PIPE) as reader,
        subprocess.Popen(write, stdin=reader.stdout) as writer,
    ):
        assert reader.stdout is not None
        reader.stdout.close()
    if reader.returncode or writer.returncode:
        raise SystemExit(f"exit codes {reader.returncode} and {writer.returncode}")
    versions = {Path(command[0]).name: _version(command[0]) for command in (read, write)}
    return {"versions": versions}


def _version(program: str) -> str:
    return subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.split("\n")[0]


if __name__ == "__main__":
    main()
