"""Tests of proxy/dial.py: the right instance, or nobody."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from proxy.api import ClientTls, Endpoint
from proxy.connection import Peer
from proxy.core.spiffe import parse_peer
from proxy.dial import connect, is_same
from proxy.serving import DialError
from proxy.tls import Contexts
from tests.proxy.authority import Authority, uri_of
from tests.proxy.carried import CALLED, Pinger, Site, at, mutual_chain, plain_chain
from tests.proxy.fakes import until
from tests.proxy.far_end import LOCALHOST, backend, server_context

TIMEOUT_S = 5.0


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


async def dialled(
    endpoint: Endpoint,
    tls: ClientTls | None,
    contexts: Contexts,
    alpn: tuple[str, ...] = (),
    timeout_s: float = TIMEOUT_S,
) -> Pinger:
    """A connection that was closed after a ping, which has its answer."""
    pinger = Pinger()
    await connect(endpoint, tls, contexts, lambda: pinger, alpn, timeout_s)
    pinger.carrier.write(b"ping")
    await until(lambda: pinger.received or pinger.lost)
    pinger.carrier.close()
    await until(lambda: pinger.lost)
    return pinger


def caller(authority: Authority) -> Contexts:
    return Site(authority, "web", plain_chain()).contexts


@asynccontextmanager
async def called(authority: Authority, service: str = "api") -> AsyncIterator[tuple[Site, int]]:
    """An instance of a service that echoes."""
    site = Site(authority, service, mutual_chain(service))
    site.handler_of = lambda serving, facts: Pinger(echoes=True)
    async with site.open() as port:
        yield site, port


async def test_address_is_dialled(authority: Authority) -> None:
    async with backend() as port:
        assert b"ping" == (await dialled(at(port), None, caller(authority))).received


async def test_name_is_looked_up(authority: Authority) -> None:
    async with backend() as port:
        endpoint = Endpoint(id="a", address="localhost", port=port)
        assert b"ping" == (await dialled(endpoint, None, caller(authority))).received


async def test_unix_socket_is_dialled(authority: Authority, tmp_path: Path) -> None:
    path = str(tmp_path / "app.sock")
    async with backend(path=path):
        endpoint = Endpoint(id="a", path=path)
        assert b"ping" == (await dialled(endpoint, None, caller(authority))).received


@pytest.mark.parametrize(
    "endpoint",
    [
        Endpoint(id="a", address="no-such-name.invalid", port=1),
        Endpoint(id="a", path="/no/such/socket"),
    ],
)
async def test_what_is_not_there_is_no_connection(authority: Authority, endpoint: Endpoint) -> None:
    with pytest.raises(DialError):
        await dialled(endpoint, None, caller(authority))


@pytest.mark.parametrize(
    ("endpoint", "tls"),
    [
        (Endpoint(id="a", address="a..b", port=80), None),
        (Endpoint(id="a", address=LOCALHOST, port=70_000), None),
        (Endpoint(id="a", path="a\0b"), None),
        (None, ClientTls(server_name="a..b")),
    ],
)
async def test_what_is_no_address_at_all_is_no_connection(
    authority: Authority, endpoint: Endpoint | None, tls: ClientTls | None
) -> None:
    async with called(authority) as (_, port):
        with pytest.raises(DialError):
            await dialled(endpoint or at(port), tls, caller(authority))


async def test_refused_connection_says_so(authority: Authority) -> None:
    async with backend() as port:
        pass

    with pytest.raises(DialError, match="refused"):
        await dialled(at(port), None, caller(authority))


async def test_instance_that_never_answers_is_given_up(authority: Authority) -> None:
    with (
        socket.create_server((LOCALHOST, 0)) as silent,
        pytest.raises(DialError, match="no connection within"),
    ):
        await dialled(at(silent.getsockname()[1]), CALLED, caller(authority), timeout_s=0.1)


# In the mesh.


async def test_service_that_was_meant_is_spoken_to(authority: Authority) -> None:
    async with called(authority) as (_, port):
        assert b"ping" == (await dialled(at(port), CALLED, caller(authority))).received


async def test_protocol_is_agreed_on(authority: Authority) -> None:
    instance = server_context(authority, authority.leaf("api"))
    instance.set_alpn_protocols(["h2"])
    async with tls_backend(instance) as port:
        pinger = await dialled(at(port), CALLED, caller(authority), ("h2", "http/1.1"))

    assert "h2" == pinger.carrier.alpn


async def test_another_service_at_a_stale_address_is_refused(authority: Authority) -> None:
    async with called(authority, "other") as (_, port):
        with pytest.raises(
            DialError, match=r"the peer is spiffe://.*svc/other, not spiffe.*svc/api"
        ):
            await dialled(at(port), CALLED, caller(authority))


async def test_nobody_is_right_where_nobody_is_named(authority: Authority) -> None:
    async with called(authority) as (_, port):
        with pytest.raises(DialError, match="not nobody"):
            await dialled(at(port), ClientTls(identity="web"), caller(authority))


async def test_instance_of_another_authority_is_refused(authority: Authority) -> None:
    async with called(Authority()) as (_, port):
        with pytest.raises(DialError, match="untrusted-certificate"):
            await dialled(at(port), CALLED, caller(authority))


async def test_expired_instance_is_refused(authority: Authority) -> None:
    async with called(authority) as (site, port):
        site.configure(identities={"api": authority.leaf("api", lifetime_s=-600)})
        with pytest.raises(DialError, match="expired-certificate"):
            await dialled(at(port), CALLED, caller(authority))


async def test_revoked_instance_is_refused(authority: Authority) -> None:
    async with called(authority) as (site, port):
        caller_site = Site(authority, "web", plain_chain())
        caller_site.configure(revoked=(site.config.identities["api"].serial,))
        with pytest.raises(DialError, match="revoked"):
            await dialled(at(port), CALLED, caller_site.contexts)


async def test_connection_to_an_instance_that_is_revoked_then_is_cut(authority: Authority) -> None:
    async with called(authority) as (site, port):
        caller_site = Site(authority, "web", plain_chain())
        pinger = Pinger()
        await connect(at(port), CALLED, caller_site.contexts, lambda: pinger, (), TIMEOUT_S)

        caller_site.configure(revoked=("0f:0f",))
        assert not pinger.carrier.is_closing()
        caller_site.configure(revoked=(site.config.identities["api"].serial.upper(),))

        assert pinger.carrier.is_closing()
        await until(lambda: pinger.lost)


async def test_instance_without_tls_is_refused(authority: Authority) -> None:
    async with backend() as port:
        with pytest.raises(DialError, match="TLS"):
            await dialled(at(port), CALLED, caller(authority))


async def test_missing_identity_is_no_connection(authority: Authority) -> None:
    async with backend() as port:
        tls = ClientTls(identity="gone", peer_uris=CALLED.peer_uris)
        with pytest.raises(DialError, match="no certificate of 'gone'"):
            await dialled(at(port), tls, caller(authority))


async def test_root_that_came_is_believed_and_the_old_one_still_is(authority: Authority) -> None:
    new = Authority()
    site = Site(authority, "web", plain_chain())
    site.configure(roots_pem=(authority.root_pem, new.root_pem))
    # The instances believe both, too, as the caller shows a leaf of the old root.
    for root in (authority, new):
        async with called(root) as (instance, port):
            instance.configure(roots_pem=(authority.root_pem, new.root_pem))
            assert b"ping" == (await dialled(at(port), CALLED, site.contexts)).received


# Outside of the mesh.


@asynccontextmanager
async def tls_backend(context: ssl.SSLContext) -> AsyncIterator[int]:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(accept, LOCALHOST, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files of a public authority and of a server ``db.example.com``."""

    folder = tmp_path_factory.mktemp("outside")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    server = authority.issue_cert("db.example.com")
    server.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    client = authority.issue_cert("client.example.com")
    client.private_key_pem.write_to_path(str(folder / "client.key"))
    client.cert_chain_pems[0].write_to_path(str(folder / "client.pem"))
    names = ("ca.pem", "server.pem", "client.key", "client.pem")
    return {name: str(folder / name) for name in names}


