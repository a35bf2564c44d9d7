"""Writes the heads of HTTP/1 messages, and says how the body after them is framed.

Host comes first, as clients send it; all other headers keep order and case. Source: RFC 9112
sections 3, 4 and 6.
"""

from http import HTTPStatus
from typing import Final

import msgspec

from proxy.http import Headers, RequestHead, ResponseHead

PHRASES: Final = {status.value: status.phrase.encode() for status in HTTPStatus}
_BODILESS: Final = frozenset((204, 304))
_WITH_BODY: Final = frozenset((b"POST", b"PUT", b"PATCH"))


class MessageText(msgspec.Struct, frozen=True):
    """A head as bytes; whether chunks follow; whether the connection ends after the message."""

    text: bytes
    is_chunked: bool
    closes: bool


def request_text(head: RequestHead) -> MessageText:
    """Write a request's head."""
    is_chunked = False
    framing = b""
    if head.upgrade:
        framing = b"Connection: Upgrade\r\nUpgrade: %b\r\n" % head.upgrade
    elif head.has_body:
        is_chunked = not has_length(head.headers)
        framing = b"Transfer-Encoding: chunked\r\n" if is_chunked else b""
    elif head.method in _WITH_BODY and not has_length(head.headers):
        framing = b"Content-Length: 0\r\n"
    text = b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b\r\n" % (
        head.method,
        head.target,
        head.authority,
        b"".join([b"%b: %b\r\n" % field for field in head.headers]),
        framing,
    )
    return MessageText(text, is_chunked, False)


def response_text(
    head: ResponseHead, *, request: RequestHead, end: bool, closes: bool
) -> MessageText:
    """Write the final answer's head; ``closes``: the connection ends after it in any case."""
    status, is_old = head.status, request.version == "1.0"
    is_chunked = False
    framing = b""
    if status not in _BODILESS and request.method != b"HEAD" and not has_length(head.headers):
        if end:
            framing = b"Content-Length: 0\r\n"
        elif is_old:
            closes = True
        else:
            is_chunked = True
            framing = b"Transfer-Encoding: chunked\r\n"
    if closes:
        framing += b"Connection: close\r\n"
    elif is_old:
        framing += b"Connection: keep-alive\r\n"
    return MessageText(_status_text(head, framing), is_chunked, closes)


def informational_text(head: ResponseHead) -> bytes:
    """Write a 1xx answer."""
    return _status_text(head, b"")


def switch_text(head: ResponseHead, upgrade: bytes) -> bytes:
    """Write the answer that turns a connection into a tunnel."""
    framing = b"Connection: Upgrade\r\nUpgrade: %b\r\n" % upgrade
    return _status_text(ResponseHead(status=101, headers=head.headers), framing)


def refusal_text(status: int, detail: str) -> bytes:
    """Write the whole answer to what could not be read; the connection ends after it."""
    body = detail.encode("latin-1", "replace")
    headers = [(b"Content-Type", b"text/plain"), (b"Content-Length", b"%d" % len(body))]
    head = ResponseHead(status=status, headers=headers)
    return _status_text(head, b"Connection: close\r\n") + body


def has_length(headers: Headers) -> bool:
    """Whether the length of the body is among the headers."""
    for name, _ in headers:  # noqa: SIM110 - a generator costs more than all the comparing
        if len(name) == 14 and name.lower() == b"content-length":
            return True
    return False


def _status_text(head: ResponseHead, framing: bytes) -> bytes:
    return b"HTTP/1.1 %d %b\r\n%b%b\r\n" % (
        head.status,
        head.reason or PHRASES.get(head.status, b""),
        b"".join([b"%b: %b\r\n" % field for field in head.headers]),
        framing,
    )
