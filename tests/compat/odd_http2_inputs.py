"""Odd HTTP/2 requests with prior knowledge: what a proxy must make of them.

Source: RFC 9113 section 8, RFC 8441 (extended CONNECT), RFC 9110; the sections are named where
Envoy differs.
"""

from tests.compat.odd_http2_client import Case
from tests.compat.odd_http2_requests import (
    CANCEL,
    MALFORMED,
    WEB,
    data,
    instead,
    malformed,
    post,
    posted,
    with_,
    without,
)
from tests.compat.odd_http_backend import NOTHING, OK, Script
from tests.compat.odd_http_proxies import HEADER_COUNT_MAX, Expected
from tests.proxy.http2_speech import (
    DATA,
    END_STREAM,
    GET,
    PADDED,
    POST,
    RST_STREAM,
    frame,
    request,
)

WITH_TRAILERS = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-S: 1\r\n\r\n"
)

HEADS = [
    Case(name="a GET", spoken=with_(), heard="200 open", seen=WEB, content=b"hi"),
    malformed("an upper case name", with_((b"X-A", b"b"))),
    malformed("a connection header", with_((b"connection", b"close"))),
    malformed("a transfer-encoding", with_((b"transfer-encoding", b"chunked"))),
    malformed("a keep-alive header", with_((b"keep-alive", b"5"))),
    malformed("an upgrade header", with_((b"upgrade", b"h2c"))),
    malformed("te: gzip", with_((b"te", b"gzip"))),
    Case(
        name="te: trailers",
        spoken=with_((b"te", b"trailers")),
        heard="200 open",
        seen=("GET / | host: web | te: trailers",),
    ),
    malformed("no :method", without(b":method")),
    malformed("no :scheme", without(b":scheme")),
    malformed("no :path", without(b":path")),
    Case(
        name="host in place of :authority",
        spoken=request(1, *(f for f in GET if f[0] != b":authority"), (b"host", b"web")),
        heard="200 open",
        seen=WEB,
    ),
    malformed(
        "another host than :authority",
        with_((b"host", b"other")),
        envoy=Expected("200 open", WEB),
        why="RFC 9113 8.3.1: one who believes the other is fooled",
    ),
    malformed("a pseudo-header twice", request(1, *GET, GET[3])),
    malformed("a pseudo-header last", request(1, *GET[:3], (b"a", b"b"), GET[3])),
    malformed("an unknown pseudo-header", with_((b":what", b"x"))),
    malformed(":status in a request", with_((b":status", b"200"))),
    malformed("an empty :path", instead(b":path", b"")),
    malformed("a :path without a slash", instead(b":path", b"a")),
    malformed("a space in :path", instead(b":path", b"/ HTTP/1.1")),
    malformed("a line end in :path", instead(b":path", b"/\r\nA: b")),
    malformed("a line end in a value", with_((b"a", b"b\r\nC: d"))),
    malformed("NUL in a value", with_((b"a", b"b\0"))),
    malformed(
        "a space before a value",
        with_((b"a", b" b")),
        envoy=Expected("200 open", ("GET / | a: b | host: web",)),
        why="RFC 9113 8.2.1: malformed",
    ),
    malformed("an empty name", with_((b"", b"b"))),
    malformed("a space in a name", with_((b"a b", b"c"))),
    malformed("a line end in :method", instead(b":method", b"GET / HTTP/1.1\r\n\r\n")),
    malformed("a user in :authority", instead(b":authority", b"me@web")),
    Case(
        name="OPTIONS for all of the server",
        spoken=request(1, (b":method", b"OPTIONS"), *GET[1:3], (b":path", b"*")),
        heard="200 open",
        seen=("OPTIONS * | host: web",),
        envoy=Expected("404 open"),
        why="RFC 9110 9.3.7: it asks the server, and that is the instance",
    ),
    malformed("GET for all of the server", instead(b":path", b"*")),
    Case(
        name="crumbs of a cookie",
        spoken=with_((b"cookie", b"a=b"), (b"cookie", b"c=d"), (b"cookie", b"e=f")),
        heard="200 open",
        seen=("GET / | cookie: a=b; c=d; e=f | host: web",),
    ),
    Case(
        name="too many headers",
        spoken=with_(*[(b"a", b"b")] * (HEADER_COUNT_MAX + 1)),
        heard="431 open",
        envoy=Expected("INTERNAL_ERROR open"),
        why="RFC 6585 5: the client can be told what is wrong",
    ),
]

