"""The base to compare with: `psql -c "COPY t TO STDOUT (FORMAT csv)" | zstd -1`, into one file."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.contenders import protocol

NAME = "psql | zstd -1"
PYTHON_ZSTD = (
    "import sys, zstandard;"
    "zstandard.ZstdCompressor(level=1).copy_stream(sys.stdin.buffer, open(sys.argv[1], 'wb'), read_size=2**20)"
)


def argv(bin_dir: Path, dsn: str, table: str) -> list[str]:
    module = [sys.executable, "-m", "benchmarks.contenders.psql"]
    return [*module, "--psql", program(bin_dir), "--dsn", dsn, "--table", table]


def program(bin_dir: Path) -> str:
    """The psql beside the server, else the one on PATH. SystemExit where there is none at all."""
    beside = bin_dir / "psql"
    psql = str(beside) if os.access(beside, os.X_OK) else shutil.which("psql")
    if psql is None:
        raise SystemExit(f"There is no psql in {bin_dir} or on PATH, and others are compared with it: install it")
    return psql


def notes() -> list[str]:
    """What had to be replaced on this machine."""
    return [] if shutil.which("zstd") else [f"{NAME}: no zstd is on PATH, the module zstandard took its place"]


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--psql", "--dsn", "--table", "--into"):
        parser.add_argument(name, required=True)
    asked = parser.parse_args()
    file = str(Path(asked.into) / "base.csv.zst")
    zstd = shutil.which("zstd")
    read = [asked.psql, "-X", "-q", "-d", asked.dsn, "-c", f"COPY {asked.table} TO STDOUT (FORMAT csv)"]
    write = [zstd, "-1", "-q", "-o", file] if zstd else [sys.executable, "-c", PYTHON_ZSTD, file]
    versions = {Path(program).name: _version(program) for program in (read[0], write[0])}

    def job() -> dict[str, object]:
        _piped(read, write)
        return {"versions": versions}

    protocol.run(job)


def _piped(read: list[str], write: list[str]) -> None:
    with (
        subprocess.Popen(read, stdout=subprocess.PIPE) as reader,
        subprocess.Popen(write, stdin=reader.stdout) as writer,
    ):
        assert reader.stdout is not None
        reader.stdout.close()
    if reader.returncode or writer.returncode:
        raise SystemExit(f"exit codes {reader.returncode} and {writer.returncode}")


def _version(program: str) -> str:
    """`15.18` of `psql (PostgreSQL) 15.18`."""
    told = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"\d+(\.\d+)+", told)
    return found.group() if found else "?"


if __name__ == "__main__":
    main()
