"""A chain at work without sockets, clocks and tasks: bytes in, bytes out, on both sides."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from typing_extensions import override

from proxy.api import (
    Cluster,
    Endpoint,
    EndpointGroup,
    FilterChain,
    Listener,
    ProxyConfig,
    Route,
    WeightedCluster,
)
from proxy.connection import Carrier, Facts, Handler, HandlerFactory
from proxy.core.headers import NO_EDITS
from proxy.core.retry import Budget
from proxy.http import RequestHead
from proxy.http_server import HttpServer
from proxy.serving import Choice, DialError, OverloadError, Record, Recorder, Serving, Upstream

FACTS = Facts(listener="public", remote="10.0.0.9:4242")


class Wire(Carrier):
    """One connection, seen from its far end: what was written, and what is received."""

    def __init__(self, handler: Handler, alpn: str = "") -> None:
        self.handler = handler
        self.written = b""
        self.writes = 0
        self.is_eof = self.is_closed = self.is_aborted = self.is_paused = False
        self._alpn = alpn
        self._unseen = b""
        handler.connection_made(self)

    @property
    @override
    def alpn(self) -> str:
        return self._alpn

    @override
    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        if not self.is_closed:
            self.written += chunk
            self.writes += 1

    @override
    def write_eof(self) -> None:
        self.is_eof = True

    @override
    def pause_reading(self) -> None:
        self.is_paused = True

    @override
    def resume_reading(self) -> None:
        self.is_paused = False
        unseen, self._unseen = self._unseen, b""
        if unseen:
            self.receive(unseen)

    @override
    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self.handler.connection_lost(None)

    @override
    def abort(self) -> None:
        if not self.is_closed:
            self.is_aborted = self.is_closed = True
            self.handler.connection_lost(None)

    @override
    def is_closing(self) -> bool:
        return self.is_closed

    def receive(self, chunk: bytes) -> None:
        """The far end has sent this."""
        if self.is_paused:
            self._unseen += chunk
        elif not self.is_closed:
            self.handler.data_received(chunk)

    def end(self) -> None:
        """The far end has half-closed."""
        if not self.is_closed and not self.handler.eof_received():
            self.close()

    def lose(self) -> None:
        """The connection was reset."""
        if not self.is_closed:
            self.is_closed = True
            self.handler.connection_lost(ConnectionResetError())

    def take(self) -> bytes:
        """What was written since the last call."""
        written, self.written = self.written, b""
        return written


class Cluster1(Upstream):
    """A cluster whose dials succeed at once, unless ``refusing``; endpoints take turns."""

    def __init__(self, world: "World", cluster: Cluster) -> None:
        self.pool: object | None = None
        self.world = world
        self._cluster = cluster
        self.wires: list[Wire] = []
        self.dialled: list[str] = []
        self.refusing: set[str] = set()
        self.is_stalled = False
        self.overload = ""
        self.connections_max: int | None = None
        self.active = 0
        self.finished: list[tuple[str, bool]] = []
        self.budget = Budget(cluster.retry_budget, world.now_s())
        self.turn = 0
        self._retired: list[Callable[[str], None]] = []

    @property
    @override
    def cluster(self) -> Cluster:
        return self._cluster

    @override
    def choose(
        self, hashed: int | None = None, avoid: frozenset[str] = frozenset()
    ) -> Choice | None:
        choices = [Choice(e, group) for group in self._cluster.groups for e in group.endpoints]
        fresh = [each for each in choices if each.endpoint.id not in avoid] or choices
        self.turn += 1
        return fresh[(self.turn - 1) % len(fresh)] if fresh else None

    @override
    async def dial(self, choice: Choice, make: HandlerFactory, alpn: tuple[str, ...] = ()) -> None:
        self.dialled.append(choice.endpoint.id)
        if self.is_stalled:
            return
        if choice.endpoint.id in self.refusing:
            raise DialError("connection refused")
        open_now = sum(not wire.is_closed for wire in self.wires)
        if self.connections_max is not None and open_now >= self.connections_max:
            raise OverloadError("connections_max is reached")
        handler = make()
        wire = Wire.__new__(Wire)
        self.wires.append(wire)
        wire.__init__(handler)  # type: ignore[misc]  # known before its handler writes

    @override
    def begin(self, choice: Choice) -> None:
        if self.overload:
            raise OverloadError(self.overload)
        self.active += 1

    @override
    def finish(self, choice: Choice, *, failed: bool, latency_s: float) -> None:
        self.active -= 1
        self.finished.append((choice.endpoint.id, failed))

    @override
    def may_retry(self) -> bool:
        return self.budget.take(self.active, self.world.now_s())

    @override
    def retry_ended(self) -> None:
        self.budget.give_back()

    @override
    def on_retired(self, call: Callable[[str], None]) -> None:
        self._retired.append(call)

    def change(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def replace(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def retire(self, endpoint: str) -> None:
        for call in self._retired:
            call(endpoint)


class Records(Recorder):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.finished_records: list[Record] = []
        self.open = 0

    @override
    def opened(self, record: Record) -> None:
        self.open += 1

    @override
    def closed(self, record: Record) -> None:
        self.open -= 1

    @override
    def trace(self, head: RequestHead, record: Record) -> None:
        return

    @override
    def finished(self, record: Record) -> None:
        self.finished_records.append(record)

    @override
    def handshake_failed(self, facts: Facts, reason: str) -> None:
        raise AssertionError(reason)


class World(Serving):
    """One chain; ``advance`` moves the time, ``randoms`` are the next random numbers."""

    def __init__(
        self,
        *,
        chain: FilterChain | None = None,
        listener: Listener | None = None,
        clusters: tuple[Cluster, ...] = (),
        proxy: ProxyConfig | None = None,
    ) -> None:
        self.time_s = 1000.0
        self.randoms: list[float] = []
        self.due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._works: list[Coroutine[Any, Any, None]] = []
        self._chain = chain or chain_of()
        self._listener = listener or Listener(name="public", direction="inbound")
        self._proxy = proxy or ProxyConfig(id="web-proxy", service="web")
        self._recorder = Records()
        self.is_limited = False
        self.has_room = True
        self.draining = False
        self._watching: dict[int, Callable[[], None]] = {}
        self.upstreams = {
            each.name: Cluster1(self, each) for each in clusters or (cluster_of("web"),)
        }

    def __del__(self) -> None:
        for work in self._works:  # a test may end before they begin
            work.close()

    @property
    @override
    def proxy(self) -> ProxyConfig:
        return self._proxy

    @property
    @override
    def listener(self) -> Listener:
        return self._listener

    @property
    @override
    def chain(self) -> FilterChain:
        return self._chain

    @property
    @override
    def is_draining(self) -> bool:
        return self.draining

    @property
    @override
    def recorder(self) -> Records:
        return self._recorder

    @property
    def records(self) -> list[Record]:
        return self._recorder.finished_records

    @property
    def web(self) -> Cluster1:
        return self.upstreams["web"]

    @override
    def upstream(self, cluster: str) -> Upstream | None:
        return self.upstreams.get(cluster)

    @override
    def now_s(self) -> float:
        return self.time_s

    @override
    def random(self) -> float:
        return self.randoms.pop(0) if self.randoms else 0.5

    @override
    def admits_connection(self) -> bool:
        return self.has_room

    @override
    def admits_request(self, route: str) -> bool:
        return not self.is_limited

    @override
    def start(self, name: str, work: Coroutine[Any, Any, None]) -> Callable[[], None]:
        self._works.append(work)

        def run() -> None:
            self._works.remove(work)
            with pytest.raises(StopIteration):  # nothing here waits
                work.send(None)

        return self.call_later(0.0, run)

    @override
    def call_later(self, delay_s: float, call: Callable[[], None]) -> Callable[[], None]:
        self._count += 1
        entry = (self.time_s + delay_s, self._count, call)
        self.due.append(entry)
        return lambda: self.due.remove(entry) if entry in self.due else None

    @override
    def on_changed(self, call: Callable[[], None]) -> Callable[[], None]:
        key = id(call)
        self._watching[key] = call
        return lambda: self._watching.pop(key, None) and None

    # What tests do.

    def change(self, *, chain: FilterChain | None = None, proxy: ProxyConfig | None = None) -> None:
        self._chain = chain or self._chain
        self._proxy = proxy or self._proxy
        for call in list(self._watching.values()):
            call()

    def drain(self) -> None:
        self.draining = True
        self.change()

    def advance(self, by_s: float = 0.0) -> None:
        end_s = self.time_s + by_s
        while self.due and min(self.due)[0] <= end_s:
            entry = min(self.due)
            self.due.remove(entry)
            self.time_s = max(self.time_s, entry[0])
            entry[2]()
        self.time_s = end_s

    def connect(self, facts: Facts = FACTS, alpn: str = "") -> Wire:
        return Wire(HttpServer(self, facts), alpn)

    def ask(self, request: bytes, facts: Facts = FACTS) -> Wire:
        """Send bytes on a new connection."""
        wire = self.connect(facts)
        wire.receive(request)
        self.advance()
        return wire

    def instance(self, number: int = -1) -> Wire:
        """The connection to an instance that was dialled last, or that many-th."""
        return self.web.wires[number]

    def answer(self, text: bytes, number: int = -1) -> None:
        self.instance(number).receive(text)
        self.advance()


def cluster_of(name: str, *, endpoints: int = 1, **more: Any) -> Cluster:
    group = EndpointGroup(
        target=f"{name}.default.dc1",
        endpoints=tuple(
            Endpoint(id=f"n{number}/{name}", address="10.0.0.1", port=8000 + number)
            for number in range(endpoints)
        ),
    )
    fields = {"protocol": "http", "groups": (group,)} | more
    return Cluster(name=name, service=name, **fields)


def route_of(cluster: str = "web", **more: Any) -> Route:
    return Route(
        name=f"router:{cluster}",
        clusters=(WeightedCluster(cluster=cluster, request_headers=NO_EDITS),),
        **more,
    )


def chain_of(*routes: Route, protocol: Any = "http", **more: Any) -> FilterChain:
    return FilterChain(protocol=protocol, routes=routes or (route_of(),), **more)
