"""Counts by edge between two reports: requests, classes, latencies, connections, bytes.

Limits: ``EDGES_MAX``; what is beyond is counted under an edge without names, so that sums stay
right.
"""

from bisect import bisect_left
from typing import Final

from proxy.messages import Edge, EdgeCounts
from proxy.serving import Record

EDGES_MAX: Final = 4096  # between two reports; a gateway sees some hundred services
BUCKETS_MS: Final = (
    0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0,
)  # fmt: skip
"""Upper bounds of the latency histogram; one more bucket has what is beyond."""
CLASSES: Final = ("reset", "1xx", "2xx", "3xx", "4xx", "5xx")
FLAG_FIELDS: Final = {
    "denied": "denied",
    "limited": "limited",
    "overflow": "limited",
    "mirrored": "mirrored",
    "fault": "faults",
    "over-budget": "retries_over_budget",
    "connect-failure": "connect_failures",
}
"""The flags of a record that are counted, and as what."""

EdgeKey = tuple[str, ...]
"""The parts of an `Edge`, in its order."""


class Counter:
    """The counts of one edge, mutable: this is written for each request."""

    __slots__ = (
        "bytes_received",
        "bytes_sent",
        "classes",
        "connections",
        "latencies",
        "latency_ms_sum",
        "more",
        "requests",
        "retries",
    )

    def __init__(self) -> None:
        self.requests = 0
        self.classes = [0] * len(CLASSES)
        self.latencies = [0] * (len(BUCKETS_MS) + 1)
        self.latency_ms_sum = 0.0
        self.connections = 0
        self.bytes_received = 0
        self.bytes_sent = 0
        self.retries = 0
        self.more: dict[str, int] = {}

    def add_request(self, record: Record) -> None:
        """Count a request that has ended."""
        self.requests += 1
        self.classes[record.status // 100 if record.status < 600 else 5] += 1
        duration_ms = (record.ended_s - record.started_s) * 1000
        self.latencies[bisect_left(BUCKETS_MS, duration_ms)] += 1
        self.latency_ms_sum += duration_ms
        if record.attempts > 1:
            self.retries += record.attempts - 1
        self.add_stream(record)

    def add_stream(self, record: Record) -> None:
        """Count the bytes and the flags of a request, or of a TCP connection."""
        self.bytes_received += record.bytes_received
        self.bytes_sent += record.bytes_sent
        if record.flags:
            self._add_flags(record.flags)

    def _add_flags(self, flags: list[str]) -> None:
        for flag in flags:
            field = FLAG_FIELDS.get(flag)
            if field is not None:
                self.more[field] = self.more.get(field, 0) + 1


class EdgeCounter:
    """All edges of a worker since the last report."""

    def __init__(self) -> None:
        self._counters: dict[EdgeKey, Counter] = {}
        self._open: dict[EdgeKey, int] = {}

    def of(self, key: EdgeKey) -> Counter:
        """The counts of an edge by its parts, in the order of `Edge`."""
        counter = self._counters.get(key)
        if counter is None:
            if len(self._counters) >= EDGES_MAX:
                key = (key[0], key[1], "", "", "", "", "")
            counter = self._counters.setdefault(key, Counter())
        return counter

    def opened(self, key: EdgeKey) -> None:
        """A connection was accepted."""
        self.of(key).connections += 1
        self._open[key] = self._open.get(key, 0) + 1

    def closed(self, key: EdgeKey) -> None:
        """A connection has ended. Reported also when nothing else happened."""
        self.of(key)
        left = self._open.get(key, 0) - 1
        if left > 0:
            self._open[key] = left
        else:
            self._open.pop(key, None)

    def take(self) -> tuple[EdgeCounts, ...]:
        """What was counted; begins anew."""
        counters, self._counters = self._counters, {}
        return tuple(_counts(key, c, self._open.get(key, 0)) for key, c in counters.items())


def edge_of(key: EdgeKey) -> Edge:
    """An edge by its parts."""
    proxy, direction, source, destination, route, cluster, protocol = key
    return Edge(
        proxy=proxy,
        direction=direction,
        source=source,
        destination=destination,
        route=route,
        cluster=cluster,
        protocol=protocol,
    )


def _counts(key: EdgeKey, counter: Counter, open_count: int) -> EdgeCounts:
    return EdgeCounts(
        edge=edge_of(key),
        requests=counter.requests,
        classes={name: n for name, n in zip(CLASSES, counter.classes, strict=True) if n},
        latency_ms=tuple(counter.latencies) if counter.requests else (),
        latency_ms_sum=counter.latency_ms_sum,
        connections=counter.connections,
        connections_open=open_count,
        bytes_received=counter.bytes_received,
        bytes_sent=counter.bytes_sent,
        retries=counter.retries,
        **counter.more,
    )
