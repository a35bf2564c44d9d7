"""What both ends of an HTTP/2 connection do alike; see `proxy.core.http2` for the ends.

Source: RFC 9113. Limits: in `Limits` and below; against floods `proxy.core.http2_budget`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Final, Generic, TypeVar

import msgspec

from proxy.core import http2_fields as rules
from proxy.core import http2_frames as frames
from proxy.core.http2_budget import SETTINGS_COST, Guard
from proxy.core.http2_events import (
    Agreed,
    BodyPart,
    Broken,
    Ended,
    Event,
    Failed,
    GoingAway,
    Ponged,
    Writable,
)
from proxy.core.http2_frames import Code, ConnectionFault, Setting, StreamFault, Type
from proxy.core.http2_hpack import Block, Decoder
from proxy.core.http2_inbox import FIRST_IGNORED, Inbox
from proxy.core.http2_outbox import QUEUE_BYTES_LOW, Outbox, Stream
from proxy.core.http2_peer import Peer
from proxy.http import Headers

STREAM_WINDOW_BYTES: Final = 1024 * 1024
"""What a stream may send ahead of who takes it: 1 MiB fills 8 Gbit/s at a millisecond there and
back, and is what a stalled stream holds."""
CONNECTION_WINDOW_BYTES: Final = 4 * 1024 * 1024
"""All streams together: the most that one peer's connection holds here."""
BLOCK_SHARE_MAX: Final = 2  # a block is no longer than twice what its list may be when decoded
LIST_SHARE_MAX: Final = 4  # decoded beyond the limit up to so many times, only to answer 431
RESETS_REMEMBERED_MAX: Final = 1000  # streams cut here that the peer may not have heard of yet

