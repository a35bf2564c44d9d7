"""Odd HTTP/2 frames, and floods of them: what a proxy must make of them.

Source: RFC 9113 sections 4 to 6, and floods that have names: CVE-2019-9512 (PING), 9515 (SETTINGS),
9518 (empty DATA), 2023-44487 (rapid reset), 2024-27316 (CONTINUATION).
"""

from tests.compat.odd_http2_client import HELLO, Case
from tests.compat.odd_http2_requests import (
    BROKEN,
    CALM,
    CANCEL,
    MALFORMED,
    QUIET,
    SILENT,
    WEB,
    broken,
    broken_silently,
    data,
    post,
    with_,
)
from tests.compat.odd_http_backend import NOTHING, Script
from tests.compat.odd_http_proxies import STREAMS_MAX, Expected
from tests.proxy.http2_speech import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    PING,
    PRIORITIZED,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    WINDOW_UPDATE,
    block,
    frame,
    number,
    request,
    settings,
)

FRAMES = [
    Case(
        name="an unknown frame",
        spoken=frame(0xFA, 0xFF, 7, b"what") + with_(),
        heard="200 open",
        seen=WEB,
    ),
    Case(
        name="an unknown setting",
        spoken=frame(4, 0, 0, b"\xff\xff" + number(1)) + with_(),
        heard="200 open",
        seen=WEB,
    ),
    Case(
        name="PRIORITY",
        spoken=frame(PRIORITY, 0, 9, bytes(5)) + with_(),
        heard="200 open",
        seen=WEB,
    ),
    Case(
        name="HEADERS with its priority",
        spoken=frame(HEADERS, END_HEADERS | END_STREAM | PRIORITIZED, 1, bytes(5) + block(*GET)),
        heard="200 open",
        seen=WEB,
    ),
    Case(
        name="CONTINUATION",
        spoken=frame(HEADERS, END_STREAM, 1, block(*GET)[:7])
        + frame(CONTINUATION, END_HEADERS, 1, block(*GET)[7:]),
        heard="200 open",
        seen=WEB,
    ),
    Case(
        name="a PING nobody asked for",
        spoken=frame(PING, 1, 0, bytes(8)) + with_(),
        heard="200 open",
        seen=WEB,
    ),
    broken_silently(broken("an even stream", request(2))),
    broken("DATA of an idle stream", data(b"x")),
    broken_silently(broken("HEADERS of stream 0", frame(HEADERS, END_HEADERS, 0, block(*GET)))),
    broken_silently(broken("PUSH_PROMISE", frame(PUSH_PROMISE, END_HEADERS, 1, number(2)))),
    broken("a SETTINGS of five bytes", frame(4, 0, 0, bytes(5)), "FRAME_SIZE_ERROR"),
    broken_silently(broken("ENABLE_PUSH of 2", settings(push=2))),
    broken_silently(
        broken(
            "a window over 2^31",
            frame(WINDOW_UPDATE, 0, 0, number(2**31 - 1)),
            "FLOW_CONTROL_ERROR",
        )
    ),
    broken("a table index of nothing", frame(HEADERS, 5, 1, b"\xfe"), "COMPRESSION_ERROR"),
    broken("a frame over our limit", b"\x01\x00\x01\x00\x00\0\0\0\x01", "FRAME_SIZE_ERROR"),
    broken(
        "a header block that is interrupted",
        frame(HEADERS, 0, 1, block(*GET)) + frame(PING, 0, 0, bytes(8)),
    ),
    Case(
        name="WINDOW_UPDATE by 0",
        spoken=post(frame(WINDOW_UPDATE, 0, 1, number(0))),
        heard=MALFORMED,
        envoy=Expected("- closed"),
        why="RFC 9113 6.9: an error of the stream",
    ),
    Case(
        name="an older stream",
        spoken=request(5) + request(3),
        streams=(5,),
        heard="- GOAWAY:STREAM_CLOSED closed",
        seen=None,
        envoy=Expected("200 open", WEB),
        why="RFC 9113 5.1.1: MUST be an error of the connection",
    ),
    Case(
        name="GOAWAY lets what is open end",
        spoken=with_() + frame(GOAWAY, 0, 0, bytes(8)),
        heard="200 closed",
        seen=WEB,
        envoy=Expected("200 stuck", WEB),
        why="RFC 9113 6.8: nothing can come any more, so it is over",
    ),
    Case(
        name="a wrong preface",
        spoken=b"",
        greeting=HELLO[:18] + b"XX\r\n\r\n" + HELLO[24:],
        heard=BROKEN,
        envoy=Expected("- closed", None),
        why=SILENT,
    ),
]

