"""Reads the head of an HTTP/1 message: strict where being lenient lets a request be smuggled.

A head is split at its line ends, and checked by what is left after all allowed bytes were taken
out: for the usual head that is less work than calling back for each header, and nothing is allowed
that RFC 9112 does not allow: no folded lines, no bare CR or LF, no space before a colon, one
length. Headers keep their names, case and order; hop-by-hop ones are taken out here, and tell of
the connection in `RequestLine` and `StatusLine`.

Source: RFC 9112 sections 2, 3, 4, 5 and 6.3; RFC 9110 sections 5, 7.6.1, 7.8 and 10.1.1.
"""

from functools import lru_cache
from typing import Final

import msgspec

from proxy.http import Headers, RequestHead, ResponseHead

LENGTH_DIGITS_MAX: Final = 18  # more is no file's length, and keeps the number in 64 bits
NAMES_MAX: Final = 1024  # that are remembered; there are some hundred in use, in two cases
NAME_BYTES_MAX: Final = 64  # of such a name: none that is in use is longer
BLOCKS_MAX: Final = 256
"""Of blocks of fields, and of answers' heads, that are remembered: the same ones come again and
again. Some 3 MB at most."""
BLOCK_BYTES_MAX: Final = 2048  # of such a block; larger ones have cookies, and cost their reading
Notable = dict[bytes, list[bytes]]
"""The values of notable headers, by lower-case name."""
CHUNKED: Final = -1
"""The length of a body whose parts say theirs."""
UNTIL_CLOSE: Final = -2
"""The length of a body that ends with the connection."""

_TOKEN: Final = b"!#$%&'*+-.^_`|~0123456789" + bytes(range(65, 91)) + bytes(range(97, 123))
_FIELD: Final = b"\t" + bytes(range(32, 127)) + bytes(range(128, 256))
_TARGET: Final = bytes(range(33, 127)).replace(b"#", b"") + bytes(range(128, 256))
_AUTHORITY: Final = b"-._~%!$&'()*+,;=:[]0123456789" + bytes(range(65, 91)) + bytes(range(97, 123))

_HOST: Final = b"host"
_LENGTH: Final = b"content-length"
_CODING: Final = b"transfer-encoding"
_CONNECTION: Final = b"connection"
_UPGRADE: Final = b"upgrade"
_TE: Final = b"te"
_EXPECT: Final = b"expect"
HOP_BY_HOP: Final = frozenset(
    (_CONNECTION, b"keep-alive", b"proxy-connection", _TE, _CODING, _UPGRADE)
)
_NOTABLE: Final = HOP_BY_HOP | {_HOST, _LENGTH, _EXPECT}
_KEPT: Final = frozenset((_LENGTH, _EXPECT))
"""Notable ones that go on."""
_NOT_IN_TRAILERS: Final = _NOTABLE | {b"trailer"}
_WEBSOCKET: Final = b"websocket"
_NO_OPTIONS: Final[frozenset[bytes]] = frozenset()
_USUAL_OPTIONS: Final = frozenset((b"close", b"keep-alive", b"upgrade"))
NO_FIELD: Final = "a header's name is not a token followed by a colon"


