"""A world without sockets, clocks and tasks, for what the runtime is made of."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from proxy.api import (
    Cluster,
    FilterChain,
    Listener,
    ProxyConfig,
    Route,
    WeightedCluster,
)
from proxy.chain_serving import Surroundings
from proxy.connection import Carrier, Facts, Handler
from proxy.messages import Instance, Tapped
from proxy.notices import Notices
from proxy.recorder import Recording
from proxy.runtime import Parts
from proxy.serving import Serving
from proxy.tls import Contexts


class Clock:
    """Time that a test moves; what is due is called in order."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self._due: list[tuple[float, int, Timer]] = []

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Any:
        timer = Timer(call)
        self._due.append((self.now_s + delay_s, len(self._due), timer))
        return timer

    def soon(self, call: Callable[[], None]) -> None:
        self.call_later(0.0, call)

    def advance(self, by_s: float) -> None:
        end_s = self.now_s + by_s
        while self._due and min(self._due)[0] <= end_s:
            first = min(self._due, key=lambda entry: entry[:2])
            self._due.remove(first)
            self.now_s = max(self.now_s, first[0])
            if not first[2].is_cancelled:
                first[2].call()
        self.now_s = end_s


class Timer:
    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True

    def __lt__(self, other: "Timer") -> bool:
        return False


class FakeSocket:
    def __init__(self, place: str) -> None:
        self.place = place
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


class FakeCarrier(Carrier):
    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.is_aborted = False

    def abort(self) -> None:
        if not self.is_aborted:
            self.is_aborted = True
            self.handler.connection_lost(None)


class FakeHandler(Handler):
    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self.changes = 0
        self.is_lost = False
        self.was_admitted = False
        self._undo = serving.on_changed(self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def connection_made(self, carrier: Carrier) -> None:
        self.was_admitted = self.serving.admits_connection()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        self._undo()


class FakeAcceptor:
    def __init__(
        self,
        sock: socket.socket,
        *,
        listener: Callable[[], Listener],
        chains: Callable[[], Sequence[Serving]],
        contexts: Contexts,
        handler_of: Callable[[Serving, Facts], Handler],
    ) -> None:
        self.sock, self.listener, self.chains = sock, listener, chains
        self._handler_of = handler_of
        self.is_accepting = False

    def start(self) -> None:
        self.is_accepting = True

    def stop(self) -> socket.socket:
        self.is_accepting = False
        return self.sock

    def connect(self, chain: int = 0) -> FakeCarrier:
        """A connection for the chain of this number."""
        assert self.is_accepting
        facts = Facts(listener=self.listener().name, remote="1.2.3.4:5")
        handler = self._handler_of(self.chains()[chain], facts)
        carrier = FakeCarrier(handler)
        handler.connection_made(carrier)
        return carrier


class FakeUpstream:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.replaced = 0
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True

    def replace(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.replaced += 1

    def instances(self) -> Iterator[Instance]:
        yield Instance(proxy="", cluster=self.cluster.name, endpoint="a")


class Fakes:
    """Parts, and what was made of them. Places in ``taken`` cannot be bound."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.taken: set[str] = set()
        self.sockets: list[FakeSocket] = []
        self.acceptors: list[FakeAcceptor] = []
        self.handlers: list[FakeHandler] = []
        self.upstreams: list[FakeUpstream] = []
        self.tapped: list[Tapped] = []
        self.recording = Recording(
            wall_s=lambda: 1000.0, random=lambda: 0.5, tell=self.tapped.append
        )
        self.failures: list[Exception] = []
        self.around = Surroundings(
            now_s=lambda: self.clock.now_s,
            random=lambda: 0.5,
            start=_start,
            call_later=self.clock.call_later,
            make_recorder=self.recording.of,
            notices=Notices(
                soon=self.clock.soon, now_s=lambda: self.clock.now_s, failed=self.failures.append
            ),
        )
        fakes: Any = self
        self.parts = Parts(
            bind=fakes.bind,
            make_acceptor=fakes.make_acceptor,
            make_handler=fakes.make_handler,
            make_upstream=fakes.make_upstream,
            prepare=_prepared,
        )

    def bind(self, listener: Listener) -> FakeSocket:
        place = f"{listener.address}:{listener.port}"
        if place in self.taken:
            raise OSError(98, "Address already in use")
        self.sockets.append(FakeSocket(place))
        return self.sockets[-1]

    def make_acceptor(self, sock: socket.socket, **parts: Any) -> FakeAcceptor:
        self.acceptors.append(FakeAcceptor(sock, **parts))
        return self.acceptors[-1]

    def make_handler(self, serving: Serving, facts: Facts) -> FakeHandler:
        self.handlers.append(FakeHandler(serving))
        return self.handlers[-1]

    def make_upstream(self, cluster: Cluster, contexts: Contexts) -> FakeUpstream:
        self.upstreams.append(FakeUpstream(cluster))
        return self.upstreams[-1]


async def _prepared(config: ProxyConfig) -> None:
    """Nothing is to be loaded."""


def _start(name: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    return asyncio.get_running_loop().create_task(work, name=name)


async def until(probe: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Wait until the probe says yes; for what nobody tells of."""
    async with asyncio.timeout(timeout_s):
        while not probe():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


def chain(**fields: Any) -> FilterChain:
    """A chain that leads to the cluster ``app``."""
    routes = (Route(name="app", clusters=(WeightedCluster(cluster="app"),)),)
    return FilterChain(**{"routes": routes, **fields})


def listener(name: str = "public", port: int = 1, **fields: Any) -> Listener:
    """A listener with one chain."""
    return Listener(
        **{
            "name": name,
            "direction": "inbound",
            "address": "127.0.0.1",
            "port": port,
            "chains": (chain(),),
            **fields,
        }
    )


def proxy(*listeners: Listener, **fields: Any) -> ProxyConfig:
    """The configuration of a proxy ``web`` with a cluster ``app``."""
    clusters = {"app": Cluster(name="app", service="app")}
    base = {"id": "web", "service": "web", "clusters": clusters, "drain_s": 5.0}
    return ProxyConfig(**{**base, "listeners": listeners or (listener(),), **fields})
