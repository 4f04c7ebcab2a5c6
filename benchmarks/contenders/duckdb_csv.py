"""DuckDB's own reader of CSV files, with its own defaults, into a table of a database file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.contenders import protocol

FILE = "duckdb.db"


def argv(files: str, table: str, columns: str) -> list[str]:
    """`files` a glob of CSV files without a header; `columns` of the table, as DuckDB declares them."""
    module = [sys.executable, "-m", "benchmarks.contenders.duckdb_csv"]
    return [*module, "--files", files, "--table", table, "--columns", columns]


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--files", "--table", "--columns", "--into"):
        parser.add_argument(name, required=True)
    asked = parser.parse_args()
    protocol.run(lambda: _loaded(asked.files, asked.table, asked.columns, Path(asked.into)))


def _loaded(files: str, table: str, columns: str, into: Path) -> dict[str, Any]:
    with duckdb.connect(str(into / FILE)) as database:
        database.execute(f"CREATE TABLE {table} ({columns})")
        database.execute(f"INSERT INTO {table} SELECT * FROM read_csv(?, header = false)", [files])
        (rows,) = database.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
    return {"rows": rows, "versions": {"duckdb": duckdb.__version__}}


if __name__ == "__main__":
    main()
