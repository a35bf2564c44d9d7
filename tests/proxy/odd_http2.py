"""What an odd or hostile client may say after the greeting, and what must become of it.

Sources: RFC 9113 (sections in the names' order), RFC 8441, and the attacks that have names:
CVE-2019-9511 to 9518 (floods), CVE-2023-44487 (rapid reset), CVE-2024-27316 (CONTINUATION),
CVE-2016-6581 (header bomb), CVE-2025-8671 (resets that we are made to send).
"""

import msgspec

from tests.proxy.http2_speech import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    POST,
    PRIORITIZED,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    block,
    frame,
    number,
    request,
    settings,
)

NO_ERROR, PROTOCOL, INTERNAL, FLOW, _, CLOSED, SIZE, REFUSED, CANCEL, COMPRESSION = range(10)
CALM = 11


class Odd(msgspec.Struct, frozen=True):
    """``stream``: the code of RST_STREAM for stream 1; ``connection``: the code of GOAWAY;
    ``status``: the answer. None of them: it is taken or passed over.
    """

    name: str
    spoken: bytes
    stream: int | None = None
    connection: int | None = None
    status: int | None = None


def _with(*fields: tuple[bytes, bytes]) -> bytes:
    return request(1, *GET, *fields)


def _post(*frames: bytes, length: bytes = b"") -> bytes:
    fields = [*POST, (b"content-length", length)] if length else POST
    return request(1, *fields, end=False) + b"".join(frames)


def _without(name: bytes) -> bytes:
    return request(1, *(field for field in GET if field[0] != name))


def _instead(name: bytes, value: bytes) -> bytes:
    return request(1, *((n, value if n == name else v) for n, v in GET))


FRAMES = [
    Odd(
        "a frame over our limit",
        frame(DATA, 0, 1)[:0] + b"\x01\x00\x01\x00\x00\0\0\0\x01",
        None,
        SIZE,
    ),
    Odd("an unknown frame type", frame(0xFA, 0xFF, 7, b"what") + frame(0x0A, 0, 0)),
    Odd("unknown flags", frame(PING, 0xFE, 0, bytes(8))),
    Odd("the reserved bit", frame(PING, 0, 1 << 31, bytes(8))),
    Odd("DATA on stream 0", frame(DATA, 0, 0, b"x"), None, PROTOCOL),
    Odd("HEADERS on stream 0", frame(HEADERS, END_HEADERS, 0, block(*GET)), None, PROTOCOL),
    Odd("HEADERS on an even stream", request(2), None, PROTOCOL),
    Odd("an older stream id", request(5) + request(3), None, CLOSED),
    Odd("DATA on an idle stream", frame(DATA, 0, 1, b"x"), None, PROTOCOL),
    Odd("RST_STREAM of an idle stream", frame(RST_STREAM, 0, 1, number(8)), None, PROTOCOL),
    Odd("RST_STREAM of stream 0", frame(RST_STREAM, 0, 0, number(8)), None, PROTOCOL),
    Odd("RST_STREAM of three bytes", request(1) + frame(RST_STREAM, 0, 1, b"abc"), None, SIZE),
    Odd("WINDOW_UPDATE of an idle stream", frame(WINDOW_UPDATE, 0, 1, number(1)), None, PROTOCOL),
    Odd("WINDOW_UPDATE of five bytes", frame(WINDOW_UPDATE, 0, 0, bytes(5)), None, SIZE),
    Odd("WINDOW_UPDATE by 0", frame(WINDOW_UPDATE, 0, 0, number(0)), None, PROTOCOL),
    Odd(
        "a stream's WINDOW_UPDATE by 0",
        request(1) + frame(WINDOW_UPDATE, 0, 1, number(0)),
        PROTOCOL,
    ),
    Odd("a window over 2^31-1", frame(WINDOW_UPDATE, 0, 0, number(2**31 - 1)), None, FLOW),
    Odd(
        "a stream's window over 2^31-1",
        request(1) + frame(WINDOW_UPDATE, 0, 1, number(2**31 - 1)),
        FLOW,
    ),
    Odd("SETTINGS of a stream", frame(SETTINGS, 0, 1), None, PROTOCOL),
    Odd("SETTINGS of five bytes", frame(SETTINGS, 0, 0, bytes(5)), None, SIZE),
    Odd("SETTINGS ACK with some", frame(SETTINGS, ACK, 0, bytes(6)), None, SIZE),
    Odd("an unknown setting", frame(SETTINGS, 0, 0, b"\xff\xff" + number(1))),
    Odd("ENABLE_PUSH of 2", settings(push=2), None, PROTOCOL),
    Odd("INITIAL_WINDOW_SIZE over 2^31-1", settings(window=2**31), None, FLOW),
    Odd("MAX_FRAME_SIZE too small", settings(frame=16383), None, PROTOCOL),
    Odd("MAX_FRAME_SIZE too large", settings(frame=2**24), None, PROTOCOL),
    Odd("PING of a stream", frame(PING, 0, 1, bytes(8)), None, PROTOCOL),
    Odd("PING of six bytes", frame(PING, 0, 0, bytes(6)), None, SIZE),
    Odd("an unasked PING ACK", frame(PING, ACK, 0, bytes(8))),
    Odd("GOAWAY of a stream", frame(GOAWAY, 0, 1, bytes(8)), None, PROTOCOL),
    Odd("GOAWAY of four bytes", frame(GOAWAY, 0, 0, bytes(4)), None, SIZE),
    Odd(
        "PUSH_PROMISE from a client", frame(PUSH_PROMISE, END_HEADERS, 1, number(2)), None, PROTOCOL
    ),
    Odd("PRIORITY of stream 0", frame(PRIORITY, 0, 0, bytes(5)), None, PROTOCOL),
    Odd("PRIORITY of an idle stream", frame(PRIORITY, 0, 9, bytes(5))),
    Odd("PRIORITY of four bytes", request(1) + frame(PRIORITY, 0, 1, bytes(4)), SIZE),
    Odd("more padding than frame", _post(frame(DATA, PADDED, 1, b"\x05abc")), None, PROTOCOL),
    Odd(
        "HEADERS shorter than its priority",
        frame(HEADERS, END_HEADERS | PRIORITIZED, 1, b"abc"),
        None,
        SIZE,
    ),
    Odd("CONTINUATION of nothing", frame(CONTINUATION, END_HEADERS, 1, b""), None, PROTOCOL),
    Odd(
        "PING within a header block",
        frame(HEADERS, 0, 1, block(*GET)) + frame(PING, 0, 0, bytes(8)),
        None,
        PROTOCOL,
    ),
    Odd(
        "CONTINUATION of another stream",
        frame(HEADERS, 0, 1, block(*GET)) + frame(CONTINUATION, END_HEADERS, 3, b""),
        None,
        PROTOCOL,
    ),
    Odd("DATA after END_STREAM", request(1) + frame(DATA, 0, 1, b"x"), CLOSED),
    Odd("HEADERS after END_STREAM", request(1) + request(1), CLOSED),
    Odd("trailers without END_STREAM", _post(request(1, (b"a", b"b"), end=False)), PROTOCOL),
]

