"""Reads the head of an HTTP/1 message: strict where being lenient lets a request be smuggled.

A head is split at its line ends, and checked by what is left after all allowed bytes were taken
out: for the usual head that is less work than calling back for each header, and nothing is allowed
that RFC 9112 does not allow: no folded lines, no bare CR or LF, no space before a colon, one
length. Headers keep their names, case and order; hop-by-hop ones are taken out here, and tell of
the connection in `RequestLine` and `StatusLine`.

Source: RFC 9112 sections 2, 3, 4, 5 and 6.3; RFC 9110 sections 5, 7.6.1, 7.8 and 10.1.1.
"""

from typing import Final

import msgspec

from proxy.http import Headers, RequestHead, ResponseHead

LENGTH_DIGITS_MAX: Final = 18  # more is no file's length, and keeps the number in 64 bits
NAMES_MAX: Final = 1024  # that are remembered; there are some hundred in use, in two cases
NAME_BYTES_MAX: Final = 64  # of such a name: none that is in use is longer
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
_SPECIAL: Final = frozenset((_HOST, _LENGTH, _CODING, _CONNECTION, _UPGRADE, _TE, _EXPECT))
HOP_BY_HOP: Final = frozenset(
    (_CONNECTION, b"keep-alive", b"proxy-connection", _TE, b"trailer", _CODING, _UPGRADE)
)
_NOTABLE: Final = _SPECIAL | HOP_BY_HOP
_WEBSOCKET: Final = b"websocket"


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


class _Notable:
    """What the special headers of one head said."""

    __slots__ = ("codings", "connection", "expect", "hosts", "lengths", "te", "upgrade")

    def __init__(self) -> None:
        self.hosts: list[bytes] = []
        self.lengths: list[bytes] = []
        self.codings: list[bytes] = []
        self.connection = b""
        self.upgrade = b""
        self.te = b""
        self.expect = b""

    def take(self, name: bytes, value: bytes) -> None:
        """Note a header; of those that are lists, all."""
        if name == _HOST:
            self.hosts.append(value)
        elif name == _LENGTH:
            self.lengths.append(value)
        elif name == _CODING:
            self.codings.append(value)
        elif name == _CONNECTION:
            self.connection = self.connection + b"," + value if self.connection else value
        elif name == _UPGRADE:
            self.upgrade = self.upgrade + b"," + value if self.upgrade else value
        elif name == _TE:
            self.te = self.te + b"," + value if self.te else value
        elif name == _EXPECT:
            self.expect = value


def read_request(head: bytes, *, scheme: bytes, count_max: int) -> RequestLine:
    """Read a request's head: from its first byte up to the empty line, without that.

    Raises HeadError with 400, 405, 431, 501 or 505.
    """
    lines = _lines(head, count_max)
    method, target, version = _request_line(lines[0])
    headers, notable = _read_fields(lines)
    authority, target, scheme = _target(method, target, scheme, notable.hosts, version)
    length = _length(notable, headers)
    if length == UNTIL_CLOSE:
        length = 0
    is_kept = version == "1.1"
    upgrade = b""
    if notable.connection:
        options = _options(notable.connection)
        is_kept = b"close" not in options and (is_kept or b"keep-alive" in options)
        headers = _without_named(headers, options)
        if b"upgrade" in options and version == "1.1" and method == b"GET" and not length:
            upgrade = _WEBSOCKET if notable.upgrade.lower() == _WEBSOCKET else b""
    if notable.te and b"trailers" in _options(notable.te):
        headers.append((b"TE", b"trailers"))
    if length == CHUNKED and version == "1.0":
        raise HeadError("HTTP/1.0 knows no transfer-encoding")
    return RequestLine(
        RequestHead(
            method=method,
            scheme=scheme,
            authority=authority,
            target=target,
            headers=headers,
            version=version,
            has_body=length != 0,
            upgrade=upgrade,
            expects_continue=bool(notable.expect)
            and version == "1.1"
            and length != 0
            and notable.expect.lower() == b"100-continue",
        ),
        length,
        is_kept,
    )


def read_response(head: bytes, *, method: bytes, count_max: int) -> StatusLine:
    """Read an answer's head; ``method`` is that of its request. Raises HeadError."""
    lines = _lines(head, count_max)
    version, status, reason = _status_line(lines[0])
    headers, notable = _read_fields(lines)
    if notable.hosts:
        headers.extend((b"Host", value) for value in notable.hosts)
    length = _length(notable, headers)
    is_kept = version == "1.1"
    if notable.connection:
        options = _options(notable.connection)
        is_kept = b"close" not in options and (is_kept or b"keep-alive" in options)
        headers = _without_named(headers, options)
    if status < 200 or status == 204:
        length = 0
        if notable.lengths:
            headers = [field for field in headers if field[0].lower() != _LENGTH]
    elif method == b"HEAD" or status == 304:
        length = 0
    elif length == UNTIL_CLOSE:
        is_kept = False
    return StatusLine(
        ResponseHead(status=status, headers=headers, reason=reason, version=version),
        length,
        is_kept,
    )


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
    if not block:
        return []
    lines = _lines(b"\r\n" + block, count_max)
    headers, _ = _read_fields(lines)
    return [field for field in headers if field[0].lower() not in _NOTABLE]


