"""One HTTP/2 connection, either end: bytes to events, calls to bytes. No I/O, no clock.

    events = end.receive(chunk, now_s)               # then end.take() goes to the peer
    end.answer(...), end.data(...), end.end(...)     # likewise

A rule of one stream that the peer breaks costs that stream (RST_STREAM and `Broken`), a rule of the
connection all of it (GOAWAY and `Failed`, the last event); events before it stand.

The `h2` library is the peer in the tests, and not what this is made of: it ends the whole
connection for what the standard calls an error of a stream, takes nothing more once GOAWAY went
either way, so that nobody can be drained, and costs a request more than twice the time.

Source: RFC 9113, RFC 8441 (extended CONNECT). Not done: push (forbidden to peers) and priorities
(ignored, as RFC 9113 allows).
"""

from copy import copy
from typing import ClassVar

from typing_extensions import override

from proxy.core import http2_fields as rules
from proxy.core.http2_end import End, Limits
from proxy.core.http2_events import Answered, Requested, Unreadable
from proxy.core.http2_frames import STREAM_ID_LIMIT, Code, StreamFault
from proxy.core.http2_hpack import Block
from proxy.http import Headers, RequestHead, ResponseHead

__all__ = ["ClientEnd", "Limits", "ServerEnd"]

BODILESS_STATUS = frozenset((204, 304))


class ServerEnd(End[tuple[RequestHead, int]]):
    """The end that answers."""

    is_client: ClassVar[bool] = False

    def answer(self, stream_id: int, fields: Headers, *, end: bool) -> None:
        """Send a head, final or 1xx; nothing for a stream that is gone."""
        stream = self.streams.get(stream_id)
        if stream is not None and stream.trailers is None and not stream.is_local_done:
            if fields[0][1] >= b"200":
                stream.is_tunnel = False
            self.outbox.headers(stream, fields, end=end)
            self._retire_if_done(stream)

    def accept(self, stream_id: int, fields: Headers) -> None:
        """Accept an upgrade: both sides are half-closed on their own from now on."""
        stream = self.streams.get(stream_id)
        if stream is not None:
            self.outbox.headers(stream, fields, end=False)

    @override
    def _on_head(self, stream_id: int, block: Block[tuple[RequestHead, int]], *, end: bool) -> None:
        self.last_id = stream_id
        if self.is_drained or len(self.streams) >= self.limits.streams_max:
            self._spend_reset()
            self._cut_stream(stream_id, Code.REFUSED_STREAM)
            return
        if self._is_too_large(block):
            self._new_stream(stream_id).is_remote_done = end
            self._events.append(Unreadable(stream_id, 431, "the headers are too many or too large"))
            return
        meaning = block.meaning
        if meaning is None:
            head = rules.read_request(block.fields)
            block.meaning = meaning = (head, rules.content_length(head.headers))
        # Whoever gets the head may change it.
        head = copy(meaning[0])
        if refusal := rules.refusal(head):
            self._new_stream(stream_id).is_remote_done = end
            self._events.append(Unreadable(stream_id, *refusal))
            return
        head.headers = head.headers.copy()
        head.has_body = not end
        if end and meaning[1] > 0:
            raise StreamFault(Code.PROTOCOL_ERROR, "the body is not of content-length")
        stream = self._new_stream(stream_id)
        stream.is_remote_done = end
        stream.body_left = meaning[1]
        stream.is_tunnel = bool(head.upgrade)
        self._events.append(Requested(stream_id, head, end))


class ClientEnd(End[tuple[ResponseHead, int]]):
    """The end that asks."""

    is_client: ClassVar[bool] = True

    @property
    def ids_left(self) -> int:
        """How many streams can still be opened, ever."""
        return (STREAM_ID_LIMIT - self.last_id) // 2

    def open(self, head: RequestHead, *, end: bool) -> tuple[int, int]:
        """Send a request's head; gives the stream's id and the bytes sent."""
        stream_id = self.last_id + 2 if self.last_id else 1
        assert stream_id <= STREAM_ID_LIMIT, "ids_left was not asked"
        self.last_id = stream_id
        stream = self._new_stream(stream_id)
        stream.is_bodiless = head.method == b"HEAD"
        stream.is_tunnel = bool(head.upgrade)
        return stream_id, self.outbox.headers(stream, rules.request_fields(head), end=end)

    @override
    def _on_head(
        self, stream_id: int, block: Block[tuple[ResponseHead, int]], *, end: bool
    ) -> None:
        if self._is_too_large(block):
            raise StreamFault(Code.INTERNAL_ERROR, "the headers are too many or too large")
        meaning = block.meaning
        if meaning is None:
            head = rules.read_response(block.fields)
            block.meaning = meaning = (head, rules.content_length(head.headers))
        head = copy(meaning[0])
        head.headers = head.headers.copy()
        if head.status < 200:
            if end:
                raise StreamFault(Code.PROTOCOL_ERROR, "a 1xx answer at the end of a stream")
            self._events.append(Answered(stream_id, head, end=False))
            return
        stream = self.streams[stream_id]
        stream.has_answer = True
        if stream.is_bodiless or head.status in BODILESS_STATUS:
            stream.body_left = 0
        elif not (stream.is_tunnel and head.status < 300):
            stream.is_tunnel = False
            stream.body_left = meaning[1]
            if end and stream.body_left > 0:
                raise StreamFault(Code.PROTOCOL_ERROR, "the body is not of content-length")
        self._events.append(Answered(stream_id, head, end))
        if end:
            stream.is_remote_done = True
            self._retire_if_done(stream)
