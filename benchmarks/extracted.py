"""A table's load-ready files, extracted once, for scenarios that only load."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from isal import igzip

from benchmarks.bench import Table
from benchmarks.contenders import extract

BLOCK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Files:
    """`manifest` as contenders/load.py reads it."""

    paths: list[Path]
    manifest: Path
    rows_bytes: int
    """Of CSV."""


def extracted(table: Table, directory: Path) -> Files:
    """Into `directory`, by the pipeline of a run. The table's text has no line feeds: a row is a line."""
    files = directory / "extracted"
    files.mkdir(parents=True)
    command = [*extract.argv(table.dsn, table.name), "--into", str(files)]
    subprocess.run(command, input="go\n", stdout=subprocess.DEVNULL, text=True, check=True)
    paths = sorted(files.glob("*.csv.gz"))
    lines = [_line(path) for path in paths]
    manifest = directory / "manifest.json"
    manifest.write_text(json.dumps(lines), encoding="utf-8")
    return Files(paths, manifest, sum(int(line["rows_bytes"]) for line in lines))


def _line(path: Path) -> dict[str, str | int]:
    rows = size = 0
    with igzip.open(path, "rb") as content:
        while block := content.read(BLOCK_BYTES):
            rows += block.count(b"\n")
            size += len(block)
    found = re.search(r"-c(\d+)-", path.name)
    assert found is not None, path.name
    return {"chunk": int(found[1]), "file": str(path), "rows": rows, "rows_bytes": size}
