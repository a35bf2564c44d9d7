"""TCP, TLS and Unix sockets, end to end."""

import asyncio
import grp
import os
import socket
import ssl
import stat

import pytest
import trustme

from agent.config.addresses import Listen
from agent.http.listeners import UnixSockets
from agent.http.tls import https_context
from tests.agent.harness import (
    ANY_PORT,
    LOOPBACK,
    House,
    Raw,
    make_config,
    open_house,
    request,
    until,
)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority, tmp_path):
    certificate = authority.issue_cert(LOOPBACK)
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return https_context(
        make_config(
            "-hcl",
            f'cert_file = "{tmp_path}/cert.pem" key_file = "{tmp_path}/key.pem" '
            f'ca_file = "{tmp_path}/ca.pem"',
        )
    )


def client_context(authority) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_the_api_is_served_over_tls(house: House, tls, authority):
    await house.agent.http.listen([ANY_PORT], tls=tls)
    port = house.agent.http._servers[-1].sockets[0].getsockname()[1]
    raw = await house.connect(port, ssl=client_context(authority))

    parts = [request("PUT", "/v1/kv/k", b"v" * 100_000), request("GET", "/v1/kv/k?raw")]
    assert (await raw.ask(parts[0])).status == 200
    assert (await raw.ask(parts[1])).body == b"v" * 100_000
    await raw.send(request("GET", "/v1/kv/none?index=999&wait=10m"))
    await until(lambda: house.agent.router.blocked_count)
    raw.close()
    await until(lambda: not house.agent.router.blocked_count, timeout_s=2.0)
    await until(lambda: not house.shared.connections, timeout_s=2.0)


async def test_new_connections_take_a_new_certificate_and_the_old_ones_go_on(
    house: House, tls, authority
):
    await house.agent.http.listen([ANY_PORT], tls=tls)
    port = house.agent.http._servers[-1].sockets[0].getsockname()[1]
    old = await house.connect(port, ssl=client_context(authority))
    other = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    other.issue_cert(LOOPBACK).configure_cert(context)

    await house.agent.http.renew_tls(context)
    new = await house.connect(port, ssl=client_context(other))

    for raw in (old, new):
        assert (await raw.ask(request("GET", "/v1/status/leader"))).status == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        await house.connect(port, ssl=client_context(authority))


async def test_a_connection_over_tls_comes_back_from_the_slow_lane(house: House, tls, authority):
    await house.agent.http.listen([ANY_PORT], tls=tls)
    port = house.agent.http._servers[-1].sockets[0].getsockname()[1]
    raw = await house.connect(port, ssl=client_context(authority))

    assert (await raw.ask(request("GET", "/v1/status/leader"))).status == 200

    (connection,) = house.shared.connections
    await until(lambda: not connection._slow_is_busy())


async def test_a_client_without_tls_ends_without_an_answer(house: House, tls):
    await house.agent.http.listen([ANY_PORT], tls=tls)
    port = house.agent.http._servers[-1].sockets[0].getsockname()[1]
    raw = await house.connect(port)
    await raw.send(request("GET", "/v1/kv/k"))

    assert b"HTTP/1.1" not in await raw.rest()


async def test_the_api_is_served_on_a_unix_socket_with_its_mode(house: House, tmp_path):
    path = str(tmp_path / "http.sock")
    unix = UnixSockets(user=os.getuid(), group=os.getgid(), mode=0o640)
    await house.agent.http.listen([Listen("unix", path, 0)], unix=unix)
    raw = house.keep(Raw(*await asyncio.open_unix_connection(path)))

    answered = await raw.ask(request("GET", "/v1/status/leader"))

    assert answered.status == 200
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640
    assert grp.getgrgid(os.stat(path).st_gid).gr_gid == os.getgid()


async def test_connections_over_a_unix_socket_are_not_limited(house: House, tmp_path):
    house.change_settings(connections_per_client_max=1)
    path = str(tmp_path / "http.sock")
    await house.agent.http.listen([Listen("unix", path, 0)])
    for _ in range(3):
        raw = house.keep(Raw(*await asyncio.open_unix_connection(path)))
        assert (await raw.ask(request("GET", "/v1/kv/k"))).status == 404


async def test_the_socket_of_a_killed_agent_is_replaced(house: House, tmp_path):
    path = str(tmp_path / "http.sock")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)
    await house.agent.http.listen([Listen("unix", path, 0)])

    raw = house.keep(Raw(*await asyncio.open_unix_connection(path)))
    assert (await raw.ask(request("GET", "/v1/kv/k"))).status == 404


async def test_a_file_that_is_no_socket_is_kept(house: House, tmp_path):
    file = tmp_path / "precious"
    file.write_text("text")

    with pytest.raises(OSError, match="precious"):
        await house.agent.http.listen([Listen("unix", str(file), 0)])

    assert file.read_text() == "text"


async def test_an_address_that_is_taken_is_named(house: House):
    with pytest.raises(OSError, match=str(house.port)):
        await house.agent.http.listen([Listen("tcp", LOOPBACK, house.port)])


async def test_closing_ends_connections_and_removes_sockets(tmp_path):
    path = tmp_path / "http.sock"
    async with open_house() as house:
        await house.agent.http.listen([Listen("unix", str(path), 0)])
        raw = await house.connect()
        await raw.ask(request("GET", "/v1/kv/k"))
        await house.agent.http.close()
        assert await raw.rest() == b""
        with pytest.raises(OSError, match="onnect"):
            await house.connect(1)

    assert not path.exists()


async def test_closing_does_not_wait_for_blocking_queries(house: House):
    raw = await house.connect()
    await raw.send(request("GET", "/v1/kv/none?index=999&wait=10m"))
    await until(lambda: house.agent.router.blocked_count)

    async with asyncio.timeout(4):
        await house.agent.http.close()

    assert house.agent.router.blocked_count == 0
