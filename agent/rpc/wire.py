"""The frames between agents: four bytes of length, big-endian, then one msgpack array.

A connection begins with a Hello from each end. Requests carry an id that the caller chose; the
answers to it carry the same id, in any order. A body above PART_BYTES travels in Part frames, the
last piece in the frame that names it, so that a large answer does not hold up small ones.

Nothing here does I/O. Limits: FRAME_BYTES_MAX for a frame, BODY_BYTES_MAX for all bodies of a
connection that are not complete yet.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

PROTOCOL_VERSION: Final = 1
FRAME_BYTES_MAX: Final = 16 * 1024 * 1024  # far above any part; bounds a damaged length
PART_BYTES: Final = 1024 * 1024  # small enough that others' frames get in between
BODY_BYTES_MAX: Final = 1024 * 1024 * 1024  # the largest snapshot that the API takes
CONNECTION_ID: Final = 0  # an Error with this id is about the whole connection

_LENGTH_BYTES: Final = 4


class BadFrame(ValueError):
    """The bytes are no frame; the connection cannot go on. The text says why."""


class Role(StrEnum):
    """What an agent is to others."""

    SERVER = "server"
    CLIENT = "client"


class _Frame(msgspec.Struct, frozen=True, array_like=True):
    """Subclasses carry their tag, which is never used again for another frame."""


class Hello(_Frame, frozen=True, tag=0):
    """The first frame of each end: who it is. Ends of different versions do not talk."""

    node: str
    node_id: str
    datacenter: str
    role: Role
    version: int = PROTOCOL_VERSION


class Request(_Frame, frozen=True, tag=1):
    """Call an endpoint by its wire name. ``id`` is positive and not in use."""

    id: int
    name: str
    body: bytes


class Reply(_Frame, frozen=True, tag=2):
    """The answer to a request."""

    id: int
    body: bytes


class Error(_Frame, frozen=True, tag=3):
    """The refusal of a request: an exception's class, its text, its fields as msgpack."""

    id: int
    kind: str
    text: str
    fields: bytes = b""


class Cancel(_Frame, frozen=True, tag=4):
    """Nobody waits for the answer any more."""

    id: int


class Part(_Frame, frozen=True, tag=5):
    """A piece of a body; the frame with the same id that follows has the last piece."""

    id: int
    piece: bytes


class Ping(_Frame, frozen=True, tag=6):
    """Asks for a Pong: is the other end alive?"""


class Pong(_Frame, frozen=True, tag=7):
    """Answers a Ping."""


Frame: TypeAlias = Hello | Request | Reply | Error | Cancel | Part | Ping | Pong

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final[msgspec.msgpack.Decoder[Frame]] = msgspec.msgpack.Decoder(Frame)


def encode(frame: Frame) -> bytes:
    """The frame's bytes with their length."""
    buffer = bytearray(_LENGTH_BYTES)
    _encoder.encode_into(frame, buffer, _LENGTH_BYTES)
    frame_bytes = len(buffer) - _LENGTH_BYTES
    assert frame_bytes <= FRAME_BYTES_MAX, "bodies are split before they are sent"
    buffer[:_LENGTH_BYTES] = frame_bytes.to_bytes(_LENGTH_BYTES, "big")
    return bytes(buffer)


def pieces(body: bytes) -> Iterator[bytes]:
    """A body in pieces of at most PART_BYTES; one piece, maybe empty, for a small body."""
    yield body[:PART_BYTES]
    for start in range(PART_BYTES, len(body), PART_BYTES):
        yield body[start : start + PART_BYTES]


class FrameReader:
    """Frames from bytes that come in any portions."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, received: bytes) -> list[Frame]:
        """The frames that are complete now. Raises BadFrame."""
        buffer = self._buffer
        buffer += received
        frames: list[Frame] = []
        start = 0
        with memoryview(buffer) as view:
            while len(buffer) - start >= _LENGTH_BYTES:
                body = start + _LENGTH_BYTES
                frame_bytes = int.from_bytes(view[start:body], "big")
                if frame_bytes > FRAME_BYTES_MAX:
                    raise BadFrame(f"frame of {frame_bytes} bytes exceeds {FRAME_BYTES_MAX}")
                if len(buffer) - body < frame_bytes:
                    break
                frames.append(_decode(view[body : body + frame_bytes]))
                start = body + frame_bytes
        del buffer[:start]
        return frames


def _decode(encoded: memoryview) -> Frame:
    try:
        with encoded:
            return _decoder.decode(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadFrame(f"not a frame: {error}") from None


class Bodies:
    """Bodies that arrive in parts, by request id; bounded together by BODY_BYTES_MAX."""

    def __init__(self) -> None:
        self._begun: dict[int, bytearray] = {}
        self._held_bytes = 0

    def add(self, part: Part) -> None:
        """Keep a piece. Raises BadFrame when too much is kept."""
        self._held_bytes += len(part.piece)
        if self._held_bytes > BODY_BYTES_MAX:
            raise BadFrame(f"unfinished bodies exceed {BODY_BYTES_MAX} bytes")
        self._begun.setdefault(part.id, bytearray()).extend(part.piece)

    def finish(self, request_id: int, last_piece: bytes) -> bytes:
        """The whole body."""
        begun = self._begun.pop(request_id, None)
        if begun is None:
            return last_piece
        self._held_bytes -= len(begun)
        return bytes(begun + last_piece)

    def forget(self, request_id: int) -> None:
        """Drop what came of a body that nobody wants any more."""
        begun = self._begun.pop(request_id, None)
        if begun is not None:
            self._held_bytes -= len(begun)
