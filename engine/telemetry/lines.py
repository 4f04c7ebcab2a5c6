"""Log lines of functions: one JSON object each, an event's name and fields, with the keys of its invocation.

Powertools keeps those keys in a context variable, which tasks and worker threads inherit. Only the calls that replace
them are used: `thread_safe_remove_keys` would change the dictionary of every task that has the same one.
"""

from __future__ import annotations

import logging
from time import monotonic
from typing import Any

import orjson
from aws_lambda_powertools import Logger

from engine import failures
from engine.config import Config
from engine.model import Receipt
from engine.selection import NamePattern
from engine.telemetry import metrics

PROGRESS_S = 30.0
"""Between two lines of progress of one table: a quarter of an hour is thirty lines."""


def _line(record: dict[str, Any]) -> str:
    return orjson.dumps({"event": record.pop("message"), **record}, default=str).decode()


_logger = Logger(
    metrics.SERVICE, json_serializer=_line, location=None, xray_trace_id=None, utc=True, use_rfc3339=True,
    serialize_stacktrace=False,
)  # fmt: skip


class _Foreign(logging.Handler):
    """That a library had something to say is told; its text may quote a statement or a row, and is not."""

    def emit(self, record: logging.LogRecord) -> None:
        tell("library", library=record.name, said=record.levelname)


def only_ours() -> None:
    """From here on what libraries log, or warn of, leaves the process without its text."""
    logging.getLogger(metrics.SERVICE).propagate = False
    logging.getLogger().handlers[:] = [_Foreign(logging.WARNING)]
    logging.captureWarnings(capture=True)


def note(**keys: str | bool | None) -> None:
    """Keys of every line, from here on, of this task and of what it starts; those of None are left out."""
    _logger.thread_safe_append_keys(**keys)


def keys() -> dict[str, Any]:
    return {name: value for name, value in _logger.thread_safe_get_current_keys().items() if value is not None}


def tell(event: str, **fields: Any) -> None:
    _logger.info(event, extra=fields)


def tell_failure(event: str, error: BaseException, **fields: Any) -> None:
    """What failed, in our own words: no traceback, and of a fault that is not ours only its class and place."""
    for each in failures.known(error):
        _logger.error(event, extra={**fields, "error": {"class": type(each).__name__, **failures.as_json(each)}})


class Told:
    """An observer of a run that tells of it as lines and metrics; tables that are named in full have their own."""

    def __init__(self, config: Config) -> None:
        exact = (NamePattern.parse(table.name).exact for table in config.tables)
        self._named = {".".join(name) for name in exact if name}
        self._done: dict[str, tuple[int, int]] = {}
        self._told_at: dict[str, float] = {}

    def table_started(self, label: str, chunks: int, bytes_estimate: int) -> None:
        self._told_at[label] = monotonic()
        tell("table_started", table=label, chunks=chunks, bytes_estimate=bytes_estimate)

    def progress(self, label: str, rows: int, bytes_read: int) -> None:
        rows_before, bytes_before = self._done.get(label, (0, 0))
        self._done[label] = rows_all, bytes_all = rows_before + rows, bytes_before + bytes_read
        if monotonic() - self._told_at.get(label, 0.0) >= PROGRESS_S:
            self._told_at[label] = monotonic()
            tell("progress", table=label, rows=rows_all, bytes=bytes_all)

    def table_finished(self, receipt: Receipt) -> None:
        losses = [{name: value for name, value in loss.items() if name != "keys"} for loss in receipt.losses]
        tell(
            "table_finished", table=receipt.table, status=receipt.status, table_run_id=receipt.run_id,
            mode=receipt.mode, rows=receipt.rows_loaded, bytes_read=receipt.bytes_read,
            bytes_staged=receipt.bytes_staged, seconds=receipt.seconds, retries=receipt.retries,
            chunks_left=receipt.chunks_left, losses=losses, backed_off=receipt.backed_off,
            error=receipt.error,
        )  # fmt: skip
        metrics.of_table(receipt, keys().get("function", ""), alone=receipt.table in self._named)