BLOCKS = [
    Odd("a table index of 0", frame(HEADERS, 5, 1, b"\x80"), None, COMPRESSION),
    Odd("a table index of nothing", frame(HEADERS, 5, 1, b"\xfe"), None, COMPRESSION),
    Odd("an integer without end", frame(HEADERS, 5, 1, b"\xff" + b"\xff" * 9), None, COMPRESSION),
    Odd("a string over its block", frame(HEADERS, 5, 1, b"\x00\x7fabc"), None, COMPRESSION),
    Odd("a block cut short", frame(HEADERS, 5, 1, block((b"a", b"b"))[:-1]), None, COMPRESSION),
    Odd(
        "Huffman code with a wrong end",
        frame(HEADERS, 5, 1, b"\x00\x81\x00\x01a"),
        None,
        COMPRESSION,
    ),
    Odd("a table over our limit", frame(HEADERS, 5, 1, b"\x3f\xe2\x1f"), None, COMPRESSION),
    Odd("a table size after a field", frame(HEADERS, 5, 1, b"\x82\x20"), None, COMPRESSION),
    Odd("an empty block", frame(HEADERS, 5, 1), PROTOCOL),
]

HEADS = [
    *(Odd(f"no {n.decode()}", _without(n), PROTOCOL) for n in (b":method", b":scheme", b":path")),
    Odd("no :authority", _without(b":authority")),
    Odd("a pseudo-header twice", _with()[:0] + request(1, *GET, GET[3]), PROTOCOL),
    Odd("a pseudo-header last", request(1, *GET[:3], (b"a", b"b"), GET[3]), PROTOCOL),
    Odd("an unknown pseudo-header", request(1, *GET, (b":what", b"x")), PROTOCOL),
    Odd(":status in a request", request(1, *GET, (b":status", b"200")), PROTOCOL),
    Odd("an upper case name", _with((b"X-A", b"b")), PROTOCOL),
    Odd("an empty name", _with((b"", b"b")), PROTOCOL),
    Odd("a space in a name", _with((b"a b", b"b")), PROTOCOL),
    Odd("a colon in a name", _with((b"a:b", b"b")), PROTOCOL),
    Odd("a line end in a value", _with((b"a", b"b\r\nc: d")), PROTOCOL),
    Odd("NUL in a value", _with((b"a", b"b\0")), PROTOCOL),
    Odd("a value that begins with a space", _with((b"a", b" b")), PROTOCOL),
    Odd("a value that ends with a tab", _with((b"a", b"b\t")), PROTOCOL),
    Odd("an empty value", _with((b"a", b""))),
    *(
        Odd(f"{name.decode()}", _with((name, b"x")), PROTOCOL)
        for name in (b"connection", b"keep-alive", b"proxy-connection", b"upgrade")
    ),
    Odd("transfer-encoding", _with((b"transfer-encoding", b"chunked")), PROTOCOL),
    Odd("te: gzip", _with((b"te", b"gzip")), PROTOCOL),
    Odd("te: trailers", _with((b"te", b"trailers"))),
    Odd("an empty path", _instead(b":path", b""), PROTOCOL),
    Odd("a path without a slash", _instead(b":path", b"x"), PROTOCOL),
    Odd("a space in the path", _instead(b":path", b"/ HTTP/1.1"), PROTOCOL),
    Odd("a line end in the path", _instead(b":path", b"/\r\nx:y"), PROTOCOL),
    Odd(
        "the path of OPTIONS",
        request(1, (b":method", b"OPTIONS"), *GET[1:3], (b":path", b"*")),
    ),
    Odd("the path of OPTIONS in a GET", _instead(b":path", b"*"), PROTOCOL),
    Odd("a space in the method", _instead(b":method", b"GET /"), PROTOCOL),
    Odd("a line end in the scheme", _instead(b":scheme", b"http\r\n"), PROTOCOL),
    Odd("a user in the authority", _instead(b":authority", b"a@web"), PROTOCOL),
    Odd("a slash in the authority", _instead(b":authority", b"web/x"), PROTOCOL),
    Odd("another host", _with((b"host", b"other")), PROTOCOL),
    Odd("the same host", _with((b"host", b"WEB"))),
    Odd("host twice", _with((b"host", b"web"), (b"host", b"web")), PROTOCOL),
    Odd("CONNECT with a path", _instead(b":method", b"CONNECT"), PROTOCOL),
    Odd(":protocol without CONNECT", request(1, *GET, (b":protocol", b"websocket")), PROTOCOL),
    Odd("trailers with a pseudo-header", _post(request(1, (b":path", b"/"))), PROTOCOL),
    Odd("too many headers", _with(*[(b"a", b"b")] * 101), status=431),
    Odd("too large headers", _with((b"a", b"b" * 5000)), status=431),
]

