"""The server port: accepts other agents' connections and answers their requests.

A read that does not wait is answered at once; anything else runs in a task of its own, which is
cancelled when the caller goes away. Connections of the log's servers come to the same port; their
first byte tells them. Limits: connections of one address, the time for the hello; those of the
TLS handshake are in ``agent.rpc.doorway``, those of a connection in ``agent.rpc.connection``.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec
import structlog
from typing_extensions import override

from agent.rpc import wire
from agent.rpc.codec import BY_NAME, BadBody, decode_request, encode_reply
from agent.rpc.connection import AnsweringEnd
from agent.rpc.doorway import Doorway, Refused
from agent.rpc.meter import Count, uncounted
from agent.rpc.refusal import INTERNAL_ERROR, to_frame
from agent.rpc.request import Consistency, ReadRequest, Reply, Request
from agent.rpc.security import Security
from agent.tasks import Tasks
from raft.wire import PREAMBLE

_log = structlog.get_logger("agent.rpc")


class Router(Protocol):
    """What answers requests: agent.rpc.server_router.ServerRouter."""

    async def call(self, request: Request) -> Reply:
        """Answer a client agent's request, or another datacenter's.

        Raises CatalogError, RpcError or RaftError.
        """

    async def call_for_server(self, request: Request) -> Reply:
        """Answer a request that a server of this datacenter passes on. Raises as ``call``."""

    def read_now(self, request: ReadRequest) -> tuple[Reply, object]:
        """Answer a read from the state of now."""


class PeerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """A limit of 0 means none."""

    handshake_timeout_s: float = 5.0
    connections_per_client_max: int = 100


class PeerServer:
    """Listens for other agents. ``hello`` tells them who this server is."""

    def __init__(
        self,
        router: Router,
        hello: wire.Hello,
        tasks: Tasks,
        limits: PeerLimits | None = None,
        count: Count = uncounted,
        security: Security | None = None,
    ) -> None:
        self.limits = limits or PeerLimits()
        self.security = security or Security(hello.datacenter)
        # Takes over a connection of another server's log, of which these bytes were read.
        self.accept_raft: Callable[[asyncio.Transport, bytes], None] | None = None
        self._for_fellows = _RouterAnswers(router, count, for_fellows=True)
        self._for_others = _RouterAnswers(router, count, for_fellows=False)
        self._count = count
        self._hello = hello
        self._tasks = tasks
        self._doorway = Doorway(
            self._accept,
            self.security,
            tasks,
            count,
            handshake_timeout_s=lambda: self.limits.handshake_timeout_s,
            per_address_max=lambda: self.limits.connections_per_client_max,
        )
        self._by_client: dict[str, set[_Accepted]] = {}

    def listen(self, host: str, port: int) -> int:
        """Accept connections; the port, which is a free one for 0. Raises OSError."""
        return self._doorway.listen(host, port)

    async def close(self) -> None:
        """Stop listening and end every connection."""
        await self._doorway.close()
        for connections in list(self._by_client.values()):
            for connection in list(connections):
                connection.close("the server is stopping")

    @property
    def connection_count(self) -> int:
        """The connections that are open."""
        return sum(len(connections) for connections in self._by_client.values())

    @property
    def running_count(self) -> int:
        """The requests that are being answered."""
        return sum(
            connection.running_count
            for connections in self._by_client.values()
            for connection in connections
        )

    def _accept(self) -> "_Accepted":
        return _Accepted(self, self._hello, self._for_others, self._tasks)

    def answers_for(self, peer: wire.Hello) -> "_RouterAnswers":
        """What answers an agent.

        A server of this datacenter takes this one for the leader. One of another datacenter asks as
        a client agent does: it does not know who leads here.
        """
        return self._for_fellows if self.is_fellow(peer) else self._for_others

    def is_fellow(self, peer: wire.Hello) -> bool:
        """Whether an agent says that it is a server of this datacenter."""
        return peer.role is wire.Role.SERVER and peer.datacenter == self._hello.datacenter

    def refuse(self, client: str, reason: str) -> None:
        """Tell the operator of an agent that poses as a server."""
        self._doorway.tell(client, Refused("server name", reason))

    def enter(self, connection: "_Accepted", client: str) -> None:
        """Count a connection, or end it when its client has too many."""
        self._count("consul.rpc.accept_conn")
        connections = self._by_client.setdefault(client, set())
        connections.add(connection)
        count_max = self.limits.connections_per_client_max
        if count_max and len(connections) > count_max:
            _log.warning("too many rpc connections", client=client, limit=count_max)
            connection.close(
                f"too many connections of one address, at most {count_max} are allowed "
                "(limits.rpc_max_conns_per_client)"
            )

    def leave(self, connection: "_Accepted", client: str) -> None:
        """Uncount a connection."""
        connections = self._by_client.get(client, set())
        connections.discard(connection)
        if not connections:
            self._by_client.pop(client, None)


class _Accepted(AnsweringEnd):
    """A connection that counts against its client's limit."""

    def __init__(
        self, server: PeerServer, hello: wire.Hello, answers: "_RouterAnswers", tasks: Tasks
    ) -> None:
        super().__init__(hello, server.limits.handshake_timeout_s, answers, tasks)
        self._server = server
        self._client = ""
        self._is_new = True

    @override
    def data_received(self, data: bytes) -> None:
        is_first, self._is_new = self._is_new, False
        accept_raft = self._server.accept_raft
        if not is_first or accept_raft is None or data[:1] != PREAMBLE[:1]:
            super().data_received(data)
        elif not self._ended.is_set() and self._transport is not None:
            if self._refuse_server(self._transport):
                self._transport.abort()
                return
            self._stop_timer()
            self._server.leave(self, self._client)
            accept_raft(self._transport, data)

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self._client = peer[0] if isinstance(peer, tuple) else ""
        self._server.enter(self, self._client)

    @override
    def _on_ready(self) -> None:
        assert self.peer is not None
        assert self._transport is not None
        if self._server.is_fellow(self.peer) and (reason := self._refuse_server(self._transport)):
            self.close(reason)
            return
        super()._on_ready()
        self._answers = self._server.answers_for(self.peer)

    def _refuse_server(self, transport: asyncio.Transport) -> str:
        """Why it may not be taken for a server of this datacenter; "" if it may."""
        reason = self._server.security.objection_to_server(transport)
        if reason:
            self._server.refuse(self._client, reason)
        return reason

    @override
    def _on_end(self) -> None:
        super()._on_end()
        self._server.leave(self, self._client)
        _log.debug("rpc connection ended", client=self._client, reason=self.lost_reason)


