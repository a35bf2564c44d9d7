"""Says things to an HTTP/2 connection, right and wrong, byte for byte.

Header blocks are made without the code under test: by the `hpack` library, or by hand.
"""

import struct

from hpack import Encoder

from proxy.core.http2 import Limits, ServerEnd
from proxy.core.http2_events import Event

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 5, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 1, 1, 4, 8, 0x20

GET = [
    (b":method", b"GET"),
    (b":scheme", b"http"),
    (b":authority", b"web"),
    (b":path", b"/"),
]
POST = [(b":method", b"POST"), *GET[1:]]


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    size = len(payload)
    return struct.pack(">BHBBI", size >> 16, size & 0xFFFF, kind, flags, stream_id) + payload


def block(*fields: tuple[bytes, bytes]) -> bytes:
    """A header block that leaves no trace in the table, so that blocks can come in any order."""
    return Encoder().encode([(name, value, True) for name, value in fields])


def request(stream_id: int, *fields: tuple[bytes, bytes], end: bool = True) -> bytes:
    flags = END_HEADERS | (END_STREAM if end else 0)
    return frame(HEADERS, flags, stream_id, block(*(fields or GET)))


def number(value: int) -> bytes:
    return struct.pack(">I", value)


def settings(**values: int) -> bytes:
    names = {"table": 1, "push": 2, "streams": 3, "window": 4, "frame": 5, "list": 6, "connect": 8}
    pairs = [struct.pack(">HI", names[name], value) for name, value in values.items()]
    return frame(SETTINGS, 0, 0, b"".join(pairs))


def parted(spoken: bytes) -> list[tuple[int, int, int, bytes]]:
    """(type, flags, stream id, payload) of whole frames."""
    found = []
    while spoken:
        high, low, kind, flags, stream_id = struct.unpack_from(">BHBBI", spoken)
        size = high << 16 | low
        found.append((kind, flags, stream_id, spoken[9 : 9 + size]))
        assert len(found[-1][3]) == size, "a frame is cut short"
        spoken = spoken[9 + size :]
    return found


def greeted(limits: Limits | None = None, **values: int) -> ServerEnd:
    """A server's end after both sides said hello."""
    end = ServerEnd(limits or Limits())
    end.begin()
    end.receive(PREFACE + settings(**values), 0.0)
    end.take()
    return end


def heard(end: ServerEnd, spoken: bytes, now_s: float = 0.0) -> list[Event]:
    return end.receive(spoken, now_s)
