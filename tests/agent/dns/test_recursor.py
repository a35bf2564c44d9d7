"""Upstreams that lie, cut, refuse or stay silent."""

import asyncio
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from agent.dns import wire
from agent.dns.recursor import Recursor, parse_recursor
from agent.dns.settings import DnsSettings
from agent.dns.wire import Address, Record

SHORT_S = 0.05

Script = Callable[[dns.message.Message], list[bytes]]


def reply_to(query: dns.message.Message, *, rcode: int = 0, **fields: Any) -> bytes:
    reply = dns.message.make_response(query)
    reply.set_rcode(dns.rcode.Rcode(rcode))
    if rcode == 0 and not fields.get("truncated"):
        reply.answer.append(dns.rrset.from_text("x.example.", 60, "IN", "A", "10.0.0.1"))
    if fields.get("truncated"):
        reply.flags |= dns.flags.TC
    reply.id = fields.get("ident", reply.id)
    return reply.to_wire()


class Upstream:
    """A resolver that follows scripts, on UDP and TCP at one port, and keeps what it was asked."""

    def __init__(self) -> None:
        self.udp: Script = lambda query: [reply_to(query)]
        self.tcp: Script = lambda query: [reply_to(query)]
        self.asked: list[str] = []
        self.address = ""
        self._closers: list[Any] = []

    async def start(self) -> None:
        upstream = self

        class Datagrams(asyncio.DatagramProtocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: Any) -> None:
                upstream.asked.append("udp")
                for packet in upstream.udp(dns.message.from_wire(data)):
                    self.transport.sendto(packet, addr)

        async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            length = int.from_bytes(await reader.readexactly(2), "big")
            upstream.asked.append("tcp")
            for packet in upstream.tcp(dns.message.from_wire(await reader.readexactly(length))):
                writer.write(len(packet).to_bytes(2, "big") + packet)
            writer.close()

        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(stream, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport, _ = await loop.create_datagram_endpoint(
            Datagrams, local_addr=("127.0.0.1", port)
        )
        self._closers = [server, transport]
        self.address = f"127.0.0.1:{port}"

    def close(self) -> None:
        for closer in self._closers:
            closer.close()


@pytest.fixture
async def upstreams() -> AsyncIterator[tuple[Upstream, Upstream]]:
    made = (Upstream(), Upstream())
    for upstream in made:
        await upstream.start()
    yield made
    for upstream in made:
        upstream.close()


def settings_of(*upstreams: Upstream, **fields: Any) -> DnsSettings:
    addresses = tuple(upstream.address for upstream in upstreams)
    return DnsSettings(recursors=addresses, **{"recursor_timeout_s": SHORT_S, **fields})


async def relay(
    settings: DnsSettings, transport: Any = "udp", seed: int = 1
) -> dns.message.Message | None:
    query = dns.message.make_query("X.example", "A", use_edns=False, id=4711)
    packet = await Recursor(Random(seed)).relay(query.to_wire(), transport, settings)
    return None if packet is None else dns.message.from_wire(packet)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_first_upstream_answers_over_the_clients_transport_with_its_id(
    upstreams: tuple[Upstream, Upstream], transport: str
) -> None:
    message = await relay(settings_of(*upstreams), transport)

    assert message is not None
    assert message.id == 4711
    assert str(message.answer[0][0]) == "10.0.0.1"
    assert [upstream.asked for upstream in upstreams] == [[transport], []]


async def test_cut_answer_is_asked_for_again_over_tcp(upstreams: tuple[Upstream, Upstream]) -> None:
    upstreams[0].udp = lambda query: [reply_to(query, truncated=True)]

    message = await relay(settings_of(*upstreams))

    assert message is not None
    assert message.answer
    assert upstreams[0].asked == ["udp", "tcp"]


async def test_wrong_id_and_wrong_question_are_not_believed(
    upstreams: tuple[Upstream, Upstream],
) -> None:
    other = dns.message.make_query("evil.example", "A", use_edns=False, id=4711)
    upstreams[0].udp = lambda query: [
        reply_to(query, ident=query.id ^ 1),
        reply_to(other),
        b"",
        query.to_wire(),
        reply_to(query, rcode=dns.rcode.NXDOMAIN),
    ]

    message = await relay(settings_of(*upstreams))

    assert message is not None
    assert message.rcode() == dns.rcode.NXDOMAIN


async def test_answer_from_another_source_is_not_believed(
    upstreams: tuple[Upstream, Upstream],
) -> None:
    first, second = upstreams
    loop = asyncio.get_running_loop()
    forger, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    clients: list[Any] = []

    def forge(query: dns.message.Message) -> list[bytes]:
        forger.sendto(reply_to(query), clients[0])
        return []

    first.udp = forge
    received = first._closers[1].get_protocol()
    plain = received.datagram_received
    received.datagram_received = lambda data, addr: (clients.append(addr), plain(data, addr))
    second.udp = lambda query: [reply_to(query, rcode=dns.rcode.NXDOMAIN)]

    message = await relay(settings_of(first, second))

    forger.close()
    assert message is not None
    assert message.rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP])
