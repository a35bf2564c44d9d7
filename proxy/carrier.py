"""A connection on a socket: read when something is there, written at once if there is room.

One read and one write a chunk is all that the kernel is asked for, and bytes are copied only for
handlers that keep them; so a worker in Python keeps up with a proxy in C++. What is waiting to be
sent is bounded by its handler, which is told when it is too much.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from typing import Final

from typing_extensions import override

from proxy.connection import Carrier, Handler

READ_BYTES_MAX: Final = 131_072  # of one read: larger ones fall out of the processor's cache
BACKLOG_BYTES_HIGH: Final = 65_536
"""Beyond this a handler is told to write no more; it is told to go on when nothing is left."""
FLUSH_S_MAX: Final = 30.0  # a peer that reads nothing for so long does not want the rest
LINGER_S_MAX: Final = 2.0
"""How long a peer may go on sending after we closed. Closing with bytes unread would reset the
connection, and the peer might lose what it was sent last."""
LINGERING_MAX: Final = 1024  # sockets that are kept for that; one more is closed at once

_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time

# One read is handed on before the next begins, so all connections of the loop share the space.
_inbox: Final = memoryview(bytearray(READ_BYTES_MAX))
_lingering: Final[set[socket.socket]] = set()

_log = logging.getLogger("proxy.carrier")


class SocketCarrier(Carrier):
    """A plain connection on a connected, non-blocking socket, which it owns.

    ``received`` was read from it already. When both directions have ended it closes itself.
    """

    __slots__ = (
        "_backlog",
        "_borrower",
        "_deadline",
        "_early",
        "_handler",
        "_has_eof",
        "_is_closing",
        "_is_over",
        "_is_reading",
        "_is_watched",
        "_loop",
        "_sock",
        "_write_ended",
        "_writing_paused",
    )

    _handler: Handler

    def __init__(
        self, sock: socket.socket, loop: asyncio.AbstractEventLoop, received: bytes = b""
    ) -> None:
        self._sock = sock
        self._loop = loop
        self._early = received
        self._backlog = bytearray()
        self._borrower: Callable[[memoryview], None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._has_eof = False
        self._is_closing = False
        self._is_over = False
        self._is_reading = True
        self._is_watched = False
        self._write_ended = False
        self._writing_paused = False

    def start(self, handler: Handler) -> None:
        """Drive a handler from now on."""
        self._handler = handler
        try:
            handler.connection_made(self)
        except Exception:
            self._end(None, reset=True)
            raise
        self._catch_up()

    def refuse(self) -> None:
        """Close in place of being started."""
        linger(self._sock, self._loop)

    def lend_chunks(self, take: Callable[[memoryview], None]) -> None:
        """Give what comes to ``take`` instead of ``data_received``: views, valid within the call.

        What is passed on at once need not be copied.
        """
        self._borrower = take

    # Carrier.

    @property
    @override
    def alpn(self) -> str:
        return ""

    @override
    def is_closing(self) -> bool:
        return self._is_closing

    @override
    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        if not (self._is_closing or self._write_ended):
            self._send(chunk)

    @override
    def write_eof(self) -> None:
        if not (self._is_closing or self._write_ended):
            self._say_end()
            if not self._backlog:
                self._drained()

    @override
    def pause_reading(self) -> None:
        self._is_reading = False
        self._unwatch()

    @override
    def resume_reading(self) -> None:
        if not (self._is_reading or self._is_closing):
            self._is_reading = True
            self._loop.call_soon(self._catch_up)

    @override
    def close(self) -> None:
        if self._is_closing:
            return
        self._unwatch()
        self._is_closing = True
        if not self._write_ended:
            self._say_end()
        if self._backlog:
            self._deadline = self._loop.call_later(FLUSH_S_MAX, self.abort)
        else:
            self._drained()

    @override
    def abort(self) -> None:
        self._end(None, reset=True)

    # Reading. A subclass that wraps the bytes overrides these.

    def _take_early(self) -> None:
        """Hand on what was there before the reading began."""
        if self._early:
            early, self._early = self._early, b""
            self._deliver(memoryview(early))

    def _take(self, chunk: memoryview) -> None:
        """Hand on what was read."""
        self._deliver(chunk)

    def _take_end(self) -> None:
        """The peer sends no more."""
        self._ended()

    def _say_end(self) -> None:
        """Nothing more will be written: add what tells the peer so."""
        self._write_ended = True

    def _catch_up(self) -> None:
        if self._is_reading and not self._is_closing:
            try:
                self._take_early()
            except Exception:  # noqa: BLE001 - as in _readable
                self._failed()
        if self._is_reading and not (self._is_closing or self._has_eof or self._is_watched):
            self._is_watched = True
            self._loop.add_reader(self._sock.fileno(), self._readable)

    def _deliver(self, chunk: memoryview) -> None:
        if self._borrower is not None:
            self._borrower(chunk)
        else:
            self._handler.data_received(bytes(chunk))

    def _unwatch(self) -> None:
        if self._is_watched:
            self._is_watched = False
            self._loop.remove_reader(self._sock.fileno())

    def _readable(self) -> None:
        try:
            size = self._sock.recv_into(_inbox)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error)
            return
        try:
            if size:
                self._take(_inbox[:size])
            else:
                self._take_end()
        except Exception:  # noqa: BLE001 - a handler's bug ends its connection, not the others
            self._failed()

    def _failed(self) -> None:
        _log.exception("the handler of a connection failed")
        self.abort()

    def _ended(self) -> None:
        """The peer sends no more, and everything before was handed on."""
        if self._has_eof or self._is_closing:
            return
        self._has_eof = True
        self._unwatch()
        if not self._handler.eof_received():
            self.close()
        elif self._write_ended and not self._backlog:
            self._end(None)

    # Writing.

    def _send(self, chunk: bytes | bytearray | memoryview) -> None:
        if self._backlog:
            self._keep(chunk)
        else:
            try:
                sent = self._sock.send(chunk)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                self._end(error)
                return
            if sent < len(chunk):
                self._keep(memoryview(chunk)[sent:])

    def _keep(self, rest: bytes | bytearray | memoryview) -> None:
        """Send it when there is room."""
        if not self._backlog:
            self._loop.add_writer(self._sock.fileno(), self._writable)
        self._backlog += rest
        if len(self._backlog) > BACKLOG_BYTES_HIGH and not self._writing_paused:
            self._writing_paused = True
            self._handler.pause_writing()

    def _send_all(self, chunks: list[bytes]) -> None:
        """As `_send` of all of them, with one call of the kernel."""
        sent = 0
        if not self._backlog:
            try:
                sent = self._sock.sendmsg(chunks)
            except (BlockingIOError, InterruptedError):
                pass
            except OSError as error:
                self._end(error)
                return
        if sent < sum(map(len, chunks)):
            self._keep(memoryview(b"".join(chunks))[sent:])

    def _writable(self) -> None:
        try:
            sent = self._sock.send(self._backlog)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error)
            return
        if sent < len(self._backlog):
            del self._backlog[:sent]
            return
        self._backlog = bytearray()  # gives its space back, which clearing does not
        self._loop.remove_writer(self._sock.fileno())
        self._drained()

    def _drained(self) -> None:
        """Everything was sent."""
        if self._is_closing:
            self._end(None)
            return
        if self._writing_paused:
            self._writing_paused = False
            self._handler.resume_writing()
        if self._write_ended and not (self._backlog or self._is_over):
            try:
                self._sock.shutdown(socket.SHUT_WR)
            except OSError as error:
                self._end(error)
                return
            if self._has_eof:
                self._end(None)

    # The end.

    def _end(self, error: Exception | None, *, reset: bool = False) -> None:
        """Stop everything, tell the handler soon, and let go of the socket."""
        if self._is_over:
            return
        self._is_over = self._is_closing = True
        self._unwatch()
        if self._backlog:
            self._loop.remove_writer(self._sock.fileno())
            self._backlog = bytearray()
        if self._deadline is not None:
            self._deadline.cancel()
        self._loop.call_soon(self._lost, error)
        if reset:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        if reset or error is not None or self._has_eof:
            self._sock.close()
        else:
            linger(self._sock, self._loop)

    def _lost(self, error: Exception | None) -> None:
        handler = self._handler
        # They have us, too: nothing is left for the cyclic collector.
        del self._handler
        self._borrower = None
        handler.connection_lost(error)


def linger(sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
    """Close, but read on for a while what the peer still sends, so that it is not reset."""
    fileno = sock.fileno()

    def discard() -> None:
        try:
            if sock.recv_into(_inbox):
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            pass  # a reset ends it, too
        timer.cancel()
        let_go()

    def let_go() -> None:
        loop.remove_reader(fileno)
        sock.close()
        _lingering.discard(sock)

    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        sock.close()
        return
    if len(_lingering) >= LINGERING_MAX:
        sock.close()
        return
    _lingering.add(sock)
    timer = loop.call_later(LINGER_S_MAX, let_go)
    loop.add_reader(fileno, discard)


def lingering_count() -> int:
    """How many sockets are closed but for what their peers still send."""
    return len(_lingering)
