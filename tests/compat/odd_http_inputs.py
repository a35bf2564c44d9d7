"""Odd HTTP/1 heads: what a proxy must make of them, and where Envoy does something else.

Source: RFC 9112 sections 2 to 5, RFC 9110, RFC 3986 (paths); the sections are named where Envoy
differs.
"""

from tests.compat.odd_http1_client import SILENT, Case
from tests.compat.odd_http_backend import Script
from tests.compat.odd_http_proxies import HEADER_BYTES_MAX, HEADER_COUNT_MAX, Expected
from tests.compat.odd_http_requests import IN_CHUNKS, REFUSED, WEB, chunked, get

TARGETS = [
    Case(name="origin form", sent=get(), heard="200 open", seen=WEB),
    Case(
        name="absolute form: its host wins",
        sent=get(target=b"http://web/a", host=b"Host: other\r\n"),
        heard="200 open",
        seen=WEB,
    ),
    Case(
        name="absolute form without a path",
        sent=get(target=b"http://web?b=c"),
        heard="200 open",
        seen=("GET /?b=c | host: web",),
        envoy=Expected("404 open"),
        why="RFC 9110 4.2.3: an empty path is the same as /",
    ),
    Case(name="absolute form without a host", sent=get(target=b"http:///a"), heard=REFUSED),
    Case(name="absolute form of another scheme", sent=get(target=b"ftp://web/a"), heard=REFUSED),
    Case(name="authority form", sent=get(target=b"web:80"), heard=REFUSED),
    Case(name="a path without a slash", sent=get(target=b"a"), heard=REFUSED),
    Case(
        name="two slashes first",
        sent=get(target=b"//a//b"),
        heard="200 open",
        seen=("GET //a//b | host: web",),
    ),
    Case(
        name="an escaped slash",
        sent=get(target=b"/a%2Fb%2fc"),
        heard="200 open",
        seen=("GET /a%2Fb%2fc | host: web",),
    ),
    Case(
        name="dots are resolved",
        sent=get(target=b"/b/../a/./c"),
        heard="200 open",
        seen=("GET /a/c | host: web",),
    ),
    Case(
        name="dots above the root",
        sent=get(target=b"/../../a"),
        heard="200 open",
        seen=("GET /a | host: web",),
    ),
    Case(
        name="dots in escapes",
        sent=get(target=b"/b/%2e%2E/a"),
        heard="200 open",
        seen=("GET /a | host: web",),
    ),
    Case(
        name="dots in the query stay",
        sent=get(target=b"/a?b=/../c//d%2F"),
        heard="200 open",
        seen=("GET /a?b=/../c//d%2F | host: web",),
    ),
    Case(
        name="NUL in escapes",
        sent=get(target=b"/a%00"),
        heard="400 open",
        envoy=Expected(REFUSED),
        why="RFC 9112 9.3: the head was read, so what follows it can be",
    ),
    Case(name="a fragment", sent=get(target=b"/a#b"), heard=REFUSED),
    Case(
        name="OPTIONS for all of the server",
        sent=get(target=b"*").replace(b"GET", b"OPTIONS"),
        heard="200 open",
        seen=("OPTIONS * | host: web",),
        envoy=Expected("404 open"),
        why="RFC 9110 9.3.7: it asks the server, and that is the instance",
    ),
    Case(name="GET for all of the server", sent=get(target=b"*"), heard=REFUSED),
    Case(
        name="CONNECT",
        sent=b"CONNECT web:80 HTTP/1.1\r\nHost: web:80\r\n\r\n",
        heard="501 closed",
        envoy=Expected("404 closed"),
        why="RFC 9110 9.1: 501 for a method that is not implemented for any target",
    ),
    Case(
        name="an unknown method",
        sent=get().replace(b"GET", b"PURGE-ALL"),
        heard="200 open",
        seen=("PURGE-ALL /a | host: web",),
        envoy=Expected("200 open", ("PURGE-ALL /a | content-length: 0 | host: web",)),
        why="RFC 9110 8.6: no length where no body is expected",
    ),
    Case(name="a method that is no token", sent=get().replace(b"GET", b"G(T"), heard=REFUSED),
    Case(
        name="a target of 60 KiB",
        sent=get(target=b"/" + b"a" * 61_440),
        heard="200 open",
        seen=(f"GET /{'a' * 61_440} | host: web",),
    ),
    Case(
        name="a target that is too long",
        sent=get(target=b"/" + b"a" * HEADER_BYTES_MAX),
        heard="431 closed",
    ),
    Case(
        name="bytes above 127 in the target",
        sent=get(target=b"/\xc3\xa9"),
        heard="200 open",
        seen=("GET /\xc3\xa9 | host: web",),
        envoy=Expected(REFUSED),
        why="RFC 9112 3.2: not to be repaired; no part of the framing, and sent unescaped by some",
    ),
]