class _RouterAnswers:
    """Answers requests through the router; those of fellow servers, or those of all others."""

    def __init__(self, router: Router, count: Count, *, for_fellows: bool) -> None:
        self._router = router
        self._count = count
        self._for_fellows = for_fellows

    def answer_now(self, request: wire.Request) -> wire.Reply | wire.Error | None:
        """The answer to a read of now; None for what has to wait or goes wrong."""
        self._count("consul.rpc.request")
        codec = BY_NAME.get(request.name)
        if codec is None:
            text = f"rpc: can't find method {request.name}"
            return self._failed(wire.Error(request.id, "RpcError", text))
        if not issubclass(codec.endpoint.request, ReadRequest):
            return None
        try:
            asked = decode_request(codec, request.body)
            if asked.min_index > 0 or asked.consistency is Consistency.CONSISTENT:
                return None
            reply, _read = self._router.read_now(asked)
            self._count("consul.rpc.query")  # others are counted by the router's call
            return wire.Reply(request.id, encode_reply(reply))
        except Exception:  # noqa: BLE001 - it is run again in a task, which tells the caller
            return None

    async def answer(self, request: wire.Request) -> wire.Reply | wire.Error:
        """The answer, or the refusal, to any request of a known endpoint."""
        codec = BY_NAME[request.name]
        try:
            asked = decode_request(codec, request.body)
            if self._for_fellows:
                reply = await self._router.call_for_server(asked)
            else:
                reply = await self._router.call(asked)
            return wire.Reply(request.id, encode_reply(reply))
        except BadBody as error:
            text = f"{request.name}: the request cannot be read: {error}"
            return self._failed(wire.Error(request.id, "RpcError", text))
        except Exception as error:  # noqa: BLE001 - every error is told to the caller
            frame = to_frame(request.id, error)
            if frame is None:
                _log.error("request failed", endpoint=request.name, exc_info=error)
                frame = wire.Error(request.id, "RpcError", INTERNAL_ERROR)
            return self._failed(frame)

    def _failed(self, frame: wire.Error) -> wire.Error:
        self._count("consul.rpc.request_error")
        return frame
