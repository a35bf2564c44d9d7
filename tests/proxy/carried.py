"""A proxy's connections on loopback, without the runtime: what carries them is real."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from typing_extensions import override

from proxy.api import (
    ClientTls,
    Cluster,
    Endpoint,
    EndpointGroup,
    FilterChain,
    Listener,
    Policy,
    ProxyConfig,
    Route,
    ServerTls,
    WeightedCluster,
)
from proxy.api.policy import Intention
from proxy.carrier import lingering_count
from proxy.connection import Carrier, Facts, Handler, HandlerFactory
from proxy.dial import connect
from proxy.http import RequestHead
from proxy.l4 import TcpProxy
from proxy.listener import Acceptor, bind
from proxy.open_connections import OpenConnections
from proxy.serving import Choice, Record, Recorder, Serving, Upstream
from proxy.tls import Contexts
from proxy.upstream import ClusterUpstream
from tests.proxy.authority import TRUST_DOMAIN, Authority, uri_of
from tests.proxy.fakes import until
from tests.proxy.far_end import LOCALHOST, port_of

CALLED = ClientTls(identity="web", server_name="api.internal", peer_uris=(uri_of("api"),))


class Told(Recorder):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.open: list[Record] = []
        self.records: list[Record] = []
        self.failures: list[tuple[Facts, str]] = []

    @override
    def opened(self, record: Record) -> None:
        self.open.append(record)

    @override
    def closed(self, record: Record) -> None:
        self.open.remove(record)
        self.records.append(record)

    @override
    def handshake_failed(self, facts: Facts, reason: str) -> None:
        self.failures.append((facts, reason))

    @override
    def trace(self, head: RequestHead, record: Record) -> None:
        raise AssertionError("a connection has no trace")

    @override
    def finished(self, record: Record) -> None:
        raise AssertionError("a connection is no request")


class Served(Serving):
    """A chain whose configuration a test changes with `change`."""

    def __init__(self, site: "Site", chain: FilterChain) -> None:
        self._site = site
        self._chain = chain
        self._calls: dict[Callable[[], None], None] = {}
        self._told = Told()
        self.draining = False
        self.admits = True
        self.admits_more = True

    @property
    @override
    def proxy(self) -> ProxyConfig:
        return self._site.config

    @property
    @override
    def listener(self) -> Listener:
        return self._site.listener

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
    def recorder(self) -> Told:
        return self._told

    @override
    def upstream(self, cluster: str) -> Upstream | None:
        return self._site.upstreams.get(cluster)

    @override
    def now_s(self) -> float:
        return time.monotonic()

    @override
    def random(self) -> float:
        return random.random()

    @override
    def admits_connection(self) -> bool:
        return self.admits

    @override
    def admits_request(self, route: str) -> bool:
        return self.admits_more

    @override
    def start(self, name: str, work: Coroutine[Any, Any, None]) -> Callable[[], None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._site.tasks.append(task)

        def cancel() -> None:
            task.cancel()

        return cancel

    @override
    def call_later(self, delay_s: float, call: Callable[[], None]) -> Callable[[], None]:
        return asyncio.get_running_loop().call_later(delay_s, call).cancel

    @override
    def on_changed(self, call: Callable[[], None]) -> Callable[[], None]:
        self._calls[call] = None

        def undo() -> None:
            self._calls.pop(call, None)

        return undo

    def change(self, chain: FilterChain | None = None) -> None:
        self._chain = chain or self._chain
        for call in list(self._calls):
            call()


class Site:
    """A proxy: one listener with chains, and clusters."""

    def __init__(
        self,
        authority: Authority,
        service: str,
        *chains: FilterChain,
        listener: Listener | None = None,
        **fields: Any,
    ) -> None:
        self.listener = listener or Listener(
            name="public", direction="inbound", address=LOCALHOST, chains=chains
        )
        self.config = ProxyConfig(
            id=service,
            service=service,
            identities={service: authority.leaf(service)},
            roots_pem=(authority.root_pem,),
            listeners=(self.listener,),
            **fields,
        )
        self.contexts = Contexts(self.config)
        self.chains = [Served(self, chain) for chain in chains]
        self.upstreams: dict[str, ClusterUpstream] = {}
        self.tasks: list[asyncio.Task[None]] = []
        self.connections = OpenConnections()
        self.handler_of: Callable[[Serving, Facts], Handler] = TcpProxy

    @property
    def told(self) -> Told:
        return self.chains[0].recorder

    @property
    def record(self) -> Record:
        """Of the only connection that has ended."""
        (record,) = self.told.records
        return record

    def configure(self, **fields: Any) -> None:
        """Change the configuration, and tell the open connections."""
        self.config = msgspec.structs.replace(self.config, **fields)
        self.contexts.update(self.config)
        for chain in self.chains:
            chain.change()

    def leads_to(self, *endpoints: Endpoint, tls: ClientTls | None = None) -> None:
        """What is behind the chains' route; a change if something was."""
        group = EndpointGroup(target="app", tls=tls, endpoints=endpoints)
        cluster = Cluster(name="app", service="app", groups=(group,), connect_timeout_s=2.0)
        if "app" in self.upstreams:
            self.upstreams["app"].replace(cluster)
            for chain in self.chains:
                chain.change()
        else:
            self.upstreams["app"] = ClusterUpstream(
                cluster, self._dial, time.monotonic, random.random
            )

    def _handler(self, serving: Serving, facts: Facts) -> Handler:
        return self.connections.hold(self.handler_of(serving, facts))

    async def _dial(
        self, choice: Choice, make: HandlerFactory, alpn: tuple[str, ...], timeout_s: float
    ) -> None:
        await connect(choice.endpoint, choice.group.tls, self.contexts, make, alpn, timeout_s)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        """Accept; the port."""
        sock = bind(self.listener)
        acceptor = Acceptor(
            sock,
            listener=lambda: self.listener,
            chains=lambda: self.chains,
            contexts=self.contexts,
            handler_of=self._handler,
        )
        acceptor.start()
        try:
            yield port_of(sock)
        finally:
            acceptor.stop().close()
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
            for carrier in self.connections.carriers:
                carrier.abort()
            await until(lambda: len(self.connections) == 0)
            await until(lambda: lingering_count() == 0)