LINES = [
    Case(name="an empty line first", sent=b"\r\n" + get(), heard="200 open", seen=WEB),
    Case(name="a space first", sent=b" " + get(), heard=REFUSED),
    Case(
        name="two spaces",
        sent=get().replace(b" /a", b"  /a"),
        heard=REFUSED,
        envoy=Expected("200 open", WEB),
        why="RFC 9112 3: one space; being lenient is a MAY",
    ),
    Case(
        name="a tab in place of a space",
        sent=get().replace(b" /a", b"\t/a"),
        heard=REFUSED,
        envoy=Expected("200 open", WEB),
        why="RFC 9112 3: one space; being lenient is a MAY",
    ),
    Case(
        name="bare line feeds",
        sent=get().replace(b"\r\n", b"\n"),
        heard=REFUSED,
        envoy=Expected("200 open", WEB),
        why="RFC 9112 2.2: taking them is a MAY, and others do not",
    ),
    Case(
        name="one bare line feed",
        sent=get(b"A: b\nC: d"),
        heard=REFUSED,
        envoy=Expected("200 open", ("GET /a | a: b | c: d | host: web",)),
        why="RFC 9112 2.2: taking it is a MAY, and others do not",
    ),
    Case(
        name="a bare carriage return",
        sent=get(b"A: b\rC: d"),
        heard=REFUSED,
        envoy=Expected("200 open", ("GET /a | a: bC: d | host: web",)),
        why="RFC 9112 2.2: invalid, or a space in its place; never nothing",
    ),
    Case(name="NUL in a value", sent=get(b"A: b\0c"), heard=REFUSED),
    Case(name="a control byte in a value", sent=get(b"A: b\x01c"), heard=REFUSED),
    Case(
        name="bytes above 127 in a value",
        sent=get(b"A: \xe9\xff"),
        heard="200 open",
        seen=("GET /a | a: \xe9\xff | host: web",),
    ),
    Case(
        name="a folded header",
        sent=get(b"A: b", b" c"),
        heard=REFUSED,
        envoy=Expected("200 open", ("GET /a | a: b c | host: web",)),
        why="RFC 9112 5.2: 400, or spaces in its place; others see two headers",
    ),
    Case(name="a folded first header", sent=get(host=b" A: b\r\nHost: web\r\n"), heard=REFUSED),
    Case(name="a space before the colon", sent=get(b"A : b"), heard=REFUSED),
    Case(name="an empty name", sent=get(b": b"), heard=REFUSED),
    Case(name="a header without a colon", sent=get(b"what"), heard=REFUSED),
    Case(name="a name that is no token", sent=get(b"A(: b"), heard=REFUSED),
    Case(
        name="an empty value and spaces around one",
        sent=get(b"A:", b"B: \t c \t"),
        heard="200 open",
        seen=("GET /a | a:  | b: c | host: web",),
    ),
    Case(
        name="names keep their case",
        sent=get(b"X-UPPER: 1", b"x-lower: 2", b"x-MiXed: 3"),
        heard="200 open",
        seen=("GET /a | host: web | x-lower: 2 | x-mixed: 3 | x-upper: 1",),
        script=Script(on_whole=b"HTTP/1.1 200 OK\r\nX-ANSWER: 1\r\nContent-Length: 0\r\n\r\n"),
        gets=(b"X-UPPER: 1\r\nx-lower: 2\r\nx-MiXed: 3\r\n",),
        has=(b"X-ANSWER: 1\r\n",),
    ),
    Case(
        name="the same header twice",
        sent=get(b"A: b", b"A: c"),
        heard="200 open",
        seen=("GET /a | a: b | a: c | host: web",),
    ),
    Case(
        name="200 headers",
        sent=get(*(b"X-%03d: v" % number for number in range(200))),
        heard="200 open",
        seen=(
            " | ".join(["GET /a", "host: web", *(f"x-{number:03}: v" for number in range(200))]),
        ),
    ),
    Case(
        name="too many headers",
        sent=get(*(b"X-%03d: v" % number for number in range(HEADER_COUNT_MAX + 1))),
        heard="431 closed",
    ),
    Case(
        name="a header of 100 KiB",
        sent=get(b"A: " + b"b" * 102_400),
        heard="200 open",
        seen=(f"GET /a | a: {'b' * 102_400} | host: web",),
    ),
    Case(
        name="a header that is too large",
        sent=get(b"A: " + b"b" * HEADER_BYTES_MAX),
        heard="431 closed",
    ),
    Case(
        name="a header without end",
        sent=b"GET /a HTTP/1.1\r\nA: " + b"b" * (HEADER_BYTES_MAX + 10),
        heard="431 closed",
    ),
    Case(
        name="a head byte by byte",
        sent=get(b"A: b"),
        parts=1,
        heard="200 open",
        seen=("GET /a | a: b | host: web",),
    ),
    Case(name="half a head", sent=get()[:-2], heard=SILENT),
    Case(name="a TLS hello", sent=b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", heard=REFUSED),
]

HOSTS = [
    Case(name="no host", sent=get(host=b""), heard=REFUSED),
    Case(
        name="two hosts",
        sent=get(b"Host: other"),
        heard=REFUSED,
        envoy=Expected("200 open", ("GET /a | host: web,other",)),
        why="RFC 9112 3.2: a server MUST answer 400",
    ),
    Case(
        name="the same host twice",
        sent=get(b"Host: web"),
        heard=REFUSED,
        envoy=Expected("200 open", ("GET /a | host: web,web",)),
        why="RFC 9112 3.2: a server MUST answer 400",
    ),
    Case(
        name="an empty host",
        sent=get(host=b"Host:\r\n"),
        heard="200 open",
        seen=("GET /a | host: ",),
    ),
    Case(
        name="a host with a port",
        sent=get(host=b"Host: WEB.example:80\r\n"),
        heard="200 open",
        seen=("GET /a | host: WEB.example:80",),
    ),
    Case(name="a host that is none", sent=get(host=b"Host: a b\r\n"), heard=REFUSED),
    Case(name="a host with a path", sent=get(host=b"Host: web/a\r\n"), heard=REFUSED),
    Case(
        name="a host with a user",
        sent=get(host=b"Host: me@web\r\n"),
        heard=REFUSED,
        envoy=Expected("200 open", ("GET /a | host: me@web",)),
        why="RFC 9112 3.2 and RFC 9110 7.2: a host has no user: 400",
    ),
]

VERSIONS = [
    Case(
        name="HTTP/1.0 with a host",
        sent=get().replace(b"/1.1", b"/1.0"),
        heard="200 closed",
        seen=WEB,
    ),
    Case(
        name="HTTP/1.0 with keep-alive",
        sent=get(b"Connection: keep-alive").replace(b"/1.1", b"/1.0"),
        heard="200 open",
        has=(b"connection: keep-alive",),
        seen=WEB,
    ),
    Case(
        name="HTTP/1.0 without a host",
        sent=b"GET /a HTTP/1.0\r\n\r\n",
        heard="200 closed",
        seen=("GET /a | host: ",),
        envoy=Expected(REFUSED),
        why="RFC 9112 3.2: only HTTP/1.1 demands one",
    ),
    Case(
        name="HTTP/1.0 gets no chunks",
        sent=get().replace(b"/1.1", b"/1.0"),
        heard="200 closed",
        seen=WEB,
        script=Script(
            on_whole=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
        ),
        has=(b"\r\n\r\nhi",),
        lacks=(b"chunked",),
    ),
    Case(
        name="HTTP/1.0 in chunks",
        sent=chunked(b"5\r\nhello\r\n0\r\n\r\n").replace(b"/1.1", b"/1.0"),
        heard=REFUSED,
        envoy=Expected("200 closed", IN_CHUNKS),
        why="RFC 9112 6.1: treat the framing as faulty",
    ),
    Case(name="HTTP/0.9", sent=b"GET /a\r\n\r\n", heard=REFUSED),
    Case(
        name="HTTP/1.2",
        sent=get().replace(b"/1.1", b"/1.2"),
        heard="200 open",
        seen=WEB,
        envoy=Expected("200 closed", WEB),
        why="RFC 9110 2.5: the highest minor version that we speak, 1.1",
    ),
    Case(
        name="HTTP/2.0 in HTTP/1",
        sent=get().replace(b"/1.1", b"/2.0"),
        heard="505 closed",
        envoy=Expected("200 closed", WEB),
        why="RFC 9110 15.6.6: a major version that is not spoken so",
    ),
    Case(name="http in lower case", sent=get().replace(b"HTTP/", b"http/"), heard=REFUSED),
    Case(name="a version of two digits", sent=get().replace(b"/1.1", b"/1.10"), heard=REFUSED),
]

HEADS = [*TARGETS, *LINES, *HOSTS, *VERSIONS]
