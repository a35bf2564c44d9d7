"""Connecting to a server's port."""

import asyncio
from typing import Final

from agent.rpc import wire
from agent.rpc.connection import CallingEnd
from agent.rpc.pool import ServerAddress
from agent.rpc.security import Security

CONNECT_TIMEOUT_S: Final = 3.0  # a dead host costs less than half of the hold time


class Dialler:
    """Makes connections for the pool.

    ``security`` says whether with TLS; without it, never.
    """

    def __init__(
        self,
        hello: wire.Hello,
        handshake_timeout_s: float,
        security: Security | None = None,
    ) -> None:
        self._hello = hello
        # Whoever dials does not wait for ever, whatever a server allows its clients.
        self._handshake_timeout_s = handshake_timeout_s or CONNECT_TIMEOUT_S
        self._security = security or Security(hello.datacenter)

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
        _transport, connection = await self._security.connect(
            lambda: CallingEnd(self._hello, self._handshake_timeout_s),
            server.host,
            server.port,
            server.datacenter,
        )
        return connection
