"""Messages of the feed as bytes, and back, whatever pieces the bytes come in.

A frame is its length (4 bytes, big endian) and one message as msgpack. Pure.
Limits: ``FRAME_BYTES_MAX`` of proxy/messages.py; what was begun is kept until it is complete.
Failure: FrameError, after which the stream cannot be read on.
"""

from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from proxy.messages import FRAME_BYTES_MAX, LENGTH_BYTES, ToAgent, ToWorker

Message = TypeVar("Message")


class FrameError(Exception):
    """The stream holds no frame here; the text says what is wrong."""


_encoder = msgspec.msgpack.Encoder()


def frame(message: ToAgent | ToWorker) -> bytes:
    """Give the bytes of one message. Raises FrameError if it is too long."""
    body = _encoder.encode(message)
    if len(body) > FRAME_BYTES_MAX:
        raise FrameError(f"a message of {len(body)} bytes is over {FRAME_BYTES_MAX}")
    return len(body).to_bytes(LENGTH_BYTES) + body


class FrameReader(Generic[Message]):
    """Takes bytes as they come and gives the messages that are complete."""

    def __init__(self, decoder: "msgspec.msgpack.Decoder[Message]") -> None:
        self._decoder = decoder
        self._kept = bytearray()

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """Give each message that ``chunk`` completes. Raises FrameError."""
        kept = self._kept
        kept += chunk
        while len(kept) >= LENGTH_BYTES:
            length = int.from_bytes(kept[:LENGTH_BYTES])
            if length > FRAME_BYTES_MAX:
                raise FrameError(f"a frame of {length} bytes is over {FRAME_BYTES_MAX}")
            end = LENGTH_BYTES + length
            if len(kept) < end:
                return
            body = bytes(kept[LENGTH_BYTES:end])
            del kept[:end]
            yield self._decoded(body)

    def _decoded(self, body: bytes) -> Message:
        try:
            return self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise FrameError(f"a frame is no message: {error}") from None


def reader_of_agent() -> FrameReader[ToWorker]:
    """Read what an agent says."""
    return FrameReader(msgspec.msgpack.Decoder(ToWorker))


def reader_of_worker() -> FrameReader[ToAgent]:
    """Read what a worker says."""
    return FrameReader(msgspec.msgpack.Decoder(ToAgent))
