import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

import gossip.endpoints as module
from gossip.core.types import Address
from gossip.endpoints import BURST_PACKETS_MAX, Endpoints, ip_text

LOOPBACK = bytes((127, 0, 0, 1))


@pytest.fixture
def endpoints() -> Iterator[Endpoints]:
    with closing(Endpoints()) as opened:
        yield opened


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(2.0)
        yield udp


async def test_port_zero_takes_one_that_is_free_for_both(endpoints: Endpoints) -> None:
    port = endpoints.open("127.0.0.1", 0)

    with socket.create_connection(("127.0.0.1", port), 2.0):
        accepted = await asyncio.wait_for(endpoints.accept(), 2.0)
        accepted.close()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        pytest.raises(OSError, match="in use"),
    ):
        udp.bind(("127.0.0.1", port))


async def test_taken_port_is_an_error(endpoints: Endpoints) -> None:
    port = endpoints.open("127.0.0.1", 0)

    with closing(Endpoints()) as other, pytest.raises(OSError, match="in use"):
        other.open("127.0.0.1", port)


async def test_port_that_is_free_for_one_only_is_tried_again(
    endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []
    bind_pair = module._bind_pair

    def bind_at_the_third_try(
        family: int, host: str, port: int
    ) -> tuple[socket.socket, socket.socket]:
        tries.append(port)
        if len(tries) < 3:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        return bind_pair(family, host, port)

    monkeypatch.setattr(module, "_bind_pair", bind_at_the_third_try)

    assert endpoints.open("127.0.0.1", 0) > 0
    assert [0, 0, 0] == tries


async def test_no_packet_is_taken_after_the_close(
    endpoints: Endpoints, peer: socket.socket
) -> None:
    port = endpoints.open("127.0.0.1", 0)
    taken = asyncio.Event()

    def take(_packet: bytes, _source: Address) -> None:
        assert not taken.is_set()
        taken.set()
        endpoints.close()

    endpoints.receive(take)
    for _ in range(3):
        peer.sendto(b"x", ("127.0.0.1", port))

    await asyncio.wait_for(taken.wait(), 2.0)


async def test_packets_come_with_their_source_and_leave_from_our_port(
    endpoints: Endpoints, peer: socket.socket
) -> None:
    port = endpoints.open("127.0.0.1", 0)
    taken: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue()
    endpoints.receive(lambda packet, source: taken.put_nowait((packet, source)))

    peer.sendto(b"hello", ("127.0.0.1", port))
    packet, source = await asyncio.wait_for(taken.get(), 2.0)
    endpoints.send(b"back", source)

    assert (b"hello", Address(LOOPBACK, peer.getsockname()[1])) == (packet, source)
    assert (b"back", ("127.0.0.1", port)) == peer.recvfrom(100)


async def test_flood_is_read_in_bursts(endpoints: Endpoints, peer: socket.socket) -> None:
    port = endpoints.open("127.0.0.1", 0)
    count, bursts = 3 * BURST_PACKETS_MAX, [0]
    endpoints.receive(lambda _packet, _source: bursts.__setitem__(-1, bursts[-1] + 1))
    for _ in range(count):
        peer.sendto(b"x", ("127.0.0.1", port))

    while sum(bursts) < count:
        await asyncio.sleep(0)
        bursts.append(0)

    assert max(bursts) <= BURST_PACKETS_MAX


async def test_dialled_connection_is_accepted(endpoints: Endpoints) -> None:
    port = endpoints.open("127.0.0.1", 0)
    loop = asyncio.get_running_loop()

    dialled = await endpoints.dial(Address(LOOPBACK, port))
    accepted = await endpoints.accept()
    await loop.sock_sendall(dialled, b"hi")

    assert b"hi" == await loop.sock_recv(accepted, 10)
    dialled.close()
    accepted.close()


async def test_refused_dial_is_an_error(endpoints: Endpoints) -> None:
    with pytest.raises(ConnectionRefusedError):
        await endpoints.dial(Address(LOOPBACK, 1))


async def test_ipv6_socket_reaches_ipv4_peers_in_their_own_form(
    endpoints: Endpoints, peer: socket.socket
) -> None:
    port = endpoints.open("::", 0)
    taken: asyncio.Queue[Address] = asyncio.Queue()
    endpoints.receive(lambda _packet, source: taken.put_nowait(source))
    peer_address = Address(LOOPBACK, peer.getsockname()[1])

    endpoints.send(b"hello", peer_address)
    assert b"hello" == peer.recv(10)
    peer.sendto(b"x", ("127.0.0.1", port))

    assert peer_address == await asyncio.wait_for(taken.get(), 2.0)


async def test_closed_endpoints_refuse_to_send(endpoints: Endpoints) -> None:
    port = endpoints.open("127.0.0.1", 0)
    endpoints.receive(lambda _packet, _source: None)

    endpoints.close()
    endpoints.close()

    with pytest.raises(OSError, match="shut down"):
        endpoints.send(b"x", Address(LOOPBACK, port))


def test_ip_is_shown_as_people_write_it() -> None:
    assert "127.0.0.1" == ip_text(LOOPBACK)
    assert "::1" == ip_text(bytes(15) + b"\x01")
