"""HTTP over a client agent's router."""

import asyncio

import pytest

from agent.http.front import Front
from agent.http.listeners import HttpServer
from agent.http.routes import ROUTES
from agent.rpc.peer_server import PeerServer
from agent.settings import http_settings
from tests.agent.harness import (
    ANY_PORT,
    Answered,
    Raw,
    make_config,
    request,
)
from tests.agent.rpc.cluster import (
    Cluster,
    open_cluster,
)


@pytest.fixture
async def cluster():
    async with open_cluster() as opened:
        yield opened


@pytest.fixture
async def pair():
    async with open_cluster(2) as opened:
        yield opened


def crash(server: PeerServer) -> None:
    """End a server as a killed process does: its sockets are gone at once."""
    for listener in server._servers:
        listener.close()
    for connections in list(server._by_client.values()):
        for connection in list(connections):
            connection._transport.abort()


# Under the HTTP door.


@pytest.fixture
async def ask(cluster: Cluster):
    """Requests to an HTTP door that stands on the client agent's router."""
    settings = http_settings(make_config())
    front = Front(
        router=cluster.remote,
        routes=ROUTES,
        settings=settings,
        services=None,
        record=lambda _method, _pattern, _seconds: None,
    )
    door = HttpServer(front, 5.0)
    await door.listen([ANY_PORT])
    port = door._servers[0].sockets[0].getsockname()[1]
    raw = Raw(*await asyncio.open_connection("127.0.0.1", port))

    async def asked(method: str, target: str, body: bytes = b"") -> Answered:
        return await raw.ask(request(method, target, body))

    yield asked
    raw.close()
    await door.close()


async def test_the_fast_lane_hands_over_to_the_servers(ask):
    assert (await ask("PUT", "/v1/kv/a", b"1")).json is True
    read = await ask("GET", "/v1/kv/a?raw")
    assert (read.body, read.headers["x-consul-index"]) == (b"1", "1")

    assert (await ask("PUT", "/v1/kv/a", b"2")).json is True
    assert (await ask("GET", "/v1/kv/a?raw")).body == b"2", "no answer is kept"


async def test_http_clients_are_told_of_a_servers_refusal_as_of_consuls(ask):
    query = await ask("GET", "/v1/query/x/execute")
    assert (query.status, query.body) == (404, b"rpc error making call: Query not found")

    elsewhere = await ask("GET", "/v1/catalog/nodes?dc=nope")
    assert (elsewhere.status, elsewhere.body) == (
        500,
        b"rpc error making call: No path to datacenter",
    )


async def test_http_clients_are_told_that_no_server_is_known(ask, cluster: Cluster):
    cluster.known.set()

    answered = await ask("GET", "/v1/kv/a")

    assert (answered.status, answered.body) == (500, b"No known Consul servers")
