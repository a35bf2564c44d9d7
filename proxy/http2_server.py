"""The client's side of HTTP/2: opens an exchange for each stream, and sends its answer.

Draining follows RFC 9113 section 6.8: GOAWAY without a last stream, then, after a round trip, one
with it; what is open goes on to its end, and the connection closes. A final answer to a request
whose body is still coming ends the stream, and nothing more is said to its exchange.

Rules and limits are those of `proxy.core.http2`; what the peer did wrong is told to
`Exchanges.refused`.
"""

import logging
from typing import Final

from typing_extensions import override

from proxy.connection import Carrier, Handler
from proxy.core import http2_fields as rules
from proxy.core.http2 import Limits, ServerEnd
from proxy.core.http2_events import (
    BodyPart,
    Broken,
    Ended,
    Event,
    Failed,
    GoingAway,
    Ponged,
    Requested,
    Unreadable,
    Writable,
)
from proxy.core.http2_frames import Code
from proxy.deadlines import Deadlines, Timed
from proxy.http import Answer, Exchange, Exchanges, Fault, Headers, ResponseHead
from proxy.http2_stream import Link, Part, StreamIntake
from proxy.serving import Serving

SETTINGS_TIMEOUT_S: Final = 10.0  # for the preface and settings, which clients send at once
IDLE_TIMEOUT_S: Final = 3600.0  # Envoy's default without a request
DRAINING_ANSWER_S: Final = 1.0  # for the client to say that it heard that we are going
STREAMS_MAX: Final = 100  # open at once: RFC 9113 advises no less, and each may hold a window
DRAIN_PING: Final = b"draining"

_CODES: Final = {
    Fault.CLIENT: Code.CANCEL,
    Fault.OVERFLOW: Code.ENHANCE_YOUR_CALM,
}
_log = logging.getLogger("proxy.http2")


class ServerStream(StreamIntake, Answer):
    """The `Answer` of one exchange."""

    __slots__ = (
        "_end",
        "_exchange",
        "_expects_continue",
        "_is_answered",
        "_is_begun",
        "_is_full",
        "_is_head",
        "_server",
    )

    def __init__(self, server: "Http2Server", requested: Requested) -> None:
        super().__init__(server.link, requested.stream_id)
        head = requested.head
        self._server = server
        self._end = server.end
        self._exchange: Exchange | None = None
        self._expects_continue = head.expects_continue
        self._is_head = head.method == b"HEAD"
        self._is_full = False
        self._is_begun = False
        self._is_answered = False
        self.is_paused = bool(head.upgrade)  # what comes before the answer may be of a tunnel

    def opened(self, exchange: Exchange) -> None:
        """Take the exchange, unless it has answered within its opening."""
        self._exchange = exchange
        if self._is_full and not self._is_answered:
            exchange.answer_paused()

    @override
    def deliver(self, part: Part) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        if type(part) is BodyPart:
            if part.chunk:
                exchange.body(part.chunk)
        elif type(part) is Ended:
            exchange.end(part.trailers)
            if self._is_answered:
                self._server.forget(self)

    def broken(self, fault: Fault) -> None:
        """The client is gone, or broke a rule."""
        self._server.forget(self)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.reset(fault)

    def writable(self) -> None:
        """The client takes more again."""
        self._is_full = False
        if self._exchange is not None and not self._is_answered:
            self._exchange.answer_resumed()

    @override
    def informational(self, head: ResponseHead) -> None:
        if head.status != 100 or self._expects_continue:
            self._end.answer(self.id, rules.response_fields(head), end=False)
            self.link.flush_soon()

    @override
    def head(self, head: ResponseHead, *, end: bool) -> None:
        self._is_begun = True
        self._end.answer(self.id, rules.response_fields(head), end=end)
        if end:
            self._answered(is_tunnel=False)
        self.link.flush_soon()

    @override
    def body(self, chunk: bytes) -> None:
        if self._is_head:
            return
        has_room = self._end.data(self.id, chunk)
        self.link.flush_soon()
        if not has_room and not self._is_full:
            self._is_full = True
            if self._exchange is not None:
                self._exchange.answer_paused()

    @override
    def end(self, trailers: Headers) -> None:
        stream = self._end.streams.get(self.id)
        is_tunnel = stream is not None and stream.is_tunnel
        self._end.end(self.id, trailers)
        self._answered(is_tunnel=is_tunnel)
        self.link.flush_soon()

    @override
    def switch(self, head: ResponseHead) -> None:
        self._is_begun = True
        self._end.accept(self.id, rules.switch_fields(head))
        self.link.flush_soon()
        self.resume()

    @override
    def reset(self, fault: Fault) -> None:
        self._exchange = None
        code = _CODES.get(fault, Code.INTERNAL_ERROR)
        if fault is Fault.REFUSED and not self._is_begun:
            code = Code.REFUSED_STREAM  # it may be sent again, whatever it does
        self._end.reset(self.id, code)
        self._server.forget(self)
        self.link.flush_soon()

    def _answered(self, *, is_tunnel: bool) -> None:
        self._is_answered = True
        if not is_tunnel:
            self._exchange = None
            self._server.forget(self)


