"""Odd HTTP/1 answers of an instance, and answers that come before the request is whole.

Source: RFC 9110 sections 6, 7.8, 10.1.1 and 15.2; RFC 9112 sections 6 to 9.
"""

from tests.compat.odd_http1_client import Case
from tests.compat.odd_http_backend import NOTHING, OK, Script
from tests.compat.odd_http_proxies import Expected
from tests.compat.odd_http_requests import SIZED, WEB, get, post

EXPECTING = post(b"Content-Length: 5\r\nExpect: 100-continue\r\n")
CONTINUED = ("POST /a | content-length: 5 | expect: 100-continue | host: web | = hello",)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
WEBSOCKET = get(b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: abc")
ASKED = ("GET /a | connection: Upgrade | host: web | sec-websocket-key: abc | upgrade: websocket",)
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def said(text: bytes) -> Script:
    """An instance that answers and keeps the connection."""
    return Script(on_whole=text)


def last(text: bytes) -> Script:
    """An instance that answers and closes."""
    return Script(on_whole=text, closes=True)


def early(text: bytes) -> Script:
    """An instance that answers a head and no more."""
    return Script(on_head=text, on_whole=NOTHING)


def answer(status: bytes, *lines: bytes, body: bytes = b"") -> bytes:
    """An answer with more header lines."""
    return b"HTTP/1.1 %b\r\n%b\r\n%b" % (status, b"".join(b"%b\r\n" % line for line in lines), body)


EARLY = [
    Case(
        name="100 when the instance says so",
        sent=EXPECTING,
        then=b"hello",
        script=Script(on_head=CONTINUE),
        heard="100 200 open",
        seen=CONTINUED,
    ),
    *(
        Case(
            name=f"{status.decode()[:3]} in place of 100",
            sent=EXPECTING,
            script=early(answer(status, b"Content-Length: 2", body=b"no")),
            heard=f"{status.decode()[:3]} closed",
        )
        for status in (b"417 Expectation Failed", b"413 Content Too Large", b"200 OK")
    ),
    Case(
        name="413 while the body comes",
        sent=post(b"Content-Length: 100000\r\n", b"a" * 5000),
        script=early(answer(b"413 Content Too Large", b"Content-Length: 2", body=b"no")),
        heard="413 closed",
    ),
    Case(
        name="an early answer to a body that is sent in full",
        sent=post(b"Content-Length: 5\r\n"),
        then=b"hello",
        script=early(answer(b"413 Content Too Large", b"Content-Length: 2", body=b"no")),
        heard="413 closed",
    ),
    Case(
        name="103 before the answer",
        sent=get(),
        script=said(HINTS + OK),
        heard="103 200 open",
        has=(b"link: </x>",),
        seen=WEB,
    ),
    Case(
        name="no 103 for HTTP/1.0",
        sent=get().replace(b"/1.1", b"/1.0"),
        script=said(HINTS + OK),
        heard="200 closed",
        seen=WEB,
        envoy=Expected("103 200 closed", WEB),
        why="RFC 9110 15.2: HTTP/1.0 knows no 1xx",
    ),
    Case(
        name="102 twice",
        sent=get(),
        script=said(b"HTTP/1.1 102 Processing\r\n\r\n" * 2 + OK),
        heard="102 102 200 open",
        seen=WEB,
        envoy=Expected("102 200 open", WEB),
        why="RFC 9110 15.2: a proxy MUST forward each",
    ),
]

BODIES = [
    Case(
        name="HEAD with a length",
        sent=get().replace(b"GET", b"HEAD"),
        script=said(answer(b"200 OK", b"Content-Length: 1234")),
        heard="200 open",
        has=(b"content-length: 1234",),
        seen=("HEAD /a | host: web",),
    ),
    Case(
        name="HEAD with chunks",
        sent=get().replace(b"GET", b"HEAD"),
        script=said(answer(b"200 OK", b"Transfer-Encoding: chunked")),
        heard="200 open",
        seen=("HEAD /a | host: web",),
    ),
    Case(
        name="304 with a length",
        sent=get(),
        script=said(answer(b"304 Not Modified", b"Content-Length: 1234", b"ETag: x")),
        heard="304 open",
        has=(b"content-length: 1234", b"etag: x"),
        seen=WEB,
    ),
    Case(
        name="204 with a length",
        sent=get(),
        script=said(answer(b"204 No Content", b"Content-Length: 0")),
        heard="204 open",
        lacks=(b"content-length",),
        seen=WEB,
    ),
    Case(
        name="an answer that ends with its connection",
        sent=get(),
        script=last(answer(b"200 OK", body=b"hello")),
        heard="200 open",
        has=(b"transfer-encoding: chunked", b"hello"),
        seen=WEB,
    ),
    Case(
        name="an answer in chunks with trailers",
        sent=get(b"TE: trailers", b"Connection: TE"),
        script=said(
            answer(
                b"200 OK",
                b"Transfer-Encoding: chunked",
                b"Trailer: X-Sum",
                body=b"2;x=y\r\nhi\r\n0\r\nX-Sum: 1\r\nContent-Length: 7\r\n\r\n",
            )
        ),
        heard="200 open",
        has=(b"0\r\nx-sum: 1\r\n\r\n",),
        lacks=(b"content-length: 7", b"x=y"),
        seen=("GET /a | host: web | te: trailers",),
        why="RFC 9110 6.5.1: no content-length in trailers",
    ),
    Case(
        name="an answer of less than its length",
        sent=get(),
        script=last(answer(b"200 OK", b"Content-Length: 9", body=b"hello")),
        heard="200~ closed",
        seen=WEB,
    ),
    Case(
        name="chunks without a last one",
        sent=get(),
        script=last(answer(b"200 OK", b"Transfer-Encoding: chunked", body=b"2\r\nhi\r\n")),
        heard="200~ closed",
        seen=WEB,
    ),
    Case(
        name="a chunk that is none",
        sent=get(),
        script=said(answer(b"200 OK", b"Transfer-Encoding: chunked", body=b"2\r\nhi\r\nzz\r\n")),
        heard="200~ closed",
        seen=WEB,
    ),
    Case(
        name="nothing at all",
        sent=post(b"Content-Length: 5\r\n", b"hello"),
        script=last(NOTHING),
        heard="503 open",
        seen=SIZED,
    ),
    Case(
        name="half an answer's head",
        sent=get(),
        script=last(b"HTTP/1.1 200 OK\r\nContent-"),
        heard="503 open",
        seen=WEB,
        envoy=Expected("502 open", WEB),
        why="RFC 9112 8 names no status: a lost connection is 503, whenever it is lost",
    ),
]

LENIENT = (
    (
        "a status of four digits",
        answer(b"2000 OK", b"Content-Length: 0"),
        "2000 open",
        "RFC 9112 4: three digits",
    ),
    (
        "a status of two digits",
        answer(b"20 OK", b"Content-Length: 0"),
        "20 open",
        "RFC 9112 4: three digits",
    ),
    (
        "HTTP/2.0",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "200 open",
        "RFC 9110 2.5: a major version that is not spoken so",
    ),
    (
        "bare line feeds",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "200 open",
        "RFC 9112 2.2: taking them is a MAY, and others do not",
    ),
    (
        "a folded header",
        answer(b"200 OK", b"A: b", b" c", b"Content-Length: 0"),
        "200 open",
        "RFC 9112 5.2: 502, or spaces in its place",
    ),
    (
        "101 that nobody asked for",
        SWITCH,
        "101 echo",
        "RFC 9110 7.8: a server MUST NOT switch to what was not asked for",
    ),
)

BODIES += [
    Case(
        name="HEAD that gets a body",
        sent=get().replace(b"GET", b"HEAD"),
        script=said(OK),
        heard="200 open",
        has=(b"content-length: 2",),
        lacks=(b"hi",),
        seen=("HEAD /a | host: web",),
    ),
    Case(
        name="100 that nobody waits for",
        sent=get(),
        script=said(CONTINUE + OK),
        heard="200 open",
        seen=WEB,
        envoy=Expected("100 200 open", WEB),
        why="RFC 9110 15.2.1: who did not ask for it discards it",
    ),
    Case(
        name="an answer of HTTP/1.0",
        sent=get(),
        script=last(b"HTTP/1.0 200 OK\r\n\r\nhello"),
        heard="200 open",
        has=(b"http/1.1 200 ok\r\n", b"hello"),
        seen=WEB,
    ),
    Case(
        name="an answer with the same length twice",
        sent=get(),
        script=said(answer(b"200 OK", b"Content-Length: 2", b"Content-Length: 2", body=b"hi")),
        heard="200 open",
        has=(b"content-length: 2\r\n",),
        seen=WEB,
        envoy=Expected("502 open", WEB),
        why="RFC 9110 8.6: an error, or one of them",
    ),
    Case(
        name="an answer without a reason",
        sent=get(),
        script=said(answer(b"200", b"Content-Length: 0")),
        heard="200 open",
        seen=WEB,
    ),
]

BROKEN = [
    *(
        Case(
            name=f"an answer: {name}",
            sent=get(),
            script=said(text),
            heard="502 open",
            seen=WEB,
        )
        for name, text in {
            "garbage": b"SSH-2.0-OpenSSH_9.6\r\n",
            "a status line without a status": b"HTTP/1.1 OK\r\n\r\n",
            "a length and chunks": answer(
                b"200 OK", b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"
            ),
            "two lengths": answer(
                b"200 OK", b"Content-Length: 5", b"Content-Length: 6", body=b"hello"
            ),
            "a space before a colon": answer(b"200 OK", b"A : b", b"Content-Length: 0"),
            "NUL in a header": answer(b"200 OK", b"A: b\0", b"Content-Length: 0"),
            "a header that is too large": answer(b"200 OK", b"A: " + b"b" * 140_000),
            "too many headers": answer(b"200 OK", *[b"A: b"] * 1001),
            "an unknown coding": answer(b"200 OK", b"Transfer-Encoding: gzip", body=b"hello"),
        }.items()
    ),
    *(
        Case(
            name=f"an answer: {name}",
            sent=get(),
            script=said(text),
            heard="502 open",
            seen=WEB,
            envoy=Expected(heard, WEB),
            why=why,
        )
        for name, text, heard, why in LENIENT
    ),
    Case(name="two answers", sent=get(), script=said(OK + OK), heard="200 open", seen=WEB),
    Case(
        name="a body after 204",
        sent=get(),
        script=said(answer(b"204 No Content") + b"hello"),
        heard="204 open",
        seen=WEB,
    ),
    Case(
        name="hop-by-hop headers of an answer",
        sent=get(),
        script=last(
            answer(
                b"200 OK",
                b"Connection: close, X-His",
                b"X-His: 1",
                b"Keep-Alive: timeout=5",
                b"Content-Length: 0",
            )
        ),
        heard="200 open",
        lacks=(b"x-his", b"keep-alive"),
        seen=WEB,
        why="RFC 9110 7.6.1: what Connection names MUST be removed",
    ),
    Case(
        name="a status nobody knows",
        sent=get(),
        script=said(answer(b"599 Odd", b"Content-Length: 0")),
        heard="599 open",
        seen=WEB,
    ),
]

UPGRADES = [
    Case(
        name="a WebSocket",
        sent=WEBSOCKET,
        then=b"ping",
        script=said(SWITCH),
        heard="101 echo",
        seen=ASKED,
    ),
    Case(
        name="a WebSocket that is refused",
        sent=WEBSOCKET,
        script=said(answer(b"403 Forbidden", b"Content-Length: 2", body=b"no")),
        heard="403 open",
        seen=ASKED,
        envoy=Expected("403 closed", ASKED),
        why="RFC 9110 7.8: without 101 it stays HTTP/1.1",
    ),
]

ANSWERS = [*EARLY, *BODIES, *BROKEN, *UPGRADES]