HEADS += [
    malformed("a colon in a name", with_((b"a:b", b"c"))),
    malformed("a line end in a cookie", with_((b"cookie", b"a=b\r\nC: d"))),
    malformed("a space in :authority", instead(b":authority", b"a b")),
    malformed("a line end in :scheme", instead(b":scheme", b"http\r\n")),
    malformed("two content-lengths", post(data(b"hello"), length=b"5, 5")),
    Case(
        name="HEAD",
        spoken=instead(b":method", b"HEAD"),
        script=Script(on_whole=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
        heard="200 open",
        seen=("HEAD / | host: web",),
        has=(("content-length", "9"),),
        content=b"",
    ),
    Case(
        name="an answer's hop-by-hop headers",
        spoken=with_(),
        script=Script(
            on_whole=b"HTTP/1.1 204 No\r\nConnection: close\r\nKeep-Alive: 5\r\nA: b\r\n\r\n"
        ),
        heard="204 open",
        seen=WEB,
        has=(("a", "b"),),
    ),
    Case(
        name="100 when the instance says so",
        spoken=request(1, *POST, (b"expect", b"100-continue"), end=False),
        then=data(b"hello"),
        script=Script(on_head=b"HTTP/1.1 100 Continue\r\n\r\n"),
        heard="100,200 open",
        seen=posted("expect: 100-continue", "host: web", "transfer-encoding: chunked", "= hello"),
    ),
]

BODIES = [
    Case(
        name="a body without a length",
        spoken=post(data(b"hello")),
        heard="200 open",
        seen=posted("host: web", "transfer-encoding: chunked", "= hello"),
    ),
    Case(
        name="a body with its length and padding",
        spoken=post(frame(DATA, PADDED | END_STREAM, 1, b"\2hello\0\0"), length=b"5"),
        heard="200 open",
        seen=posted("content-length: 5", "host: web", "= hello"),
    ),
    malformed("more than content-length", post(data(b"hello"), length=b"4")),
    malformed("less than content-length", post(data(b"hello"), length=b"6")),
    malformed("content-length without a body", with_((b"content-length", b"1"))),
    malformed("a content-length that is none", post(data(b"hello"), length=b"+5")),
    Case(
        name="trailers",
        spoken=post(data(b"hello", ends=False), request(1, (b"x-sum", b"1"))),
        heard="200 open",
        seen=posted("host: web", "transfer-encoding: chunked", "= hello", "+ x-sum: 1"),
    ),
    Case(
        name="trailers that must be headers",
        spoken=post(
            data(b"hello", ends=False),
            request(1, (b"content-length", b"9"), (b"host", b"other"), (b"x-sum", b"1")),
        ),
        heard="200 open",
        seen=posted("host: web", "transfer-encoding: chunked", "= hello", "+ x-sum: 1"),
        envoy=Expected(MALFORMED),
        why="RFC 9110 6.5.1: a trailer that is not taken can be dropped",
    ),
    malformed("trailers with a pseudo-header", post(request(1, (b":path", b"/")))),
    malformed("trailers that end nothing", post(request(1, (b"a", b"b"), end=False))),
    Case(
        name="RST_STREAM within a body",
        spoken=post(data(b"he", ends=False), frame(RST_STREAM, 0, 1, CANCEL)) + request(3),
        streams=(3,),
        heard="200 open",
        seen=WEB,
    ),
    Case(
        name="an answer with trailers",
        spoken=with_((b"te", b"trailers")),
        script=Script(on_whole=WITH_TRAILERS),
        heard="200 open",
        seen=("GET / | host: web | te: trailers",),
        has=(("x-s", "1"),),
        content=b"hi",
    ),
    Case(
        name="an answer that is cut short",
        spoken=with_(),
        script=Script(on_whole=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", closes=True),
        heard="200,INTERNAL_ERROR open",
        seen=WEB,
    ),
    Case(
        name="103 before the answer",
        spoken=with_(),
        script=Script(on_whole=b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK),
        heard="103,200 open",
        seen=WEB,
        has=(("link", "</x>"),),
    ),
    Case(
        name="an early answer",
        spoken=post(data(b"he", ends=False)),
        script=Script(on_head=b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno", on_whole=NOTHING),
        heard="413,NO_ERROR open",
        content=b"no",
    ),
]

NO_KEY = "GET / | connection: upgrade | host: web | upgrade: websocket"
KEY = "sec-websocket-key: ZnJvbSBIVFRQLzIgaGVyZQ=="
CONNECT = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), *GET[1:]]
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

TUNNELS = [
    Case(
        name="a WebSocket",
        spoken=request(1, *CONNECT, end=False),
        then=data(b"ping", ends=False),
        script=Script(on_whole=SWITCH),
        heard="200 open",
        seen=(f"GET / | connection: Upgrade | host: web | {KEY} | upgrade: websocket",),
        content=b"ping",
        envoy=Expected("200 open", (NO_KEY,)),
        why="RFC 8441 5.1: HTTP/1.1 needs a key, and instances refuse who has none",
    ),
    malformed(":protocol without CONNECT", with_((b":protocol", b"websocket"))),
    Case(
        name="another protocol",
        spoken=request(1, (b":method", b"CONNECT"), (b":protocol", b"odd"), *GET[1:]),
        heard="501 open",
        envoy=Expected("403 open"),
        why="RFC 9220 3: 501 for what is not known",
    ),
    Case(
        name="CONNECT",
        spoken=request(1, (b":method", b"CONNECT"), (b":authority", b"web:80")),
        heard="501 open",
        envoy=Expected("404 open"),
        why="RFC 9110 9.1: 501 for a method that is not implemented for any target",
    ),
]

MESSAGES = [*HEADS, *BODIES, *TUNNELS]
