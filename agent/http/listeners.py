"""Where the HTTP API listens: TCP, TLS and Unix sockets. Source: surface, addresses and ports."""

import asyncio
import os
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import structlog

from agent.http.connection import Connection, Listener
from agent.http.front import Front
from agent.http.hand_over import HandOver

BACKLOG: Final = 1024  # users that connect at the same time, after the agent was restarted

_log = structlog.get_logger("agent.http")


class Place(Protocol):
    """An address to listen on; ``network`` is tcp or unix."""

    @property
    def network(self) -> str:
        """``tcp`` or ``unix``."""

    @property
    def host(self) -> str:
        """The IP address, or the socket's path."""

    @property
    def port(self) -> int:
        """The port; 0 for a Unix socket."""


class UnixSockets(NamedTuple):
    """Who may use Unix sockets: numbers of user and group, and the mode; -1 and 0 leave as is."""

    user: int = -1
    group: int = -1
    mode: int = 0


class HttpServer:
    """All listeners of the API."""

    def __init__(self, front: Front, handshake_timeout_s: float) -> None:
        self._front = front
        self._handshake_timeout_s = handshake_timeout_s
        self._hand_over = HandOver(front)
        self.shared = Listener(front, self._hand_over)
        self._servers: list[asyncio.Server] = []
        self._secured: list[asyncio.Server] = []  # those with TLS, which are among them too
        self._paths: list[Path] = []

    async def listen(
        self,
        places: Sequence[Place],
        tls: ssl.SSLContext | None = None,
        unix: UnixSockets | None = None,
    ) -> None:
        """Listen on all places. Raises OSError naming the one that cannot be had."""
        loop = asyncio.get_running_loop()
        for place in places:
            if place.network == "unix":
                server = await self._listen_unix(place.host, unix or UnixSockets())
            elif tls is not None:
                server = await self._listen_secured(tls, host=place.host, port=place.port)
            else:
                server = await loop.create_server(
                    lambda: Connection(self.shared), place.host, place.port, backlog=BACKLOG
                )
            self._servers.append(server)
            _log.info("http listening", address=place.host, port=place.port, tls=tls is not None)

    async def renew_tls(self, tls: ssl.SSLContext) -> None:
        """Use another context for new connections; nobody is refused meanwhile."""
        for old in list(self._secured):
            for listening in old.sockets:
                # The same queue of connections by another number: none of them is lost.
                own = socket.socket(fileno=os.dup(listening.fileno()))
                self._servers.append(await self._listen_secured(tls, sock=own))
            self._secured.remove(old)
            self._servers.remove(old)
            old.close()

    async def _listen_secured(self, tls: ssl.SSLContext, **where: Any) -> asyncio.Server:
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self.shared),
            **where,
            ssl=tls,
            ssl_handshake_timeout=self._handshake_timeout_s,
            backlog=BACKLOG,
        )
        self._secured.append(server)
        return server

    async def _listen_unix(self, path: str, unix: UnixSockets) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        file = Path(path)
        remove_socket(file)  # of an earlier agent that was killed
        server = await loop.create_unix_server(lambda: Connection(self.shared), path)
        self._paths.append(file)
        _hand_to_users(file, unix)
        return server

    def settings_changed(self) -> None:
        """Forget answers that were shaped by old settings."""
        self.shared.answers.clear()

    async def close(self) -> None:
        """Stop listening, end all connections; writes that the log has taken are still answered."""
        for server in self._servers:
            server.close()
        await self._hand_over.close(1.0)
        for connection in list(self.shared.connections):
            connection.finish()
        for path in self._paths:
            remove_socket(path)


def remove_socket(file: Path) -> None:
    """Remove what an earlier process left at a place of ours; nothing else than a socket."""
    if file.is_socket():
        file.unlink(missing_ok=True)


def _hand_to_users(file: Path, unix: UnixSockets) -> None:
    if unix.user >= 0 or unix.group >= 0:
        os.chown(file, unix.user, unix.group)
    if unix.mode:
        file.chmod(unix.mode)
