"""The base to compare with: `psql -c "COPY t TO STDOUT (FORMAT csv)" | zstd -1`, into one file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from engine.local.postgres import PostgresServer

PYTHON_ZSTD = (
    "import sys, zstandard;"
    "zstandard.ZstdCompressor(level=1).copy_stream(sys.stdin.buffer, open(sys.argv[1], 'wb'), read_size=2**20)"
)


class Psql:
    """`absent` says what had to be replaced, "" if nothing."""

    def __init__(self, server: PostgresServer, table: str) -> None:
        beside = server.bin_dir / "psql"
        psql = str(beside) if os.access(beside, os.X_OK) else shutil.which("psql")
        if psql is None:
            raise SystemExit(f"There is no psql, neither on PATH nor in {server.bin_dir}: nothing to compare with.")
        self._read = [psql, "-X", "-q", "-d", server.dsn(), "-c", f"COPY {table} TO STDOUT (FORMAT csv)"]
        self._zstd = shutil.which("zstd")
        self.absent = "" if self._zstd else "There is no zstd on PATH: its place is taken by the module zstandard."

    @property
    def name(self) -> str:
        return "psql | zstd -1" if self._zstd else "psql | zstandard -1"

    def extract(self, directory: Path) -> None:
        file = directory / "base.csv.zst"
        write = (
            [self._zstd, "-1", "-q", "-o", str(file)] if self._zstd else [sys.executable, "-c", PYTHON_ZSTD, str(file)]
        )
        with (
            subprocess.Popen(self._read, stdout=subprocess.PIPE) as reader,
            subprocess.Popen(write, stdin=reader.stdout) as writer,
        ):
            assert reader.stdout is not None
            reader.stdout.close()
        if reader.returncode or writer.returncode:
            raise SystemExit(f"{self.name} failed: exit codes {reader.returncode} and {writer.returncode}")
