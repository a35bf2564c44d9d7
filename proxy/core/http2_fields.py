"""HTTP/2 field lists to heads and back, with the rules that make a message malformed.

The rules matter most where a request goes on in HTTP/1: what is let through here would be taken for
syntax there. Source: RFC 9113 section 8, RFC 8441 (extended CONNECT), RFC 9110 section 5.5.

WebSockets: HTTP/1 has a key and its digest where HTTP/2 has nothing. A key is put in front of an
HTTP/1 instance and the digest is put in front of an HTTP/1 client here, so that the HTTP/1 codecs
need not know.
"""

import re
from base64 import b64encode
from hashlib import sha1
from typing import Final

from proxy.core.http2_frames import Code, StreamFault
from proxy.core.http2_hpack import STATIC
from proxy.http import Headers, RequestHead, ResponseHead

CONNECTION_SPECIFIC: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)
_NOT_SENT: Final = CONNECTION_SPECIFIC | {b"host", b"http2-settings"}
_NOT_IN_TRAILERS: Final = _NOT_SENT | {b"content-length", b"te", b"trailer"}
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_METHOD: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SCHEME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+\-.]*")
_SCHEMES: Final = frozenset((b"http", b"https"))
# What may be in these is told by what is left without it: that is the quickest way there is.
_VALUE: Final = b"\t" + bytes(range(32, 127)) + bytes(range(128, 256))
_TARGET: Final = bytes(range(33, 127)) + bytes(range(128, 256))
_AUTHORITY: Final = b"-._~!$&'()*+,;=%:[]0123456789" + bytes(range(65, 91)) + bytes(range(97, 123))
WEBSOCKET: Final = b"websocket"
_DIGITS: Final = re.compile(rb"[0-9]{1,18}")
_STATUS: Final = re.compile(rb"[1-9][0-9]{2}")
_WEBSOCKET_KEY: Final = b64encode(b"from HTTP/2 here")
_WEBSOCKET_SUFFIX: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_SPECIAL: Final = frozenset((b"host", b"cookie", b"expect", b"te"))
_TAKEN_OUT: Final = frozenset((b"host", b"cookie"))
_USUAL: Final = frozenset(name for name, _ in STATIC if name[:1] != b":") - _SPECIAL - _NOT_SENT
_STATUS_TEXT: Final = {status: b"%d" % status for status in range(100, 600)}


def read_request(fields: Headers) -> RequestHead:
    """Give the head of a request; CONNECT for a protocol becomes GET with ``upgrade``.

    Raises StreamFault.
    """
    pseudo, headers, special = _split(fields)
    method, scheme = pseudo.pop(b":method", b""), pseudo.pop(b":scheme", b"")
    target, protocol = pseudo.pop(b":path", b""), pseudo.pop(b":protocol", b"")
    authority = pseudo.pop(b":authority", None)
    _require(not pseudo, "an unknown pseudo-header")
    _require(method == b"GET" or _METHOD.fullmatch(method), ":method")
    if method == b"CONNECT" and not protocol:
        _require(not scheme and not target, "CONNECT with :scheme or :path")
        target = b"*"
    else:
        _require(scheme in _SCHEMES or _SCHEME.fullmatch(scheme), ":scheme")
        is_path = target[:1] == b"/" and not target.translate(None, _TARGET)
        _require(is_path or (target == b"*" and method == b"OPTIONS"), ":path")
    if protocol:
        _require(method == b"CONNECT" and _NAME.fullmatch(protocol), ":protocol")
    host = special.get(b"host")
    if authority is None:
        authority = host or b""
    _require(host is None or host.lower() == authority.lower(), "host is not :authority")
    _require(not authority.translate(None, _AUTHORITY), ":authority")
    if b"cookie" in special:
        headers.append((b"cookie", special[b"cookie"]))
    if protocol == WEBSOCKET:
        headers.append((b"sec-websocket-key", _WEBSOCKET_KEY))
    return RequestHead(
        method=b"GET" if protocol else method,
        scheme=scheme,
        authority=authority,
        target=target,
        headers=headers,
        version="2",
        upgrade=protocol,
        expects_continue=special.get(b"expect", b"").lower() == b"100-continue",
    )


def refusal(head: RequestHead) -> tuple[int, str] | None:
    """Give the status and the reason for what is well said but not offered; None for the rest.

    An instance that took another protocol (``h2c``) for its own would be spoken to through the
    tunnel with requests that nobody decides on.
    """
    if head.method == b"CONNECT":
        return 501, "CONNECT is not offered"
    if head.upgrade and head.upgrade != WEBSOCKET:
        return 501, "only WebSockets are tunnelled"
    return None


