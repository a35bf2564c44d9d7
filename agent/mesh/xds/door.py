"""Where Envoys come in: the gRPC port. What speaks with them is loaded when the first one comes."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, cast

import structlog
from typing_extensions import override

from agent.http.listeners import Place, remove_socket
from proxy.connection import Carrier, Handler

EARLY_BYTES_MAX: Final = 64 * 1024  # an Envoy's first words, while what understands them loads
CONNECTIONS_MAX: Final = 1024  # each proxy of a host holds one; the rest is somebody else

_log = structlog.get_logger("agent.mesh.xds")

Load = Callable[[], Awaitable[Callable[[], Handler]]]
"""Gives what makes the handler of a connection."""
Start = Callable[[str, Coroutine[Any, Any, None]], object]


class Door:
    """All listeners of gRPC."""

    def __init__(self, load: Load, start: Start) -> None:
        self.load = load
        self.start = start
        self.open: set[Visit] = set()
        self._servers: list[asyncio.AbstractServer] = []
        self._paths: list[Path] = []

    async def listen(self, places: Sequence[Place]) -> None:
        """Listen on all places. Raises OSError naming the one that cannot be had."""
        loop = asyncio.get_running_loop()
        for place in places:
            if place.network == "unix":
                path = Path(place.host)
                remove_socket(path)  # of an earlier agent that was killed
                server = await loop.create_unix_server(lambda: Visit(self), place.host)
                self._paths.append(path)
            else:
                server = await loop.create_server(lambda: Visit(self), place.host, place.port)
            self._servers.append(server)
            _log.info("grpc listening", address=place.host, port=place.port)

    async def close(self) -> None:
        """Stop listening, and end what is open."""
        for server in self._servers:
            server.close()
        for visit in list(self.open):
            visit.abort()
        for path in self._paths:
            path.unlink(missing_ok=True)


class Visit(asyncio.Protocol):
    """One connection: kept waiting until its handler is there, then driven by its transport."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._transport: asyncio.Transport | None = None
        self._handler: Handler | None = None
        self._early = bytearray()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # One of uvloop's is none of asyncio's by type.
        self._transport = cast("asyncio.Transport", transport)
        if len(self._door.open) >= CONNECTIONS_MAX:
            self._transport.abort()
            return
        self._door.open.add(self)
        self._door.start("grpc connection", self._receive())

    async def _receive(self) -> None:
        make = await self._door.load()
        if self._transport is None:
            return
        handler = make()
        handler.connection_made(_Carried(self._transport))
        early = bytes(self._early)
        self._early.clear()
        if early:
            handler.data_received(early)
        self._handler = handler

    @override
    def data_received(self, data: bytes) -> None:
        if self._handler is not None:
            self._handler.data_received(data)
        elif len(self._early) + len(data) <= EARLY_BYTES_MAX:
            self._early += data
        else:
            self.abort()

    @override
    def eof_received(self) -> bool:
        return self._handler.eof_received() if self._handler is not None else False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._door.open.discard(self)
        if self._handler is not None:
            self._handler.connection_lost(exc)

    @override
    def pause_writing(self) -> None:
        if self._handler is not None:
            self._handler.pause_writing()

    @override
    def resume_writing(self) -> None:
        if self._handler is not None:
            self._handler.resume_writing()

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()


class _Carried(Carrier):
    """A transport as a carrier."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    @override
    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        self._transport.write(chunk)

    @override
    def write_eof(self) -> None:
        self._transport.write_eof()

    @override
    def pause_reading(self) -> None:
        self._transport.pause_reading()

    @override
    def resume_reading(self) -> None:
        self._transport.resume_reading()

    @override
    def close(self) -> None:
        self._transport.close()

    @override
    def abort(self) -> None:
        self._transport.abort()

    @override
    def is_closing(self) -> bool:
        return self._transport.is_closing()

    @property
    @override
    def alpn(self) -> str:
        return "h2"
