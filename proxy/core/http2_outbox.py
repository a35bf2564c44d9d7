"""The sending half of an HTTP/2 connection: what may go out now, and what waits for a window.

Headers go out at once, bodies as the windows of the stream and of the connection let them, in turn,
a frame each. What waits is kept by stream; who writes is told to stop at `QUEUE_BYTES_MAX`, so that
a peer that takes nothing holds no more than that and one chunk of a stream. Source: RFC 9113 5.2.
"""

from collections import deque
from typing import Final

from proxy.core import http2_frames as frames
from proxy.core.http2_frames import Code, ConnectionFault, StreamFault, Type
from proxy.core.http2_hpack import Encoder
from proxy.http import Headers

QUEUE_BYTES_MAX: Final = 65_536
"""Of a stream's body that waits for a window before its writer is told to pause: one more read of
the other side's socket, times the streams of a connection, still fits a small machine."""
QUEUE_BYTES_LOW: Final = 16_384  # where the writer may go on: time for a read before it runs dry


class Stream:
    """One request and its answer, as both halves of a connection see it.

    ``send_left``, ``receive_left``: the windows, in bytes. ``unreturned_bytes`` were consumed and
    not yet given back. ``body_left``: what the peer's content-length leaves to come, -1 unknown.
    """

    __slots__ = (
        "body_left",
        "has_answer",
        "id",
        "is_bodiless",
        "is_full",
        "is_local_done",
        "is_remote_done",
        "is_tunnel",
        "queue",
        "queued_bytes",
        "receive_left",
        "send_left",
        "trailers",
        "unreturned_bytes",
    )

    def __init__(self, stream_id: int, send_left: int, receive_left: int) -> None:
        self.id = stream_id
        self.send_left = send_left
        self.receive_left = receive_left
        self.unreturned_bytes = 0
        self.body_left = -1
        self.has_answer = False
        self.is_bodiless = False  # HEAD: its answer has a length but no body
        self.is_tunnel = False
        self.is_local_done = False
        self.is_remote_done = False
        self.queue: deque[bytes | memoryview] | None = None
        self.queued_bytes = 0
        self.trailers: Headers | None = None  # the end was asked for, after what is queued
        self.is_full = False