FRAMES += [
    Case(
        name="a window that is opened late",
        spoken=settings(window=0) + with_() + frame(WINDOW_UPDATE, 0, 1, number(9)),
        heard="200 open",
        seen=WEB,
        content=b"hi",
    ),
    Case(
        name="a header table of nothing",
        spoken=settings(table=0) + with_(),
        heard="200 open",
        seen=WEB,
    ),
    Case(
        name="DATA after the end",
        spoken=post(data(b"hello"), data(b"more")),
        script=Script(on_whole=NOTHING),
        heard="STREAM_CLOSED open",
        seen=None,
        envoy=Expected("- GOAWAY:STREAM_CLOSED closed", None),
        why="RFC 9113 5.1: half-closed (remote), an error of the stream",
    ),
    Case(
        name="RST_STREAM of what has ended",
        spoken=with_(),
        then=frame(RST_STREAM, 0, 1, CANCEL) + request(3),
        streams=(1, 3),
        heard="200 200 open",
        seen=(*WEB, *WEB),
    ),
]

FLOODS = [
    Case(
        name="more than a stream's window",
        spoken=post(*[frame(DATA, 0, 1, bytes(16_384))] * 640),
        script=Script(on_whole=NOTHING, pauses=True),
        heard="FLOW_CONTROL_ERROR open",
    ),
    Case(
        name="more streams than are allowed",
        spoken=b"".join(request(2 * at + 1) for at in range(STREAMS_MAX + 1)),
        script=QUIET,
        streams=(2 * STREAMS_MAX + 1,),
        heard="REFUSED_STREAM open",
        seen=None,
    ),
    Case(
        name="CONTINUATION without end",
        heard=CALM,
        spoken=frame(HEADERS, 0, 1, block(*GET)) + frame(CONTINUATION, 0, 1) * 2000,
        envoy=Expected("- closed", None),
        why=SILENT,
    ),
    Case(
        name="a header block without end",
        heard=CALM,
        spoken=frame(HEADERS, 0, 1, block(*GET))
        + frame(CONTINUATION, 0, 1, block((b"a", b"b" * 16_000))) * 40,
        envoy=Expected("INTERNAL_ERROR GOAWAY:PROTOCOL_ERROR closed"),
        why="RFC 9113 10.5: the code of a peer that asks too much",
    ),
    Case(
        name="PING flood",
        spoken=frame(PING, 0, 0, bytes(8)) * 5000,
        heard=CALM,
        envoy=Expected("- closed", None),
        why=SILENT,
    ),
    Case(
        name="SETTINGS flood",
        spoken=settings(window=1) * 5000,
        heard=CALM,
        envoy=Expected("- closed", None),
        why=SILENT,
    ),
    Case(
        name="PRIORITY flood",
        spoken=frame(PRIORITY, 0, 9, bytes(5)) * 5000,
        heard=CALM,
        envoy=Expected("- closed", None),
        why=SILENT,
    ),
    Case(
        name="WINDOW_UPDATE flood",
        spoken=frame(WINDOW_UPDATE, 0, 0, number(1)) * 5000,
        heard=CALM,
        envoy=Expected("- closed", None),
        why=SILENT,
    ),
    Case(
        name="empty DATA",
        spoken=post(frame(DATA, 0, 1) * 5000),
        heard=CALM,
        envoy=Expected("- closed", None),
        why=SILENT,
    ),
    Case(
        name="requests that are reset",
        spoken=b"".join(
            request(2 * at + 1) + frame(RST_STREAM, 0, 2 * at + 1, CANCEL) for at in range(2000)
        ),
        heard=CALM,
        seen=None,
        envoy=Expected("- closed", None),
        why=SILENT,
    ),
]

FRAMING = [*FRAMES, *FLOODS]
