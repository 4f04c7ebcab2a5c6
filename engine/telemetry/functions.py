"""What a function tells of each of its invocations: where its lines, metrics and spans begin and end.

Nothing is left running when it ends: lines and metrics are written at once, spans are sent in one request.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from time import monotonic
from typing import Any

from engine import predict, telemetry
from engine.telemetry import lines, metrics

telemetry.tracing()  # where spans are asked for, what they need is imported while the function is made

_header: ContextVar[str | None] = ContextVar("trace_header", default=None)
_cold = True


_TOLD = {"chunks_left": "ChunksLeft", "bytes_read": "BytesRead", "backed_off": "BackedOff"}


class Invocation:
    """What is told of one when it ends."""

    def __init__(self) -> None:
        self.is_partial = False
        self.fields: dict[str, Any] = {}
        self.values: dict[str, float] = {}

    def answered(self, answer: Mapping[str, Any]) -> None:
        """How it stands, and what a worker did, are told of where the answer has them."""
        self.fields = {name: answer[name] for name in ("status", "run_id", "chunks_done") if name in answer}
        tables = [table for table in answer.get("tables", ()) if isinstance(table, Mapping)]
        self.is_partial = any(each.get("status") == "PARTIAL" for each in (answer, *tables))
        self.values = {name: answer[key] for key, name in _TOLD.items() if key in answer}
        self.values |= metrics.by_phase(answer.get("seconds", {}))


@contextmanager
def invocation(context: Any, *, correlation_id: str, trace: str | None, run_id: str | None) -> Iterator[Invocation]:
    """`trace` is the header that the event carries, of the run that it belongs to; else Lambda's own begins one."""
    global _cold
    cold, _cold = _cold, False
    if cold:
        lines.only_ours()
    told, began = Invocation(), monotonic()
    function, request_id = context.function_name, context.aws_request_id
    header = trace or os.environ.get("_X_AMZN_TRACE_ID")
    exporting = telemetry.tracing()
    with exporting.continuing(header) if exporting else nullcontext():
        try:
            with telemetry.span(
                function, correlation_id=correlation_id, **{"faas.invocation_id": request_id, "faas.coldstart": cold}
            ):
                _header.set((exporting and exporting.header()) or header)
                lines.note(
                    function=function, correlation_id=correlation_id, request_id=request_id,
                    trace_id=_root(_header.get()), run_id=run_id, cold_start=cold,
                )  # fmt: skip
                lines.tell("invocation_started")
                yield told
        except Exception as error:
            lines.tell_failure("invocation_failed", error)
            told.values["InvocationFailures"] = 1
            raise
        finally:
            lost = exporting.flush() if exporting else 0
            _finished(told, function, monotonic() - began, context.get_remaining_time_in_millis() / 1000, lost)


def _finished(told: Invocation, function: str, seconds: float, seconds_left: float, spans_lost: int) -> None:
    gb_s = seconds * int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "0")) / 1024
    values = {**told.values, "InvocationSeconds": round(seconds, 3), "CostEstimate": gb_s * predict.LAMBDA_GB_S}
    if told.is_partial:
        values["GivenAwaySeconds"] = round(seconds_left, 3)
    fields = {**told.fields, **({"spans_lost": spans_lost} if spans_lost else {})}
    lines.tell("invocation_finished", seconds=round(seconds, 3), seconds_left=round(seconds_left, 3), **fields)
    metrics.emit(values, {"function": function}, {**lines.keys(), **fields})


def trace_header() -> str | None:
    """For the event that this function sends to another: its spans join ours, its lines have the same trace_id."""
    exporting = telemetry.tracing()
    return (exporting and exporting.header()) or _header.get()


def _root(header: str | None) -> str | None:
    parts = dict(part.split("=", 1) for part in (header or "").split(";") if "=" in part)
    return parts.get("Root")