class Outbox:
    """Frames on their way out."""

    __slots__ = (
        "_last",
        "_out",
        "_waiting",
        "bytes_sent",
        "encoder",
        "frame_bytes_max",
        "frames_sent",
        "is_held",
        "put_bytes",
        "send_left",
        "stream_window_bytes",
    )

    def __init__(self) -> None:
        self.encoder = Encoder()
        self.send_left = frames.WINDOW_BYTES_INITIAL
        self.stream_window_bytes = frames.WINDOW_BYTES_INITIAL  # the peer's setting
        self.frame_bytes_max = frames.FRAME_BYTES_LEAST
        self.frames_sent = 0  # DATA frames, ever
        self.bytes_sent = 0  # in them
        self.is_held = False
        self.put_bytes = 0  # of bodies, not taken yet
        self._out: list[bytes | memoryview] = []
        self._last: Stream | None = None  # whose DATA is the last of what is on its way
        self._waiting: dict[int, Stream] = {}

    def take(self) -> bytes:
        """Give what is to be sent now; empty for nothing."""
        if not self._out:
            return b""
        taken = b"".join(self._out)
        self._out.clear()
        self._last = None
        self.put_bytes = 0
        return taken

    def put(self, frame: bytes) -> None:
        """Send a frame that no window holds back."""
        self._out.append(frame)
        self._last = None

    def headers(self, stream: Stream, fields: Headers, *, end: bool) -> int:
        """Send a head or trailers; gives the bytes it took."""
        block = self.encoder.encode(fields)
        frame = frames.headers(stream.id, block, self.frame_bytes_max, end=end)
        self._out.append(frame)
        self._last = None
        stream.is_local_done = end
        return len(frame)

    def data(self, stream: Stream, chunk: bytes) -> bool:
        """Send a part of a body, or keep it; false: write no more until told. Never empty."""
        size = len(chunk)
        if not stream.queue and not self.is_held:
            if size <= stream.send_left and size <= self.send_left and size <= self.frame_bytes_max:
                self._frame(stream, chunk, end=False)
                return True
            self._keep(stream, chunk)
            self._advance(stream, whole=True)
            self._settle(stream)
        else:
            self._keep(stream, chunk)
        if stream.queued_bytes >= QUEUE_BYTES_MAX:
            stream.is_full = True
        return not stream.is_full

    def finish(self, stream: Stream, trailers: Headers) -> None:
        """End our side, after what is queued."""
        if stream.queue:
            stream.trailers = trailers
        elif self._last is stream and self._out and not trailers:
            # Its last part was not sent yet: that can be the end as well.
            size = len(self._out[-1])
            self._out[-2] = frames.head(Type.DATA, frames.END_STREAM, stream.id, size)
            stream.is_local_done = True
        else:
            self._end(stream, trailers)

    def forget(self, stream: Stream) -> None:
        """Drop what waits of a stream that is over."""
        self._waiting.pop(stream.id, None)
        stream.queue = None
        stream.queued_bytes = 0
        stream.trailers = None

    def flush(self) -> list[Stream]:
        """Send of what waits, a frame of each stream in turn; gives those that got further."""
        moved: dict[int, Stream] = {}
        while self._waiting and self.send_left > 0 and not self.is_held:
            has_moved = False
            for stream in list(self._waiting.values()):
                if self._advance(stream, whole=False):
                    moved[stream.id] = stream
                    has_moved = True
                self._settle(stream)
            if not has_moved:
                break
        return list(moved.values())

    def widen(self, stream: Stream | None, increment: int) -> None:
        """The peer opened a window: of a stream, or of the connection (None)."""
        if stream is None:
            self.send_left += increment
            if self.send_left > frames.WINDOW_BYTES_LIMIT:
                raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "the window is too wide")
            return
        stream.send_left += increment
        if stream.send_left > frames.WINDOW_BYTES_LIMIT:
            raise StreamFault(Code.FLOW_CONTROL_ERROR, "the window is too wide")

    def _keep(self, stream: Stream, chunk: bytes) -> None:
        if stream.queue is None:
            stream.queue = deque()
        stream.queue.append(chunk)
        stream.queued_bytes += len(chunk)
        self._waiting[stream.id] = stream

    def _advance(self, stream: Stream, *, whole: bool) -> bool:
        """Send a frame of what waits, or as many as go; says whether any went."""
        has_moved = False
        while stream.queue:
            room = min(stream.send_left, self.send_left, self.frame_bytes_max)
            if room <= 0:
                break
            chunk = stream.queue.popleft()
            if len(chunk) > room:
                view = memoryview(chunk)
                stream.queue.appendleft(view[room:])
                chunk = view[:room]
            stream.queued_bytes -= len(chunk)
            is_end = not stream.queue and stream.trailers is not None and not stream.trailers
            self._frame(stream, chunk, end=is_end)
            has_moved = True
            if not whole:
                break
        return has_moved

    def _settle(self, stream: Stream) -> None:
        """Take a stream that has nothing more to wait for off the list, and end it if asked to."""
        if not stream.queue:
            self._waiting.pop(stream.id, None)
            if stream.trailers is not None and not stream.is_local_done:
                self._end(stream, stream.trailers)

    def _frame(self, stream: Stream, chunk: bytes | memoryview, *, end: bool) -> None:
        size = len(chunk)
        self._out.append(frames.head(Type.DATA, frames.END_STREAM if end else 0, stream.id, size))
        self._out.append(chunk)
        stream.send_left -= size
        self.send_left -= size
        stream.is_local_done = end
        self.frames_sent += 1
        self.bytes_sent += size
        self.put_bytes += size
        self._last = stream

    def _end(self, stream: Stream, trailers: Headers) -> None:
        if trailers:
            self.headers(stream, trailers, end=True)
        else:
            self.put(frames.head(Type.DATA, frames.END_STREAM, stream.id, 0))
            stream.is_local_done = True
