"""Spans by OpenTelemetry, with X-Ray's ids and header, sent in one piece when an invocation or a command ends.

Nothing runs in between: a frozen function has no thread that could send, and a request at the end of each span would
hold up the readers. The exporter reads the standard's variables (`OTEL_EXPORTER_OTLP_*`) itself.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagators.aws import AwsXRayPropagator
from opentelemetry.propagators.aws.aws_xray_propagator import TRACE_HEADER_KEY
from opentelemetry.sdk.extension.aws.trace import AwsXRayIdGenerator
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from engine import __version__
from engine.errors import BorealisError

SPANS_MAX = 4096
"""Held until they are sent, 2 KB each; of more the newest are kept: those of tables and invocations end last."""
SEND_S = 3.0
"""What a function may wait for the collector, all tries together; OTEL_EXPORTER_OTLP_TIMEOUT wins."""


class Held(SpanProcessor):
    """Spans that have ended and wait to be sent."""

    def __init__(self) -> None:
        self.spans: deque[ReadableSpan] = deque(maxlen=SPANS_MAX)

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is not None and span.context.trace_flags.sampled:
            self.spans.append(span)


class Traces:
    """The spans of this process."""

    def __init__(self) -> None:
        own_limit = any(os.environ.get(f"OTEL_EXPORTER_OTLP_{which}TIMEOUT") for which in ("", "TRACES_"))
        self._exporter = OTLPSpanExporter(timeout=None if own_limit else SEND_S)
        self._held = Held()
        provider = TracerProvider(
            # Runs are few and long: each is worth its trace. In a function without active tracing X-Ray's header
            # says "not sampled", and following it would trace nothing.
            sampler=None if os.environ.get("OTEL_TRACES_SAMPLER") else ALWAYS_ON,
            resource=_resource(),
            id_generator=AwsXRayIdGenerator(),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(self._held)
        self._tracer = provider.get_tracer("borealis", __version__)
        self._propagator = AwsXRayPropagator()

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, str | int | float | bool]) -> Iterator[None]:
        with self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except Exception as error:
                code = error.code if isinstance(error, BorealisError) else type(error).__name__
                span.set_status(trace.StatusCode.ERROR, code)
                raise

    @contextmanager
    def continuing(self, header: str | None) -> Iterator[None]:
        """What is inside belongs to the trace of an X-Ray header; of none, or a broken one, to a trace of its own."""
        carrier = {TRACE_HEADER_KEY: header or ""}
        token = context.attach(self._propagator.extract(carrier, context.Context()))
        try:
            yield
        finally:
            context.detach(token)

    def header(self) -> str | None:
        """X-Ray's header of the span that we are in: what another function continues."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get(TRACE_HEADER_KEY)

    def flush(self) -> int:
        """Sends what has ended; returns how many spans were lost because the collector did not take them."""
        spans = tuple(self._held.spans)
        self._held.spans.clear()
        if not spans or self._exporter.export(spans) is SpanExportResult.SUCCESS:
            return 0
        return len(spans)


def _resource() -> Resource:
    """Who speaks; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES are over it."""
    told = {"service.name": "borealis", "service.version": __version__}
    if name := os.environ.get("AWS_LAMBDA_FUNCTION_NAME"):
        told |= {"cloud.provider": "aws", "cloud.platform": "aws_lambda", "faas.name": name}
    return Resource(told).merge(OTELResourceDetector().detect())
