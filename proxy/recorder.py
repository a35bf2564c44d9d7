"""What a worker saw: counted for reports, written to access logs, shown to taps, traced.

    Record ──► EdgeCounter ──each second──► Report
          ├──► LogWriter          (where the proxy's configuration asks for a log)
          ├──► Taps ──► Tapped    (while somebody watches)
          └──► SpanExporter       (sampled requests of a proxy with a collector)

A handler tells each request, and each TCP connection, once: when it has ended.
"""

from collections.abc import Callable
from typing import Final

from proxy.access_log import LogWriter, line_of
from proxy.api import AccessLog, Tracing
from proxy.connection import Facts
from proxy.core.trace_context import SPAN_BITS, TRACE_BITS, TraceContext, new_id, read, written
from proxy.edge_counts import EdgeCounter, EdgeKey, edge_of
from proxy.http import RequestHead
from proxy.messages import Edge, EdgeCounts, Tap, Tapped
from proxy.serving import Record, Recorder, Serving
from proxy.spans import Span, SpanExporter
from proxy.tap import Taps

NANOSECONDS: Final = 1_000_000_000
DRAWN_BITS: Final = 32
OUTPUTS_MAX: Final = 256
"""Logs, and collectors, that are kept: one of each proxy at most; the oldest is one that a
configuration of before asked for, or is opened again."""
CLOSE_WAIT_S: Final = 2.0  # for the last spans of a worker that ends

_Line = Callable[[Record, float], str]


class Recording:
    """What all chains of a worker saw. ``wall_s``, ``random``: the clock of the wall, [0, 1)."""

    def __init__(
        self,
        *,
        wall_s: Callable[[], float],
        random: Callable[[], float],
        tell: Callable[[Tapped], None],
    ) -> None:
        self.wall_s = wall_s
        self.random = random
        self.edges = EdgeCounter()
        self.taps = Taps(tell, random)
        self._handshake_failures: dict[str, dict[str, int]] = {}
        self._logs: dict[AccessLog, tuple[_Line, LogWriter]] = {}
        self._exporters: dict[Tracing, SpanExporter] = {}

    def of(self, serving: Serving) -> Recorder:
        """Give a chain whom to tell."""
        return _ChainRecorder(self, serving)

    def tap(self, tap: Tap) -> None:
        """Begin, change or end a tap."""
        self.taps.set(tap)

    def log(self, wanted: AccessLog, record: Record, at_s: float) -> None:
        """Write a line to a log."""
        log = self._logs.get(wanted)
        if log is None:
            log = self._logs[wanted] = (line_of(wanted), LogWriter(wanted))
            if len(self._logs) > OUTPUTS_MAX:
                _, oldest = self._logs.pop(next(iter(self._logs)))
                oldest.flush()
                oldest.close()
        line, writer = log
        writer.write(line(record, at_s))

    def export(self, tracing: Tracing, span: Span) -> None:
        """Send a span to a collector."""
        exporter = self._exporters.get(tracing)
        if exporter is None:
            exporter = self._exporters[tracing] = SpanExporter(tracing)
            if len(self._exporters) > OUTPUTS_MAX:
                self._exporters.pop(next(iter(self._exporters))).close(0.0)
        exporter.add(span)

    def count_handshake_failure(self, proxy: str, reason: str) -> None:
        """One more of these."""
        reasons = self._handshake_failures.setdefault(proxy, {})
        reasons[reason] = reasons.get(reason, 0) + 1

    def take(self) -> tuple[tuple[EdgeCounts, ...], dict[str, dict[str, int]]]:
        """Give what was counted, edges and handshakes that failed, and begin anew."""
        failures, self._handshake_failures = self._handshake_failures, {}
        return self.edges.take(), failures

    def flush(self) -> None:
        """Write the lines of logs that wait."""
        for _, writer in self._logs.values():
            writer.flush()

    def close(self) -> None:
        """Write and send what is left."""
        self.flush()
        for _, writer in self._logs.values():
            writer.close()
        for exporter in self._exporters.values():
            exporter.close(CLOSE_WAIT_S)


