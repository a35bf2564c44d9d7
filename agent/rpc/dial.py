"""Connecting to a server's port."""

import asyncio
import ssl
from typing import Final

from agent.rpc import wire
from agent.rpc.connection import CallingEnd
from agent.rpc.pool import ServerAddress

CONNECT_TIMEOUT_S: Final = 3.0  # a dead host costs less than half of the hold time


class Dialler:
    """Makes connections for the pool.

    With ``tls``, certificates are checked as the context says; they must be for ``server_name``,
    or else for the server's address, where the context checks names.
    """

    def __init__(
        self,
        hello: wire.Hello,
        handshake_timeout_s: float,
        tls: ssl.SSLContext | None = None,
        server_name: str = "",
    ) -> None:
        self._hello = hello
        # Whoever dials does not wait for ever, whatever a server allows its clients.
        self._handshake_timeout_s = handshake_timeout_s or CONNECT_TIMEOUT_S
        self._tls = tls
        self._server_name = server_name

    async def __call__(self, server: ServerAddress) -> CallingEnd:
        """A connection whose hellos are exchanged. Raises OSError or ConnectionLost."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                connection = await self._connect(server)
        except TimeoutError:
            message = f"no connection in {CONNECT_TIMEOUT_S:g} s"
            raise TimeoutError(message) from None  # its own text is empty
        try:
            await connection.greeted()
        except BaseException:
            connection.close("nobody waits for this connection")
            raise
        return connection

    async def _connect(self, server: ServerAddress) -> CallingEnd:
        loop = asyncio.get_running_loop()
        _transport, connection = await loop.create_connection(
            lambda: CallingEnd(self._hello, self._handshake_timeout_s),
            server.host,
            server.port,
            ssl=self._tls,
            server_hostname=(self._server_name or server.host) if self._tls else None,
        )
        return connection
