"""What the proxies of this agent do now: edges, proxies, workers, and single requests as they pass.

    workers ─Report─► Edges ─► edges(), proxies()
            │      └► EdgeMetrics ─► collect() ─► metrics of the agent
            └Tapped─► tap()

Limits: ``TAP_LINES_MAX`` of each tap wait for who reads them; more are dropped, and that is said.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from itertools import count
from typing import Final

import msgspec
from msgspec.structs import replace

from agent.mesh.edge_metrics import EdgeMetrics
from agent.mesh.edges import Edges, Rates
from agent.mesh.feed_server import TAPS_MAX, FeedServer, Worker
from agent.mesh.view_answer import (
    EdgeSeen,
    ProxySeen,
    RequestSeen,
    edge_seen,
    proxy_seen,
    request_seen,
)
from agent.telemetry.metrics import Metrics
from catalog.shape import to_json
from proxy.api import ProxyConfig
from proxy.messages import Edge, Report, Tap, Tapped

TAP_LINES_MAX: Final = 2048  # some seconds of what a worker shows at most
TAP_BLANK_S: Final = 5.0  # a blank line so often tells whether the reader is still there
_GAUGES: Final = {
    "workers": "consul.mesh.proxy.workers",
    "age_s": "consul.mesh.proxy.config_age_s",
    "pending_s": "consul.mesh.proxy.config_pending_s",
}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which edges are asked for; an empty condition takes all."""

    source: str = ""
    destination: str = ""
    proxy: str = ""

    def takes(self, edge: Edge) -> bool:
        """Whether all conditions hold."""
        return (
            self.source in {"", edge.source}
            and self.destination in {"", edge.destination}
            and self.proxy in {"", edge.proxy}
        )


class _Reader:
    """Who reads a tap: lines that wait for it, and how many were dropped."""

    def __init__(self) -> None:
        self.lines: deque[RequestSeen] = deque()
        self.dropped = 0
        self.woken = asyncio.Event()

    def put(self, line: RequestSeen) -> None:
        if len(self.lines) >= TAP_LINES_MAX:
            self.dropped += 1
        else:
            self.lines.append(line)
        self.woken.set()

    def take(self) -> bytes:
        shown: list[object] = [to_json(line) for line in self.lines]
        self.lines.clear()
        if self.dropped:
            shown.append({"Dropped": self.dropped})
            self.dropped = 0
        self.woken.clear()
        return b"".join(msgspec.json.encode(line) + b"\n" for line in shown) or b"\n"


class View:
    """See the module. ``configs``: what each proxy was told last; ``now_s`` is monotonic."""

    def __init__(
        self,
        feed: FeedServer,
        configs: Callable[[], Mapping[str, ProxyConfig]],
        now_s: Callable[[], float],
    ) -> None:
        self._feed = feed
        self._configs = configs
        self._now_s = now_s
        self._edges = Edges()
        self._metrics = EdgeMetrics()
        self._reports: dict[int, tuple[Worker, Report]] = {}
        self._readers: dict[int, _Reader] = {}
        self._numbers = count(1)
        self._shown: set[tuple[str, str, str]] = set()
        feed.subscribe(self._seen)

    def edges(self, wanted: Wanted) -> list[EdgeSeen]:
        """The edges that carried something in the last minute, the busiest first."""
        self._forget_lost()
        totals = dict(self._edges.totals())
        return [
            edge_seen(rates.edge, totals[rates.edge], rates)
            for rates in self._edges.rates(self._now_s())
            if wanted.takes(rates.edge)
        ]

    def between(self, source: str, destination: str) -> Rates | None:
        """What one service has of another, as the source's proxies saw it, else the other's."""
        self._forget_lost()
        for direction in ("outbound", "inbound"):
            rates = self._edges.between(source, destination, direction, self._now_s())
            if rates is not None:
                return rates
        return None

    def proxies(self) -> list[ProxySeen]:
        """Every proxy of this agent, by id."""
        self._forget_lost()
        states = self._feed.proxies
        used, failures = self._edges.instances(), self._edges.handshake_failures
        return [
            proxy_seen(config, states.get(id), used, dict(failures.get(id, {})))
            for id, config in sorted(self._configs().items())
        ]

    @property
    def has_room(self) -> bool:
        """Whether there may be one tap more."""
        return len(self._readers) < TAPS_MAX

    async def tap(self, wanted: Tap) -> AsyncGenerator[bytes, None]:
        """Requests as they end, a line of JSON each, until closed; see `has_room`.

        ``wanted.number`` is given here. A blank line comes while nothing else does.
        """
        number, reader = next(self._numbers), _Reader()
        self._feed.tap(replace(wanted, number=number))
        self._readers[number] = reader
        try:
            yield b"\n"  # the tap is open: what is asked for from now on is shown
            while True:
                try:
                    async with asyncio.timeout(TAP_BLANK_S):
                        await reader.woken.wait()
                except TimeoutError:
                    pass
                yield reader.take()
        finally:
            del self._readers[number]
            self._feed.tap(Tap(number=number, stop=True))

    def collect(self, metrics: Metrics) -> None:
        """Bring the agent's metrics up to date."""
        self._forget_lost()
        self._metrics.collect(metrics, self._edges.totals())
        shown: set[tuple[str, str, str]] = set()

        def gauge(name: str, value: float, label: str, of: str) -> None:
            metrics.gauge(name, value, **{label: of})
            shown.add((name, label, of))

        for id, state in self._feed.proxies.items():
            gauge("consul.mesh.proxy.faults", len(state.faults), "proxy", id)
            for field, name in _GAUGES.items():
                gauge(name, round(getattr(state, field), 3), "proxy", id)
        for worker, report in self._reports.values():
            of = ",".join(worker.hello.proxies or ()) or str(worker.hello.slot)
            gauge("consul.mesh.worker.resident_bytes", report.resident_bytes, "worker", of)
            gauge("consul.mesh.worker.loop_lag_ms", report.loop_lag_ms, "worker", of)
        for name, label, of in self._shown - shown:
            metrics.forget(name, **{label: of})
        self._shown = shown

    def _seen(self, worker: Worker, message: Report | Tapped) -> None:
        if isinstance(message, Report):
            self._edges.take(worker.process, message, self._now_s())
            self._metrics.take(message)
            # Only what it says of itself is kept.
            self._reports[worker.process] = worker, replace(message, edges=(), instances=())
        elif (reader := self._readers.get(message.tap)) is not None:
            reader.put(request_seen(message))

    def _forget_lost(self) -> None:
        """Workers that are gone have nothing open."""
        alive = {worker.process for worker in self._feed.workers}
        for process in set(self._reports) - alive:
            del self._reports[process]
            self._edges.lost(process)
