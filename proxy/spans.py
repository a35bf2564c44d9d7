"""Spans of requests, exported over OTLP/HTTP in its JSON encoding.

Everything is sent on a thread of its own: a collector that is slow or gone holds up no request.
Limits: ``KEPT_MAX`` spans wait, and one request waits ``SEND_WAIT_S``; what cannot be sent is
dropped and counted. No library is used: OpenTelemetry's brings protocol buffers that those of Envoy
overwrite where both are installed.
Source: OpenTelemetry, OTLP specification (JSON protobuf encoding) and semantic conventions for HTTP
spans.
"""

import http.client
import logging
import queue
import threading
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from proxy.api import Tracing

KEPT_MAX: Final = 2048  # as the SDK's own batch processor keeps
BATCH_MAX: Final = 512  # spans in one request to the collector
BATCH_WAIT_S: Final = 1.0  # a trace is seen about a second after its request
SEND_WAIT_S: Final = 10.0  # as the SDK's exporters wait
SERVER_ERROR: Final = 500
SERVER_KIND: Final = 2
CLIENT_KIND: Final = 3
UNSET: Final = 0
ERROR: Final = 2

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
        is_open = True
        while is_open:
            batch, is_open = self._batch()
            if batch:
                self._send(batch)

    def _send(self, batch: list[Span]) -> None:
        try:
            status = post(self._tracing, msgspec.json.encode(export_request(batch)))
        except (OSError, http.client.HTTPException, ValueError) as error:
            status = 0
            _log.warning("spans not sent: %s", error)
        if not 200 <= status < 300:
            self.dropped += len(batch)

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


def post(tracing: Tracing, body: bytes) -> int:
    """Send a request to a collector; its status. Raises OSError, HTTPException or ValueError."""
    url = urlsplit(tracing.otlp_url)
    make = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = make(url.hostname or "", url.port, timeout=SEND_WAIT_S)
    headers = {"Content-Type": "application/json", **dict(tracing.headers)}
    try:
        connection.request("POST", url.path or "/", body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def export_request(batch: list[Span]) -> dict[str, Any]:
    """An ExportTraceServiceRequest: spans by the service that made them."""
    by_service: dict[str, list[dict[str, Any]]] = {}
    for span in batch:
        by_service.setdefault(span.service, []).append(_span(span))
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes({"service.name": service})},
                "scopeSpans": [{"scope": {"name": "proconsul.proxy"}, "spans": spans}],
            }
            for service, spans in by_service.items()
        ]
    }


def _span(span: Span) -> dict[str, Any]:
    failed = span.status >= SERVER_ERROR or not span.status
    shown = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": SERVER_KIND if span.is_inbound else CLIENT_KIND,
        # 64-bit integers are text in this encoding.
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _attributes(span.attributes),
        "status": {"code": ERROR if failed else UNSET},
    }
    return {**shown, "parentSpanId": span.parent_span_id} if span.parent_span_id else shown


def _attributes(pairs: Mapping[str, str | int]) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "value": {"stringValue": value} if isinstance(value, str) else {"intValue": str(value)},
        }
        for key, value in pairs.items()
    ]
