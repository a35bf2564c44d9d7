"""An accepted connection that carries HTTP, of the version that its first bytes or ALPN tell.

It counts as one connection, and ends when its peer's certificate was revoked. Who may do what is
asked again for each request; what is open of a peer that may do nothing any more is cut, as a
WebSocket or a stream may stay open for days.

Source: RFC 9113 section 3.3 (prior knowledge of HTTP/2).
"""

from collections.abc import Callable
from typing import Final

from typing_extensions import override

from proxy.connection import Carrier, Facts, Handler
from proxy.core.authorize import is_shut_out
from proxy.deadlines import Deadlines
from proxy.exchange import HttpExchanges
from proxy.exchange_origin import Origin
from proxy.http import Fault
from proxy.http1_server import Http1Server
from proxy.http2_server import Http2Server
from proxy.serving import Record, Serving

HTTP2: Final = "h2"
PREFACE: Final = b"PRI * HTTP/2.0\r\n"


class HttpServer(Handler):
    """The handler of a chain that routes requests."""

    def __init__(self, serving: Serving, facts: Facts) -> None:
        self._serving = serving
        self._facts = facts
        self._carrier: Carrier
        self._deadlines = Deadlines(serving.now_s, serving.call_later)
        self._codec: Http1Server | Http2Server | None = None
        self._is_told = False  # which version it is
        self._first = b""
        self._record: Record | None = None
        self._undo: Callable[[], None] | None = None

    @override
    def connection_made(self, carrier: Carrier) -> None:
        self._carrier = carrier
        serving = self._serving
        if not serving.admits_connection() or self._is_revoked():
            carrier.abort()
            return
        chain, peer = serving.chain, self._facts.peer
        self._record = Record(
            started_s=serving.now_s(),
            facts=self._facts,
            source=chain.source or (peer.service if peer is not None else ""),
            destination=chain.destination,
            protocol=chain.protocol,
        )
        serving.recorder.opened(self._record)
        self._undo = serving.on_changed(self._changed)
        alpn = self._facts.alpn or carrier.alpn
        self._is_told = bool(alpn)
        self._begin(is_http2=alpn == HTTP2)

    @override
    def data_received(self, chunk: bytes) -> None:
        codec = self._codec
        if codec is None:
            return  # it was not let in
        if not self._is_told:
            chunk = self._first + chunk
            if not chunk.startswith(PREFACE) and PREFACE.startswith(chunk):
                self._first = chunk
                return
            self._is_told = True
            if chunk.startswith(PREFACE):
                self._deadlines.close()
                codec = self._begin(is_http2=True)
        codec.data_received(chunk)

    @override
    def eof_received(self) -> bool:
        return self._codec.eof_received() if self._codec is not None else False

    @override
    def connection_lost(self, error: Exception | None) -> None:
        if self._undo is not None:
            self._undo()
        if self._codec is not None:
            self._codec.connection_lost(error)
        self._deadlines.close()
        if self._record is not None:
            self._record.ended_s = self._serving.now_s()
            self._serving.recorder.closed(self._record)

    @override
    def pause_writing(self) -> None:
        if self._codec is not None:
            self._codec.pause_writing()

    @override
    def resume_writing(self) -> None:
        if self._codec is not None:
            self._codec.resume_writing()

    def _begin(self, *, is_http2: bool) -> Http1Server | Http2Server:
        origin = Origin(self._serving, self._facts, self._deadlines)
        make = Http2Server if is_http2 else Http1Server
        self._codec = codec = make(self._serving, HttpExchanges(origin), self._deadlines)
        codec.connection_made(self._carrier)
        return codec

    def _changed(self) -> None:
        if self._is_revoked():
            self._carrier.abort()
        elif self._codec is not None:
            policy = self._serving.chain.policy
            if policy is not None and is_shut_out(policy, self._facts.peer):
                self._codec.cut(Fault.DENIED)
            self._codec.changed()

    def _is_revoked(self) -> bool:
        peer = self._facts.peer
        return peer is not None and peer.serial in self._serving.proxy.revoked
