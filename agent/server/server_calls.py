"""Questions from one server to another, each to the very server that is meant.

One connection to each server, made at the first question and kept while it works. Nothing is
repeated here. Limits: the dial has its own timeout, the caller bounds the rest; connections that
ended are forgotten at the next dial.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from agent.rpc.asking import ask
from agent.rpc.codec import encode_request
from agent.rpc.connection import CallingEnd, ConnectionLost
from agent.rpc.pool import ServerAddress
from agent.rpc.request import Request, RpcError
from catalog.errors import CatalogError
from raft.errors import RaftError

Ask = Callable[[ServerAddress, Request], Awaitable[Any]]
"""``await ask(server, request)``: the answer's value. Raises Unanswered."""


class Unanswered(Exception):
    """The server gave no answer; the text says why."""


class ServerCalls:
    """The connections, by the servers' addresses. ``dial``: agent.rpc.dial.Dialler."""

    def __init__(self, dial: Callable[[ServerAddress], Awaitable[CallingEnd]]) -> None:
        self._dial = dial
        self._connections: dict[str, CallingEnd] = {}
        self._dialling: dict[str, asyncio.Lock] = {}

    async def ask(self, server: ServerAddress, request: Request) -> Any:
        """See Ask."""
        try:
            connection = await self.connection(server)
            return (await ask(connection, *encode_request(request))).value
        except (OSError, ConnectionLost, RpcError, CatalogError, RaftError) as error:
            raise Unanswered(str(error)) from error

    def close(self) -> None:
        """Close all connections; questions under way fail."""
        for connection in self._connections.values():
            connection.close("no longer needed")
        self._connections.clear()

    async def connection(self, server: ServerAddress) -> CallingEnd:
        """The connection to a server. Raises OSError or ConnectionLost."""
        key = _key(server)
        async with self._dialling.setdefault(key, asyncio.Lock()):
            known = self._connections.get(key)
            if known is None or not known.usable:
                self._forget_ended()
                known = self._connections[key] = await self._dial(server)
            return known

    def _forget_ended(self) -> None:
        for key, connection in list(self._connections.items()):
            if not connection.usable:
                del self._connections[key]
        for key, lock in list(self._dialling.items()):
            if key not in self._connections and not lock.locked():
                del self._dialling[key]


def _key(server: ServerAddress) -> str:
    # A server that came back at another address is another server to connect to.
    return f"{server.id} {server.host}:{server.port}"
