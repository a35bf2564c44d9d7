"""What is said in HTTP/2 as bytes, and what mostly becomes of it when it is wrong."""

from msgspec.structs import replace

from tests.compat.odd_http2_client import Case
from tests.compat.odd_http_backend import NOTHING, Script
from tests.compat.odd_http_proxies import Expected
from tests.proxy.http2_speech import (
    DATA,
    END_STREAM,
    GET,
    POST,
    frame,
    number,
    request,
)

MALFORMED = "PROTOCOL_ERROR open"
BROKEN = "- GOAWAY:PROTOCOL_ERROR closed"
CALM = "- GOAWAY:ENHANCE_YOUR_CALM closed"
WEB = ("GET / | host: web",)
SILENT = "RFC 9113 5.4.1: GOAWAY first, so that the peer knows"
QUIET = Script(on_whole=NOTHING)
CANCEL = number(8)


def with_(*fields: tuple[bytes, bytes]) -> bytes:
    """A GET with more fields."""
    return request(1, *GET, *fields)


def without(name: bytes) -> bytes:
    """A GET without one of its fields."""
    return request(1, *(field for field in GET if field[0] != name))


def instead(name: bytes, value: bytes) -> bytes:
    """A GET with another value."""
    return request(1, *((n, value if n == name else v) for n, v in GET))


def post(*frames: bytes, length: bytes = b"") -> bytes:
    """A POST that its frames go on with."""
    fields = [*POST, (b"content-length", length)] if length else POST
    return request(1, *fields, end=False) + b"".join(frames)


def data(body: bytes, *, ends: bool = True) -> bytes:
    """A part of the body of stream 1."""
    return frame(DATA, END_STREAM if ends else 0, 1, body)


def malformed(name: str, spoken: bytes, envoy: Expected | None = None, why: str = "") -> Case:
    """A request that costs its stream, and never reaches an instance."""
    return Case(name=name, spoken=spoken, heard=MALFORMED, envoy=envoy, why=why)


def broken(name: str, spoken: bytes, code: str = "PROTOCOL_ERROR") -> Case:
    """What costs the connection."""
    return Case(name=name, spoken=spoken, heard=f"- GOAWAY:{code} closed", seen=None)


def broken_silently(case: Case) -> Case:
    """What costs the connection of Envoy too, but it does not say why."""
    return replace(
        case,
        envoy=Expected("- closed", None),
        why=SILENT,
    )


def posted(*parts: str) -> tuple[str, ...]:
    """What an instance sees of a POST."""
    return (" | ".join(["POST /", *parts]),)
