"""HTTP/1 requests as bytes, and how an instance sees the usual ones."""

REFUSED = "400 closed"
WEB = ("GET /a | host: web",)
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: web\r\n\r\n"
SMUGGLED_SEEN = "GET /smuggled | host: web"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def get(*lines: bytes, target: bytes = b"/a", host: bytes = b"Host: web\r\n") -> bytes:
    """A GET with more header lines."""
    return b"GET %b HTTP/1.1\r\n%b%b\r\n" % (target, host, b"".join(b"%b\r\n" % x for x in lines))


def post(head: bytes, body: bytes = b"") -> bytes:
    """A POST with more header lines, each with its end."""
    return b"POST /a HTTP/1.1\r\nHost: web\r\n%b\r\n%b" % (head, body)


def chunked(body: bytes) -> bytes:
    """A POST in chunks."""
    return post(CHUNKED, body)


def posted(*parts: str) -> tuple[str, ...]:
    """What an instance sees of a POST."""
    return (" | ".join(["POST /a", *parts]),)


IN_CHUNKS = posted("host: web", "transfer-encoding: chunked", "= hello")
SIZED = posted("content-length: 5", "host: web", "= hello")