def plain_chain(**fields: Any) -> FilterChain:
    """A chain that leads to the cluster ``app``."""
    routes = (Route(name="app", clusters=(WeightedCluster(cluster="app"),)),)
    return FilterChain(**{"routes": routes, **fields})


def mutual_chain(service: str = "api", **fields: Any) -> FilterChain:
    """A chain that speaks mutual TLS and lets ``web`` in."""
    return plain_chain(**{"tls": ServerTls(identity=service), "policy": allowing("web"), **fields})


def allowing(*services: str) -> Policy:
    intentions = tuple(Intention(source=name, precedence=9, allow=True) for name in services)
    return Policy(destination="api", intentions=intentions, trust_domains=(TRUST_DOMAIN,))


def at(port: int, name: str = "node/app") -> Endpoint:
    return Endpoint(id=name, address=LOCALHOST, port=port)


class Pinger(Handler):
    """Keeps what it is told; asked to echo, it does."""

    carrier: Carrier

    def __init__(self, *, echoes: bool = False) -> None:
        self.received = bytearray()
        self.is_ended = False
        self.lost: list[Exception | None] = []
        self.is_paused = False
        self.pauses = 0
        self._echoes = echoes

    @override
    def connection_made(self, carrier: Carrier) -> None:
        self.carrier = carrier

    @override
    def data_received(self, chunk: bytes) -> None:
        assert isinstance(chunk, bytes), "views are only for who asks for them"
        assert chunk, "never empty"
        assert not self.lost, "nothing comes after the end"
        self.received += chunk
        if self._echoes:
            self.carrier.write(chunk)

    @override
    def eof_received(self) -> bool:
        self.is_ended = True
        return not self._echoes

    @override
    def connection_lost(self, error: Exception | None) -> None:
        self.lost.append(error)

    @override
    def pause_writing(self) -> None:
        self.is_paused = True
        self.pauses += 1

    @override
    def resume_writing(self) -> None:
        self.is_paused = False