class Http2Server(Timed, Handler):
    """One accepted connection."""

    def __init__(self, serving: Serving, exchanges: Exchanges, deadlines: Deadlines) -> None:
        http = serving.chain.http
        limits = Limits(
            streams_max=STREAMS_MAX,
            header_bytes_max=http.header_bytes_max,
            header_count_max=http.header_count_max,
        )
        self._serving = serving
        self._exchanges = exchanges
        self._deadlines = deadlines
        self.end = self._end = ServerEnd(limits)
        self._streams: dict[int, ServerStream] = {}
        self._is_warned = False  # the client was told that we are going
        self._is_closed = False
        self.link = Link(self._end, serving.call_later, self._flushed)

    # The connection.

    @override
    def connection_made(self, carrier: Carrier) -> None:
        self.link.carrier = carrier
        self._end.begin()
        self._deadlines.set_due(self, self._serving.now_s() + SETTINGS_TIMEOUT_S)
        self.link.flush()

    @override
    def data_received(self, chunk: bytes) -> None:
        self._handle(self._end.receive(chunk, self._serving.now_s()))

    @override
    def eof_received(self) -> bool:
        return False

    @override
    def connection_lost(self, error: Exception | None) -> None:
        self._is_closed = True
        self._end.is_dead = True
        self._deadlines.drop(self)
        self._break_all(Fault.CLIENT)

    @override
    def pause_writing(self) -> None:
        self._end.hold()

    @override
    def resume_writing(self) -> None:
        self._handle(self._end.release())

    def cut(self, fault: Fault) -> None:
        """End all streams that are open."""
        for stream in list(self._streams.values()):
            self._end.reset(stream.id, Code.CANCEL)
            stream.broken(fault)
        self.link.flush()

    def changed(self) -> None:
        """Look again whether the connection should end."""
        if self._serving.is_draining and not self._is_warned and not self._end.is_dead:
            self._warn()
            self.link.flush()

    @override
    def expire(self, now_s: float) -> None:
        """Settings, a request or the answer to our warning did not come in time."""
        if self._is_warned:
            self._go_away()
        elif not self._end.peer.is_known:
            self._close()
        elif not self._end.streams:
            self._warn()
        self.link.flush()

    def forget(self, stream: ServerStream) -> None:
        """Nothing more is to be said to it."""
        if self._streams.pop(stream.id, None) is not None:
            stream.drop()

    # What happens.

    def _handle(self, events: list[Event]) -> None:
        self.link.is_reading = True
        try:
            for event in events:
                self._on(event)
        finally:
            self.link.is_reading = False
        self.link.flush()

    def _on(self, event: Event) -> None:
        match event:
            case Requested():
                self._on_requested(event)
            case BodyPart() | Ended():
                self._on_part(event)
            case Broken():
                self._on_broken(event)
            case Writable():
                self._on_writable(event)
            case Unreadable():
                self._on_unreadable(event)
            case Ponged():
                if event.payload == DRAIN_PING and self._is_warned:
                    self._go_away()
            case GoingAway():
                self._is_warned = True
                self._go_away()
            case Failed():
                self._on_failed(event)
            case _:
                pass

    def _on_part(self, event: BodyPart | Ended) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            stream.take(event)
        elif type(event) is BodyPart:
            self._end.consume(event.stream_id, event.window_bytes)

    def _on_writable(self, event: Writable) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            stream.writable()

    def _on_unreadable(self, event: Unreadable) -> None:
        self._exchanges.refused(event.status, event.detail)
        head = ResponseHead(status=event.status, headers=[(b"content-length", b"0")])
        self._end.answer(event.stream_id, rules.response_fields(head), end=True)

    def _on_failed(self, event: Failed) -> None:
        self._exchanges.refused(400, event.detail)
        _log.debug("connection failed: %s", event.detail)
        self._break_all(Fault.PROTOCOL)

    def _on_requested(self, event: Requested) -> None:
        stream = ServerStream(self, event)
        self._streams[event.stream_id] = stream
        exchange = self._exchanges.open(event.head, stream)
        if event.stream_id in self._streams:
            stream.opened(exchange)

    def _on_broken(self, event: Broken) -> None:
        if event.detail:
            _log.debug("stream failed: %s", event.detail)
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            stream.broken(Fault.PROTOCOL if event.detail else Fault.CLIENT)
        elif event.detail:
            self._exchanges.refused(400, event.detail)

    def _break_all(self, fault: Fault) -> None:
        for stream in list(self._streams.values()):
            stream.broken(fault)

    # The end.

    def _warn(self) -> None:
        self._is_warned = True
        self._end.warn_away()
        self._end.ping(DRAIN_PING)
        self._deadlines.set_due(self, self._serving.now_s() + DRAINING_ANSWER_S)

    def _go_away(self) -> None:
        if not self._end.is_drained:
            self._end.go_away()

    def _flushed(self) -> None:
        """Close if all is said, or wait for a request, not for ever."""
        end = self._end
        if self._is_closed:
            return
        if end.is_dead or (end.is_drained and not end.streams):
            self._close()
        elif not end.streams and end.peer.is_known and not self._is_warned:
            if self._serving.is_draining:  # since before it was accepted
                self.changed()
                return
            timeout_s = self._serving.chain.idle_timeout_s or IDLE_TIMEOUT_S
            self._deadlines.set_due(self, self._serving.now_s() + timeout_s)

    def _close(self) -> None:
        self._is_closed = True
        self._deadlines.drop(self)
        self.link.carrier.close()
