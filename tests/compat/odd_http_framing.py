"""Odd HTTP/1 bodies, connection options and upgrades: what a proxy must make of them.

Source: RFC 9112 sections 6, 7 and 9, RFC 9110; the sections are named where Envoy differs.
"""

from tests.compat.odd_http1_client import SILENT, Case
from tests.compat.odd_http_backend import Script
from tests.compat.odd_http_proxies import Expected
from tests.compat.odd_http_requests import (
    CHUNKED,
    IN_CHUNKS,
    REFUSED,
    SIZED,
    SMUGGLED,
    SMUGGLED_SEEN,
    WEB,
    chunked,
    get,
    post,
    posted,
)

LENGTHS = [
    Case(
        name="a body", sent=post(b"Content-Length: 5\r\n", b"hello"), heard="200 open", seen=SIZED
    ),
    Case(
        name="a body of nothing",
        sent=post(b"Content-Length: 0\r\n"),
        heard="200 open",
        seen=posted("content-length: 0", "host: web"),
    ),
    Case(
        name="a POST without a length",
        sent=post(b""),
        heard="200 open",
        seen=posted("content-length: 0", "host: web"),
    ),
    Case(
        name="a GET with a body",
        sent=get(b"Content-Length: 5") + b"hello",
        heard="200 open",
        seen=("GET /a | content-length: 5 | host: web | = hello",),
    ),
    Case(
        name="the same length twice",
        sent=post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"),
        heard="200 open",
        seen=SIZED,
        envoy=Expected(REFUSED),
        why="RFC 9110 8.6: 400, or one of them",
    ),
    Case(
        name="two lengths",
        sent=post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello" + SMUGGLED),
        heard=REFUSED,
    ),
    *(
        Case(
            name=f"a length of {value.decode() or 'nothing'}",
            sent=post(b"Content-Length: %b\r\n" % value, b"hello" + SMUGGLED),
            heard=REFUSED,
        )
        for value in (b"-5", b"+5", b"0x5", b"5, 6", b"5.0", b"5 5", b"", b"9" * 30)
    ),
    Case(
        name="a length in a list of equal ones",
        sent=post(b"Content-Length: 5, 5\r\n", b"hello"),
        heard=REFUSED,
    ),
    Case(
        name="less than the length",
        sent=post(b"Content-Length: 9\r\n", b"hello"),
        heard=SILENT,
    ),
    Case(
        name="a length and chunks",
        sent=post(b"Content-Length: 5\r\n" + CHUNKED, b"0\r\n\r\n" + SMUGGLED),
        heard=REFUSED,
    ),
]

LENGTHS += [
    Case(
        name="a length with zeros first",
        sent=post(b"Content-Length: 005\r\n", b"hello"),
        heard="200 open",
        seen=posted("content-length: 005", "host: web", "= hello"),
    ),
    Case(
        name="a length with a vertical tab",
        sent=post(b"Content-Length: \x0b5\r\n", b"hello" + SMUGGLED),
        heard=REFUSED,
    ),
]

