"""Whatever happens to requests, in any order: at the end nothing is counted as open any more."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from random import Random
from typing import Any, Self

import pytest

from proxy.api import Balance, Cluster, Fault, Mirror, Outlier, RetryPolicy
from proxy.connection import Handler, HandlerFactory
from proxy.core.http2 import ClientEnd, Limits, ServerEnd
from proxy.core.http2_frames import Code
from proxy.http_pool import HttpPool
from proxy.http_server import HttpServer
from proxy.serving import Choice, DialError
from proxy.upstream import ClusterUpstream
from tests.proxy import http2_speech as speech
from tests.proxy.http_world import FACTS, Wire, World, chain_of, cluster_of, route_of
from tests.proxy.test_http1_client import request

ROUNDS = 40
STEPS = 150
HAPPENINGS = [
    "client",
    "client",
    "instance",
    "instance",
    "dial",
    "dial",
    "new",
    "new",
    "change",
    "time",
]
END_S = 4000.0  # longer than any time that is kept

ASKED = (
    b"GET /a HTTP/1.1\r\nHost: web\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost: web\r\n\r\n" * 3,
    b"GET /a HTTP/1.1\r\nHo",
    b"POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 4\r\n\r\nabcd",
    b"POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 4\r\n\r\nab",
    b"PUT /a HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
    b"PUT /a HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000,
    b"GET /ws HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"\0\0\0",
)
MORE = (b"ab", b"x" * 100_000, b"0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")
ANSWERED = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
    b"0\r\n\r\n",
    b"i",
    b"HTTP/1.1 204 No\r\n\r\n",
    b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nno",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    b"nonsense\r\n\r\n",
)


class Parked:
    """What a dial waits for: the test goes on with it."""

    def __await__(self) -> Generator["Parked", None, None]:
        yield self


class LateWire(Wire):
    """As a socket: the end is told in another turn."""

    world: "Site"

    @classmethod
    def to(cls, world: "Site", handler: Handler, kept: list["LateWire"], alpn: str = "") -> Self:
        """A connection that is known before its handler writes."""
        wire = cls.__new__(cls)
        wire.world = world
        kept.append(wire)
        wire.__init__(handler, alpn)  # type: ignore[misc]  # as its docstring says
        return wire

    def close(self) -> None:
        self._over(None)

    def abort(self) -> None:
        self.is_aborted = True
        self._over(None)

    def lose(self) -> None:
        self._over(ConnectionResetError())

    def _over(self, error: Exception | None) -> None:
        if not self.is_closed:
            self.is_closed = True
            self.world.call_later(0.0, lambda: self.handler.connection_lost(error))


class Site(World):
    """A world with clusters as they are, and dials that take their time."""

    def __init__(self, rng: Random, **more: Any) -> None:
        super().__init__(**more)
        self.rng = rng
        self.dials: list[Coroutine[Any, Any, None]] = []
        self.instances: list[LateWire] = []
        self.ends: dict[int, ServerEnd] = {}
        self.askers: dict[int, ClientEnd] = {}
        self.upstreams = {  # type: ignore[assignment]  # real ones in place of made-up ones
            name: ClusterUpstream(each.cluster, self.dial, self.now_s, rng.random)
            for name, each in self.upstreams.items()
        }

    def random(self) -> float:
        return self.rng.random()

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> Callable[[], None]:
        def run() -> None:
            if self.go_on(work):
                self.dials.append(work)

        self.call_later(0.0, run)

        def cancel() -> None:
            if work in self.dials:
                self.dials.remove(work)
                self.go_on(work, asyncio.CancelledError())

        return cancel

    def go_on(self, work: Coroutine[Any, Any, None], error: BaseException | None = None) -> bool:
        """Whether it waits again."""
        try:
            if error is None:
                work.send(None)
            else:
                work.throw(error)
        except (StopIteration, asyncio.CancelledError):
            return False
        return True

    async def dial(
        self, choice: Choice, make: HandlerFactory, alpn: tuple[str, ...], timeout_s: float
    ) -> None:
        await Parked()
        LateWire.to(self, make(), self.instances)


def cluster(rng: Random, name: str) -> Cluster:
    return cluster_of(
        name,
        endpoints=rng.choice((0, 1, 2, 3, 3)),
        protocol=rng.choice(("http", "http", "http2")),
        connections_max=rng.choice((None, None, 1, 3)),
        pending_max=rng.choice((None, None, 1, 3)),
        requests_max=rng.choice((None, None, 2, 4)),
        outlier=rng.choice((None, Outlier(failures_max=2))),
        balance=Balance(policy=rng.choice(("round_robin", "least_request", "peak_ewma"))),
    )


def site(rng: Random) -> Site:
    retry = RetryPolicy(count=3, on=("5xx", "reset"), per_try_timeout_s=rng.choice((0.0, 2.0)))
    route = route_of(
        retry=rng.choice((None, retry)),
        timeout_s=rng.choice((0.0, 5.0)),
        idle_timeout_s=rng.choice((0.0, 7.0)),
        mirror=rng.choice((None, Mirror(cluster="copies", percent=60.0))),
        fault=rng.choice((None, Fault(delay_percent=30.0, delay_s=0.5, abort_percent=20.0))),
    )
    clusters = (cluster(rng, "web"), cluster(rng, "copies"))
    return Site(rng, chain=chain_of(route), clusters=clusters)


def step(world: Site, clients: list[LateWire]) -> None:
    """Something happens at one side, or to the cluster, or time passes."""
    rng = world.rng
    open_clients = [each for each in clients if not each.is_closed]
    open_instances = [each for each in world.instances if not each.is_closed]
    match rng.choice(
        ["client", "client", "instance", "instance", "dial", "dial", "new", "new", "change", "time"]
    ):
        case "client" if open_clients:
            client_step(world, rng.choice(open_clients))
        case "instance" if open_instances:
            instance_step(world, rng.choice(open_instances))
        case "dial" if world.dials:
            work = world.dials.pop(rng.randrange(len(world.dials)))
            if world.go_on(work, rng.choice((None, None, DialError("refused")))):
                world.dials.append(work)
        case "new":
            new_client(world, clients)
        case "change":
            name = rng.choice(("web", "copies"))
            upstream: Any = world.upstreams[name]
            upstream.replace(cluster(rng, name))
        case _:
            world.advance(rng.choice((0.0, 0.1, 3.0, 20.0)))
    world.advance()


def new_client(world: Site, clients: list[LateWire]) -> None:
    if world.rng.random() < 0.7:
        wire = LateWire.to(world, HttpServer(world, FACTS), clients)
        wire.receive(world.rng.choice(ASKED))
    else:
        wire = LateWire.to(world, HttpServer(world, FACTS), clients, "h2")
        world.askers[id(wire)] = end = ClientEnd(Limits())
        end.begin()
        ask(world, wire, end)


def client_step(world: Site, client: LateWire) -> None:
    asker = world.askers.get(id(client))
    match world.rng.randrange(8):
        case 0:
            world.rng.choice((client.end, client.lose, client.abort))()
        case 1:
            client.handler.pause_writing()
        case 2:
            client.handler.resume_writing()
        case _ if asker is not None:
            ask(world, client, asker)
        case _:
            client.receive(world.rng.choice(MORE))


def instance_step(world: Site, instance: LateWire) -> None:
    match world.rng.randrange(8):
        case 0:
            world.rng.choice((instance.end, instance.lose, instance.close))()
        case 1:
            instance.handler.pause_writing()
        case 2:
            instance.handler.resume_writing()
        case _:
            answer(world, instance)


def ask(world: Site, client: LateWire, end: ClientEnd) -> None:
    """Say something in HTTP/2."""
    rng = world.rng
    end.receive(client.take(), world.now_s())
    for _ in range(rng.randrange(1, 4)):
        stream_id = rng.choice(list(end.streams) or [0])
        match rng.randrange(5):
            case 0 | 1:
                method = rng.choice((b"GET", b"POST"))
                upgrade = rng.choice((b"", b"", b"websocket"))
                head = request(method)
                head.upgrade = upgrade
                end.open(head, end=method == b"GET" and not upgrade)
            case 2:
                end.data(stream_id, b"x" * rng.choice((1, 40_000, 300_000)))
            case 3:
                end.end(stream_id, [])
            case _:
                end.reset(stream_id, Code.CANCEL)
    client.receive(end.take())


def answer(world: Site, instance: LateWire) -> None:
    """In HTTP/1, or in HTTP/2 to whoever began so."""
    if not instance.written.startswith(speech.PREFACE) and id(instance) not in world.ends:
        instance.take()
        instance.receive(world.rng.choice(ANSWERED))
        return
    end = world.ends.get(id(instance))
    if end is None:
        end = world.ends[id(instance)] = ServerEnd(Limits())
        end.begin()
    end.receive(instance.take(), world.now_s())
    ids = list(end.streams)
    if ids:
        stream_id = world.rng.choice(ids)
        match world.rng.randrange(6):
            case 0:
                end.answer(stream_id, [(b":status", b"200")], end=True)
            case 1:
                end.answer(stream_id, [(b":status", b"503")], end=True)
            case 2:
                end.answer(stream_id, [(b":status", b"200")], end=False)
                end.data(stream_id, b"hi")
            case 3:
                end.reset(stream_id, world.rng.choice((Code.REFUSED_STREAM, Code.CANCEL)))
            case 4:
                end.go_away()
            case _:
                end.end(stream_id, [])
    instance.receive(end.take())


def finish(world: Site, clients: list[LateWire]) -> None:
    for client in clients:
        client.lose()
    while world.dials or [each for each in world.instances if not each.is_closed]:
        for work in list(world.dials):
            world.dials.remove(work)
            world.go_on(work, DialError("refused"))
        for instance in world.instances:
            instance.lose()
        world.advance(1.0)
    world.advance(END_S)


def left_open(world: Site) -> dict[str, object]:
    """What is still counted."""
    found: dict[str, object] = {"clients": world.recorder.open}
    for name, upstream in world.upstreams.items():
        at_work: Any = upstream
        pool = at_work.pool
        found |= {
            f"{name} connections": at_work._connections.open,
            f"{name} pending": at_work._pending.open,
            f"{name} requests": at_work._requests.open,
            f"{name} retries": at_work._budget.open,
            f"{name} active": sum(each.active for each in at_work._backends.values()),
        }
        if isinstance(pool, HttpPool):
            found[f"{name} waiting"] = pool.waiting
            found[f"{name} places"] = len(pool._places) + len(pool._leaving)
    found["timers"] = len(world.due)
    return {name: count for name, count in found.items() if count}


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_everything_is_given_back_whatever_happened(seed: int) -> None:
    world = site(Random(seed))
    clients: list[LateWire] = []
    for _ in range(STEPS):
        step(world, clients)

    finish(world, clients)

    assert {} == left_open(world)
