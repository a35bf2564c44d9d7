"""Conversations over TCP: one message there, one back, whoever dialled.

The bytes are ``gossip.wire.stream``'s; here are the limits around them. A peer that cannot be
served hears why, where the protocol wants that: it is what its operator sees of a failed join.
Large messages are sealed and read in a thread, as pure Python would hold up probes for too long.
Source: memberlist's stream handling.
Limits: below, each by name; every conversation ends within the pool's TCP timeout.
"""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from gossip.core.types import (
    Address,
    ErrorReply,
    PushPull,
    StreamMessage,
    UserMessage,
)
from gossip.drops import Drops
from gossip.endpoints import Endpoints, ip_text
from gossip.surroundings import StartTask
from gossip.wire.envelope import NonceSource, Wrapping
from gossip.wire.errors import Reason, WireError
from gossip.wire.stream import StreamReader, seal_stream

ACCEPT_RETRY_S_MIN: Final = 0.005  # after a failed accept (out of descriptors, mostly)...
ACCEPT_RETRY_S_MAX: Final = 1.0  # ... doubled up to this, as memberlist does
STREAMS_MAX: Final = 128  # conversations accepted at once; memberlist's own limit for push/pulls
BUFFERED_BYTES_MAX: Final = 128 * 1024 * 1024
"""Of all accepted streams together; one alone may reach the wire layer's 40 MiB."""
PIECE_BYTES_MAX: Final = 64 * 1024  # read at once
INLINE_BYTES_MAX: Final = 16 * 1024
"""Read on the loop; a larger stream is unpacked in a thread, at some microseconds a byte."""
INLINE_ITEMS_MAX: Final = 64  # nodes and events of a push/pull that is sealed on the loop
THREADS_MAX: Final = 2  # large streams worked on at once; the others wait, and cost no memory here
DRAIN_S_MAX: Final = 1.0  # an error reply is lost if we close on bytes that still arrive
DRAIN_BYTES_MAX: Final = 4 * 1024 * 1024  # ... so that many of them are read and thrown away

# A refused request is answered with an error for these; other senders get no word.
ANSWERED: Final = frozenset(
    {
        Reason.PLAINTEXT,
        Reason.ENCRYPTED,
        Reason.UNDECRYPTABLE,
        Reason.MALFORMED,
        Reason.OVERSIZED,
    }
)

Answer = Callable[[StreamMessage], Awaitable[StreamMessage | None]]
"""Gives the answer to a peer's request; None closes without one."""


class StreamError(Exception):
    """A stream of ours failed; the text is for the operator."""


