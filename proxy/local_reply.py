"""Answers that a proxy gives itself. To a gRPC client they are a status in place of a body.

Source: gRPC over HTTP/2 (trailers-only) and its mapping of HTTP status codes; local replies of
Envoy.
"""

from typing import Final

import msgspec

from proxy.http import Answer, Fault, Headers, RequestHead, ResponseHead

DENIED: Final = "access denied"
REASON_HEADER: Final = b"x-proconsul-denied"
GRPC_CONTENT: Final = b"application/grpc"

_UNKNOWN: Final = 2
_GRPC_STATUS: Final = {
    400: 13,  # INTERNAL
    401: 16,  # UNAUTHENTICATED
    403: 7,  # PERMISSION_DENIED
    404: 12,  # UNIMPLEMENTED
    408: 4,  # DEADLINE_EXCEEDED
    429: 14,  # UNAVAILABLE
    502: 14,
    503: 14,
    504: 4,
}


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is made here: ``flag`` and ``detail`` are for the record."""

    status: int
    flag: str
    body: str
    detail: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = ()


TIMED_OUT: Final = Reply(status=504, flag="timeout", body="upstream request timeout")
CLIENT_TIMED_OUT: Final = Reply(status=408, flag="timeout", body="request timeout")
_FAULT_REPLIES: Final = {
    Fault.CONNECT: (503, "upstream connect error: the connection could not be made"),
    Fault.STALE: (503, "upstream reset before its answer: the connection was closed"),
    Fault.RESET: (503, "upstream reset before its answer"),
    Fault.REFUSED: (503, "upstream refused the request"),
    Fault.PROTOCOL: (502, "upstream broke the rules of its protocol"),
    Fault.OVERFLOW: (503, "too much is waiting for the upstream"),
    Fault.TIMEOUT: (504, "upstream request timeout"),
}


def fault_reply(fault: Fault, detail: str) -> Reply:
    """The answer where the last attempt ended before its time."""
    status, body = _FAULT_REPLIES[fault]
    flag = {Fault.OVERFLOW: "overflow", Fault.TIMEOUT: "timeout"}.get(fault, fault.value)
    return Reply(status=status, flag=flag, body=body, detail=detail or body)


def send(reply: Reply, answer: Answer, request: RequestHead, *, is_grpc: bool) -> int:
    """Give the whole answer; returns the bytes of its body."""
    if is_grpc or _is_grpc(request):
        headers: Headers = [
            (b"content-type", GRPC_CONTENT),
            (b"grpc-status", b"%d" % _GRPC_STATUS.get(reply.status, _UNKNOWN)),
            (b"grpc-message", _percent_encoded(reply.body)),
            *reply.headers,
        ]
        answer.head(ResponseHead(status=200, headers=headers), end=True)
        return 0
    body = reply.body.encode()
    headers = [(b"content-length", b"%d" % len(body)), *reply.headers]
    if body:
        headers.insert(1, (b"content-type", b"text/plain"))
    if not body or request.method == b"HEAD":
        answer.head(ResponseHead(status=reply.status, headers=headers), end=True)
        return 0
    answer.head(ResponseHead(status=reply.status, headers=headers), end=False)
    answer.body(body)
    answer.end([])
    return len(body)


def _is_grpc(request: RequestHead) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(GRPC_CONTENT)
        for name, value in request.headers
    )


def _percent_encoded(text: str) -> bytes:
    """What is no printable ASCII is escaped, as grpc-message asks."""
    return b"".join(
        bytes((code,)) if 0x20 <= code < 0x7F and code != 0x25 else b"%%%02X" % code
        for code in text.encode()
    )
