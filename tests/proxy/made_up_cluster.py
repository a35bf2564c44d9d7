"""A cluster with endpoints that are only made up, and a clock that a test moves."""

import asyncio
from random import Random

import msgspec

from proxy.api import Cluster, Endpoint, EndpointGroup, Outlier
from proxy.connection import Carrier, HandlerFactory
from proxy.serving import Choice, DialError
from proxy.upstream import ClusterUpstream

OUTLIER = Outlier(failures_max=2, ejected_percent_max=100.0, ejection_s=30.0)


class Silent:
    """A handler that remembers how it ended."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.ended = 0

    def connection_made(self, carrier: Carrier) -> None:
        pass

    def data_received(self, chunk: bytes) -> None:
        self.chunks.append(chunk)

    def eof_received(self) -> bool:
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.ended += 1

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass


class World:
    """Endpoints to dial, and a clock."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.refusing: set[str] = set()
        self.dialled: list[tuple[str, tuple[str, ...], float]] = []
        self.handlers: list[object] = []
        self.hold: asyncio.Event | None = None

    async def connect(
        self, choice: Choice, make: HandlerFactory, alpn: tuple[str, ...], timeout_s: float
    ) -> None:
        self.dialled.append((choice.endpoint.id, alpn, timeout_s))
        if self.hold is not None:
            await self.hold.wait()
        if choice.endpoint.id in self.refusing:
            raise DialError("refused")
        self.handlers.append(make())

    def upstream(self, cluster: Cluster) -> ClusterUpstream:
        return ClusterUpstream(cluster, self.connect, lambda: self.now_s, Random(1).random)


def group_of(*ids: str, target: str = "web.default.dc1", **fields: object) -> EndpointGroup:
    endpoints = tuple(
        Endpoint(id=id, address="10.0.0.1", port=number) for number, id in enumerate(ids, 1)
    )
    return msgspec.structs.replace(EndpointGroup(target=target, endpoints=endpoints), **fields)


def cluster_of(*groups: EndpointGroup, **fields: object) -> Cluster:
    cluster = Cluster(name="web", service="web", protocol="http", groups=groups, outlier=OUTLIER)
    return msgspec.structs.replace(cluster, **fields)


def chosen(upstream: ClusterUpstream, **asked: object) -> set[str]:
    choices = [upstream.choose(**asked) for _ in range(20)]
    return {choice.endpoint.id for choice in choices if choice is not None}


def the_choice(upstream: ClusterUpstream, **asked: object) -> Choice:
    choice = upstream.choose(**asked)
    assert choice is not None
    return choice


def serve(upstream: ClusterUpstream, choice: Choice, *, failed: bool, world: World) -> None:
    upstream.begin(choice)
    world.now_s += 0.1
    upstream.finish(choice, failed=failed, latency_s=0.1)
