"""What the engine tells of itself while it works. Here the spans of the flow; beside it their export, lines, metrics.

The flow imports this module alone: it brings nothing of OpenTelemetry, and a span costs a microsecond, until an
exporter is asked for by the environment (`OTEL_EXPORTER_OTLP_ENDPOINT`) and a command or a function begins to trace.

Names and numbers are told, never values of rows and never a driver's text.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.telemetry.traces import Traces

Value = str | int | float | bool

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

_traces: Traces | None = None


def tracing() -> Traces | None:
    """Where spans go, brought up at the first call; None where the environment names no collector."""
    global _traces  # noqa: PLW0603 one exporter a process
    if _traces is None and _are_asked_for():
        from engine.telemetry.traces import Traces  # noqa: PLC0415 0.2 s that only who traces should wait

        _traces = Traces()
    return _traces


def _are_asked_for() -> bool:
    return any(os.environ.get(name) for name in ENDPOINTS) and os.environ.get("OTEL_SDK_DISABLED", "").lower() != "true"


@contextmanager
def span(name: str, **attributes: Value) -> Iterator[None]:
    """A step, under the one that the task is in: its time, and whether it failed, by the fault's code."""
    if _traces is None:
        yield
    else:
        with _traces.span(name, attributes):
            yield


@contextmanager
def traced(name: str, **attributes: Value) -> Iterator[None]:
    """The whole of a command: its spans are sent when it ends."""
    exporting = tracing()
    try:
        with span(name, **attributes):
            yield
    finally:
        if exporting:
            exporting.flush()
