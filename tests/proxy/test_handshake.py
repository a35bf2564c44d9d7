"""Tests of proxy/handshake.py; how it ends with each wrong peer is in test_listener.py."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from proxy.handshake import client_session, reason_of, server_session, shake_hands
from tests.proxy.authority import Authority
from tests.proxy.far_end import client_context, server_context


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@asynccontextmanager
async def sockets() -> AsyncIterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        right.setblocking(False)
        yield left, right


async def test_both_sides_agree(authority: Authority) -> None:
    loop = asyncio.get_running_loop()
    client = client_session(client_context(authority, authority.leaf("web")), "api.internal")
    server = server_session(server_context(authority, authority.leaf("api")))

    async with sockets() as (left, right):
        await asyncio.gather(shake_hands(left, client, loop), shake_hands(right, server, loop))

    assert "TLSv1.3" == client.tls.version() == server.tls.version()


async def test_peer_that_goes_away_is_an_error(authority: Authority) -> None:
    loop = asyncio.get_running_loop()

    async with sockets() as (left, right):
        right.close()
        with pytest.raises(OSError, match=r"closed|pipe"):
            await shake_hands(left, client_session(client_context(authority), ""), loop)


async def test_peer_is_told_why_it_is_refused(authority: Authority) -> None:
    loop = asyncio.get_running_loop()
    nobody = client_session(client_context(authority), "")
    server = server_session(server_context(authority, authority.leaf("api")))

    async with sockets() as (left, right):
        _, refusal = await asyncio.gather(
            shake_hands(left, nobody, loop),
            shake_hands(right, server, loop),
            return_exceptions=True,
        )
        nobody.incoming.write(left.recv(1000))

    assert isinstance(refusal, ssl.SSLError)
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
        nobody.tls.read(1)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), "timeout"),
        (ConnectionResetError(), "closed"),
        (ssl.SSLError(1, "[SSL: NO_SHARED_CIPHER] no shared cipher"), "tls-error"),
        (ssl.SSLError(), "tls-error"),
        (ValueError(), "tls-error"),
    ],
)
def test_reason_is_a_word(error: Exception, reason: str) -> None:
    assert reason == reason_of(error)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("NO_SHARED_CIPHER", "no-common-cipher"),
        ("TLSV1_ALERT_UNKNOWN_CA", "refused-by-peer"),
        ("SOMETHING_NEW", "tls-error"),
    ],
)
def test_reason_of_openssl_is_translated(name: str, reason: str) -> None:
    error = ssl.SSLError()
    error.reason = name

    assert reason == reason_of(error)
