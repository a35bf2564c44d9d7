"""Tests of proxy/carrier.py: what a handler and a peer see of a plain connection."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from typing_extensions import override

from proxy import carrier as carrier_module
from proxy.carrier import BACKLOG_BYTES_HIGH, SocketCarrier, linger, lingering_count
from proxy.connection import Carrier
from tests.proxy.carried import Pinger
from tests.proxy.fakes import until
from tests.proxy.far_end import LOCALHOST

BIG = 2**22


async def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected, non-blocking sockets."""
    loop = asyncio.get_running_loop()
    with socket.create_server((LOCALHOST, 0)) as listening:
        left = socket.socket()
        left.setblocking(False)
        listening.setblocking(False)
        connecting = loop.sock_connect(left, listening.getsockname())
        (right, _), _ = await asyncio.gather(loop.sock_accept(listening), connecting)
    right.setblocking(False)
    return left, right


@asynccontextmanager
async def carried(
    handler: Pinger, received: bytes = b""
) -> AsyncIterator[tuple[SocketCarrier, socket.socket]]:
    """A carrier that drives the handler, and the peer's socket."""
    ours, peer = await tcp_pair()
    carrier = SocketCarrier(ours, asyncio.get_running_loop(), received)
    with peer:
        carrier.start(handler)
        yield carrier, peer
    carrier.abort()
    await until(lambda: handler.lost)
    await until(lambda: lingering_count() == 0)


async def read(peer: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    received = b""
    async with asyncio.timeout(5):
        while len(received) < size and (more := await loop.sock_recv(peer, 2**20)):
            received += more
    return received


async def test_what_comes_is_handed_on_as_bytes() -> None:
    handler = Pinger()
    async with carried(handler) as (_, peer):
        peer.send(b"ping")
        await until(lambda: handler.received == b"ping")


async def test_who_asks_for_views_gets_them() -> None:
    handler = Pinger()
    taken: list[bytes] = []

    def take(chunk: memoryview) -> None:
        assert isinstance(chunk, memoryview)
        taken.append(bytes(chunk))

    async with carried(handler) as (carrier, peer):
        carrier.lend_chunks(take)
        peer.send(b"ping")
        await until(lambda: taken == [b"ping"])

    assert b"" == handler.received


async def test_what_was_read_before_comes_first() -> None:
    handler = Pinger()
    async with carried(handler, b"first, ") as (_, peer):
        peer.send(b"then")
        await until(lambda: handler.received == b"first, then")


class Reluctant(Pinger):
    """Reads nothing until it is told to."""

    @override
    def connection_made(self, carrier: Carrier) -> None:
        super().connection_made(carrier)
        carrier.pause_reading()


@pytest.mark.parametrize("received", [b"", b"early, "])
async def test_reading_that_is_paused_from_the_first_moment_reads_nothing(received: bytes) -> None:
    """Transports of uvloop 0.23 ignore it; these are not such."""
    handler = Reluctant()
    async with carried(handler, received) as (carrier, peer):
        peer.send(b"late")
        await asyncio.sleep(0.05)
        assert b"" == handler.received

        carrier.resume_reading()
        await until(lambda: handler.received == received + b"late")


async def test_reading_that_is_paused_again_before_it_began_reads_nothing() -> None:
    handler = Reluctant()
    async with carried(handler, b"early") as (carrier, _):
        carrier.resume_reading()
        carrier.pause_reading()
        await asyncio.sleep(0.01)

        assert b"" == handler.received


async def test_end_is_told_and_the_other_direction_goes_on() -> None:
    handler = Pinger()
    async with carried(handler) as (carrier, peer):
        peer.shutdown(socket.SHUT_WR)
        await until(lambda: handler.is_ended)
        carrier.write(b"still here")
        assert b"still here" == await read(peer, 10)
        assert [] == handler.lost

        carrier.write_eof()
        await until(lambda: handler.lost)

    assert [None] == handler.lost, "both directions have ended"


async def test_own_end_is_sent_and_reading_goes_on() -> None:
    handler = Pinger()
    async with carried(handler) as (carrier, peer):
        carrier.write(b"bye")
        carrier.write_eof()
        carrier.write_eof()
        carrier.write(b"too late")
        assert b"bye" == await read(peer, 100)
        peer.send(b"more")
        await until(lambda: handler.received == b"more")
        peer.shutdown(socket.SHUT_WR)
        await until(lambda: handler.lost)

    assert [None] == handler.lost


@pytest.mark.parametrize("end", [SocketCarrier.close, SocketCarrier.write_eof])
async def test_everything_that_was_written_is_sent(end: Callable[[SocketCarrier], None]) -> None:
    handler = Pinger()
    async with carried(handler) as (carrier, peer):
        for _ in range(4):
            carrier.write(b"x" * BIG)
        end(carrier)
        assert 4 * BIG == len(await read(peer, 5 * BIG))


async def test_writer_is_paused_while_the_peer_does_not_read() -> None:
    handler = Pinger()
    async with carried(handler) as (carrier, peer):
        written = 0
        while not handler.is_paused:
            carrier.write(b"x" * 65_536)
            written += 65_536
        assert len(carrier._backlog) <= BACKLOG_BYTES_HIGH + 65_536

        assert written == len(await read(peer, written))
        await until(lambda: not handler.is_paused)

    assert 1 == handler.pauses


async def test_reset_by_the_peer_is_an_error() -> None:
    handler = Pinger()
    async with carried(handler) as (_, peer):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, carrier_module._RESET)
        peer.close()
        await until(lambda: handler.lost)

    assert isinstance(handler.lost[0], ConnectionError)
    assert not handler.is_ended


