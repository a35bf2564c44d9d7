"""What a worker saw, counted by edge until the agent is told.

Limits: ``EDGES_MAX``; what is beyond is counted under an edge without names, so that sums stay
right.
"""

from typing import Any, Final

from proxy.connection import Facts
from proxy.http import RequestHead
from proxy.messages import Edge, EdgeCounts
from proxy.serving import Record, Recorder, Serving

EDGES_MAX: Final = 4096  # between two reports; a gateway sees some hundred services


class Recording:
    """The counts of all chains of a worker since the last report."""

    def __init__(self) -> None:
        self._edges: dict[Edge, dict[str, Any]] = {}
        self._open: dict[Edge, int] = {}
        self._handshake_failures: dict[str, dict[str, int]] = {}

    def of(self, serving: Serving) -> Recorder:
        """Give a chain whom to tell."""
        return _ChainRecorder(self, serving)

    def count(self, edge: Edge, name: str, number: int) -> None:
        """Add to a count of `EdgeCounts`."""
        if edge not in self._edges and len(self._edges) >= EDGES_MAX:
            edge = Edge(proxy=edge.proxy, direction=edge.direction, source="", destination="")
        counts = self._edges.setdefault(edge, {})
        counts[name] = counts.get(name, 0) + number

    def count_open(self, edge: Edge, number: int) -> None:
        """Add to how many connections are open."""
        self.count(edge, "connections", max(0, number))
        left = self._open.get(edge, 0) + number
        if left > 0:
            self._open[edge] = left
        else:
            self._open.pop(edge, None)

    def count_handshake_failure(self, proxy: str, reason: str) -> None:
        """One more of these."""
        reasons = self._handshake_failures.setdefault(proxy, {})
        reasons[reason] = reasons.get(reason, 0) + 1

    def take(self) -> tuple[tuple[EdgeCounts, ...], dict[str, dict[str, int]]]:
        """Give what was counted, edges and handshakes that failed, and begin anew."""
        edges, self._edges = self._edges, {}
        failures, self._handshake_failures = self._handshake_failures, {}
        return tuple(
            EdgeCounts(edge=edge, connections_open=self._open.get(edge, 0), **counts)
            for edge, counts in edges.items()
        ), failures


class _ChainRecorder:
    def __init__(self, recording: Recording, serving: Serving) -> None:
        self._recording = recording
        self._serving = serving

    def opened(self, record: Record) -> None:
        self._recording.count_open(self._edge(record), 1)

    def closed(self, record: Record) -> None:
        edge = self._edge(record)
        self._recording.count_open(self._edge(record), -1)
        if self._serving.chain.protocol == "tcp":
            self._recording.count(edge, "bytes_received", record.bytes_received)
            self._recording.count(edge, "bytes_sent", record.bytes_sent)
            self._recording.count(edge, "denied", int("denied" in record.flags))

    def trace(self, head: RequestHead, record: Record) -> None:
        """Traces begin elsewhere."""

    def finished(self, record: Record) -> None:
        edge = self._edge(record)
        self._recording.count(edge, "requests", 1)
        self._recording.count(edge, "bytes_received", record.bytes_received)
        self._recording.count(edge, "bytes_sent", record.bytes_sent)

    def handshake_failed(self, facts: Facts, reason: str) -> None:
        self._recording.count_handshake_failure(self._serving.proxy.id, reason)

    def _edge(self, record: Record) -> Edge:
        return Edge(
            proxy=self._serving.proxy.id,
            direction=self._serving.listener.direction,
            source=record.source,
            destination=record.destination,
            route=record.route,
            cluster=record.cluster,
            protocol=record.protocol,
        )
