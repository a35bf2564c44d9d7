"""A TLS connection: what a `SocketCarrier` reads and writes, opened and sealed.

OpenSSL works on memory, so that a read of the socket takes many records at once and many are sent
with one write. The end of a direction is a close_notify: one without it may be an attacker's, or
a proxy's that died, and what came before it is not taken for the whole.
Source: RFC 8446 section 6.1.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final, cast

import msgspec
from typing_extensions import override

from proxy.carrier import READ_BYTES_MAX, SocketCarrier

RECORD_BYTES_MAX: Final = 16_384  # RFC 8446 section 5.1: of content
SEALED_BYTES_MAX: Final = RECORD_BYTES_MAX + 256  # section 5.2: of the same, sealed
RECORDS_AT_ONCE_MAX: Final = 4
"""OpenSSL keeps the space that it once needed for a connection: more at once would make each that
ever carried much a large one, fewer would take a tenth more time."""
SENT_AT_ONCE_MAX: Final = 32 * RECORD_BYTES_MAX  # well below what the kernel takes in one call

# As large as what one read can open, with what was left of a record before it.
_clear: Final = memoryview(bytearray(READ_BYTES_MAX + 2 * RECORD_BYTES_MAX))

ReadInto = Callable[[int, memoryview], int]


class Session(msgspec.Struct, frozen=True):
    """TLS on memory: what came goes ``incoming``, what is to be sent comes ``outgoing``."""

    tls: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO


class TlsCarrier(SocketCarrier):
    """A TLS connection after its handshake. ``is_strict``: an end without close_notify is none."""

    __slots__ = ("_incoming", "_is_strict", "_outgoing", "_peer_ended", "_read", "_tls")

    def __init__(
        self,
        sock: socket.socket,
        loop: asyncio.AbstractEventLoop,
        session: Session,
        *,
        is_strict: bool = True,
    ) -> None:
        super().__init__(sock, loop)
        self._tls = session.tls
        self._read = cast("ReadInto", session.tls.read)  # which reads into any buffer
        self._incoming = session.incoming
        self._outgoing = session.outgoing
        self._is_strict = is_strict
        self._peer_ended = False

    @property
    @override
    def alpn(self) -> str:
        return self._tls.selected_alpn_protocol() or ""

    @override
    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        if self._is_closing or self._write_ended or not chunk:
            return
        try:
            if len(chunk) <= RECORD_BYTES_MAX:
                self._tls.write(chunk)
                self._send(self._outgoing.read())
                return
            view = memoryview(chunk)
            for start in range(0, len(view), SENT_AT_ONCE_MAX):
                if not self._is_over:
                    self._send_all(self._sealed(view[start : start + SENT_AT_ONCE_MAX]))
        except ssl.SSLError as error:
            self._end(error)

    def _sealed(self, content: memoryview) -> list[bytes]:
        """The records of content, some at once."""
        records = []
        step = RECORDS_AT_ONCE_MAX * RECORD_BYTES_MAX
        for start in range(0, len(content), step):
            self._tls.write(content[start : start + step])
            records.append(self._outgoing.read())
        return records

    @override
    def _take_early(self) -> None:
        super()._take_early()
        if self._is_reading and not self._is_closing:
            if self._incoming.pending:
                self._take(memoryview(b""))
            elif self._peer_ended:
                self._ended()

    @override
    def _take(self, chunk: memoryview) -> None:
        size = 0
        try:
            if len(chunk) <= SEALED_BYTES_MAX:
                self._incoming.write(chunk)
                size = self._opened(0)
            else:
                step = RECORDS_AT_ONCE_MAX * SEALED_BYTES_MAX
                for start in range(0, len(chunk), step):
                    self._incoming.write(chunk[start : start + step])
                    size = self._opened(size)
        except ssl.SSLError as error:
            self._answer()
            self._end(error)
            return
        if size:
            self._deliver(_clear[:size])
        if self._outgoing.pending:
            self._answer()
        if self._peer_ended and self._is_reading:
            self._ended()

    @override
    def _take_end(self) -> None:
        if self._is_strict:
            self._end(ConnectionResetError("closed without saying so"))
        else:
            self._ended()

    @override
    def _say_end(self) -> None:
        self._write_ended = True
        try:
            # OpenSSL would lose content that it finds when it looks for the peer's answer.
            if size := self._opened(0):
                self._early += bytes(_clear[:size])
            self._tls.unwrap()
        except ssl.SSLWantReadError:
            pass  # the answer comes when the peer has ended, too
        except ssl.SSLError as error:
            self._end(error)
            return
        self._send(self._outgoing.read())

    def _opened(self, size: int) -> int:
        """Open what is there, and put the content behind so much of it; raises SSLError."""
        try:
            while self._incoming.pending:
                read = self._read(RECORD_BYTES_MAX, _clear[size:])
                if not read:
                    self._peer_ended = True
                    break
                size += read
        except ssl.SSLWantReadError:
            pass  # a part of a record
        except ssl.SSLZeroReturnError:
            self._peer_ended = True
        return size

    def _answer(self) -> None:
        """Send what OpenSSL has to say: an alert, or a new key."""
        if not self._is_over:
            self._send(self._outgoing.read())