async def test_writing_to_a_peer_that_has_gone_is_an_error_once() -> None:
    handler = Pinger()
    async with carried(handler) as (carrier, peer):
        carrier.pause_reading()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, carrier_module._RESET)
        peer.close()
        for _ in range(3):
            carrier.write(b"x")
        assert [] == handler.lost, "it is told later, not within the call"
        await until(lambda: handler.lost)

    assert 1 == len(handler.lost)
    assert isinstance(handler.lost[0], ConnectionError)


async def test_abort_resets() -> None:
    handler = Pinger()
    async with carried(handler) as (carrier, peer):
        carrier.abort()
        assert carrier.is_closing()
        with pytest.raises(ConnectionResetError):
            await read(peer, 1)

    assert [None] == handler.lost


async def test_close_waits_for_what_the_peer_still_sends() -> None:
    """Otherwise what it was sent last would be lost to the reset."""
    handler = Pinger()
    async with carried(handler) as (carrier, peer):
        carrier.pause_reading()
        peer.send(b"a body that nobody wants")
        carrier.write(b"413")
        carrier.close()
        await until(lambda: handler.lost)
        peer.send(b"more of it")

        assert b"413" == await read(peer, 100)


async def test_peer_that_reads_nothing_does_not_hold_a_closed_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(carrier_module, "FLUSH_S_MAX", 0.05)
    handler = Pinger()
    async with carried(handler) as (carrier, _):
        while not handler.is_paused:
            carrier.write(b"x" * 65_536)
        carrier.close()
        await until(lambda: handler.lost)


async def test_lingering_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier_module, "LINGER_S_MAX", 0.05)
    ours, peer = await tcp_pair()
    with peer:
        linger(ours, asyncio.get_running_loop())
        assert 1 == lingering_count()
        await until(lambda: lingering_count() == 0)


async def test_only_so_many_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier_module, "LINGERING_MAX", 0)
    ours, peer = await tcp_pair()
    with peer:
        linger(ours, asyncio.get_running_loop())

        assert (-1, 0) == (ours.fileno(), lingering_count())


async def test_handler_may_close_from_any_call() -> None:
    class Closing(Pinger):
        @override
        def data_received(self, chunk: bytes) -> None:
            super().data_received(chunk)
            self.carrier.write(b"bye")
            self.carrier.close()
            self.carrier.close()
            self.carrier.abort()

    handler = Closing()
    async with carried(handler) as (_, peer):
        peer.send(b"ping")
        await until(lambda: handler.lost)

    assert [None] == handler.lost


async def test_handler_that_fails_at_once_is_told_of_its_end() -> None:
    class Broken(Pinger):
        @override
        def connection_made(self, carrier: Carrier) -> None:
            raise ValueError("a bug")

    ours, peer = await tcp_pair()
    handler = Broken()
    with peer, pytest.raises(ValueError, match="a bug"):
        SocketCarrier(ours, asyncio.get_running_loop()).start(handler)
    await until(lambda: handler.lost)


async def test_plain_connection_has_no_protocol() -> None:
    async with carried(Pinger()) as (carrier, _):
        assert "" == carrier.alpn
