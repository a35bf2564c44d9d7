"""The instance's side of HTTP/2: sends requests as streams of one connection, and reads answers.

What ends a stream before its time is told apart by whether the instance can have seen it: REFUSED
if it said that it did not (RST_STREAM REFUSED_STREAM, or above GOAWAY's last stream), STALE if a
connection that had answered before is lost without a byte of this answer, RESET otherwise.
"""

import logging
from collections.abc import Callable
from typing import Final

import msgspec
from typing_extensions import override

from proxy.connection import Carrier, Handler
from proxy.core import http2_fields as rules
from proxy.core.http2 import ClientEnd, Limits
from proxy.core.http2_events import (
    Agreed,
    Answered,
    BodyPart,
    Broken,
    Ended,
    Event,
    Failed,
    GoingAway,
    Writable,
)
from proxy.core.http2_frames import Code
from proxy.deadlines import CallLater, Deadlines, Timed
from proxy.http import (
    ClientConnection,
    Fault,
    Headers,
    Request,
    RequestHead,
    Response,
    ResponseHead,
)
from proxy.http1_client import ConnectionOwner
from proxy.http2_stream import Link, Part, StreamIntake

STREAMS_MAX: Final = 1000  # of ours on one connection, where an instance sets no limit
HEADER_COUNT_MAX: Final = 1000  # an answer may set many cookies, each a header
KEEP_ALIVE_PING: Final = b"keep-ali"

_log = logging.getLogger("proxy.http2")


KEEP_ALIVE_INTERVAL_S: Final = 310.0
"""Servers of gRPC take it for an attack to be asked again within five minutes, unless they sent
something in between, and close the connection."""
KEEP_ALIVE_TIMEOUT_S: Final = 20.0  # gRPC's own default


class KeepAlive(msgspec.Struct, frozen=True, kw_only=True):
    """When a connection with open requests that says nothing is asked whether it lives.

    An interval of 0 turns it off. Source: gRPC, keep-alive (GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_
    WITHOUT_DATA_MS).
    """

    interval_s: float = KEEP_ALIVE_INTERVAL_S
    timeout_s: float = KEEP_ALIVE_TIMEOUT_S


class ClientStream(StreamIntake, Request):
    """One request. ``has_heard``: a byte of its answer came."""

    __slots__ = (
        "_bytes_sent",
        "_client",
        "_head",
        "_is_done",
        "_is_full",
        "_is_sent",
        "_response",
        "early",
        "has_heard",
        "is_reused",
    )

    def __init__(self, client: "Http2Client", head: RequestHead, response: Response) -> None:
        super().__init__(client.link, 0)
        self._client = client
        self._head = head
        self._response = response
        self._bytes_sent = 0
        self._is_sent = not head.has_body and not head.upgrade
        self._is_full = False
        self._is_done = False  # nothing more is said to the response
        self.has_heard = False
        self.is_reused = client.has_answered

    def start(self, end: ClientEnd) -> None:
        """Send the head."""
        self.id, self._bytes_sent = end.open(self._head, end=self._is_sent)

    @override
    @property
    def bytes_sent(self) -> int:
        return self._bytes_sent

    @override
    def body(self, chunk: bytes) -> None:
        has_room = self.link.end.data(self.id, chunk)
        self._bytes_sent += len(chunk)
        self.link.flush_soon()
        if not has_room and not self._is_full:
            self._is_full = True
            self._response.request_paused()

    @override
    def end(self, trailers: Headers) -> None:
        self._is_sent = True
        self.link.end.end(self.id, trailers)
        self.link.flush_soon()
        if self._is_done:
            self._client.forget(self)

    @override
    def reset(self, fault: Fault) -> None:
        self._is_done = True
        code = Code.PROTOCOL_ERROR if fault is Fault.PROTOCOL else Code.CANCEL
        self.link.end.reset(self.id, code)
        self._client.forget(self)
        self.link.flush_soon()

    def writable(self) -> None:
        """The instance takes more again."""
        self._is_full = False
        if not self._is_done:
            self._response.request_resumed()

    def failed(self, fault: Fault) -> None:
        """It ended before its time, unless all of the answer is here and only waits."""
        if self.waiting and type(self.waiting[-1]) is Ended:
            return
        self._client.forget(self)
        if not self._is_done:
            self._is_done = True
            self._response.reset(fault)

    def lost_fault(self) -> Fault:
        """What the loss of the connection means."""
        return Fault.STALE if self.is_reused and not self.has_heard else Fault.RESET

    @override
    def deliver(self, part: Part) -> None:
        if self._is_done:
            return
        if type(part) is BodyPart:
            if part.chunk:
                self._response.body(part.chunk)
        elif type(part) is Ended:
            self._complete()
            self._response.end(part.trailers)
        else:
            assert type(part) is Answered, "the three kinds of parts"
            self._answer(part.head, end=part.end)

    def _answer(self, head: ResponseHead, *, end: bool) -> None:
        if head.status < 200:
            self._response.informational(head)
        elif self._head.upgrade and head.status < 300:
            head.headers += rules.websocket_accept(self._head.headers)
            self._response.switched(head)
            if end and not self._is_done:
                self._complete()
                self._response.end([])
        else:
            if self._head.upgrade:
                self._is_sent = True
                self.link.end.end(self.id, [])
            if end:
                self._complete()
            self._response.head(head, end=end)

    def _complete(self) -> None:
        """All of the answer came: the rest of the request is of no use, but in a tunnel."""
        stream = self.link.end.streams.get(self.id)
        self._is_done = True
        if stream is not None and stream.is_tunnel and not self._is_sent:
            return
        if not self._is_sent:
            self.link.end.reset(self.id, Code.CANCEL)
        self._client.forget(self)


