"""Connecting to a server's port, with and without TLS."""

import asyncio
import ssl

import msgspec
import pytest
import trustme

from agent.rpc import wire
from agent.rpc.codec import encode_request
from agent.rpc.connection import ConnectionLost
from agent.rpc.dial import Dialler
from agent.rpc.endpoints.kv import KvGet
from agent.rpc.peer_server import PeerLimits, PeerServer
from agent.rpc.pool import ServerAddress
from agent.rpc.security import Security, Terms
from tests.agent.harness import within
from tests.agent.rpc.cluster import LOOPBACK, Cluster, address, hello, open_cluster

SERVER_NAME = "server.dc1.consul"
SERVER_NAME_ABROAD = "server.dc2.consul"


@pytest.fixture
async def cluster():
    async with open_cluster(limits=PeerLimits(connections_per_client_max=1)) as opened:
        yield opened


@pytest.fixture
async def secure(cluster: Cluster):
    """The address of a server that speaks TLS, and the authority that it trusts and is of."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(SERVER_NAME).configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    server = PeerServer(
        cluster.router,
        hello("server-1", wire.Role.SERVER),
        cluster.tasks,
        security=Security("dc1", terms=Terms(incoming=context)),
    )
    port = server.listen(LOOPBACK, 0)
    yield address("server-1", port), authority
    await server.close()


def secured(authority: trustme.CA, *, certificate: bool = True, domain: str = "consul") -> Security:
    """A client agent's way to dial."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    authority.configure_trust(context)
    if certificate:
        authority.issue_cert("client.dc1.consul").configure_cert(context)
    return Security("dc1", domain, Terms(outgoing=context))


async def test_a_connection_is_given_once_the_server_said_hello(cluster: Cluster):
    connection = await within(Dialler(hello(), 1.0)(cluster.known.known[0]))

    assert connection.usable
    assert connection.peer == hello("server-1", wire.Role.SERVER)
    connection.close("the test is over")


async def test_a_refusal_says_why(cluster: Cluster):
    connection = await within(Dialler(hello(), 1.0)(cluster.known.known[0]))

    with pytest.raises(ConnectionLost, match="rpc_max_conns_per_client") as lost:
        await within(Dialler(hello(), 1.0)(cluster.known.known[0]))

    assert "too many connections" in lost.value.reason
    connection.close("the test is over")


async def test_a_port_that_nobody_listens_on_is_an_os_error():
    with pytest.raises(OSError, match="111"):
        await within(Dialler(hello(), 1.0)(address("gone", 1)))


async def test_a_server_that_says_nothing_is_given_up():
    listener = await asyncio.get_running_loop().create_server(asyncio.Protocol, LOOPBACK, 0)
    port = listener.sockets[0].getsockname()[1]

    with pytest.raises(ConnectionLost, match="no hello in time"):
        await within(Dialler(hello(), 0.02)(address("mute", port)))

    listener.close()
    await listener.wait_closed()


async def test_a_connection_that_takes_too_long_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("agent.rpc.dial.CONNECT_TIMEOUT_S", 0.02)
    listener = await asyncio.get_running_loop().create_server(asyncio.Protocol, LOOPBACK, 0)
    port = listener.sockets[0].getsockname()[1]
    dial = Dialler(hello(), 1.0, secured(trustme.CA()))  # no answer to its greeting

    with pytest.raises(TimeoutError, match=r"no connection in 0.02 s"):
        await within(dial(address("mute", port)))

    listener.close()
    await listener.wait_closed()


async def test_calls_go_over_tls_with_certificates_of_both_ends(
    secure: tuple[ServerAddress, trustme.CA],
):
    server, authority = secure
    dial = Dialler(hello(), 1.0, secured(authority))

    connection = await within(dial(server))
    answer = await within(connection.call(*encode_request(KvGet(key="a"))))

    assert isinstance(answer, wire.Reply)
    connection.close("the test is over")
    await within(connection.ended())


async def test_a_server_of_another_name_is_refused(secure: tuple[ServerAddress, trustme.CA]):
    server, authority = secure

    with pytest.raises(ConnectionError, match="Hostname mismatch"):
        await within(Dialler(hello(), 1.0, secured(authority, domain="other"))(server))


async def test_a_server_abroad_is_asked_for_the_name_of_its_datacenter(
    secure: tuple[ServerAddress, trustme.CA],
):
    server, authority = secure
    abroad = msgspec.structs.replace(server, datacenter="dc2")

    with pytest.raises(ConnectionError, match=SERVER_NAME_ABROAD):
        await within(Dialler(hello(), 1.0, secured(authority))(abroad))


async def test_a_client_without_certificate_is_refused(secure: tuple[ServerAddress, trustme.CA]):
    server, authority = secure
    dial = Dialler(hello(), 1.0, secured(authority, certificate=False))

    with pytest.raises((ConnectionLost, ConnectionError, ssl.SSLError)):
        await within(dial(server))