class Streams:
    """The conversations of one node. ``wrapping`` gives the present keys."""

    def __init__(
        self,
        endpoints: Endpoints,
        wrapping: Callable[[], Wrapping],
        nonce: NonceSource,
        drops: Drops,
        start_task: StartTask,
    ) -> None:
        self._endpoints = endpoints
        self._wrapping = wrapping
        self._nonce = nonce
        self._drops = drops
        self._start_task = start_task
        self._accepted_count = 0
        self._buffered_bytes = 0
        self._threads = ThreadPoolExecutor(THREADS_MAX, "gossip-stream")

    def close(self) -> None:
        """Give up the threads; the tasks are ended by their owner."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    # --- accepted ---

    async def serve(self, answer: Answer, timeout_s: float) -> None:
        """Accept connections and answer each, until cancelled."""
        retry_s = ACCEPT_RETRY_S_MIN
        while True:
            try:
                connection = await self._endpoints.accept()
            except OSError as error:
                self._drops.count("accept failed", str(error))
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, ACCEPT_RETRY_S_MAX)
                continue
            retry_s = ACCEPT_RETRY_S_MIN
            if self._accepted_count >= STREAMS_MAX:
                connection.close()
                self._drops.count("too many streams", f"{STREAMS_MAX} are open")
                continue
            self._accepted_count += 1
            conversation = self._converse(connection, answer, timeout_s)
            task = self._start_task("gossip accepted stream", conversation)
            task.add_done_callback(partial(self._ended, connection))

    def _ended(self, connection: socket.socket, _task: asyncio.Task[None]) -> None:
        self._accepted_count -= 1
        connection.close()

    async def _converse(self, connection: socket.socket, answer: Answer, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                try:
                    request = await self._read(connection, from_dialer=True)
                except WireError as error:
                    self._drops.refused("stream", error)
                    if error.reason in ANSWERED:
                        await self._send(connection, ErrorReply(error.detail), dialer=False)
                        await _drain(connection)
                    return
                reply = await answer(request)
                if reply is not None:
                    await self._send(connection, reply, dialer=False)
        except WireError as error:
            self._drops.refused("stream answer", error)
        except TimeoutError:
            self._drops.count("stream timed out", f"after {timeout_s:g} s")
        except OSError as error:
            self._drops.count("stream broke", str(error))

    # --- dialled ---

    async def ask(
        self, to: Address, message: StreamMessage, timeout_s: float
    ) -> StreamMessage | None:
        """Dial, send, and give the answer; a user message has none.

        Raises StreamError with a text that does not name the address.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(to, message)
        except WireError as error:
            raise StreamError(_shown(error)) from error
        except TimeoutError as error:
            raise StreamError(f"dial tcp {_place(to)}: i/o timeout") from error
        except OSError as error:
            raise StreamError(f"dial tcp {_place(to)}: {_cause(error)}") from error

    async def _exchange(self, to: Address, message: StreamMessage) -> StreamMessage | None:
        with await self._endpoints.dial(to) as connection:
            await self._send(connection, message, dialer=True)
            if isinstance(message, UserMessage):
                return None
            return await self._read(connection, from_dialer=False)

    # --- both ---

    async def _send(
        self, connection: socket.socket, message: StreamMessage, *, dialer: bool
    ) -> None:
        wrapping, loop = self._wrapping(), asyncio.get_running_loop()
        if _items(message) > INLINE_ITEMS_MAX:

            def seal() -> bytes:
                return seal_stream(message, wrapping, self._nonce, dialer=dialer)

            sealed = await loop.run_in_executor(self._threads, seal)
        else:
            sealed = seal_stream(message, wrapping, self._nonce, dialer=dialer)
        await loop.sock_sendall(connection, sealed)

    async def _read(self, connection: socket.socket, *, from_dialer: bool) -> StreamMessage:
        """The one message of the other side. Raises WireError, OSError."""
        loop = asyncio.get_running_loop()
        reader = StreamReader(self._wrapping(), from_dialer=from_dialer)
        received_bytes = 0
        try:
            while True:
                piece = await loop.sock_recv(connection, PIECE_BYTES_MAX)
                if not piece:
                    raise reader.end()
                received_bytes += len(piece)
                self._buffered_bytes += len(piece)
                if self._buffered_bytes > BUFFERED_BYTES_MAX:
                    raise WireError(Reason.OVERSIZED, "too many bytes in all streams together")
                if received_bytes > INLINE_BYTES_MAX:
                    message = await loop.run_in_executor(self._threads, reader.feed, piece)
                else:
                    message = reader.feed(piece)
                if message is not None:
                    break
        finally:
            self._buffered_bytes -= received_bytes
        for fault in reader.faults:
            self._drops.refused("stream part", fault)
        return message


async def _drain(connection: socket.socket) -> None:
    """Read what still comes, so that the peer gets to read our last words."""
    loop, left = asyncio.get_running_loop(), DRAIN_BYTES_MAX
    with contextlib.suppress(OSError, TimeoutError):
        connection.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(DRAIN_S_MAX):
            while left > 0 and (piece := await loop.sock_recv(connection, PIECE_BYTES_MAX)):
                left -= len(piece)


def _items(message: StreamMessage) -> int:
    """How much there is to encode, roughly."""
    if not isinstance(message, PushPull):
        return 1
    events = 0 if message.state is None else sum(len(s.events) for s in message.state.events)
    return len(message.nodes) + events


def _shown(error: WireError) -> str:
    """The fault as operators know it from other agents: a sentence, or ``EOF``."""
    if error.reason is Reason.EMPTY:
        return "EOF"
    return error.detail[:1].upper() + error.detail[1:]


def _place(address: Address) -> str:
    host = ip_text(address.ip)
    return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"


def _cause(error: OSError) -> str:
    """The system's reason in its usual English, without number and address."""
    if error.errno in {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH}:
        return f"connect: {os.strerror(error.errno).lower()}"
    return (os.strerror(error.errno) if error.errno else str(error)).lower()
