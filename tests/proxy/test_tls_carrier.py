"""Tests of proxy/tls_carrier.py, against OpenSSL in the hands of a test.

What TLS shares with plain connections is in test_carrier.py.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from typing_extensions import override

from proxy.carrier import lingering_count
from proxy.connection import Carrier
from proxy.handshake import server_session, shake_hands
from proxy.tls_carrier import TlsCarrier
from tests.proxy.authority import Authority
from tests.proxy.carried import Pinger
from tests.proxy.fakes import until
from tests.proxy.far_end import client_context, server_context
from tests.proxy.test_carrier import tcp_pair

BIG = 2**21


class Far:
    """The other end: OpenSSL on memory, and a socket."""

    def __init__(self, context: ssl.SSLContext, sock: Any) -> None:
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)
        self.is_ended = False

    async def flush(self) -> None:
        if self.outgoing.pending:
            await asyncio.get_running_loop().sock_sendall(self.sock, self.outgoing.read())

    async def shake(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                await self.flush()
                await self.more()

    async def more(self) -> bool:
        async with asyncio.timeout(5):
            received = await asyncio.get_running_loop().sock_recv(self.sock, 2**18)
        self.incoming.write(received)
        return bool(received)

    async def send(self, content: bytes) -> None:
        self.tls.write(content)
        await self.flush()

    async def say_end(self) -> None:
        with suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        await self.flush()

    async def read(self, size: int) -> bytes:
        """So many bytes, or all until a close_notify."""
        received = b""
        while len(received) < size:
            try:
                more = self.tls.read(2**16)
            except ssl.SSLWantReadError:
                assert await self.more(), "ended without a close_notify"
                continue
            except ssl.SSLZeroReturnError:
                more = b""
            if not more:
                self.is_ended = True
                break
            received += more
        return received


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = Authority()
    server = server_context(authority, authority.leaf("api"))
    server.num_tickets = 0
    return client_context(authority, authority.leaf("web")), server


@asynccontextmanager
async def carried(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
    handler: Pinger,
    *,
    with_handshake: bytes = b"",
    is_strict: bool = True,
) -> AsyncIterator[tuple[TlsCarrier, Far]]:
    """A carrier that drives the handler, and its peer; the peer may speak with its last flight."""
    loop = asyncio.get_running_loop()
    ours, sock = await tcp_pair()
    far = Far(contexts[0], sock)
    session = server_session(contexts[1])

    async def shake_far() -> None:
        await far.shake()
        if with_handshake:
            far.tls.write(with_handshake)
        await far.flush()

    with sock:
        await asyncio.gather(shake_far(), shake_hands(ours, session, loop))
        carrier = TlsCarrier(ours, loop, session, is_strict=is_strict)
        carrier.start(handler)
        yield carrier, far
    carrier.abort()
    await until(lambda: handler.lost)
    await until(lambda: lingering_count() == 0)


Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


async def test_content_passes_both_ways(contexts: Contexts) -> None:
    handler = Pinger(echoes=True)
    async with carried(contexts, handler) as (_, far):
        await far.send(b"ping")
        assert b"ping" == await far.read(4)


@pytest.mark.parametrize("is_reluctant", [True, False])
async def test_content_that_came_with_the_handshake_is_not_lost(
    contexts: Contexts, is_reluctant: bool
) -> None:
    class Reluctant(Pinger):
        @override
        def connection_made(self, carrier: Carrier) -> None:
            super().connection_made(carrier)
            if is_reluctant:
                carrier.pause_reading()

    handler = Reluctant()
    async with carried(contexts, handler, with_handshake=b"early") as (carrier, far):
        if is_reluctant:
            await asyncio.sleep(0.01)
            assert b"" == handler.received
            carrier.write_eof()  # would lose it in OpenSSL if it was not taken out before
            assert b"" == await far.read(1)
            carrier.resume_reading()
        await until(lambda: handler.received == b"early")
        await far.send(b", late")
        await until(lambda: handler.received == b"early, late")


async def test_large_content_arrives_both_ways(contexts: Contexts) -> None:
    handler = Pinger()
    async with carried(contexts, handler) as (carrier, far):
        carrier.write(b"x" * BIG)
        assert BIG == len(await far.read(BIG))
        await far.send(b"y" * BIG)
        await until(lambda: len(handler.received) == BIG)


async def test_writer_is_paused_while_the_peer_does_not_read(contexts: Contexts) -> None:
    handler = Pinger()
    async with carried(contexts, handler) as (carrier, far):
        written = 0
        while not handler.is_paused:
            carrier.write(b"x" * 65_536)
            written += 65_536

        assert written == len(await far.read(written))
        await until(lambda: not handler.is_paused)


async def test_end_is_told_with_a_close_notify_and_reading_goes_on(contexts: Contexts) -> None:
    handler = Pinger()
    async with carried(contexts, handler) as (carrier, far):
        carrier.write(b"bye")
        carrier.write_eof()
        assert b"bye" == await far.read(100)
        assert far.is_ended
        await far.send(b"more")
        await until(lambda: handler.received == b"more")
        await far.say_end()
        await until(lambda: handler.lost)

    assert [None] == handler.lost
    assert handler.is_ended


async def test_end_of_the_peer_is_told_and_writing_goes_on(contexts: Contexts) -> None:
    handler = Pinger()
    async with carried(contexts, handler) as (carrier, far):
        await far.send(b"question")
        await far.say_end()
        await until(lambda: handler.is_ended)
        carrier.write(b"answer")
        carrier.close()

        assert b"answer" == await far.read(100)

    assert b"question" == handler.received
    assert [None] == handler.lost


@pytest.mark.parametrize("is_strict", [True, False])
async def test_end_without_close_notify_may_be_an_attackers(
    contexts: Contexts, is_strict: bool
) -> None:
    handler = Pinger()
    async with carried(contexts, handler, is_strict=is_strict) as (_, far):
        await far.send(b"half of i")
        far.sock.shutdown(1)
        await until(lambda: handler.lost if is_strict else handler.is_ended)

        assert b"half of i" == handler.received
        assert is_strict == (not handler.is_ended)


async def test_bytes_that_are_no_tls_end_it_with_an_alert(contexts: Contexts) -> None:
    handler = Pinger()
    async with carried(contexts, handler) as (_, far):
        far.sock.send(b"\x17\x03\x03\x00\x20" + bytes(32))
        with pytest.raises(ssl.SSLError, match="ALERT"):
            await far.read(1)
        await until(lambda: handler.lost)

    assert isinstance(handler.lost[0], ssl.SSLError)


async def test_record_in_pieces_is_put_together(contexts: Contexts) -> None:
    handler = Pinger()
    async with carried(contexts, handler) as (_, far):
        far.tls.write(b"a record")
        for byte in far.outgoing.read():
            far.sock.send(bytes([byte]))
            await asyncio.sleep(0)
        await until(lambda: handler.received == b"a record")


async def test_nothing_is_written_for_nothing(contexts: Contexts) -> None:
    handler = Pinger()
    async with carried(contexts, handler) as (carrier, far):
        carrier.write(b"")
        carrier.close()
        carrier.write(b"too late")

        assert b"" == await far.read(1)
