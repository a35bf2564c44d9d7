"""The receiving half of an HTTP/2 connection, up to whole frames.

Takes off the client's preface, parts the bytes into frames, and joins HEADERS with what continues
it. Source: RFC 9113 sections 3.4, 4 and 6.10. Limits: below; a frame is kept until it is whole.
"""

from collections.abc import Iterator
from typing import Final

from proxy.core import http2_frames as frames
from proxy.core.http2_frames import Code, ConnectionFault, Type

CONTINUATIONS_MAX: Final = 64  # frames of one block; a list at our limit needs less than ten
FIRST_IGNORED: Final = len(Type)  # types from here on mean nothing to us
_OF_BLOCKS: Final = frozenset((Type.HEADERS, Type.CONTINUATION))

Frame = tuple[int, int, int, bytes]
"""(type, flags, stream id, payload); HEADERS comes whole, with only END_STREAM still telling."""


class Inbox:
    """Bytes on their way in. ``block_bytes_max``: of a header block, still compressed."""

    __slots__ = ("_block", "_block_bytes_max", "_block_frames", "_needed", "_preface", "_rest")

    def __init__(self, block_bytes_max: int, *, is_client: bool) -> None:
        self._preface = b"" if is_client else frames.PREFACE
        self._block_bytes_max = block_bytes_max
        self._rest = bytearray()
        self._needed = frames.HEAD_BYTES
        self._block: tuple[int, int, bytearray] | None = None  # stream, flags, what came
        self._block_frames = 0

    def frames(self, chunk: bytes) -> Iterator[Frame]:
        """Give the frames that are whole now. Raises ConnectionFault."""
        if self._preface:
            chunk = self._without_preface(chunk)
        if self._rest:
            self._rest += chunk
            if len(self._rest) < self._needed:
                return  # without a copy: a frame may come in tiny parts
            chunk = bytes(self._rest)
            self._rest.clear()
        position, size = 0, len(chunk)
        while size - position >= frames.HEAD_BYTES:
            high, low, kind, flags, stream_id = frames.unpack_head(chunk, position)
            length = high << 16 | low
            if length > frames.FRAME_BYTES_MAX:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR, f"a frame of {length} bytes")
            start = position + frames.HEAD_BYTES
            end = start + length
            if end > size:
                break
            position = end
            payload = chunk[start:end]
            if kind in _OF_BLOCKS or self._block is not None:
                whole = self._headers(kind, flags, stream_id & 0x7FFFFFFF, payload)
                if whole is not None:
                    yield whole
            else:
                yield kind, flags, stream_id & 0x7FFFFFFF, payload
        self._rest += chunk[position:]
        self._needed = frames.HEAD_BYTES
        if size - position >= frames.HEAD_BYTES:
            self._needed = end - position

    def _without_preface(self, chunk: bytes) -> bytes:
        count = min(len(chunk), len(self._preface))
        if chunk[:count] != self._preface[:count]:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "no HTTP/2 preface")
        self._preface = self._preface[count:]
        return chunk[count:]

    def _headers(self, kind: int, flags: int, stream_id: int, payload: bytes) -> Frame | None:
        """Begin or continue a block; gives it when it is whole."""
        if self._block is None:
            if kind != Type.HEADERS:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "CONTINUATION of nothing")
            payload = frames.without_padding(payload, flags)
            if flags & frames.PRIORITY:
                if len(payload) < 5:
                    raise ConnectionFault(Code.FRAME_SIZE_ERROR, "HEADERS without its priority")
                payload = payload[5:]
            if flags & frames.END_HEADERS:
                return Type.HEADERS, flags, stream_id, payload
            self._block = (stream_id, flags, bytearray(payload))
            self._block_frames = 0
            return None
        first_id, first_flags, block = self._block
        if kind != Type.CONTINUATION or stream_id != first_id:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a header block was interrupted")
        self._block_frames += 1
        block += payload
        if self._block_frames > CONTINUATIONS_MAX or len(block) > self._block_bytes_max:
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "a header block without end")
        if not flags & frames.END_HEADERS:
            return None
        self._block = None
        return Type.HEADERS, first_flags, stream_id, bytes(block)
