"""Two sidecars in real workers: mutual TLS, intentions, and what a change does to both."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from proxy.api import (
    ClientTls,
    Cluster,
    Endpoint,
    EndpointGroup,
    FilterChain,
    Intention,
    Listener,
    Policy,
    ProxyConfig,
    Route,
    ServerTls,
    WeightedCluster,
)
from tests.agent.mesh.test_workers import WAIT_S, AgentPart, Load
from tests.proxy.authority import TRUST_DOMAIN, Authority, uri_of
from tests.proxy.worker_process import ask, echo

CUT_WAIT_S = 2.0  # a denial holds on open connections within this


class Pair:
    """``api`` calls ``web``, which sends back what it gets."""

    def __init__(self, directory: Path, backend: int) -> None:
        self.outbound = directory / "api.sock"
        self._inbound = directory / "web.sock"
        self._backend = Endpoint(id="app", address="127.0.0.1", port=backend)
        self._authority = Authority()
        self.api = self._proxy("api", self._api_listener(), self._web_cluster())
        self.web = self._proxy("web", self._web_listener(allow=True), self._app_cluster())

    def denying(self) -> ProxyConfig:
        """``web`` when it lets ``api`` in no more."""
        return msgspec.structs.replace(self.web, listeners=(self._web_listener(allow=False),))

    def _proxy(self, service: str, listener: Listener, cluster: Cluster) -> ProxyConfig:
        return ProxyConfig(
            id=f"{service}-sidecar-proxy",
            service=service,
            identities={service: self._authority.leaf(service)},
            roots_pem=(self._authority.root_pem,),
            listeners=(listener,),
            clusters={cluster.name: cluster},
            drain_s=5.0,
        )

    def _api_listener(self) -> Listener:
        chain = FilterChain(source="api", routes=_to("web"))
        return Listener(name="web", direction="outbound", path=str(self.outbound), chains=(chain,))

    def _web_cluster(self) -> Cluster:
        tls = ClientTls(identity="api", peer_uris=(uri_of("web"),))
        endpoint = Endpoint(id="web-1", path=str(self._inbound))
        group = EndpointGroup(target="web", tls=tls, endpoints=(endpoint,))
        return Cluster(name="web", service="web", groups=(group,))

    def _web_listener(self, *, allow: bool) -> Listener:
        policy = Policy(
            destination="web",
            intentions=(Intention(source="api", precedence=9, allow=allow),),
            trust_domains=(TRUST_DOMAIN,),
        )
        chain = FilterChain(
            tls=ServerTls(identity="web"), policy=policy, destination="web", routes=_to("app")
        )
        return Listener(
            name="public", direction="inbound", path=str(self._inbound), chains=(chain,)
        )

    def _app_cluster(self) -> Cluster:
        group = EndpointGroup(target="app", endpoints=(self._backend,))
        return Cluster(name="app", service="web", groups=(group,))


def _to(cluster: str) -> tuple[Route, ...]:
    return (Route(name=cluster, clusters=(WeightedCluster(cluster=cluster),)),)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with echo() as backend:
        yield Pair(tmp_path, backend)


@pytest.fixture
async def part(tmp_path: Path, pair: Pair) -> AsyncIterator[AgentPart]:
    part = await AgentPart(tmp_path).start()
    part.feed.put(pair.web)
    part.feed.put(pair.api)
    await part.applied("web-sidecar-proxy", "api-sidecar-proxy")
    yield part
    await part.workers.stop(0.0)
    await part.stop()


async def test_a_denial_cuts_what_is_open_and_keeps_out_what_comes(
    part: AgentPart, pair: Pair
) -> None:
    reader, writer = await asyncio.open_unix_connection(str(pair.outbound))
    writer.write(b"a")
    assert b"a" == await reader.readexactly(1)

    part.feed.put(pair.denying())
    async with asyncio.timeout(CUT_WAIT_S):
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
    writer.close()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await ask(pair.outbound, b"b")

    part.feed.put(pair.web)
    await part.applied("web-sidecar-proxy")
    assert b"c" == await ask(pair.outbound, b"c")


async def test_no_handshake_fails_while_a_worker_is_replaced(part: AgentPart, pair: Pair) -> None:
    load = Load(pair.outbound)
    await load.more(50)

    for _ in range(2):
        await part.workers.upgrade()
        await load.more(50)

    await load.end()
    assert [] == load.failures


async def test_a_new_leaf_and_a_new_root_leave_connections_open(
    part: AgentPart, pair: Pair, tmp_path: Path
) -> None:
    reader, writer = await asyncio.open_unix_connection(str(pair.outbound))
    writer.write(b"a")
    await reader.readexactly(1)
    load = Load(pair.outbound)
    newer = Authority()
    both = (*pair.api.roots_pem, newer.root_pem)
    for proxy in (pair.web, pair.api):
        part.feed.put(msgspec.structs.replace(proxy, roots_pem=both))
    await part.applied("web-sidecar-proxy", "api-sidecar-proxy")

    for proxy in (pair.web, pair.api):
        identities = {proxy.service: newer.leaf(proxy.service)}
        part.feed.put(msgspec.structs.replace(proxy, roots_pem=both, identities=identities))
        await load.more(20)
    async with asyncio.timeout(WAIT_S):
        await part.applied("web-sidecar-proxy", "api-sidecar-proxy")
    await load.more(20)

    await load.end()
    assert [] == load.failures
    writer.write(b"b")
    assert b"b" == await reader.readexactly(1)
    writer.close()