BODIES = [
    Odd("a content-length that is no number", _post(length=b"+1"), PROTOCOL),
    Odd("two content-lengths", _post(length=b"1, 2"), PROTOCOL),
    Odd("content-length without a body", _with((b"content-length", b"1")), PROTOCOL),
    Odd("more body than content-length", _post(frame(DATA, 0, 1, b"ab"), length=b"1"), PROTOCOL),
    Odd("less body than content-length", _post(frame(DATA, 1, 1, b"a"), length=b"2"), PROTOCOL),
    Odd("trailers before content-length", _post(request(1, (b"a", b"b")), length=b"2"), PROTOCOL),
    Odd("content-length with padding", _post(frame(DATA, PADDED | 1, 1, b"\x02abcc"), length=b"2")),
    Odd("an empty DATA at the end", _post(frame(DATA, END_STREAM, 1))),
    Odd(
        "more than the stream's window",
        _post(*[frame(DATA, 0, 1, bytes(65_536))] * 17),
        FLOW,
    ),
    Odd(
        "more than the connection's window",
        b"".join(
            request(number, *POST, end=False) + frame(DATA, 0, number, bytes(65_536)) * 16
            for number in (1, 3, 5, 7, 9)
        ),
        None,
        FLOW,
    ),
]

FLOODS = [
    Odd(
        "CONTINUATION without end",
        frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 1) * 70,
        None,
        CALM,
    ),
    Odd(
        "a header block without end",
        frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 1, b"\x82" * 9000) * 2,
        None,
        CALM,
    ),
    Odd(
        "a header bomb",
        frame(HEADERS, 5, 1, b"\x40\x01a\x7f\x81\x0f" + b"b" * 2048 + b"\xbe" * 99),
        None,
        CALM,
    ),
    Odd("PING", frame(PING, 0, 0, bytes(8)) * 1200, None, CALM),
    Odd("SETTINGS", settings(window=1) * 120, None, CALM),
    Odd("PRIORITY", frame(PRIORITY, 0, 9, bytes(5)) * 1200, None, CALM),
    Odd("empty DATA", _post(frame(DATA, 0, 1) * 1200), None, CALM),
    Odd("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, number(1)) * 1200, None, CALM),
    Odd(
        "requests that are reset",
        b"".join(request(i) + frame(RST_STREAM, 0, i, number(8)) for i in range(1, 2400, 2)),
        None,
        CALM,
    ),
    Odd(
        "requests that we are made to reset",
        b"".join(request(i) + frame(WINDOW_UPDATE, 0, i, number(0)) for i in range(1, 2400, 2)),
        None,
        CALM,
    ),
    Odd("more streams than we allow", b"".join(request(i) for i in range(1, 4200, 2)), None, CALM),
]

ODD = [*FRAMES, *BLOCKS, *HEADS, *BODIES, *FLOODS]
