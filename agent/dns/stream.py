"""DNS over TCP: length-prefixed queries, many to a connection, answered as they are ready.

Source: RFC 1035 section 4.2.2, RFC 7766 (pipelining, answers in any order, idle connections).
A connection lives from one whole query or sent answer to the next; bytes alone do not extend it,
so a client that trickles, or never reads, is closed.
"""

import asyncio
from typing import Any, Final, cast

from typing_extensions import override

from agent.dns.responder import Responder
from agent.dns.wire import HEADER_BYTES
from agent.tasks import Tasks

IDLE_TIMEOUT_S: Final = (
    10.0  # RFC 7766 section 6.2.3: a few seconds, configurable; as common servers
)
CONNECTIONS_MAX: Final = 512  # file descriptors of the host are shared with everything else
PIPELINED_MAX: Final = 32  # queries of one connection being answered; reading stops meanwhile
QUERY_BYTES_MAX: Final = 4096  # a question, EDNS and options; nothing longer is a query
_LENGTH_BYTES: Final = 2


class StreamDoor:
    """All TCP connections of the front door; ``connection`` makes a protocol for each."""

    def __init__(
        self,
        responder: Responder,
        tasks: Tasks,
        *,
        idle_timeout_s: float = IDLE_TIMEOUT_S,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        self.responder = responder
        self.tasks = tasks
        self.idle_timeout_s = idle_timeout_s
        self.connections_max = connections_max
        self.open: set[asyncio.Transport] = set()

    def connection(self) -> asyncio.Protocol:
        """A protocol for a connection that was accepted."""
        return _Connection(self)

    def close(self) -> None:
        """Close every connection."""
        for transport in tuple(self.open):
            transport.abort()


class _Connection(asyncio.Protocol):
    def __init__(self, door: StreamDoor) -> None:
        self._door = door
        self._received = bytearray()
        self._in_flight = 0
        self._is_writable = True
        self._idle: asyncio.TimerHandle | None = None
        self._source = ""
        self._transport: asyncio.Transport

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has no such base
        if len(self._door.open) >= self._door.connections_max:
            self._door.responder.counts.dropped += 1
            self._transport.abort()
            return
        self._door.open.add(self._transport)
        peer: Any = transport.get_extra_info("peername")
        self._source = peer[0] if peer else ""
        self._extend()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._door.open.discard(self._transport)
        if self._idle is not None:
            self._idle.cancel()

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        self._advance()

    @override
    def pause_writing(self) -> None:
        self._is_writable = False
        self._transport.pause_reading()

    @override
    def resume_writing(self) -> None:
        self._is_writable = True
        self._advance()

    def _advance(self) -> None:
        """Start every whole query that there is room for; read on only if all were started."""
        while self._is_writable and self._in_flight < PIPELINED_MAX:
            packet = self._next_query()
            if packet is None:
                if not self._transport.is_closing():
                    self._transport.resume_reading()
                return
            self._extend()
            answer = self._door.responder.answer_now(packet, "tcp")
            if answer is not None:
                self._send(answer)
                continue
            self._in_flight += 1
            self._door.tasks.start("dns tcp query", self._work(packet))
        self._transport.pause_reading()

    def _next_query(self) -> bytes | None:
        if len(self._received) < _LENGTH_BYTES or self._transport.is_closing():
            return None
        length = int.from_bytes(self._received[:_LENGTH_BYTES], "big")
        if not HEADER_BYTES <= length <= QUERY_BYTES_MAX:
            self._door.responder.counts.malformed += 1
            self._transport.close()  # where the next query starts can no longer be trusted
            return None
        end = _LENGTH_BYTES + length
        if len(self._received) < end:
            return None
        packet = bytes(self._received[_LENGTH_BYTES:end])
        del self._received[:end]
        return packet

    async def _work(self, packet: bytes) -> None:
        try:
            answer = await self._door.responder.answer(packet, "tcp", self._source)
        finally:
            self._in_flight -= 1
        if self._transport.is_closing():
            return
        if answer is not None:
            self._extend()
            self._send(answer)
        self._advance()

    def _send(self, answer: bytes) -> None:
        self._transport.write(len(answer).to_bytes(_LENGTH_BYTES, "big") + answer)

    def _extend(self) -> None:
        """Give the connection its whole idle time again."""
        if self._idle is not None:
            self._idle.cancel()
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(self._door.idle_timeout_s, self._transport.abort)