def read_response(fields: Headers) -> ResponseHead:
    """Give the head of an answer. Raises StreamFault."""
    pseudo, headers, special = _split(fields)
    status = pseudo.pop(b":status", b"")
    _require(not pseudo, "an unknown pseudo-header")
    _require(_STATUS.fullmatch(status) and status != b"101", ":status")
    for name in (b"host", b"cookie"):
        if name in special:
            headers.append((name, special[name]))
    return ResponseHead(status=int(status), headers=headers, version="2")


def read_trailers(fields: Headers) -> Headers:
    """Give trailers. Raises StreamFault."""
    pseudo, headers, _ = _split(fields)
    _require(not pseudo, "a pseudo-header in trailers")
    return [field for field in headers if field[0] not in _NOT_IN_TRAILERS]


def content_length(headers: Headers) -> int:
    """Give what a head says of its body's bytes, -1 if nothing. Raises StreamFault."""
    found = b""
    for name, value in headers:
        if name == b"content-length":
            _require(_DIGITS.fullmatch(value) and found in {b"", value}, "content-length")
            found = value
    return int(found) if found else -1


def request_fields(head: RequestHead) -> Headers:
    """Give what is sent for a request. Header names may be of any case."""
    if head.upgrade:
        fields = [(b":method", b"CONNECT"), (b":protocol", head.upgrade)]
    else:
        fields = [(b":method", head.method)]
    fields += (
        (b":scheme", head.scheme),
        (b":authority", head.authority),
        (b":path", head.target),
    )
    is_continue_named = not head.expects_continue
    for field in head.headers:
        name = field[0]
        if not name.islower():
            name = name.lower()
            field = (name, field[1])  # noqa: PLW2901 - most are lower case already
        if name in _NOT_SENT or (head.upgrade and name == b"sec-websocket-key"):
            continue
        if name == b"te" and field[1].lower() != b"trailers":
            continue
        if name == b"expect":
            is_continue_named = True
        fields.append(field)
    if not is_continue_named:
        fields.append((b"expect", b"100-continue"))
    return fields


def response_fields(head: ResponseHead) -> Headers:
    """Give what is sent for an answer. Header names may be of any case."""
    fields = [(b":status", _STATUS_TEXT.get(head.status) or b"%d" % head.status)]
    for field in head.headers:
        name = field[0]
        if not name.islower():
            name = name.lower()
            field = (name, field[1])  # noqa: PLW2901 - most are lower case already
        if name not in _NOT_SENT:
            fields.append(field)
    return fields


def switch_fields(head: ResponseHead) -> Headers:
    """Give what is sent to accept an extended CONNECT, whatever an HTTP/1 instance said."""
    fields = [field for field in response_fields(head) if field[0] != b"sec-websocket-accept"]
    fields[0] = (b":status", b"200")
    return fields


def trailer_fields(trailers: Headers) -> Headers:
    """Give what is sent of trailers. Names may be of any case."""
    lowered = [(name.lower(), value) for name, value in trailers]
    return [field for field in lowered if field[0] not in _NOT_IN_TRAILERS]


def websocket_accept(headers: Headers) -> Headers:
    """Give the header that proves to an HTTP/1 client that its key was read; none without one."""
    for name, value in headers:
        if name.lower() == b"sec-websocket-key":
            digest = sha1(value + _WEBSOCKET_SUFFIX, usedforsecurity=False).digest()
            return [(b"sec-websocket-accept", b64encode(digest))]
    return []


def _split(fields: Headers) -> tuple[dict[bytes, bytes], Headers, dict[bytes, bytes]]:
    """Give pseudo-headers, the others, and of these host, cookie (crumbs joined) and expect."""
    pseudo: dict[bytes, bytes] = {}
    headers: Headers = []
    special: dict[bytes, bytes] = {}
    for field in fields:
        name, value = field
        if value and (value[0] <= 0x20 or value[-1] <= 0x20):
            raise StreamFault(Code.PROTOCOL_ERROR, "malformed: a value that begins or ends blank")
        if name in _USUAL:
            headers.append(field)
        elif name[:1] == b":":
            _require(not headers and not special, "a pseudo-header after others")
            _require(name not in pseudo, "a pseudo-header twice")
            pseudo[name] = value
        else:
            _require(_NAME.fullmatch(name), "a header's name")
            _require(name not in CONNECTION_SPECIFIC, "a header of HTTP/1 connections")
            if name in _SPECIAL:
                _note(special, name, value)
            if name not in _TAKEN_OUT:
                headers.append(field)
    values = b"".join([value for _, value in fields])
    _require(not values.translate(None, _VALUE), "a control character")
    return pseudo, headers, special


def _note(special: dict[bytes, bytes], name: bytes, value: bytes) -> None:
    if name == b"te":
        _require(value.lower() == b"trailers", "te is not trailers")
    elif name == b"cookie" and name in special:
        special[name] += b"; " + value
    else:
        _require(name != b"host" or name not in special, "host twice")
        special[name] = value


def _require(holds: object, what: str) -> None:
    if not holds:
        raise StreamFault(Code.PROTOCOL_ERROR, f"malformed: {what}")
