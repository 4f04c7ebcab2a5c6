"""DuckDB's postgres extension to Parquet: a file a thread.

The extension reads with binary COPY over ranges of ctid, one connection a thread and one snapshot for all. As DuckDB's
pages "Tuning Workloads" and "COPY" recommend for large exports: no order kept, `PER_THREAD_OUTPUT`. Level 1 of zstd,
as every contender. Three or four threads on two cores were no faster (2026-11).
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import duckdb
from turn import serve

WRITTEN = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PER_THREAD_OUTPUT, OVERWRITE_OR_IGNORE"


def extract(dsn: str, table: str, into: Path, readers: int) -> int:
    with duckdb.connect(config={"threads": readers, "preserve_insertion_order": False}) as connection:
        connection.execute(f"LOAD '{_extension()}'")
        connection.execute(f"ATTACH '{dsn}' AS source (TYPE postgres, READ_ONLY)")
        (rows,) = connection.execute(f"COPY (FROM source.public.{table}) TO '{into}' ({WRITTEN})").fetchone()
    return rows


def _extension() -> Path:
    """The file that the wheel brings: INSTALL would go to the network."""
    (folder,) = find_spec("duckdb_extension_postgres_scanner").submodule_search_locations
    (file,) = Path(folder).rglob("*.duckdb_extension")
    return file


serve(extract, "duckdb", "duckdb-extension-postgres-scanner")
