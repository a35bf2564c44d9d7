"""What the proxies of this agent carry, as metrics: counted as reports come, shown when asked.

Rows of metrics are edges without their proxy, cluster and protocol: a graph over a fleet is by who
calls whom.
Limits: ``EDGES_SHOWN_MAX`` and ``HANDSHAKES_SHOWN_MAX``; what is beyond is counted under a row
without names, so that sums stay right.
"""

from collections.abc import Iterable
from typing import Final, TypeVar

from agent.mesh.edges import Totals
from agent.telemetry.metrics import Metrics
from proxy.messages import Edge, Report

EDGES_SHOWN_MAX: Final = 256  # each has some fifteen series, of the ten thousand of an agent
HANDSHAKES_SHOWN_MAX: Final = 256  # some reasons of some dozen proxies
COUNTERS: Final = {
    "connections": "consul.mesh.connections",
    "connect_failures": "consul.mesh.connect_failures",
    "bytes_received": "consul.mesh.bytes_received",
    "bytes_sent": "consul.mesh.bytes_sent",
    "denied": "consul.mesh.denied",
    "limited": "consul.mesh.limited",
    "retries": "consul.mesh.retries",
    "retries_over_budget": "consul.mesh.retries_over_budget",
    "mirrored": "consul.mesh.mirrored",
    "faults": "consul.mesh.faults_injected",
}
"""Which count of an edge is which metric."""

Row = tuple[str, str, str, str]
"""Source, destination, route, direction."""
_Row = TypeVar("_Row", bound=tuple[str, ...])


class EdgeMetrics:
    """See the module. What was taken since the last `collect` is added to the metrics then."""

    def __init__(self) -> None:
        self._known: set[Row] = set()
        self._new: dict[Row, Totals] = {}
        self._open: set[Row] = set()
        self._known_handshakes: set[tuple[str, str]] = set()
        self._new_handshakes: dict[tuple[str, str], int] = {}

    def take(self, report: Report) -> None:
        """Add what a worker saw in a second."""
        for counts in report.edges:
            self._new.setdefault(self._row(counts.edge), Totals()).add(counts)
        for proxy, reasons in report.handshake_failures.items():
            for reason, number in reasons.items():
                known = self._known_handshakes
                row = _within(known, (proxy, reason), ("", ""), HANDSHAKES_SHOWN_MAX)
                self._new_handshakes[row] = self._new_handshakes.get(row, 0) + number

    def collect(self, metrics: Metrics, edges: Iterable[tuple[Edge, Totals]]) -> None:
        """Count what came since the last time. ``edges`` tell what is open now."""
        new, self._new = self._new, {}
        for row, totals in new.items():
            _count(metrics, _labels(row), totals)
        failures, self._new_handshakes = self._new_handshakes, {}
        for (proxy, reason), number in failures.items():
            metrics.count("consul.mesh.handshake_failures", number, proxy=proxy, reason=reason)
        self._show_open(metrics, edges)

    def _show_open(self, metrics: Metrics, edges: Iterable[tuple[Edge, Totals]]) -> None:
        is_open: dict[Row, int] = {}
        for edge, totals in edges:
            if not totals.connections and not totals.connections_open:
                continue  # requests of HTTP, whose connections belong to no route
            row = self._row(edge)
            is_open[row] = is_open.get(row, 0) + totals.connections_open
        for row, number in is_open.items():
            metrics.gauge("consul.mesh.connections_open", number, **_labels(row))
        for row in self._open - set(is_open):
            metrics.forget("consul.mesh.connections_open", **_labels(row))
        self._open = set(is_open)

    def _row(self, edge: Edge) -> Row:
        row = (edge.source, edge.destination, edge.route, edge.direction)
        return _within(self._known, row, ("", "", "", edge.direction), EDGES_SHOWN_MAX)


def _within(known: set[_Row], row: _Row, other: _Row, count_max: int) -> _Row:
    """The row itself, or ``other`` if it is one too many."""
    if row not in known:
        if len(known) >= count_max:
            return other
        known.add(row)
    return row


def _labels(row: Row) -> dict[str, str]:
    source, destination, route, direction = row
    return {
        "source": source,
        "destination": destination,
        "route": route,
        "direction": direction,
    }


def _count(metrics: Metrics, labels: dict[str, str], totals: Totals) -> None:
    for name, number in totals.classes.items():
        metrics.count("consul.mesh.requests", number, **labels, **{"class": name})
    if totals.requests:
        metrics.histogram(
            "consul.mesh.request_duration_ms", totals.latencies, totals.latency_ms_sum, **labels
        )
    for field, metric in COUNTERS.items():
        if number := getattr(totals, field):
            metrics.count(metric, number, **labels)
