"""Measures tables where they will run: rounds of extraction alone, then rounds end to end, into a schema aside.

Rows are counted before a rate is believed: those extracted beside a count in the same snapshot, those loaded by the
gates of a run. The result goes to `aws.results_bucket`, is the answer, and is told as metrics.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from engine import __version__, aws
from engine.config import Config
from engine.deadline import Deadline
from engine.errors import BorealisError, GateError, RefusedError
from engine.extraction import OUT_OF_TIME, Extracted, extract
from engine.kept import slots_of
from engine.model import Receipt
from engine.pipeline import Limits
from engine.plan import TablePlan
from engine.runs import run
from engine.source.connection import Translated
from engine.source.snapshot import Snapshot
from engine.spool import SpoolSettings
from engine.sql import source as source_sql
from engine.sql import target as target_sql
from engine.stage.disk import DiskSinks, spool_directory
from engine.telemetry import lines, metrics
from engine.wiring import Wanted, looking, new_run_id, parts
from handlers.entry import Answer, Call, serve
from handlers.events import BenchmarkEvent

ROUND_MARGIN = 1.3
"""Times the slowest round so far: what must be left to begin another. A round that is cut short measures nothing."""
EXTRACTION_SHARE = 0.5
"""Of the time, for the rounds of extraction."""
_NO_TIME = {"message": "there was no time to load it", "remedy": "raise the time limit", "code": OUT_OF_TIME}
LAST_S = 2.0
"""Kept for dropping the tables and storing the result."""


@dataclass(slots=True)
class Measured:
    """One table: its rounds of both kinds."""

    target_name: str
    extracted: list[Extracted] = field(default_factory=list)
    ran: list[Receipt] = field(default_factory=list)

    def to_json(self, label: str) -> Answer:
        return {
            "table": label,
            "rows": self.extracted[-1].rows,
            "extraction": _rates([(e.rows, e.bytes_read, e.bytes_staged, e.seconds) for e in self.extracted]),
            "end_to_end": _rates([(r.rows_loaded, r.bytes_read, r.bytes_staged, _seconds(r)) for r in self.ran])
            | {"phases": self.ran[-1].seconds},
        }


async def body(event: BenchmarkEvent, call: Call) -> Answer:
    config = _aside(call.config)
    deadline = Deadline.within(call.seconds_left() - LAST_S)
    tables = await _extraction(config, event, Deadline.within(deadline.remaining_s() * EXTRACTION_SHARE))
    try:
        await _rounds(event.rounds, deadline, lambda: _end_to_end(config, event.tables, deadline, tables))
    finally:
        await _drop(config, tables)
    result = {
        "status": "COMPLETE",
        "benchmark_id": new_run_id(),
        "version": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "limits": config.limits.model_dump(mode="json"),
        "tables": [measured.to_json(label) for label, measured in tables.items()],
    }
    _tell(result)
    return await _kept(result, call.config)


def _aside(config: Config) -> Config:
    """Full loads into a schema of their own, so that a measurement touches no table that anybody reads."""
    target = config.target.model_copy(update={"schema_name": f"{config.target.schema_name}_BENCHMARK"})
    full = {"mode": "full", "publish": "auto", "deletes": "none", "keep_previous_h": 0.0}
    tables = tuple(table.model_copy(update=full) for table in config.tables)
    return config.model_copy(update={"target": target, "tables": tables})


async def _rounds(count: int, deadline: Deadline, measure: Callable[[], Awaitable[None]]) -> None:
    """At least one; as many as were asked for, and as there is time for."""
    slowest = 0.0
    for number in range(count):
        if deadline.remaining_s() < slowest * ROUND_MARGIN:
            return
        began = time.monotonic()
        try:
            await measure()
        except BorealisError as error:
            if error.code == OUT_OF_TIME and number > 0:
                return
            raise
        slowest = max(slowest, time.monotonic() - began)


# --- extraction -------------------------------------------------------------------------------------------------


async def _extraction(config: Config, event: BenchmarkEvent, deadline: Deadline) -> dict[str, Measured]:
    """All rounds in one snapshot, so that each reads the same rows."""
    async with looking(config, Wanted(event.tables, full=True)) as (_, found):
        plans, refused = await found.plan_all(full=True)
        if faults := [fault for each in [*found.refused, *refused] for fault in each.faults]:
            raise RefusedError(faults)
        tables = {label: Measured(plan.target_name) for label, plan in plans.items()}
        readers = max(plan.readers_max for plan in plans.values())
        await found.snapshot.open_readers(readers, [plan.table for plan in plans.values()])
        counts = {label: await _count(found.snapshot, plan) for label, plan in plans.items()}
        with spool_directory(config.limits.spool_dir) as directory:

            async def measure() -> None:
                for label, plan in plans.items():
                    extracted = await _extract(config, plan, found.snapshot, directory, deadline)
                    _same(label, counts[label], extracted.rows)
                    tables[label].extracted.append(extracted)

            await _rounds(event.rounds, deadline, measure)
    return tables


async def _extract(
    config: Config, plan: TablePlan, snapshot: Snapshot, directory: Path, deadline: Deadline
) -> Extracted:
    limits, tuning = config.limits, plan.tuning
    settings = SpoolSettings(DiskSinks(directory), tuning.file_bytes_max, tuning.codec, tuning.level)
    how_hard = Limits(tuning.readers, tuning.loaders, limits.queue, limits.attempts)
    return await extract(plan, snapshot, settings, how_hard, deadline=deadline)


async def _count(snapshot: Snapshot, plan: TablePlan) -> int:
    async with snapshot.reader() as connection:
        with Translated(f"cannot count {plan.table.label}"):
            rows: int = await connection.fetchval(f"SELECT count(*) {source_sql.all_rows_of(plan.table, plan.window)}")
    return rows


def _same(label: str, expected: int, rows: int) -> None:
    if rows != expected:
        raise GateError(f"{label}: {rows} rows were extracted of {expected}", remedy="no rate is told; report it")


# --- end to end -------------------------------------------------------------------------------------------------


async def _end_to_end(config: Config, names: Sequence[str], deadline: Deadline, tables: dict[str, Measured]) -> None:
    for receipt in await run(config, Wanted(names, full=True), deadline=deadline):
        if receipt.status != "COMPLETE":
            error = receipt.error or _NO_TIME
            raise BorealisError(f"{receipt.table}: {error['message']}", remedy=error["remedy"], code=error["code"])
        tables[receipt.table].ran.append(receipt)


async def _drop(config: Config, tables: dict[str, Measured]) -> None:
    """The tables, and what the state keeps of a run that was out of time: the next sweep drops what that began."""
    schema = config.target.schema_name
    async with parts(config) as made:
        for slot in (await slots_of(made.state, [f"{schema}.{each.target_name}" for each in tables.values()])).values():
            await slot.clear()
        for measured in tables.values():
            table = made.target.names.table(measured.target_name)
            await made.target.execute(target_sql.drop(table), doing=f"cannot drop {table}")


# --- the result -------------------------------------------------------------------------------------------------


def _seconds(receipt: Receipt) -> float:
    return receipt.seconds["total"]


def _rates(rounds: Sequence[tuple[int, int, int, float]]) -> Answer:
    """Medians over rounds of (rows, raw bytes, staged bytes, seconds)."""

    def median(amounts: Sequence[float]) -> float:
        return statistics.median(amount / each[3] for amount, each in zip(amounts, rounds, strict=True))

    return {
        "rounds": len(rounds),
        "seconds": [round(each[3], 3) for each in rounds],
        "rows_per_second": round(median([each[0] for each in rounds])),
        "raw_mb_per_second": round(median([each[1] / 1e6 for each in rounds]), 1),
        "staged_mb_per_second": round(median([each[2] / 1e6 for each in rounds]), 1),
    }


def _tell(result: Answer) -> None:
    for table in result["tables"]:
        values = {
            "ExtractionRowsRate": table["extraction"]["rows_per_second"],
            "EndToEndRowsRate": table["end_to_end"]["rows_per_second"],
        }
        fields = {**lines.keys(), "table": table["table"], "benchmark_id": result["benchmark_id"]}
        metrics.emit(values, {"function": fields["function"]}, fields)


async def _kept(result: Answer, config: Config) -> Answer:
    """The result, with where it is kept where a bucket is set."""
    bucket = config.aws.results_bucket
    if bucket is None:
        return result
    key = f"benchmarks/{result['benchmark_id']}.json"
    with aws.Translated(f"cannot write to aws.results_bucket {bucket}"):
        async with aws.client("s3", config.aws.region) as s3:
            content = orjson.dumps(result, default=str)
            await s3.put_object(Bucket=bucket, Key=key, Body=content, ContentType="application/json")
    return {**result, "kept_at": f"s3://{bucket}/{key}"}


handler = serve(BenchmarkEvent, body)
