"""Asks upstream resolvers for names that are not ours, and believes only a matching answer.

The client's packet is relayed as it is, id included, from a connected socket with a port of its
own; an answer counts only if it comes from that upstream with that id and question (RFC 5452). A
truncated UDP answer is asked for again over TCP. NOERROR and NXDOMAIN are answers; anything else,
silence included, moves on to the next upstream.
"""

import asyncio
import ipaddress
from typing import Final

from typing_extensions import override

from agent.dns import wire
from agent.dns.packet import Rng, Transport
from agent.dns.settings import DnsSettings
from agent.dns.wire import HEADER_BYTES, Name, Record, WireError

PORT_DEFAULT: Final = 53
UDP_BYTES_OFFERED: Final = 1232  # fits one unfragmented IPv6 packet; the DNS flag day's advice
_LENGTH_BYTES: Final = 2  # before each message over TCP; RFC 1035 section 4.2.2


class UpstreamRefused(Exception):
    """The upstream answered with an rcode that is no answer."""


def parse_recursor(text: str) -> tuple[str, int]:
    """``address``, ``address:port`` or ``[ipv6]:port`` as host and port.

    Raises ValueError naming the text.
    """
    host, port = text, str(PORT_DEFAULT)
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        host = ""
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        message = f"recursor {text!r} must be an IP address, with or without a port (1..65535)"
        raise ValueError(message)
    return host, int(port)


class Recursor:
    """The way to the upstream resolvers of the settings."""

    def __init__(self, rng: Rng) -> None:
        self._rng = rng

    async def relay(
        self, packet: bytes, transport: Transport, settings: DnsSettings
    ) -> bytes | None:
        """The first upstream's answer to a client's packet; None if none gave one."""
        recursors = list(settings.recursors)
        if settings.recursor_strategy == "random":
            self._rng.shuffle(recursors)
        for recursor in recursors:
            try:
                return await self._ask(parse_recursor(recursor), packet, transport, settings)
            except (TimeoutError, OSError, WireError, UpstreamRefused, asyncio.IncompleteReadError):
                continue
        return None

    async def resolve(self, name: Name, kind: int, settings: DnsSettings) -> tuple[Record, ...]:
        """The A, AAAA and CNAME records of a name; none if no upstream answers."""
        ident = self._rng.getrandbits(16)
        query = wire.encode_query(ident, name, kind, udp_bytes=UDP_BYTES_OFFERED)
        answer = await self.relay(query, "udp", settings)
        if answer is None:
            return ()
        try:
            return wire.decode_answers(answer)
        except WireError:
            return ()

    async def _ask(
        self,
        upstream: tuple[str, int],
        packet: bytes,
        transport: Transport,
        settings: DnsSettings,
    ) -> bytes:
        async with asyncio.timeout(settings.recursor_timeout_s):
            if transport == "udp":
                answer = await _ask_udp(upstream, packet)
                if not _flags(answer) & wire.TC:
                    return _accepted(answer)
        async with asyncio.timeout(settings.recursor_timeout_s):
            return _accepted(await _ask_tcp(upstream, packet))


def _flags(packet: bytes) -> int:
    return int.from_bytes(packet[2:4], "big")


def _accepted(answer: bytes) -> bytes:
    if _flags(answer) & 0xF not in {wire.NOERROR, wire.NXDOMAIN}:
        raise UpstreamRefused
    return answer


def _matches(query: bytes, answer: bytes) -> bool:
    """Whether an answer is to this query: id, QR, and the question without regard to case.

    A failure may leave out the question; then the id alone tells.
    """
    if len(answer) < HEADER_BYTES or answer[:2] != query[:2] or not _flags(answer) & wire.QR:
        return False
    if answer[4:6] == b"\0\0":
        return _flags(answer) & 0xF != wire.NOERROR
    end = wire.question_end(query)
    return answer[4:6] == b"\0\1" and (
        query[HEADER_BYTES:end].lower() == answer[HEADER_BYTES:end].lower()
    )


class _Exchange(asyncio.DatagramProtocol):
    """One query over a connected socket: the kernel drops what comes from elsewhere."""

    def __init__(self, query: bytes) -> None:
        self._query = query
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    @override
    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self.answer.done() and _matches(self._query, data):
            self.answer.set_result(data)

    @override
    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def _ask_udp(upstream: tuple[str, int], packet: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    transport, exchange = await loop.create_datagram_endpoint(
        lambda: _Exchange(packet), remote_addr=upstream
    )
    try:
        transport.sendto(packet)
        return await exchange.answer
    finally:
        transport.close()


async def _ask_tcp(upstream: tuple[str, int], packet: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*upstream)
    try:
        writer.write(len(packet).to_bytes(_LENGTH_BYTES, "big") + packet)
        length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES), "big")
        answer = await reader.readexactly(length)
    finally:
        writer.close()
    if not _matches(packet, answer):
        message = "the upstream's answer is to another question"
        raise WireError(message)
    return answer