def outside_server(outside: dict[str, str], *, wants_client: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(outside["server.pem"])
    if wants_client:
        context.load_verify_locations(outside["ca.pem"])
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_host_outside_is_checked_by_its_name(
    authority: Authority, outside: dict[str, str]
) -> None:
    tls = ClientTls(server_name="db.example.com", ca_file=outside["ca.pem"])
    wrong = ClientTls(server_name="other.example.com", ca_file=outside["ca.pem"])

    async with tls_backend(outside_server(outside)) as port:
        assert b"ping" == (await dialled(at(port), tls, caller(authority))).received
        with pytest.raises(DialError, match="untrusted-certificate"):
            await dialled(at(port), wrong, caller(authority))


async def test_host_outside_is_not_checked_without_roots(
    authority: Authority, outside: dict[str, str]
) -> None:
    async with tls_backend(outside_server(outside)) as port:
        assert b"ping" == (await dialled(at(port), ClientTls(), caller(authority))).received


async def test_certificate_is_shown_outside(authority: Authority, outside: dict[str, str]) -> None:
    tls = ClientTls(
        ca_file=outside["ca.pem"],
        cert_file=outside["client.pem"],
        key_file=outside["client.key"],
    )

    async with tls_backend(outside_server(outside, wants_client=True)) as port:
        assert b"ping" == (await dialled(at(port), tls, caller(authority))).received


async def test_missing_file_is_no_connection(authority: Authority) -> None:
    async with backend() as port:
        with pytest.raises(DialError, match="No such file"):
            await dialled(at(port), ClientTls(ca_file="/no/such/file"), caller(authority))


# Names.


@pytest.mark.parametrize(
    ("uri", "same"),
    [
        (uri_of("api"), True),
        (uri_of("api").replace("1111-2222", "1111-2222".upper()), True),
        (uri_of("a%70i"), True),
        (uri_of("other"), False),
        (uri_of("api", "other.consul"), False),
        (uri_of("api").replace("dc1", "dc2"), False),
        (uri_of("API"), False),
        (uri_of("api") + "/more", False),
    ],
)
def test_name_is_compared_after_normalisation(uri: str, same: bool) -> None:
    assert same == is_same(parse_peer(uri_of("api"), "01"), uri)


def test_who_is_no_service_is_only_who_it_says() -> None:
    agent = Peer(uri="spiffe://td/agent/client/dc/dc1/id/a", trust_domain="td", datacenter="dc1")

    assert is_same(agent, agent.uri)
    assert not is_same(agent, "spiffe://td/agent/client/dc/dc1/id/b")
