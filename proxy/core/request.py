"""What decisions ask of a request, read once and only as far as somebody asks.

Text is compared as bytes: rules are UTF-8, and so is what clients send, mostly. ``str`` forms are
Latin-1, so that no byte can fail to decode. Source: RFC 9110 (fields), RFC 6265 (cookies).
"""

from typing import Final
from urllib.parse import unquote_to_bytes

from proxy.core.path import readings
from proxy.http import Headers, RequestHead

COOKIE: Final = b"cookie"
PSEUDO: Final = frozenset({b":method", b":authority", b":path", b":scheme", b"host"})
"""Parts of the head that conditions on headers may name, as in HTTP/2; Host is the authority."""


class RequestFacts:
    """One request, frozen: ``target`` is the one to use, normalised if that was asked for.

    ``path`` is without query, ``query`` without "?".
    """

    __slots__ = (
        "_cookies",
        "_fields",
        "_head",
        "_parameters",
        "_readings",
        "method",
        "path",
        "query",
        "raw_target",
        "target",
    )

    def __init__(self, head: RequestHead, target: bytes | None = None) -> None:
        self._head = head
        self._fields: dict[bytes, bytes] | None = None
        self._cookies: dict[bytes, bytes] | None = None
        self._parameters: dict[bytes, bytes] | None = None
        self._readings: tuple[bytes, ...] | None = None
        self.raw_target = head.target
        self.target = head.target if target is None else target
        self.path, _, self.query = self.target.partition(b"?")
        self.method = head.method

    @property
    def host(self) -> str:
        """Lower case, without port."""
        return host_of(self._head.authority)

    @property
    def headers(self) -> Headers:
        """All fields as they came."""
        return self._head.headers

    @property
    def readings(self) -> tuple[bytes, ...]:
        """The path, and how else an application may understand it (see `proxy.core.path`)."""
        if self._readings is None:
            self._readings = readings(self.path)
        return self._readings

    def header(self, name: bytes) -> bytes | None:
        """The value of a field by its lower-case name; repeated ones are joined by a comma."""
        if self._fields is None:
            self._fields = _joined(self._head.headers)
        value = self._fields.get(name)
        if value is None and name in PSEUDO:
            return self._pseudo(name)
        return value

    def values(self, name: bytes) -> list[bytes]:
        """The values of a field by its lower-case name, each as it came."""
        return [value for field, value in self._head.headers if field.lower() == name]

    def cookie(self, name: bytes) -> bytes | None:
        """The value of a cookie; the first of its name, as browsers send the closest one first."""
        if self._cookies is None:
            self._cookies = _cookies(self.header(COOKIE) or b"")
        return self._cookies.get(name)

    def parameter(self, name: bytes) -> bytes | None:
        """The decoded value of a parameter of the query; the first of its name."""
        if self._parameters is None:
            self._parameters = _parameters(self.query)
        return self._parameters.get(name)

    def _pseudo(self, name: bytes) -> bytes:
        match name:
            case b":method":
                return self.method
            case b":path":
                return self.target
            case b":scheme":
                return self._head.scheme
            case _:
                return self._head.authority


def host_of(authority: bytes) -> str:
    """The host name of ``host:port`` or ``[v6]:port``, lower case, without a last dot."""
    if authority.startswith(b"["):
        host = authority.partition(b"]")[0] + b"]"
    else:
        host = authority.partition(b":")[0]
    return host.decode("latin-1").lower().removesuffix(".")


def _joined(headers: Headers) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        lowered = name.lower()
        if lowered in fields:
            separator = b"; " if lowered == COOKIE else b","
            fields[lowered] += separator + value
        else:
            fields[lowered] = value
    return fields


def _cookies(field: bytes) -> dict[bytes, bytes]:
    cookies: dict[bytes, bytes] = {}
    for pair in field.split(b";"):
        name, separator, value = pair.strip(b" \t").partition(b"=")
        if separator:
            cookies.setdefault(name, value.strip(b'"'))
    return cookies


def _parameters(query: bytes) -> dict[bytes, bytes]:
    parameters: dict[bytes, bytes] = {}
    for pair in query.split(b"&"):
        name, _, value = pair.replace(b"+", b" ").partition(b"=")
        if pair:
            parameters.setdefault(unquote_to_bytes(name), unquote_to_bytes(value))
    return parameters
