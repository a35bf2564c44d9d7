"""Accepts connections on the servers' port, with TLS and without, told apart by the first byte.

A server without a certificate takes every connection as it is. One that has a certificate looks at
the first byte, which for TLS is that of a handshake record. Nobody comes to a protocol before its
handshake is complete and its certificate verified. Limits: the time for the first byte and for the
handshake, those who are about it at once, of one address and of all.
"""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import structlog

from agent.clock import monotonic_s
from agent.rpc.meter import Count
from agent.rpc.security import Security
from agent.tasks import Tasks
from agent.tls import failure_reason

BACKLOG: Final = 1024  # agents that connect at the same time, after a server was restarted
ENTERING_MAX: Final = 4096  # with four datacenters' agents at once; each is a socket and a task
ACCEPT_PAUSE_S: Final = 0.5  # while there are no sockets left: others must end first
WARNING_INTERVAL_S: Final = 60.0  # an agent with a wrong certificate tries many times a minute
WARNED_MAX: Final = 1024  # warnings remembered for that; all are forgotten when there are more

TLS_HANDSHAKE: Final = b"\x16"  # the record type that a TLS connection begins with, RFC 8446 §5.1

_log = structlog.get_logger("agent.rpc")


class Refused(Exception):
    """The connection is not taken; ``cause`` is the metric's label, the text says why."""

    def __init__(self, cause: str, text: str) -> None:
        super().__init__(text)
        self.cause = cause


class Doorway:
    """Gives accepted connections to protocols made by ``protocol``.

    ``handshake_timeout_s`` and ``per_address_max`` give the limits of now; 0 is none.
    """

    def __init__(
        self,
        protocol: Callable[[], asyncio.Protocol],
        security: Security,
        tasks: Tasks,
        count: Count,
        *,
        handshake_timeout_s: Callable[[], float],
        per_address_max: Callable[[], int],
    ) -> None:
        self._protocol = protocol
        self._security = security
        self._tasks = tasks
        self._count = count
        self._handshake_timeout_s = handshake_timeout_s
        self._per_address_max = per_address_max
        self._listeners: dict[socket.socket, asyncio.Task[Any]] = {}
        self._entering: set[asyncio.Task[Any]] = set()
        self._entering_from: Counter[str] = Counter()
        self._warned_s: dict[tuple[str, str], float] = {}  # by address and cause

    def listen(self, host: str, port: int) -> int:
        """Accept connections; the port, which is a free one for 0. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
        listener.setblocking(False)
        self._listeners[listener] = self._tasks.start("rpc accept", self._accept_all(listener))
        bound: int = listener.getsockname()[1]
        return bound

    async def close(self) -> None:
        """Stop listening, and leave those who have not entered yet."""
        tasks = [*self._listeners.values(), *self._entering]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    async def _accept_all(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(listener)
            except OSError as error:
                _log.error("rpc connection not accepted", error=failure_reason(error))
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            task = self._tasks.start("rpc connection", self._admit(sock, address[0]))
            self._entering.add(task)
            task.add_done_callback(self._entering.discard)

    async def _admit(self, sock: socket.socket, host: str) -> None:
        self._entering_from[host] += 1
        try:
            context = await self._context_for(sock, host)
            await self._hand_over(sock, context)
        except Refused as refused:
            sock.close()
            self.tell(host, refused)
        except OSError as error:
            sock.close()
            _log.debug("rpc connection ended early", client=host, reason=failure_reason(error))
        except asyncio.CancelledError:
            sock.close()
            raise
        finally:
            self._entering_from[host] -= 1
            if not self._entering_from[host]:
                del self._entering_from[host]

    async def _context_for(self, sock: socket.socket, host: str) -> ssl.SSLContext | None:
        """What a connection is accepted with; None is without TLS. Raises OSError."""
        terms = self._security.terms
        if terms.incoming is None:
            return None
        per_address_max = self._per_address_max()
        is_crowded = per_address_max and self._entering_from[host] > per_address_max
        if is_crowded or len(self._entering) > ENTERING_MAX:
            raise Refused("too many", "too many connections at once that have not begun yet")
        try:
            async with asyncio.timeout(self._handshake_timeout_s() or None):
                first = await _first_byte(sock)
        except TimeoutError:
            raise Refused("timeout", "nothing was sent in time") from None
        if first == TLS_HANDSHAKE:
            return terms.incoming
        if first and not terms.is_plain_accepted:
            raise Refused("plain", "no TLS, which verify_incoming asks for")
        return None

    async def _hand_over(self, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        if context is None:
            await loop.connect_accepted_socket(self._protocol, sock)
            return
        timeout_s = self._handshake_timeout_s() or None
        try:
            await loop.connect_accepted_socket(
                self._protocol, sock, ssl=context, ssl_handshake_timeout=timeout_s
            )
        except ConnectionAbortedError:  # how the loop words it
            raise Refused("timeout", "the TLS handshake was not complete in time") from None
        except OSError as error:  # who left in the middle may not trust our certificate
            raise Refused("handshake", f"tls: {failure_reason(error)}") from None

    def tell(self, host: str, refused: Refused) -> None:
        """Count a refused connection; warn of it once a minute for an address and cause."""
        self._count("consul.rpc.connection_refused", cause=refused.cause)
        now_s = monotonic_s()
        key = (host, refused.cause)
        is_news = now_s - self._warned_s.get(key, -WARNING_INTERVAL_S) >= WARNING_INTERVAL_S
        if is_news:
            if len(self._warned_s) >= WARNED_MAX:
                self._warned_s.clear()
            self._warned_s[key] = now_s
        log = _log.warning if is_news else _log.debug
        log("rpc connection refused", client=host, reason=str(refused))


async def _first_byte(sock: socket.socket) -> bytes:
    """Wait for a byte and leave it where it is; empty when the other end closed. Raises OSError."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(sock, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(sock)
    return sock.recv(1, socket.MSG_PEEK)
