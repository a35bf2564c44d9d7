"""HTTP/2 frames: their layout, taken apart and put together.

A frame is a length (3 bytes), a type, flags, a stream id (31 bits) and the payload. What the frames
mean is told by `proxy.core.http2`. Source: RFC 9113 sections 4, 6 and 7; RFC 8441 section 3.
"""

import struct as binary
from enum import IntEnum
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES: Final = 9
FRAME_BYTES_MAX: Final = 65_536
"""Of one that we take, and send where the peer takes it too: four times the least, so that bulk
costs a quarter of the steps, and still no stream keeps the others waiting for long."""
FRAME_BYTES_LEAST: Final = 16_384  # what everybody takes, before and without any setting
WINDOW_BYTES_LIMIT: Final = 2**31 - 1
WINDOW_BYTES_INITIAL: Final = 65_535
STREAM_ID_LIMIT: Final = 2**31 - 1

# Flags.
END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITY: Final = 0x20

_HEAD: Final = binary.Struct(">BHBBI")
unpack_head: Final = _HEAD.unpack_from
"""(length's high byte, its low two, type, flags, stream id with a reserved bit) at an offset."""


class Type(IntEnum):
    """What kind of frame; others are ignored."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Code(IntEnum):
    """Why a stream or a connection ended."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class Setting(IntEnum):
    """What a peer says of itself; others are ignored."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6
    ENABLE_CONNECT_PROTOCOL = 8


class ConnectionFault(Exception):
    """The peer broke a rule that no stream outlives; ``code`` is told to it."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class StreamFault(Exception):
    """The peer broke a rule of one stream; the others go on."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def head(kind: int, flags: int, stream_id: int, payload_bytes: int) -> bytes:
    """Give the nine bytes before a payload."""
    return _HEAD.pack(payload_bytes >> 16, payload_bytes & 0xFFFF, kind, flags, stream_id)


def settings(values: dict[Setting, int]) -> bytes:
    """Give a SETTINGS frame."""
    payload = b"".join(binary.pack(">HI", name, value) for name, value in values.items())
    return head(Type.SETTINGS, 0, 0, len(payload)) + payload


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """Give (name, value) in their order. Raises ConnectionFault."""
    if len(payload) % 6:
        raise ConnectionFault(Code.FRAME_SIZE_ERROR, "SETTINGS is no multiple of six bytes")
    return list(binary.iter_unpack(">HI", payload))


def settings_ack() -> bytes:
    """Say that the peer's settings are followed."""
    return head(Type.SETTINGS, ACK, 0, 0)


def ping(payload: bytes, *, ack: bool) -> bytes:
    """Give a PING frame; ``payload`` is eight bytes."""
    return head(Type.PING, ACK if ack else 0, 0, len(payload)) + payload


def go_away(last_id: int, code: int, detail: bytes = b"") -> bytes:
    """Give a GOAWAY frame: streams above ``last_id`` are not touched."""
    return head(Type.GOAWAY, 0, 0, 8 + len(detail)) + binary.pack(">II", last_id, code) + detail


def read_go_away(payload: bytes) -> tuple[int, int]:
    """Give (last id, code). Raises ConnectionFault."""
    if len(payload) < 8:
        raise ConnectionFault(Code.FRAME_SIZE_ERROR, "GOAWAY is shorter than eight bytes")
    last_id, code = binary.unpack_from(">II", payload)
    return last_id & STREAM_ID_LIMIT, code


def reset_stream(stream_id: int, code: int) -> bytes:
    """Give a RST_STREAM frame."""
    return head(Type.RST_STREAM, 0, stream_id, 4) + code.to_bytes(4, "big")


def window_update(stream_id: int, increment: int) -> bytes:
    """Give a WINDOW_UPDATE frame; stream 0 is the connection."""
    return head(Type.WINDOW_UPDATE, 0, stream_id, 4) + increment.to_bytes(4, "big")


def read_number(payload: bytes, what: str) -> int:
    """Give the payload of RST_STREAM and WINDOW_UPDATE. Raises ConnectionFault."""
    if len(payload) != 4:
        raise ConnectionFault(Code.FRAME_SIZE_ERROR, f"{what} is not four bytes")
    return int.from_bytes(payload, "big")


def headers(stream_id: int, block: bytes, frame_bytes_max: int, *, end: bool) -> bytes:
    """Give HEADERS, and CONTINUATION for what does not fit."""
    flags = END_STREAM if end else 0
    if len(block) <= frame_bytes_max:
        return head(Type.HEADERS, flags | END_HEADERS, stream_id, len(block)) + block
    parts = [head(Type.HEADERS, flags, stream_id, frame_bytes_max), block[:frame_bytes_max]]
    for start in range(frame_bytes_max, len(block), frame_bytes_max):
        part = block[start : start + frame_bytes_max]
        is_last = start + frame_bytes_max >= len(block)
        parts += [
            head(Type.CONTINUATION, END_HEADERS if is_last else 0, stream_id, len(part)),
            part,
        ]
    return b"".join(parts)


def without_padding(payload: bytes, flags: int) -> bytes:
    """Take off what PADDED added. Raises ConnectionFault."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(Code.PROTOCOL_ERROR, "the padding is longer than the frame")
    return payload[1 : len(payload) - payload[0]]
