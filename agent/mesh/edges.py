"""What the proxies of this agent carry, by edge: totals, and rates of the last minute.

Workers report counts of a second; here they are added up. An edge is whose traffic it is: source,
destination, direction, route, cluster and protocol of one proxy.
Limits: ``EDGES_MAX``; the edge that was idle longest makes room. ``WINDOW_S`` seconds are kept, in
slots of ``SLOT_S``: some kilobytes an edge.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec.structs import replace

from proxy.edge_counts import BUCKETS_MS
from proxy.messages import Edge, EdgeCounts, Instance, Report

EDGES_MAX: Final = 8192  # of one host: some hundred proxies with some dozen edges each
WINDOW_S: Final = 60  # what a person calls "now" when something is wrong
INSTANCES_MAX: Final = 16_384  # of a worker: those that were used, the last used stay
SLOT_S: Final = 5.0  # reports of each second would be ten times as large
FAILED: Final = frozenset({"5xx", "reset"})
SUMMED: Final = (
    "requests", "connections", "connect_failures", "bytes_received", "bytes_sent", "denied",
    "limited", "retries", "retries_over_budget", "mirrored", "faults",
)  # fmt: skip

InstanceKey = tuple[str, str, str]
"""Proxy, cluster, endpoint."""


class Totals(msgspec.Struct):
    """Counts that only grow, and what is open now; ``latencies`` by bucket, then the rest."""

    requests: int = 0
    connections: int = 0
    connect_failures: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    denied: int = 0
    limited: int = 0
    retries: int = 0
    retries_over_budget: int = 0
    mirrored: int = 0
    faults: int = 0
    classes: dict[str, int] = msgspec.field(default_factory=dict)
    latencies: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BUCKETS_MS) + 1))
    latency_ms_sum: float = 0.0
    connections_open: int = 0

    def add(self, counts: EdgeCounts) -> None:
        """Add what a worker counted."""
        self._add(counts, counts.latency_ms[: len(self.latencies)])

    def include(self, other: "Totals") -> None:
        """Add what was added up already."""
        self._add(other, other.latencies)

    def _add(self, counts: "EdgeCounts | Totals", latencies: Iterable[int]) -> None:
        for name in SUMMED:
            setattr(self, name, getattr(self, name) + getattr(counts, name))
        for name, number in counts.classes.items():
            self.classes[name] = self.classes.get(name, 0) + number
        for bucket, number in enumerate(latencies):
            self.latencies[bucket] += number
        self.latency_ms_sum += counts.latency_ms_sum


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """An edge over the last minute: per second, and percentiles in milliseconds."""

    edge: Edge
    requests_per_s: float
    failed_share: float
    p50_ms: float
    p99_ms: float
    connections_open: int
    connections_per_s: float
    bytes_received_per_s: float
    bytes_sent_per_s: float
    denied_per_s: float
    retries_per_s: float


class _Seen:
    """One edge: all of it, the last minute by slots, and what is open at each worker."""

    def __init__(self) -> None:
        self.totals = Totals()
        self.recent: deque[tuple[float, Totals]] = deque()
        self.open: dict[int, int] = {}

    def add(self, counts: EdgeCounts, now_s: float) -> None:
        self.totals.add(counts)
        if not self.recent or now_s - self.recent[-1][0] >= SLOT_S:
            self.recent.append((now_s, Totals()))
        self.recent[-1][1].add(counts)


class _Instances:
    """What a worker said last of each endpoint: it tells those that it used in the last second."""

    def __init__(self) -> None:
        self.known: dict[InstanceKey, Instance] = {}
        self._busy: set[InstanceKey] = set()

    def take(self, reported: Iterable[Instance]) -> None:
        told = {(each.proxy, each.cluster, each.endpoint): each for each in reported}
        for key in self._busy - told.keys():
            if key in self.known:
                self.known[key] = replace(self.known[key], ejected=False, active=0)
        for key, instance in told.items():
            self.known.pop(key, None)
            self.known[key] = instance
        while len(self.known) > INSTANCES_MAX:
            del self.known[next(iter(self.known))]
        self._busy = set(told)


class Edges:
    """See the module. ``now_s`` arguments are monotonic."""

    def __init__(self) -> None:
        self._seen: OrderedDict[Edge, _Seen] = OrderedDict()
        self._instances: dict[int, _Instances] = {}
        self.handshake_failures: dict[str, dict[str, int]] = {}

    def take(self, worker: int, report: Report, now_s: float) -> None:
        """Add the report of a worker, told by its process id."""
        for counts in report.edges:
            seen = self._seen.get(counts.edge)
            if seen is None:
                if len(self._seen) >= EDGES_MAX:
                    self._seen.popitem(last=False)
                seen = self._seen[counts.edge] = _Seen()
            self._seen.move_to_end(counts.edge)
            seen.open[worker] = counts.connections_open
            seen.add(counts, now_s)
            _forget(seen, now_s)
        self._instances.setdefault(worker, _Instances()).take(report.instances)
        for proxy, reasons in report.handshake_failures.items():
            known = self.handshake_failures.setdefault(proxy, {})
            for reason, number in reasons.items():
                known[reason] = known.get(reason, 0) + number

    def lost(self, worker: int) -> None:
        """A worker is gone, with the connections that were open there."""
        self._instances.pop(worker, None)
        for seen in self._seen.values():
            seen.open.pop(worker, None)

    def instances(self) -> dict[InstanceKey, Instance]:
        """What is known of endpoints that were used, by proxy, cluster and id."""
        return {
            key: each for worker in self._instances.values() for key, each in worker.known.items()
        }

    def totals(self) -> list[tuple[Edge, Totals]]:
        """Every edge since the agent started."""
        found = []
        for edge, seen in self._seen.items():
            seen.totals.connections_open = sum(seen.open.values())
            found.append((edge, seen.totals))
        return found

    def rates(self, now_s: float) -> list[Rates]:
        """Every edge that carried something in the last minute, the busiest first."""
        found = []
        for edge, seen in self._seen.items():
            _forget(seen, now_s)
            if seen.recent or any(seen.open.values()):
                found.append(_rates(edge, seen, now_s))
        return sorted(found, key=lambda each: (-each.requests_per_s, -each.bytes_sent_per_s))

    def between(self, source: str, destination: str, direction: str, now_s: float) -> Rates | None:
        """All edges from one service to another as one; None if nothing came in the last minute."""
        both = _Seen()
        edge = Edge(proxy="", direction=direction, source=source, destination=destination)
        for key, seen in self._seen.items():
            if (key.source, key.destination, key.direction) == (source, destination, direction):
                _forget(seen, now_s)
                both.recent.extend(seen.recent)
                for worker, number in seen.open.items():
                    both.open[worker] = both.open.get(worker, 0) + number
        if not both.recent and not any(both.open.values()):
            return None
        both.recent = deque(sorted(both.recent, key=lambda each: each[0]))
        return _rates(edge, both, now_s)


def _forget(seen: _Seen, now_s: float) -> None:
    while seen.recent and seen.recent[0][0] <= now_s - WINDOW_S:
        seen.recent.popleft()


def _rates(edge: Edge, seen: _Seen, now_s: float) -> Rates:
    totals = Totals()
    for _, counted in seen.recent:
        totals.include(counted)
    # An edge that is younger than the window is not idle for the rest of it.
    span_s = max(1.0, now_s - seen.recent[0][0] + 1.0) if seen.recent else 1.0
    failed = sum(number for name, number in totals.classes.items() if name in FAILED)
    return Rates(
        edge=edge,
        requests_per_s=totals.requests / span_s,
        failed_share=failed / totals.requests if totals.requests else 0.0,
        p50_ms=percentile_ms(totals.latencies, 0.5),
        p99_ms=percentile_ms(totals.latencies, 0.99),
        connections_open=sum(seen.open.values()),
        connections_per_s=totals.connections / span_s,
        bytes_received_per_s=totals.bytes_received / span_s,
        bytes_sent_per_s=totals.bytes_sent / span_s,
        denied_per_s=totals.denied / span_s,
        retries_per_s=totals.retries / span_s,
    )


def percentile_ms(latencies: list[int], share: float) -> float:
    """An estimate from a histogram: evenly spread within a bucket; beyond the last: its bound."""
    wanted = sum(latencies) * share
    below = 0
    for bucket, number in enumerate(latencies):
        if number and below + number >= wanted:
            if bucket >= len(BUCKETS_MS):
                return BUCKETS_MS[-1]
            low = BUCKETS_MS[bucket - 1] if bucket else 0.0
            return low + (BUCKETS_MS[bucket] - low) * (wanted - below) / number
        below += number
    return 0.0