class HeadError(Exception):
    """The head breaks a rule; ``status`` is the answer that a client gets for it."""

    def __init__(self, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.status = status


class RequestLine(msgspec.Struct, frozen=True):
    """A request, the length of its body (or CHUNKED), and whether another one may follow."""

    head: RequestHead
    length: int
    is_kept: bool


class StatusLine(msgspec.Struct, frozen=True):
    """An answer, the length of its body (CHUNKED, UNTIL_CLOSE), and whether more may follow."""

    head: ResponseHead
    length: int
    is_kept: bool


def read_request(head: bytes, *, scheme: bytes, count_max: int) -> RequestLine:
    """Read a request's head: from its first byte up to the empty line, without that.

    Raises HeadError with 400, 431, 501 or 505.
    """
    line, _, block = head.partition(b"\r\n")
    headers, notable = _fields_of(block, count_max)
    method, target, version = _request_line(line)
    hosts = notable.get(_HOST)
    if version == "1.1" and (hosts is None or len(hosts) != 1):
        raise HeadError("there is not exactly one Host header")
    request = RequestHead(
        method=method,
        scheme=scheme,
        authority=_host(hosts) if hosts else b"",
        target=target,
        headers=headers,
        version=version,
    )
    if target[:1] != b"/" or method == b"CONNECT":
        _take_target_apart(request)
    if not hosts or len(notable) > 1:
        return _with_notable(request, notable)
    return RequestLine(request, 0, version == "1.1")


def _with_notable(request: RequestHead, notable: Notable) -> RequestLine:
    """Read what the head says of body and connection."""
    length = _length(notable)
    if length == UNTIL_CLOSE:
        length = 0
    is_modern = request.version == "1.1"
    if length == CHUNKED and not is_modern:
        raise HeadError("HTTP/1.0 knows no transfer-encoding")
    request.has_body = length != 0
    options = _options(notable.get(_CONNECTION))
    request.headers = _without_named(request.headers, options)
    upgrade = b",".join(notable.get(_UPGRADE, ())).lower()
    if b"upgrade" in options and is_modern and request.method == b"GET" and not length:
        request.upgrade = _WEBSOCKET if upgrade == _WEBSOCKET else b""
    if b"trailers" in _options(notable.get(_TE)):
        request.headers.append((b"TE", b"trailers"))
    expected = b",".join(notable.get(_EXPECT, ())).lower()
    request.expects_continue = is_modern and length != 0 and expected == b"100-continue"
    return RequestLine(request, length, _is_kept(options, is_modern=is_modern))


def read_response(head: bytes, *, method: bytes, count_max: int) -> StatusLine:
    """Read an answer's head; ``method`` is that of its request. Raises HeadError."""
    read = _read_answer if len(head) <= BLOCK_BYTES_MAX else _read_answer.__wrapped__
    known = read(head, method == b"HEAD", count_max)
    answer = known.head
    own = ResponseHead(
        status=answer.status,
        headers=answer.headers.copy(),
        reason=answer.reason,
        version=answer.version,
    )
    return StatusLine(own, known.length, known.is_kept)


@lru_cache(BLOCKS_MAX)
def _read_answer(head: bytes, is_to_head: bool, count_max: int) -> StatusLine:
    """As `read_response`, remembered: not to be changed."""
    line, _, block = head.partition(b"\r\n")
    version, status, reason = _status_line(line)
    headers, notable = _fields_of(block, count_max)
    length = _length(notable)
    is_kept = version == "1.1"
    if _HOST in notable:
        headers.extend((b"Host", value) for value in notable[_HOST])
    if _CONNECTION in notable:
        options = _options(notable[_CONNECTION])
        headers = _without_named(headers, options)
        is_kept = _is_kept(options, is_modern=is_kept)
    if status < 200 or status == 204:
        length = 0
        if _LENGTH in notable:
            headers = [field for field in headers if field[0].lower() != _LENGTH]
    elif is_to_head or status == 304:
        length = 0
    elif length == UNTIL_CLOSE:
        is_kept = False
    return StatusLine(
        ResponseHead(status=status, headers=headers, reason=reason, version=version),
        length,
        is_kept,
    )


def is_token(name: bytes) -> bool:
    """Whether it can be a header's name or a method."""
    return bool(name) and not name.translate(None, _TOKEN)


def is_field_value(value: bytes) -> bool:
    """Whether it can be a header's value."""
    return not value.translate(None, _FIELD)


def could_be_request(part: bytes, scanned: int) -> bool:
    """Whether the beginning of a head may become one; ``scanned`` bytes of it were seen before.

    So that what is no HTTP at all is told at once, and not when the client gives up.
    """
    if _has_bare_line_feed(part, scanned):
        return False
    return scanned > 0 or not part.partition(b" ")[0].rstrip(b"\r\n").translate(None, _TOKEN)


def could_be_response(part: bytes, scanned: int) -> bool:
    """Whether the beginning of a head may become an answer's; as `could_be_request`."""
    if _has_bare_line_feed(part, scanned):
        return False
    return scanned > 0 or part[:5] == b"HTTP/"[: len(part)]


def _has_bare_line_feed(part: bytes, scanned: int) -> bool:
    at = scanned
    if part[at : at + 1] == b"\n":  # what is before it was looked at with it
        at += 1
    return part.count(b"\n", at) != part.count(b"\r\n", at)


def read_trailers(block: bytes, *, count_max: int) -> Headers:
    """Read the fields after the last chunk; those that only make sense before it are dropped.

    Raises HeadError.
    """
    headers, _ = _fields_of(block, count_max)
    return [field for field in headers if field[0].lower() not in _NOT_IN_TRAILERS]


def _fields_of(block: bytes, count_max: int) -> tuple[Headers, Notable]:
    """The fields of a head: what goes on, in a list for the caller, and what is notable.

    All but the last one are remembered by their bytes: what differs from request to request (an
    id, a length) is the last one mostly, as proxies add theirs there.
    """
    if not block:
        return [], {}
    if block.count(b"\r\n") >= count_max:
        raise HeadError(f"more than {count_max} headers", 431)
    first, mark, last = block.rpartition(b"\r\n")
    headers: Headers = []
    notable: Notable = {}
    if mark:
        read = _read_block if len(first) <= BLOCK_BYTES_MAX else _read_block.__wrapped__
        known, notable = read(first)
        headers = known.copy()
    name, value = _field(last)
    lower = _lowered.get(name) or _learned(name)
    if lower in _NOTABLE:
        notable = {of: values.copy() for of, values in notable.items()} if notable else {}
        _note(lower, (name, value), headers, notable)
    else:
        headers.append((name, value))
    return headers, notable


@lru_cache(BLOCKS_MAX)
def _read_block(block: bytes) -> tuple[Headers, Notable]:
    """Fields, remembered: not to be changed."""
    headers: Headers = []
    notable: Notable = {}
    for line in block.split(b"\r\n"):
        name, value = _field(line)
        lower = _lowered.get(name) or _learned(name)
        if lower in _NOTABLE:
            _note(lower, (name, value), headers, notable)
        else:
            headers.append((name, value))
    return headers, notable


def _field(line: bytes) -> tuple[bytes, bytes]:
    """A name, not looked at yet, and its value."""
    if line.translate(None, _FIELD):
        raise HeadError("a control character in the head")
    name, colon, value = line.partition(b":")
    if not colon:
        raise HeadError(NO_FIELD)
    return name, value.strip(b" \t")


def _note(lower: bytes, field: tuple[bytes, bytes], headers: Headers, notable: Notable) -> None:
    """Keep a notable field; only the first of those that go on does."""
    is_again = lower in notable
    notable.setdefault(lower, []).append(field[1])
    if not is_again and lower in _KEPT:
        headers.append(field)


def _request_line(line: bytes) -> tuple[bytes, bytes, str]:
    parts = line.split(b" ")
    if len(parts) != 3:
        raise HeadError("the request line is not a method, a target and a version")
    method, target, name = parts
    if name == b"HTTP/1.1":
        version = "1.1"
    elif name == b"HTTP/1.0":
        version = "1.0"
    elif len(name) == 8 and name.startswith(b"HTTP/1.") and name[7:].isdigit():
        version = "1.1"  # RFC 9110 2.5: what is newer is read as the newest that we know
    elif len(name) == 8 and name.startswith(b"HTTP/"):
        raise HeadError("the version is not spoken here", 505)
    else:
        raise HeadError("the request line has no version")
    if not is_token(method):
        raise HeadError("the method is not a token")
    if not target or target.translate(None, _TARGET):
        raise HeadError("the target has bytes that are not allowed in it")
    return method, target, version


def _status_line(line: bytes) -> tuple[str, int, bytes]:
    version, _, rest = line.partition(b" ")
    digits, _, reason = rest.partition(b" ")
    if len(version) != 8 or not version.startswith(b"HTTP/1.") or not version[7:].isdigit():
        raise HeadError("the status line has no version")
    if len(digits) != 3 or not digits.isdigit() or digits < b"100":
        raise HeadError("the status is not three digits")
    if line.translate(None, _FIELD):
        raise HeadError("a control character in the head")
    return "1.0" if version.endswith(b"0") else "1.1", int(digits), reason


_lowered: dict[bytes, bytes] = {}
"""Names that were found to be tokens, in lower case: the same ones come with each request."""


def _learned(name: bytes) -> bytes:
    """A name in lower case; raises HeadError if it is no token."""
    if not is_token(name):
        raise HeadError(NO_FIELD)
    lower = name.lower()
    if len(_lowered) < NAMES_MAX and len(name) <= NAME_BYTES_MAX:
        _lowered[name] = lower
    return lower


def _host(hosts: list[bytes]) -> bytes:
    if len(hosts) > 1 or hosts[0].translate(None, _AUTHORITY):
        raise HeadError("the host has bytes that are not allowed in it, or is not one")
    return hosts[0]


def _take_target_apart(request: RequestHead) -> None:
    """Read a target that is no path."""
    if request.method == b"CONNECT":
        raise HeadError("CONNECT is not offered", 501)
    if request.target != b"*":
        request.scheme, request.authority, request.target = _absolute(request.target)
        _host([request.authority])
    elif request.method != b"OPTIONS":
        raise HeadError("only OPTIONS takes the target *")


def _absolute(target: bytes) -> tuple[bytes, bytes, bytes]:
    """Take an absolute target apart; its authority is the host, whatever the header says."""
    scheme, mark, rest = target.partition(b"://")
    scheme = scheme.lower()
    if not mark or scheme not in (b"http", b"https"):
        raise HeadError("the target is neither a path nor a URL")
    end = min(at for at in (rest.find(b"/"), rest.find(b"?"), len(rest)) if at >= 0)
    authority, path = rest[:end], rest[end:]
    if not authority:
        raise HeadError("the URL has no host")
    return scheme, authority, path if path[:1] == b"/" else b"/" + path


def _length(notable: Notable) -> int:
    """Give the length of the body that the head announces; UNTIL_CLOSE if it says nothing."""
    lengths = notable.get(_LENGTH)
    codings = notable.get(_CODING)
    if codings is not None:
        if lengths is not None:
            raise HeadError("both a content-length and a transfer-encoding")
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            raise HeadError("a transfer-encoding other than chunked", 501)
        return CHUNKED
    if lengths is None:
        return UNTIL_CLOSE
    text = lengths[0]
    if not text.isdigit() or len(text) > LENGTH_DIGITS_MAX:
        raise HeadError("the content-length is not a number")
    if len(lengths) > 1 and any(other != text for other in lengths):
        raise HeadError("two content-lengths that differ")
    return int(text)


def _is_kept(options: frozenset[bytes], *, is_modern: bool) -> bool:
    """Whether the connection may carry more after the message."""
    if not options:
        return is_modern
    return b"close" not in options and (is_modern or b"keep-alive" in options)


def _options(values: list[bytes] | None) -> frozenset[bytes]:
    if values is None:
        return _NO_OPTIONS
    return frozenset(part.strip(b" \t").lower() for part in b",".join(values).split(b","))


def _without_named(headers: Headers, options: frozenset[bytes]) -> Headers:
    """Take out what Connection names: it was meant for us only."""
    if options <= _USUAL_OPTIONS:
        return headers
    named = options - {_LENGTH}
    return [field for field in headers if field[0].lower() not in named]
