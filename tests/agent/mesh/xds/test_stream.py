import asyncio
from collections.abc import Callable

from envoy.service.discovery.v3 import discovery_pb2

from agent.mesh.xds.claims import Claims
from agent.mesh.xds.grpc import Messages, wrapped
from agent.mesh.xds.names import CLUSTER, ENDPOINTS
from agent.mesh.xds.stream import SERVICE, Streams
from proxy.api import Cluster, Endpoint, EndpointGroup, ProxyConfig
from proxy.http import Exchange, Fault, Headers, RequestHead, ResponseHead


class NoFeed:
    def put(self, config: ProxyConfig) -> None:
        pass

    def remove(self, proxy_id: str, /) -> None:
        pass


class Answered:
    """The client's side of a call."""

    def __init__(self) -> None:
        self.heads: list[ResponseHead] = []
        self.messages: list[bytes] = []
        self.trailers: Headers = []
        self.changed = asyncio.Event()
        self._reader = Messages()

    def informational(self, head: ResponseHead) -> None:
        raise AssertionError

    def head(self, head: ResponseHead, *, end: bool) -> None:
        self.heads.append(head)
        self.changed.set()

    def body(self, chunk: bytes) -> None:
        self.messages += self._reader.feed(chunk)
        self.changed.set()

    def end(self, trailers: Headers) -> None:
        self.trailers = trailers

    def switch(self, head: ResponseHead) -> None:
        raise AssertionError

    def reset(self, fault: Fault) -> None:
        raise AssertionError

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    async def until(self, probe: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not probe():
                self.changed.clear()
                await self.changed.wait()


def config(port: int) -> ProxyConfig:
    endpoints = (Endpoint(id="a", address="127.0.0.1", port=port),)
    group = EndpointGroup(target="api", endpoints=endpoints)
    cluster = Cluster(name="api", service="api", groups=(group,))
    return ProxyConfig(id="web-1", service="web", clusters={"api": cluster})


def call(claims: Claims, method: str) -> tuple[Exchange, Answered]:
    answered = Answered()
    head = RequestHead(
        method=b"POST",
        scheme=b"http",
        authority=b"agent",
        target=SERVICE + method.encode(),
        headers=[],
        has_body=True,
    )
    return Streams(claims).open(head, answered), answered


async def test_a_proxy_gets_what_it_asks_for_and_what_is_new() -> None:
    claims = Claims(NoFeed())
    claims.put(config(1))
    stream, answered = call(claims, "StreamAggregatedResources")
    await answered.until(lambda: answered.heads)
    for type_url, names in ((CLUSTER, []), (ENDPOINTS, ["api"])):
        request = discovery_pb2.DiscoveryRequest(type_url=type_url, resource_names=names)
        request.node.id = "web-1"
        stream.body(wrapped(request.SerializeToString()))
    assert 2 == len(answered.messages)

    claims.put(config(2))

    newest = discovery_pb2.DiscoveryResponse.FromString(answered.messages[-1])
    assert (3, ENDPOINTS) == (len(answered.messages), newest.type_url)


async def test_delta_is_spoken_too() -> None:
    claims = Claims(NoFeed())
    claims.put(config(1))
    stream, answered = call(claims, "DeltaAggregatedResources")
    request = discovery_pb2.DeltaDiscoveryRequest(type_url=CLUSTER)
    request.node.id = "web-1"

    stream.body(wrapped(request.SerializeToString()))  # before the libraries are there
    await answered.until(lambda: answered.messages)

    given = discovery_pb2.DeltaDiscoveryResponse.FromString(answered.messages[0])
    assert ["api"] == [resource.name for resource in given.resources]


async def test_another_method_is_unimplemented() -> None:
    _, answered = call(Claims(NoFeed()), "FetchAggregatedResources")

    assert (b"grpc-status", b"12") in answered.heads[0].headers


async def test_a_message_that_is_none_ends_the_stream() -> None:
    stream, answered = call(Claims(NoFeed()), "StreamAggregatedResources")
    await answered.until(lambda: answered.heads)

    stream.body(wrapped(b"\xff\xff\xff"))

    assert (b"grpc-status", b"3") == answered.trailers[0]


async def test_a_slow_proxy_gets_the_newest_when_there_is_room() -> None:
    claims = Claims(NoFeed())
    claims.put(config(1))
    stream, answered = call(claims, "StreamAggregatedResources")
    await answered.until(lambda: answered.heads)
    request = discovery_pb2.DiscoveryRequest(type_url=ENDPOINTS, resource_names=["api"])
    request.node.id = "web-1"
    stream.body(wrapped(request.SerializeToString()))

    stream.answer_paused()
    for port in range(2, 50):
        claims.put(config(port))
    assert 1 == len(answered.messages)
    stream.answer_resumed()

    assert 2 == len(answered.messages)


async def test_a_lost_stream_gives_the_proxy_back() -> None:
    claims = Claims(NoFeed())
    stream, answered = call(claims, "StreamAggregatedResources")
    await answered.until(lambda: answered.heads)
    request = discovery_pb2.DiscoveryRequest(type_url=CLUSTER)
    request.node.id = "web-1"
    stream.body(wrapped(request.SerializeToString()))

    stream.reset(Fault.CLIENT)
    claims.put(config(1))

    assert [] == answered.messages