def _lines(head: bytes, count_max: int) -> list[bytes]:
    lines = head.split(b"\r\n")
    if len(lines) - 1 > count_max:
        raise HeadError(f"more than {count_max} headers", 431)
    if len(head.translate(None, _FIELD)) != 2 * (len(lines) - 1):
        raise HeadError("a control character in the head")
    return lines


def _request_line(line: bytes) -> tuple[bytes, bytes, str]:
    parts = line.split(b" ")
    if len(parts) != 3:
        raise HeadError("the request line is not a method, a target and a version")
    method, target, name = parts
    if name == b"HTTP/1.1":
        version = "1.1"
    elif name == b"HTTP/1.0":
        version = "1.0"
    elif len(name) == 8 and name.startswith(b"HTTP/"):
        raise HeadError("the version is not spoken here", 505)
    else:
        raise HeadError("the request line has no version")
    if not method or method.translate(None, _TOKEN):
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
    return "1.0" if version.endswith(b"0") else "1.1", int(digits), reason


def _read_fields(lines: list[bytes]) -> tuple[Headers, _Notable]:
    """Read ``lines`` but the first: what goes on, and what the others said."""
    headers: Headers = []
    notable = _Notable()
    for at in range(1, len(lines)):
        name, colon, value = lines[at].partition(b":")
        lower = _lowered.get(name) or _learned(name)
        if not colon or not lower:
            raise HeadError("a header's name is not a token followed by a colon")
        value = value.strip(b" \t")
        if lower in _NOTABLE:
            notable.take(lower, value)
            if lower not in (_LENGTH, _EXPECT):
                continue
            if lower == _LENGTH and len(notable.lengths) > 1:
                continue
        headers.append((name, value))
    return headers, notable


_lowered: dict[bytes, bytes] = {}
"""Names that were found to be tokens, in lower case: the same ones come with each request."""


def _learned(name: bytes) -> bytes:
    """A name in lower case; empty if it is no token."""
    if not name or name.translate(None, _TOKEN):
        return b""
    lower = name.lower()
    if len(_lowered) < NAMES_MAX and len(name) <= NAME_BYTES_MAX:
        _lowered[name] = lower
    return lower


def _target(
    method: bytes, target: bytes, scheme: bytes, hosts: list[bytes], version: str
) -> tuple[bytes, bytes, bytes]:
    """Give authority, path and query, and scheme."""
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        raise HeadError("there is not exactly one Host header")
    authority = hosts[0] if hosts else b""
    if method == b"CONNECT":
        raise HeadError("CONNECT is not offered", 405)
    if target[:1] != b"/":
        if target == b"*":
            if method != b"OPTIONS":
                raise HeadError("only OPTIONS takes the target *")
        else:
            scheme, authority, target = _absolute(target)
    if authority.translate(None, _AUTHORITY):
        raise HeadError("the host has bytes that are not allowed in it")
    return authority, target, scheme


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


def _length(notable: _Notable, headers: Headers) -> int:
    """Give the length of the body that the head announces; UNTIL_CLOSE if it says nothing."""
    if notable.codings:
        if notable.lengths:
            raise HeadError("both a content-length and a transfer-encoding")
        if len(notable.codings) > 1 or notable.codings[0].lower() != b"chunked":
            raise HeadError("a transfer-encoding other than chunked", 501)
        return CHUNKED
    if not notable.lengths:
        return UNTIL_CLOSE
    text = notable.lengths[0]
    if not text.isdigit() or len(text) > LENGTH_DIGITS_MAX:
        raise HeadError("the content-length is not a number")
    if len(notable.lengths) > 1 and any(other != text for other in notable.lengths):
        raise HeadError("two content-lengths that differ")
    return int(text)


def _options(value: bytes) -> frozenset[bytes]:
    return frozenset(part.strip(b" \t").lower() for part in value.split(b","))


def _without_named(headers: Headers, options: frozenset[bytes]) -> Headers:
    """Take out what Connection names: it was meant for us only."""
    if len(options) == 1 and not options.isdisjoint((b"close", b"keep-alive", b"upgrade")):
        return headers
    named = options - {_LENGTH}
    return [field for field in headers if field[0].lower() not in named]