async def test_failure_of_one_upstream_moves_on_to_the_next(
    upstreams: tuple[Upstream, Upstream], rcode: int
) -> None:
    upstreams[0].udp = lambda query: [reply_to(query, rcode=rcode)]

    message = await relay(settings_of(*upstreams))

    assert message is not None
    assert message.rcode() == dns.rcode.NOERROR
    assert [upstream.asked for upstream in upstreams] == [["udp"], ["udp"]]


async def test_failure_without_a_question_moves_on_at_once(
    upstreams: tuple[Upstream, Upstream],
) -> None:
    upstreams[0].udp = lambda query: [
        query.id.to_bytes(2, "big") + (wire.QR | wire.FORMERR).to_bytes(2, "big") + bytes(8)
    ]
    settings = settings_of(*upstreams, recursor_timeout_s=60.0)

    message = await asyncio.wait_for(relay(settings), 5)

    assert message is not None


async def test_silence_moves_on_after_the_timeout(upstreams: tuple[Upstream, Upstream]) -> None:
    upstreams[0].udp = lambda query: []

    message = await relay(settings_of(*upstreams))

    assert message is not None
    assert upstreams[1].asked == ["udp"]


async def test_no_answer_is_none(upstreams: tuple[Upstream, Upstream]) -> None:
    for upstream in upstreams:
        upstream.udp = lambda query: []
    closed = Upstream()
    await closed.start()
    closed.close()

    assert await relay(settings_of(closed, *upstreams)) is None
    assert await relay(DnsSettings()) is None


async def test_tcp_answer_to_another_question_moves_on(
    upstreams: tuple[Upstream, Upstream],
) -> None:
    upstreams[0].tcp = lambda query: [reply_to(query, ident=query.id ^ 1)]

    message = await relay(settings_of(*upstreams), "tcp")

    assert message is not None
    assert upstreams[1].asked == ["tcp"]


async def test_random_strategy_uses_every_upstream_first(
    upstreams: tuple[Upstream, Upstream],
) -> None:
    settings = settings_of(*upstreams, recursor_strategy="random")

    for seed in range(16):
        await relay(settings, seed=seed)

    assert all(upstream.asked for upstream in upstreams)


async def test_resolve_gives_records_and_none_for_junk(
    upstreams: tuple[Upstream, Upstream],
) -> None:
    recursor, settings = Recursor(Random(1)), settings_of(upstreams[0])
    name = (b"x", b"example")

    assert await recursor.resolve(name, wire.A, settings) == (
        Record(name, 60, Address(b"\x0a\0\0\1")),
    )

    upstreams[0].udp = lambda query: [reply_to(query)[:-15]]  # within the answer, before OPT
    assert await recursor.resolve(name, wire.A, settings) == ()
    upstreams[0].udp = lambda query: []
    assert await recursor.resolve(name, wire.A, settings) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8.8.8.8", ("8.8.8.8", 53)),
        ("8.8.8.8:5353", ("8.8.8.8", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_recursor_address(text: str, expected: tuple[str, int]) -> None:
    assert expected == parse_recursor(text)


@pytest.mark.parametrize(
    "text", ["", "dns.example", "8.8.8.8:x", "8.8.8.8:0", "8.8.8.8:65536", "[x]"]
)
def test_bad_recursor_address_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="must be an IP address") as caught:
        parse_recursor(text)

    assert repr(text) in str(caught.value)
