"""Spans of requests, exported over OTLP/HTTP by OpenTelemetry's own exporter (extra ``[otel]``).

The library is loaded, and everything is sent, on a thread of its own: a collector that is slow or
gone holds up no request. Limits: ``KEPT_MAX`` spans wait; more are dropped and counted.
Source: OpenTelemetry, trace SDK and semantic conventions for HTTP spans.
"""

import logging
import queue
import threading
from typing import Any, Final

import msgspec

from proxy.api import Tracing

KEPT_MAX: Final = 2048  # as the SDK's own batch processor keeps
BATCH_MAX: Final = 512  # spans in one request to the collector
BATCH_WAIT_S: Final = 1.0  # a trace is seen about a second after its request
SERVER_ERROR: Final = 500

_log = logging.getLogger("proxy.spans")


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One hop of a request. Times are nanoseconds of the wall clock."""

    name: str
    trace_id: str
    span_id: str
    parent_span_id: str
    is_inbound: bool
    service: str
    start_ns: int
    end_ns: int
    status: int
    attributes: dict[str, str | int]


class SpanExporter:
    """Sends the spans of one collector. ``close`` sends what is left."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing
        self._kept: queue.Queue[Span | None] = queue.Queue(KEPT_MAX)
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()
        self.dropped = 0

    def add(self, span: Span) -> None:
        """Have a span sent soon; never waits."""
        try:
            self._kept.put_nowait(span)
        except queue.Full:
            self.dropped += 1

    def close(self, wait_s: float) -> None:
        """End after what is kept was sent, or after ``wait_s``."""
        try:
            self._kept.put(None, timeout=wait_s)
        except queue.Full:
            return
        self._thread.join(wait_s)

    def _run(self) -> None:
        try:
            exporter = _exporter(self._tracing)
        except ImportError as error:
            _log.error("cannot export spans: %s; install proconsul[otel]", error)
            exporter = None
        is_open = True
        while is_open:
            batch, is_open = self._batch()
            if batch and exporter is not None:
                exporter.export([_readable(span) for span in batch])
        if exporter is not None:
            exporter.shutdown()

    def _batch(self) -> tuple[list[Span], bool]:
        """Spans to send now, and whether more may come."""
        found: list[Span] = []
        wait_s: float | None = None
        while len(found) < BATCH_MAX:
            try:
                span = self._kept.get(timeout=wait_s)
            except queue.Empty:
                return found, True
            if span is None:
                return found, False
            found.append(span)
            wait_s = BATCH_WAIT_S
        return found, True


def _exporter(tracing: Tracing) -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
        OTLPSpanExporter,
    )

    return OTLPSpanExporter(endpoint=tracing.otlp_url, headers=dict(tracing.headers))


def _readable(span: Span) -> Any:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import (
        SpanContext,
        SpanKind,
        Status,
        StatusCode,
        TraceFlags,
    )

    def context(span_id: str, *, is_remote: bool) -> SpanContext:
        return SpanContext(
            int(span.trace_id, 16), int(span_id, 16), is_remote, TraceFlags(TraceFlags.SAMPLED)
        )

    failed = span.status >= SERVER_ERROR or not span.status
    return ReadableSpan(
        name=span.name,
        context=context(span.span_id, is_remote=False),
        parent=context(span.parent_span_id, is_remote=True) if span.parent_span_id else None,
        resource=Resource({"service.name": span.service}),
        attributes=span.attributes,
        kind=SpanKind.SERVER if span.is_inbound else SpanKind.CLIENT,
        status=Status(StatusCode.ERROR if failed else StatusCode.UNSET),
        start_time=span.start_ns,
        end_time=span.end_ns,
    )