class Http2Client(Timed, Handler, ClientConnection):
    """One connection."""

    def __init__(
        self,
        owner: ConnectionOwner,
        now_s: Callable[[], float],
        call_later: CallLater,
        *,
        keep_alive: KeepAlive = KeepAlive(),  # noqa: B008 - a frozen value
    ) -> None:
        self._owner = owner
        self._now_s = now_s
        self._keep_alive = keep_alive
        self._deadlines = Deadlines(now_s, call_later)
        self._end = ClientEnd(Limits(header_count_max=HEADER_COUNT_MAX))
        self._streams: dict[int, ClientStream] = {}
        self._early: list[ClientStream] = []  # wait for settings that allow their upgrade
        self._is_leaving = False  # opens no more
        self._is_closed = False
        self._is_asked = False  # whether it lives
        self._heard_s = 0.0
        self.has_answered = False
        self.link = Link(self._end, call_later, self._flushed)

    # For the pool and the exchange.

    @override
    @property
    def room(self) -> int:
        """Streams that the instance allows and that are not open."""
        if self._is_leaving or self._is_closed:
            return 0
        end = self._end
        allowed = min(end.peer.streams_max, STREAMS_MAX) - len(end.streams) - len(self._early)
        return max(0, min(allowed, end.ids_left))

    @override
    def open(self, head: RequestHead, response: Response) -> Request:
        stream = ClientStream(self, head, response)
        if head.upgrade and not self._end.peer.is_known:
            self._early.append(stream)
            return stream
        if not self._streams:
            self._heard_s = self._now_s()
            self._watch(self._heard_s + self._keep_alive.interval_s)
        self._start(stream)
        return stream

    @override
    def close(self) -> None:
        self._leave()
        self.link.flush_soon()

    # The connection.

    @override
    def connection_made(self, carrier: Carrier) -> None:
        self.link.carrier = carrier
        self._end.begin()
        self._owner.made(self)
        self.link.flush_soon()

    @override
    def data_received(self, chunk: bytes) -> None:
        self._heard_s = self._now_s()
        self._is_asked = False
        self._handle(self._end.receive(chunk, self._heard_s))

    @override
    def eof_received(self) -> bool:
        return False

    @override
    def connection_lost(self, error: Exception | None) -> None:
        self._is_closed = True
        self._end.is_dead = True
        self._deadlines.close()
        self._leave()
        for stream in [*self._streams.values(), *self._early]:
            stream.failed(stream.lost_fault())

    @override
    def pause_writing(self) -> None:
        self._end.hold()

    @override
    def resume_writing(self) -> None:
        self._handle(self._end.release())

    @override
    def expire(self, now_s: float) -> None:
        """Nothing was heard for an interval, or no answer came to our question."""
        if not self._streams:
            return
        due_s = self._heard_s + self._keep_alive.interval_s
        if self._is_asked:
            self.link.carrier.abort()
        elif due_s > now_s:
            self._watch(due_s)
        else:
            self._is_asked = True
            self._end.ping(KEEP_ALIVE_PING)
            self._watch(now_s + self._keep_alive.timeout_s)
            self.link.flush()

    def forget(self, stream: ClientStream) -> None:
        """Nothing more is to be said to it."""
        if stream in self._early:
            self._early.remove(stream)
        if self._streams.pop(stream.id, None) is not None:
            stream.drop()
            if not self._is_leaving:
                self._owner.freed(self)

    # What happens.

    def _start(self, stream: ClientStream) -> None:
        stream.start(self._end)
        self._streams[stream.id] = stream
        if not self._end.ids_left:
            self._leave()
        self.link.flush_soon()

    def _watch(self, due_s: float) -> None:
        if self._keep_alive.interval_s > 0:
            self._deadlines.set_due(self, due_s)

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
            case Answered() | BodyPart() | Ended():
                stream = self._streams.get(event.stream_id)
                if stream is not None:
                    stream.has_heard = self.has_answered = True
                    stream.take(event)
                elif type(event) is BodyPart:
                    self._end.consume(event.stream_id, event.window_bytes)
            case Writable():
                stream = self._streams.get(event.stream_id)
                if stream is not None:
                    stream.writable()
            case Broken():
                self._on_broken(event)
            case Agreed():
                self._on_agreed()
            case GoingAway():
                self._leave()
                for stream in [each for each in self._streams.values() if each.id > event.last_id]:
                    stream.failed(Fault.REFUSED)
            case Failed():
                _log.debug("connection failed: %s", event.detail)
                self._leave()
                for stream in [*self._streams.values(), *self._early]:
                    stream.failed(Fault.PROTOCOL)
            case _:
                pass

    def _on_broken(self, event: Broken) -> None:
        stream = self._streams.get(event.stream_id)
        if event.detail:
            _log.debug("stream failed: %s", event.detail)
        if stream is not None:
            is_refused = event.code == Code.REFUSED_STREAM and not event.detail
            fault = Fault.PROTOCOL if event.detail else Fault.RESET
            stream.failed(Fault.REFUSED if is_refused else fault)

    def _on_agreed(self) -> None:
        early, self._early = self._early, []
        for stream in early:
            if self._end.peer.takes_upgrades:
                self._start(stream)
            else:
                stream.failed(Fault.PROTOCOL)
        if self.room:
            self._owner.freed(self)

    # The end.

    def _leave(self) -> None:
        if not self._is_leaving:
            self._is_leaving = True
            self._owner.ended(self)

    def _flushed(self) -> None:
        if self._is_closed:
            return
        is_over = self._is_leaving and not self._end.streams and not self._early
        if self._end.is_dead or is_over:
            self._is_closed = True
            self._deadlines.close()
            if not self._end.is_dead:
                self._end.go_away()
                self.link.carrier.write(self._end.take())
            self.link.carrier.close()