T = TypeVar("T")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a peer may ask of us."""

    streams_max: int = 100
    header_bytes_max: int = 131_072
    header_count_max: int = 400


class End(ABC, Generic[T]):
    """One end. ``T``: what the other end's heads are read to."""

    is_client: ClassVar[bool]

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.streams: dict[int, Stream] = {}
        self.outbox = Outbox()
        self.is_dead = False
        self.is_drained = False  # our last GOAWAY was sent: no more streams are taken
        self.last_id = 0  # highest that a client opened
        self.peer = Peer(is_client=not self.is_client)
        self._inbox = Inbox(limits.header_bytes_max * BLOCK_SHARE_MAX, is_client=self.is_client)
        self._decoder: Decoder[T] = Decoder(limits.header_bytes_max * LIST_SHARE_MAX)
        self._receive_left = CONNECTION_WINDOW_BYTES
        self._unreturned_bytes = 0
        self._cut: dict[int, None] = {}
        self._guard = Guard()
        self._events: list[Event] = []
        self._now_s = 0.0
        self._handlers: tuple[Callable[[int, int, bytes], None], ...] = (  # by type
            self._on_data,
            self._on_headers,
            self._on_priority,
            self._on_reset,
            self._on_settings,
            self._on_push,
            self._on_ping,
            self._on_go_away,
            self._on_window_update,
        )

    # What the user calls.

    def begin(self) -> None:
        """Say hello; both ends do so at once."""
        if self.is_client:
            self.outbox.put(frames.PREFACE)
        values = {
            Setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES,
            Setting.MAX_FRAME_SIZE: frames.FRAME_BYTES_MAX,
            Setting.MAX_HEADER_LIST_SIZE: self.limits.header_bytes_max,
        }
        if self.is_client:
            values[Setting.ENABLE_PUSH] = 0
        else:
            values[Setting.MAX_CONCURRENT_STREAMS] = self.limits.streams_max
            values[Setting.ENABLE_CONNECT_PROTOCOL] = 1
        self.outbox.put(frames.settings(values))
        increment = CONNECTION_WINDOW_BYTES - frames.WINDOW_BYTES_INITIAL
        self.outbox.put(frames.window_update(0, increment))

    def take(self) -> bytes:
        """Give what is to be sent now."""
        return self.outbox.take()

    def data(self, stream_id: int, chunk: bytes) -> bool:
        """Send a part of a body; false: write no more until `Writable`."""
        stream = self.streams.get(stream_id)
        if stream is None or stream.is_local_done or stream.trailers is not None or not chunk:
            return True
        return self.outbox.data(stream, chunk)

    def end(self, stream_id: int, trailers: Headers) -> None:
        """Complete our side, after what still waits."""
        stream = self.streams.get(stream_id)
        if stream is not None and stream.trailers is None and not stream.is_local_done:
            self.outbox.finish(stream, rules.trailer_fields(trailers) if trailers else [])
            self._retire_if_done(stream)

    def reset(self, stream_id: int, code: Code) -> None:
        """Cut a stream; nothing more comes of it."""
        stream = self.streams.get(stream_id)
        if stream is not None:
            self._cut_stream(stream_id, code)

    def consume(self, stream_id: int, count: int) -> None:
        """Give back the window of body parts that were taken."""
        self._unreturned_bytes += count
        if self._unreturned_bytes >= CONNECTION_WINDOW_BYTES // 2:
            self.outbox.put(frames.window_update(0, self._unreturned_bytes))
            self._receive_left += self._unreturned_bytes
            self._unreturned_bytes = 0
        stream = self.streams.get(stream_id)
        if stream is None or stream.is_remote_done:
            return
        stream.unreturned_bytes += count
        if stream.unreturned_bytes >= STREAM_WINDOW_BYTES // 2:
            self.outbox.put(frames.window_update(stream_id, stream.unreturned_bytes))
            stream.receive_left += stream.unreturned_bytes
            stream.unreturned_bytes = 0

    def ping(self, payload: bytes) -> None:
        """Ask for a `Ponged`."""
        self.outbox.put(frames.ping(payload, ack=False))

    def warn_away(self) -> None:
        """Say that no more streams are wanted; those on their way are still taken."""
        self.outbox.put(frames.go_away(frames.STREAM_ID_LIMIT, Code.NO_ERROR))

    def go_away(self, code: Code = Code.NO_ERROR) -> None:
        """Say that no more streams are taken."""
        self.is_drained = True
        last_id = 0 if self.is_client else self.last_id
        self.outbox.put(frames.go_away(last_id, code))

    def hold(self) -> None:
        """Put out no more of bodies: the carrier has enough."""
        self.outbox.is_held = True

    def release(self) -> list[Event]:
        """Undo `hold`."""
        self.outbox.is_held = False
        self._events = []
        self._flush()
        return self._events

    # What the peer says.

    def receive(self, chunk: bytes, now_s: float) -> list[Event]:
        """Take bytes; gives what they mean. ``now_s`` is monotonic."""
        events: list[Event] = []
        self._events = events
        if self.is_dead:
            return events
        self._now_s = now_s
        try:
            for kind, flags, stream_id, payload in self._inbox.frames(chunk):
                if not self.peer.is_known and (kind != Type.SETTINGS or flags & frames.ACK):
                    raise ConnectionFault(Code.PROTOCOL_ERROR, "SETTINGS does not come first")
                if kind >= FIRST_IGNORED:
                    self._spend_idle()
                    continue
                try:
                    self._handlers[kind](flags, stream_id, payload)
                except StreamFault as fault:
                    self._break(stream_id, fault)
            self._flush()
        except ConnectionFault as fault:
            self._fail(fault)
        return events

    @abstractmethod
    def _on_head(self, stream_id: int, block: Block[T], *, end: bool) -> None:
        """A head came: not trailers. Raises ConnectionFault, StreamFault."""

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        self._receive_left -= size
        if self._receive_left < 0:
            raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "more than the connection's window")
        chunk = frames.without_padding(payload, flags) if flags & frames.PADDED else payload
        end = bool(flags & frames.END_STREAM)
        if not chunk and not end:
            self._spend_idle()
        stream = self.streams.get(stream_id)
        if stream is None:
            self._require_cut(stream_id)
            self.consume(stream_id, size)
            return
        stream.receive_left -= size
        try:
            self._check_data(stream, len(chunk), end=end)
        except StreamFault:
            self.consume(stream_id, size)  # nobody else will
            raise
        if size:
            self._events.append(BodyPart(stream_id, chunk, size))
        if end:
            self._finish_remote(stream, [])

    def _check_data(self, stream: Stream, size: int, *, end: bool) -> None:
        if stream.receive_left < 0:
            raise StreamFault(Code.FLOW_CONTROL_ERROR, "more than the stream's window")
        if stream.is_remote_done:
            raise StreamFault(Code.STREAM_CLOSED, "DATA after END_STREAM")
        if self.is_client and not stream.has_answer:
            raise StreamFault(Code.PROTOCOL_ERROR, "DATA before a final answer")
        if stream.body_left >= 0:
            stream.body_left -= size
            if stream.body_left < 0 or (end and stream.body_left):
                raise StreamFault(Code.PROTOCOL_ERROR, "the body is not of content-length")

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        block = self._decoder.decode(payload)  # always: the tables of both ends must stay alike
        end = bool(flags & frames.END_STREAM)
        stream = self.streams.get(stream_id)
        if stream is None:
            if self.is_client or stream_id <= self.last_id or not stream_id & 1:
                self._require_cut(stream_id)
            else:
                self._on_head(stream_id, block, end=end)
        elif stream.is_remote_done:
            raise StreamFault(Code.STREAM_CLOSED, "HEADERS after END_STREAM")
        elif self.is_client and not stream.has_answer:
            self._on_head(stream_id, block, end=end)
        else:
            if not end or stream.body_left > 0 or self._is_too_large(block):
                raise StreamFault(Code.PROTOCOL_ERROR, "trailers without end, early or too large")
            self._finish_remote(stream, rules.read_trailers(block.fields))

    def _on_priority(self, _flags: int, stream_id: int, payload: bytes) -> None:
        self._spend_idle()
        if not stream_id:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "PRIORITY of no stream")
        if len(payload) != 5:
            raise StreamFault(Code.FRAME_SIZE_ERROR, "PRIORITY is not five bytes")

    def _on_reset(self, _flags: int, stream_id: int, payload: bytes) -> None:
        code = frames.read_number(payload, "RST_STREAM")
        self._require_opened(stream_id)
        stream = self.streams.get(stream_id)
        if stream is None:
            self._spend_idle()
            return
        self._spend_reset()
        self._drop(stream)
        self._events.append(Broken(stream_id, code))

    def _on_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "SETTINGS of a stream")
        if flags & frames.ACK:
            if payload:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR, "SETTINGS ACK with settings")
            self._spend_idle()
            return
        self._spend_idle(SETTINGS_COST)
        self.peer.told(payload, self.outbox, self.streams.values())
        self.outbox.put(frames.settings_ack())
        self._events.append(Agreed())

    def _on_push(self, _flags: int, _stream_id: int, _payload: bytes) -> None:
        raise ConnectionFault(Code.PROTOCOL_ERROR, "PUSH_PROMISE, which is off")

    def _on_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "PING of a stream")
        if len(payload) != 8:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "PING is not eight bytes")
        self._spend_idle()
        if flags & frames.ACK:
            self._events.append(Ponged(payload))
        else:
            self.outbox.put(frames.ping(payload, ack=True))

    def _on_go_away(self, _flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "GOAWAY of a stream")
        last_id, code = frames.read_go_away(payload)
        self._spend_idle()
        if self.is_client:
            for untouched in [each for each in self.streams.values() if each.id > last_id]:
                self._drop(untouched)
        self._events.append(GoingAway(last_id, code))

    def _on_window_update(self, _flags: int, stream_id: int, payload: bytes) -> None:
        self._guard.sent(self.outbox.frames_sent, self.outbox.bytes_sent)
        self._spend_idle()
        increment = frames.read_number(payload, "WINDOW_UPDATE") & frames.WINDOW_BYTES_LIMIT
        if not stream_id:
            if not increment:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "WINDOW_UPDATE by nothing")
            self.outbox.widen(None, increment)
            return
        self._require_opened(stream_id)
        stream = self.streams.get(stream_id)
        if stream is not None:
            if not increment:
                raise StreamFault(Code.PROTOCOL_ERROR, "WINDOW_UPDATE by nothing")
            self.outbox.widen(stream, increment)

    # What follows.

    def _new_stream(self, stream_id: int) -> Stream:
        stream = Stream(stream_id, self.outbox.stream_window_bytes, STREAM_WINDOW_BYTES)
        self.streams[stream_id] = stream
        return stream

    def _finish_remote(self, stream: Stream, trailers: Headers) -> None:
        stream.is_remote_done = True
        self._events.append(Ended(stream.id, trailers))
        self._retire_if_done(stream)

    def _retire_if_done(self, stream: Stream) -> None:
        if not stream.is_local_done:
            return
        if stream.is_remote_done:
            self._guard.served()
            self._drop(stream)
        elif not self.is_client and not stream.is_tunnel:
            # The answer is complete, so the rest of the request is of no use. RFC 9113, 8.1.
            self._cut_stream(stream.id, Code.NO_ERROR)

    def _drop(self, stream: Stream) -> None:
        self.outbox.forget(stream)
        self.streams.pop(stream.id, None)

    def _cut_stream(self, stream_id: int, code: int) -> None:
        stream = self.streams.get(stream_id)
        if stream is not None:
            self._drop(stream)
        self.outbox.put(frames.reset_stream(stream_id, code))
        if len(self._cut) >= RESETS_REMEMBERED_MAX:
            del self._cut[next(iter(self._cut))]
        self._cut[stream_id] = None

    def _break(self, stream_id: int, fault: StreamFault) -> None:
        """End one stream for what the peer did wrong on it."""
        self._spend_reset()
        self._cut_stream(stream_id, fault.code)
        self._events.append(Broken(stream_id, fault.code, str(fault)))

    def _fail(self, fault: ConnectionFault) -> None:
        self.go_away(fault.code)
        self.is_dead = True
        self._events.append(Failed(fault.code, str(fault)))

    def _flush(self) -> None:
        for stream in self.outbox.flush():
            if stream.is_full and stream.queued_bytes <= QUEUE_BYTES_LOW:
                stream.is_full = False
                self._events.append(Writable(stream.id))
            self._retire_if_done(stream)

    def _is_too_large(self, block: Block[T]) -> bool:
        return (
            block.list_bytes > self.limits.header_bytes_max
            or len(block.fields) > self.limits.header_count_max
        )

    def _require_opened(self, stream_id: int) -> None:
        if not stream_id or stream_id > self.last_id or not stream_id & 1:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a frame of a stream that was never opened")

    def _require_cut(self, stream_id: int) -> None:
        """A frame of a stream that is over is right only if the peer may not know that."""
        self._require_opened(stream_id)
        if stream_id not in self._cut:
            raise ConnectionFault(Code.STREAM_CLOSED, "a frame after the end of its stream")

    def _spend_idle(self, cost: int = 1) -> None:
        self._guard.idle(self._now_s, cost=cost, is_held=self.outbox.is_held)

    def _spend_reset(self) -> None:
        if not self.is_client:  # an instance resets only what we asked it for
            self._guard.reset(self._now_s)
