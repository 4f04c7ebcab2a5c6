"""The embedded warehouse's COPY INTO, beside DuckDB's own read_csv of the same files into the same types."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import anyio
import duckdb

from benchmarks import counting
from benchmarks.bench import Bench, Finding, Table, Target
from benchmarks.contenders import copy_into, duckdb_csv
from benchmarks.contest import Contender, Left, Told
from benchmarks.extracted import Files, extracted
from benchmarks.scenarios.end_to_end import SHARE
from benchmarks.warehouse import DATABASE, SCHEMA, Warehouse, served
from engine.config import load
from engine.plan import TablePlan
from engine.runs import plans_of
from engine.sql.target import columns_of, file_format
from engine.wiring import Wanted

NAME = "load"
ABOUT = "CSV files into a table of the embedded warehouse, beside DuckDB's own read_csv"
DATASETS = {"quick": ["lineitem"], "full": ["lineitem"]}

DUCKDB, OURS = "duckdb read_csv", "warehouse COPY INTO"
TIMES_MAX = 1.3
STAGE = f"{DATABASE}.{SCHEMA}.FILES"


def run(bench: Bench) -> list[Finding]:
    table = bench.table("lineitem", bench.scale * SHARE[bench.profile])
    folder = bench.scratch / NAME
    files = extracted(table, folder)
    with served(folder) as warehouse:
        config = warehouse.settings("run", table.dsn, {"name": f"public.{table.name}"})
        (plan,) = anyio.run(plans_of, load(config, env={}), Wanted())
        assert isinstance(plan, TablePlan), plan
        columns = columns_of(plan.fields)
        name = f'{DATABASE}.{SCHEMA}."{plan.target_name}"'
        warehouse.execute(f"CREATE STAGE {STAGE}", *map(_put, files.paths))

        def empty() -> None:
            warehouse.execute(f"CREATE OR REPLACE TABLE {name} ({columns})")
            warehouse.begin()

        statement = f"COPY INTO {name} FROM @{STAGE} FILE_FORMAT = {file_format('gzip')} ON_ERROR = ABORT_STATEMENT"
        theirs = duckdb_csv.argv(str(files.paths[0].parent / "*.csv.gz"), table.name, _duckdb(columns))
        contenders = [
            Contender(DUCKDB, theirs, partial(_read_again, table)),
            Contender(
                OURS,
                copy_into.argv(warehouse.endpoint.port, statement),
                partial(_arrived, warehouse, config, files),
                before=empty,
            ),
        ]
        base, ours = outcomes = bench.race(contenders)
    ratio = base.ratio_to(ours)
    target = Target(f"{OURS} / {DUCKDB}, seconds", "at most", TIMES_MAX, ratio)
    notes = [f"{len(files.paths)} files; the CPU and memory of {OURS} are the warehouse's, in extra.warehouse_*"]
    return [Finding(NAME, table.dataset, table.rows, DUCKDB, outcomes, [target], notes)]


def _put(path: Path) -> str:
    return f"PUT 'file://{path}' @{STAGE} AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = GZIP OVERWRITE = TRUE"


def _duckdb(columns: str) -> str:
    """The warehouse's column types as DuckDB spells them: lineitem has these three."""
    return re.sub(r"\bNUMBER\(", "DECIMAL(", columns)


def _arrived(warehouse: Warehouse, config: Path, files: Files, directory: Path, told: Told) -> Left:
    left = warehouse.arrived(config, directory, told)
    size = sum(path.stat().st_size for path in files.paths)
    return Left(left.rows, files.rows_bytes, size, extra=left.extra)


def _read_again(table: Table, directory: Path, told: Told) -> Left:
    """Out of DuckDB's table once more, and compared with the source's rows."""
    with duckdb.connect(str(directory / duckdb_csv.FILE), read_only=True) as database:
        database.execute(f"COPY {table.name} TO '{directory}/again.parquet'")
    return counting.files(table.columns, table.checksum, table.raw_bytes, directory, told)
