"""The sockets of the DNS front door: UDP and TCP on one port.

A datagram that was answered before is answered at once, in the callback; others take a task each,
up to a limit. TCP connections are in ``stream``. Source: RFC 1035 section 4.2, RFC 7766.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

import structlog
from typing_extensions import override

from agent.dns.chain import Counts
from agent.dns.directory import Directory
from agent.dns.packet import Rng
from agent.dns.responder import Responder
from agent.dns.settings import DnsSettings
from agent.dns.stream import StreamDoor
from agent.tasks import Tasks

UDP_IN_FLIGHT_MAX: Final = (
    1024  # queries that wait for the catalog or an upstream; more are dropped
)
BIND_ATTEMPTS_MAX: Final = 16  # with port 0: a free UDP port may be taken on TCP

_log = structlog.get_logger("agent.dns")


class DnsServer:
    """The front door: ``start`` binds an address, ``reload`` swaps settings, ``close`` ends it.

    Several addresses may be started; they share one cache.
    """

    def __init__(
        self,
        directory: Directory,
        settings: DnsSettings,
        *,
        tasks: Tasks,
        rng: Rng,
        wall_s: Callable[[], float],
        observe: Callable[[str, float], None] | None = None,
    ) -> None:
        self._responder = Responder(directory, settings, rng=rng, wall_s=wall_s, observe=observe)
        self._tasks = tasks
        self._datagrams: list[asyncio.DatagramTransport] = []
        self._listeners: list[asyncio.Server] = []
        self._streams = StreamDoor(self._responder, tasks)

    @property
    def counts(self) -> Counts:
        """What was done since the start."""
        return self._responder.counts

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where both transports listen, in the order of ``start``."""
        names = [transport.get_extra_info("sockname") for transport in self._datagrams]
        return [(name[0], name[1]) for name in names]

    async def start(self, host: str, port: int) -> None:
        """Listen on ``host`` too; port 0 takes any port that is free for both. Raises OSError."""
        for attempt in range(BIND_ATTEMPTS_MAX):
            try:
                await self._bind(host, port)
            except OSError:
                if port != 0 or attempt == BIND_ATTEMPTS_MAX - 1:
                    raise
            else:
                break
        address, bound_port = self.addresses[-1]
        _log.info("dns listening", address=address, port=bound_port)

    def reload(self, settings: DnsSettings) -> None:
        """Answer by new settings from now on."""
        self._responder.reload(settings)

    async def close(self) -> None:
        """Stop listening and close all connections; answers being made are not sent."""
        for transport in self._datagrams:
            transport.close()
        for listener in self._listeners:
            listener.close()
        self._streams.close()
        for listener in self._listeners:
            await listener.wait_closed()
        self._datagrams.clear()
        self._listeners.clear()

    async def _bind(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self._responder, self._tasks), local_addr=(host, port)
        )
        try:
            chosen = transport.get_extra_info("sockname")[1]
            listener = await loop.create_server(self._streams.connection, host, chosen)
        except OSError:
            transport.close()
            raise
        self._datagrams.append(transport)
        self._listeners.append(listener)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, responder: Responder, tasks: Tasks) -> None:
        self._responder = responder
        self._answer_now = responder.answer_now
        self._tasks = tasks
        self._in_flight = 0
        self._transport: asyncio.DatagramTransport

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # uvloop's has no such base

    @override
    def datagram_received(self, data: bytes, addr: Any) -> None:
        answer = self._answer_now(data, "udp")
        if answer is not None:
            self._transport.sendto(answer, addr)
        elif self._in_flight < UDP_IN_FLIGHT_MAX:
            self._in_flight += 1
            self._tasks.start("dns query", self._work(data, addr))
        else:
            self._responder.counts.dropped += 1

    async def _work(self, packet: bytes, addr: Any) -> None:
        try:
            answer = await self._responder.answer(packet, "udp", addr[0])
            if answer is not None and not self._transport.is_closing():
                self._transport.sendto(answer, addr)
        finally:
            self._in_flight -= 1