class _ChainRecorder:
    """Whom the handlers of one chain tell."""

    def __init__(self, recording: Recording, serving: Serving) -> None:
        self._recording = recording
        self._serving = serving

    def opened(self, record: Record) -> None:
        record.opened_as = key = self._key(record)
        self._recording.edges.opened(key)

    def closed(self, record: Record) -> None:
        key = self._key(record)
        # What a connection is for may be known better, or differently, when it ends.
        self._recording.edges.closed(record.opened_as or key)
        if self._serving.chain.protocol == "tcp":
            self._recording.edges.of(key).add_stream(record)
            self._tell(record, key)

    def trace(self, head: RequestHead, record: Record) -> None:
        """Take up a trace, or begin one where spans are exported; otherwise nothing is touched."""
        tracing = self._serving.proxy.tracing
        context = read(head.headers)
        if context is None and tracing is None:
            return
        draw = self._recording.random
        span_id = new_id(SPAN_BITS, drawn=_drawn(draw, SPAN_BITS))
        if context is None:
            context = TraceContext(trace_id=new_id(TRACE_BITS, drawn=_drawn(draw, TRACE_BITS)))
        is_sampled = context.is_sampled
        if is_sampled is None:
            is_sampled = tracing is not None and draw() * 100 < tracing.sample_percent
        record.trace_id, record.parent_span_id = context.trace_id, context.span_id
        record.is_sampled = is_sampled
        if tracing is None:
            return  # passed on as it came: this hop has no span of its own
        record.span_id = span_id
        own = TraceContext(
            trace_id=context.trace_id, span_id=span_id, is_sampled=is_sampled, forms=context.forms
        )
        head.headers = written(head.headers, own, context.span_id)

    def finished(self, record: Record) -> None:
        key = self._key(record)
        self._recording.edges.of(key).add_request(record)
        self._tell(record, key)

    def handshake_failed(self, facts: Facts, reason: str) -> None:
        self._recording.count_handshake_failure(self._serving.proxy.id, reason)

    def _tell(self, record: Record, key: EdgeKey) -> None:
        """To whom it is told one by one; usually nobody."""
        proxy, recording = self._serving.proxy, self._recording
        if proxy.access_log is not None:
            recording.log(proxy.access_log, record, recording.wall_s())
        if not recording.taps.is_idle:
            recording.taps.offer(record, edge_of(key), recording.wall_s())
        if record.is_sampled and record.span_id and proxy.tracing is not None:
            span = span_of(record, edge_of(key), recording.wall_s(), proxy.service)
            recording.export(proxy.tracing, span)

    def _key(self, record: Record) -> EdgeKey:
        serving = self._serving
        return (
            serving.proxy.id,
            serving.listener.direction,
            record.source,
            record.destination,
            record.route,
            record.cluster,
            record.protocol,
        )


def _drawn(draw: Callable[[], float], bits: int) -> int:
    """That many random bits. A draw has 53 at most, and collectors part traces by the last ones."""
    drawn = 0
    for _ in range(bits // DRAWN_BITS):
        drawn = drawn << DRAWN_BITS | int(draw() * 2**DRAWN_BITS)
    return drawn


def span_of(record: Record, edge: Edge, at_s: float, service: str) -> Span:
    """A request as a span; ``at_s`` is now, by the wall clock."""
    end_ns = int(at_s * NANOSECONDS)
    duration_ns = int((record.ended_s - record.started_s) * NANOSECONDS)
    attributes: dict[str, str | int] = {
        "http.request.method": record.method,
        "url.path": record.path.partition("?")[0],
        "server.address": record.host,
        "http.response.status_code": record.status,
        "mesh.source": edge.source,
        "mesh.destination": edge.destination,
        "mesh.route": edge.route,
        "mesh.cluster": edge.cluster,
        "mesh.endpoint": record.endpoint,
        "mesh.attempts": record.attempts,
        "mesh.flags": ",".join(record.flags),
    }
    return Span(
        name=f"{record.method} {edge.destination}",
        trace_id=record.trace_id,
        span_id=record.span_id,
        parent_span_id=record.parent_span_id,
        is_inbound=edge.direction == "inbound",
        service=service,
        start_ns=end_ns - duration_ns,
        end_ns=end_ns,
        status=record.status,
        attributes=attributes,
    )
