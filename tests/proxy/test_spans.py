import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from proxy.api import Tracing
from proxy.spans import KEPT_MAX, Span, SpanExporter, export_request

SPAN = Span(
    name="GET api",
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    span_id="00f067aa0ba902b7",
    parent_span_id="05e3ac9a4f6e3b90",
    is_inbound=False,
    service="web",
    start_ns=1_000,
    end_ns=2_000,
    status=200,
    attributes={"http.response.status_code": 200, "mesh.destination": "api"},
)


class Collector:
    """Takes spans as a collector does."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.status = 200
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert "application/json" == self.headers["Content-Type"]
                collector.requests.append(json.loads(body))
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}
        )
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def test_spans_reach_a_collector() -> None:
    collector = Collector()
    url = f"http://127.0.0.1:{collector.server.server_address[1]}/v1/traces"
    exporter = SpanExporter(Tracing(otlp_url=url))

    exporter.add(SPAN)
    exporter.close(20.0)
    collector.close()

    (request,) = collector.requests
    assert request == export_request([SPAN])
    (resource,) = request["resourceSpans"]
    name = {"key": "service.name", "value": {"stringValue": "web"}}
    assert [name] == resource["resource"]["attributes"]
    (span,) = resource["scopeSpans"][0]["spans"]
    assert {
        "traceId": SPAN.trace_id,
        "spanId": SPAN.span_id,
        "parentSpanId": SPAN.parent_span_id,
        "name": "GET api",
        "kind": 3,
        "startTimeUnixNano": "1000",
        "endTimeUnixNano": "2000",
        "attributes": [
            {"key": "http.response.status_code", "value": {"intValue": "200"}},
            {"key": "mesh.destination", "value": {"stringValue": "api"}},
        ],
        "status": {"code": 0},
    } == span


def test_spans_that_a_collector_refuses_are_counted() -> None:
    collector = Collector()
    collector.status = 503
    url = f"http://127.0.0.1:{collector.server.server_address[1]}/v1/traces"
    exporter = SpanExporter(Tracing(otlp_url=url))

    exporter.add(SPAN)
    exporter.close(20.0)
    collector.close()

    assert (1, 1) == (len(collector.requests), exporter.dropped)


def test_a_collector_that_is_not_there_is_no_fault() -> None:
    exporter = SpanExporter(Tracing(otlp_url="http://127.0.0.1:9/v1/traces"))

    exporter.add(SPAN)
    exporter.close(20.0)

    assert 1 == exporter.dropped


def test_spans_beyond_the_limit_are_dropped_and_counted() -> None:
    exporter = SpanExporter(Tracing(otlp_url="http://127.0.0.1:9/v1/traces"))
    for _ in range(3 * KEPT_MAX):
        exporter.add(SPAN)

    assert exporter.dropped > 0
