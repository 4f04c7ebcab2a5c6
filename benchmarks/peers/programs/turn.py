"""What every program here does: get ready, wait for its turn, extract, tell (benchmarks/contest.py).

Started by path with the checkout on PYTHONPATH, in the peer's environment, so nothing is imported but the standard
library and what is the peer's: `program.py --dsn DSN --table NAME [--readers N] --into FOLDER`. With several tables it
goes on past one that cannot be read: the first line of the error stands under `extra.refused` by the table's name, and
the files of a table in a folder of its name.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.contenders import protocol

LINE_LENGTH_MAX = 200  # of an error that is told

Extract = Callable[[str, str, Path, int], int]
"""Of (dsn, table, folder, readers): rows, as the peer counts them."""


def serve(extract: Extract, *packages: str) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--table", required=True, action="append")
    parser.add_argument("--into", required=True, type=Path)
    parser.add_argument("--readers", type=int, default=2)
    asked = parser.parse_args()
    versions = {package: version(package) for package in packages}
    protocol.run(lambda: {"versions": versions} | (_one if len(asked.table) == 1 else _each)(extract, asked))


def _one(extract: Extract, asked: argparse.Namespace) -> dict[str, Any]:
    return {"rows": extract(asked.dsn, asked.table[0], asked.into, asked.readers)}


def _each(extract: Extract, asked: argparse.Namespace) -> dict[str, Any]:
    refused = {}
    for table in asked.table:
        into = asked.into / table
        into.mkdir()
        try:
            extract(asked.dsn, table, into, asked.readers)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 -- a panic of Rust is no Exception
            refused[table] = (str(error).strip() or type(error).__name__).splitlines()[0][:LINE_LENGTH_MAX]
    return {"extra": {"refused": refused}}


def pages_query(table: str) -> str:
    """One row with one bigint, `pages`: those of the heap."""
    return f"SELECT pg_relation_size('{table}') / current_setting('block_size')::bigint AS pages"


def ranges(table: str, pages: int, parts: int) -> list[str]:
    """SELECTs that read the table once together: `parts`, or a page each. They need no key, but PostgreSQL 14."""
    parts = max(1, min(parts, pages))
    starts = [f"'({pages * part // parts},0)'::tid" for part in range(parts)]
    ends = [f" AND ctid < {start}" for start in starts[1:]]
    return [f"SELECT * FROM {table} WHERE ctid >= {a}{b}" for a, b in zip(starts, [*ends, ""], strict=True)]