CODINGS = [
    Case(
        name="chunks",
        sent=chunked(b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        heard="200 open",
        seen=IN_CHUNKS,
    ),
    Case(
        name="chunks byte by byte",
        sent=chunked(b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        parts=1,
        heard="200 open",
        seen=IN_CHUNKS,
    ),
    Case(
        name="no chunks but the last",
        sent=chunked(b"0\r\n\r\n"),
        heard="200 open",
        seen=posted("host: web", "transfer-encoding: chunked"),
    ),
    Case(
        name="trailers",
        sent=post(
            CHUNKED + b"Trailer: X-Sum\r\n",
            b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
        ),
        heard="200 open",
        seen=posted(
            "host: web", "trailer: X-Sum", "transfer-encoding: chunked", "= hello", "+ x-sum: 1"
        ),
    ),
    Case(
        name="trailers that must be headers",
        sent=chunked(
            b"5\r\nhello\r\n0\r\nContent-Length: 9\r\nHost: other\r\nTransfer-Encoding: chunked\r\n"
            b"Connection: close\r\nX-Sum: 1\r\n\r\n"
        ),
        heard="200 open",
        seen=posted("host: web", "transfer-encoding: chunked", "= hello", "+ x-sum: 1"),
        envoy=Expected(
            "200 open",
            posted(
                "host: web",
                "transfer-encoding: chunked",
                "= hello",
                "+ connection: close",
                "+ content-length: 9",
                "+ host: other",
                "+ transfer-encoding: chunked",
                "+ x-sum: 1",
            ),
        ),
        why="RFC 9110 6.5.1: no framing and no routing in trailers",
    ),
    Case(
        name="a malformed trailer",
        sent=chunked(b"5\r\nhello\r\n0\r\nX Y: 1\r\n\r\n"),
        heard=REFUSED,
    ),
    Case(
        name="chunk extensions are dropped",
        sent=chunked(b'5;a=b;c="d"\r\nhello\r\n0;e\r\n\r\n'),
        heard="200 open",
        seen=IN_CHUNKS,
        gets_no=(b"a=b",),
    ),
    Case(
        name="a chunk that is longer than its size",
        sent=chunked(b"4\r\nhello\r\n0\r\n\r\n" + SMUGGLED),
        heard=REFUSED,
        envoy=Expected(
            "200 200 open",
            (*posted("host: web", "transfer-encoding: chunked", "= hell"), SMUGGLED_SEEN),
        ),
        why="RFC 9112 7.1: a line end follows; the byte that Envoy drops is somebody's",
    ),
    Case(
        name="chunk sizes with zeros first",
        sent=chunked(b"0005\r\nhello\r\n000\r\n\r\n"),
        heard="200 open",
        seen=IN_CHUNKS,
    ),
    *(
        Case(
            name=f"a chunk {what}",
            sent=chunked(body + SMUGGLED),
            heard=REFUSED,
        )
        for what, body in {
            "of 0x5": b"0x5\r\nhello\r\n0\r\n\r\n",
            "of -5": b"-5\r\nhello\r\n0\r\n\r\n",
            "of +5": b"+5\r\nhello\r\n0\r\n\r\n",
            "of no size": b"\r\nhello\r\n0\r\n\r\n",
            "of g": b"g\r\nhello\r\n0\r\n\r\n",
            "over 64 bits": b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
            "with a space before its size": b" 5\r\nhello\r\n0\r\n\r\n",
            "with a bare line feed": b"5\nhello\r\n0\r\n\r\n",
            "with a bare line feed in its extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
        }.items()
    ),
    *(
        Case(
            name=f"transfer-encoding {what}",
            sent=post(lines, b"5\r\nhello\r\n0\r\n\r\n" + SMUGGLED),
            heard="501 closed",
        )
        for what, lines in {
            "identity": b"Transfer-Encoding: identity\r\n",
            "gzip": b"Transfer-Encoding: gzip\r\n",
            "gzip, chunked": b"Transfer-Encoding: gzip, chunked\r\n",
            "chunked, gzip": b"Transfer-Encoding: chunked, gzip\r\n",
            "chunked, chunked": b"Transfer-Encoding: chunked, chunked\r\n",
            "chunked twice": CHUNKED + CHUNKED,
            "xchunked": b"Transfer-Encoding: xchunked\r\n",
            "of nothing": b"Transfer-Encoding:\r\n",
        }.items()
    ),
    *(
        Case(
            name=f"transfer-encoding {what}",
            sent=post(lines, b"5\r\nhello\r\n0\r\n\r\n" + SMUGGLED),
            heard=REFUSED,
        )
        for what, lines in {
            "after a vertical tab": b"Transfer-Encoding: \x0bchunked\r\n",
            "before a space and a colon": b"Transfer-Encoding : chunked\r\n",
        }.items()
    ),
    Case(
        name="transfer-encoding in a folded line",
        sent=post(b"Transfer-Encoding:\r\n chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n" + SMUGGLED),
        heard=REFUSED,
        envoy=Expected("200 200 open", (*IN_CHUNKS, SMUGGLED_SEEN)),
        why="RFC 9112 5.2: 400, or spaces in its place; others see no coding",
    ),
    Case(
        name="a GET in chunks",
        sent=get(b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n",
        heard="200 open",
        seen=("GET /a | host: web | transfer-encoding: chunked | = hello",),
    ),
    Case(
        name="a chunk with a space after its size",
        sent=chunked(b"5 \r\nhello\r\n0\r\n\r\n" + SMUGGLED),
        heard=REFUSED,
        envoy=Expected("200 200 open", (*IN_CHUNKS, SMUGGLED_SEEN)),
        why="RFC 9112 7.1: spaces only before an extension",
    ),
    Case(
        name="a chunk extension of 10 KiB",
        sent=chunked(b"5;a=" + b"b" * 10_240 + b"\r\nhello\r\n0\r\n\r\n"),
        heard=REFUSED,
        envoy=Expected("200 open", IN_CHUNKS),
        why="RFC 9112 7.1.1: extensions ought to be limited; nobody sends long ones",
    ),
    Case(
        name="transfer-encoding in upper case",
        sent=post(b"TRANSFER-ENCODING: CHUNKED\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        heard="200 open",
        seen=IN_CHUNKS,
    ),
]

HOPS = [
    Case(
        name="what Connection names stays here",
        sent=get(b"Connection: keep-alive, X-Mine", b"X-Mine: 1", b"X-Yours: 2"),
        heard="200 open",
        seen=("GET /a | host: web | x-yours: 2",),
    ),
    Case(
        name="Connection cannot take the length away",
        sent=post(b"Connection: Content-Length\r\nContent-Length: 5\r\n", b"hello"),
        heard="200 open",
        seen=SIZED,
        envoy=Expected("200 open", IN_CHUNKS),
        why="RFC 9110 7.6.1: it must not be named; its body is the same",
    ),
    Case(
        name="hop-by-hop headers",
        sent=get(b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive", b"TE: gzip"),
        heard="200 open",
        seen=WEB,
    ),
    Case(
        name="TE with trailers",
        sent=get(b"Connection: TE", b"TE: trailers"),
        heard="200 open",
        seen=("GET /a | host: web | te: trailers",),
    ),
    Case(name="Connection: close", sent=get(b"Connection: close"), heard="200 closed", seen=WEB),
    Case(
        name="Upgrade to h2c",
        sent=get(
            b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"
        ),
        heard="200 open",
        seen=WEB,
    ),
    Case(
        name="Upgrade to TLS",
        sent=get(b"Connection: Upgrade", b"Upgrade: TLS/1.2"),
        heard="200 open",
        seen=WEB,
    ),
    Case(
        name="Upgrade to a WebSocket in HTTP/1.0",
        sent=get(b"Connection: Upgrade", b"Upgrade: websocket").replace(b"/1.1", b"/1.0"),
        heard="200 closed",
        seen=WEB,
        envoy=Expected(
            "200 closed", ("GET /a | connection: Upgrade | host: web | upgrade: websocket",)
        ),
        why="RFC 9110 7.8: Upgrade in HTTP/1.0 MUST be ignored",
    ),
    Case(
        name="Upgrade that Connection does not name",
        sent=get(b"Upgrade: websocket"),
        heard="200 open",
        seen=WEB,
    ),
    Case(
        name="an unknown expectation",
        sent=get(b"Expect: 200-ok"),
        heard="200 open",
        seen=("GET /a | expect: 200-ok | host: web",),
    ),
    Case(
        name="three requests at once",
        sent=get(target=b"/1") + get(target=b"/2") + get(target=b"/3"),
        heard="200 200 200 open",
        seen=("GET /1 | host: web", "GET /2 | host: web", "GET /3 | host: web"),
    ),
    Case(
        name="a request after the last one",
        sent=get(b"Connection: close") + SMUGGLED,
        heard="200 closed",
        seen=WEB,
    ),
    Case(
        name="a request after a malformed one",
        sent=get(b"A : b") + SMUGGLED,
        heard=REFUSED,
    ),
    Case(
        name="the client ends its sending side",
        sent=get(),
        script=Script(delay_s=0.1),
        shuts=True,
        heard="200 closed",
        seen=WEB,
        envoy=Expected("closed", None),
        why="RFC 9293 3.6: it can still read its answer",
    ),
]

BODIES = [*LENGTHS, *CODINGS, *HOPS]
