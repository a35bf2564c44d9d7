import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from proxy.api import Tracing
from proxy.spans import KEPT_MAX, Span, SpanExporter

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
        self.requests: list[ExportTraceServiceRequest] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    import gzip

                    body = gzip.decompress(body)
                collector.requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
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
    (resource,) = request.resource_spans
    (span,) = resource.scope_spans[0].spans
    assert "GET api" == span.name
    assert SPAN.trace_id == span.trace_id.hex()
    assert (SPAN.span_id, SPAN.parent_span_id) == (span.span_id.hex(), span.parent_span_id.hex())
    assert "web" == resource.resource.attributes[0].value.string_value


def test_spans_beyond_the_limit_are_dropped_and_counted() -> None:
    exporter = SpanExporter(Tracing(otlp_url="http://127.0.0.1:9/v1/traces"))
    for _ in range(3 * KEPT_MAX):
        exporter.add(SPAN)

    assert exporter.dropped > 0
