"""What a handler sees and gives: one request as values, one answer as a value.

Handlers never see sockets, streams or the server's request object. ``Call`` is what was asked,
decoded once; ``Answer`` is what to send; ``HttpError`` is a refusal with its status and text.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes, urlencode

import msgspec

if TYPE_CHECKING:
    from agent.http.front import Front
    from agent.local.agent import LocalAgent


class HttpError(Exception):
    """A refusal: the status and the plain text of its body."""

    def __init__(
        self, status: int, text: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = dict(headers or {})


class _Nothing:
    """The absence of a JSON body, where ``None`` is the JSON value ``null``."""


NOTHING: Final = _Nothing()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What to send. ``json`` is plain JSON values; ``index`` fills the X-Consul-Index header."""

    status: int = 200
    json: object = NOTHING
    text: str | None = None
    body: bytes | None = None
    content_type: str | None = None
    headers: Mapping[str, str] = {}
    stream: AsyncIterator[bytes] | None = None


class Query:
    """The parameters of a URL, in order, names and values percent-decoded once."""

    __slots__ = ("_pairs", "raw")

    def __init__(self, raw: str) -> None:
        self.raw = raw
        self._pairs: dict[str, list[str]] = {}
        for part in raw.split("&") if raw else ():
            if not part:
                continue
            name, _, value = part.partition("=")
            self._pairs.setdefault(_decode(name), []).append(_decode(value))

    def get(self, name: str) -> str | None:
        """The first value of a parameter; None when it is absent."""
        values = self._pairs.get(name)
        return values[0] if values else None

    def text(self, name: str) -> str:
        """The first value of a parameter; empty when it is absent."""
        values = self._pairs.get(name)
        return values[0] if values else ""

    def has(self, name: str) -> bool:
        """Whether the parameter is there, with or without a value."""
        return name in self._pairs

    def encoded(self) -> str:
        """All parameters, sorted by name, as a URL carries them."""
        pairs = [(name, value) for name in sorted(self._pairs) for value in self._pairs[name]]
        return urlencode(pairs)

    def all(self, name: str) -> list[str]:
        """Every value of a repeatable parameter, in order."""
        return self._pairs.get(name, [])


def _decode(text: str) -> str:
    if "%" not in text and "+" not in text:
        return text
    try:
        return percent_decode(text.replace("+", " "))
    except ValueError as error:
        raise HttpError(400, f"Invalid query: {error}") from None


def percent_decode(text: str) -> str:
    """Undo percent-encoding once. Raises ValueError for a bad escape or invalid UTF-8."""
    position = text.find("%")
    while position >= 0:
        digits = text[position + 1 : position + 3]
        if len(digits) != 2 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
            message = f'invalid URL escape "{text[position : position + 3]}"'
            raise ValueError(message)
        position = text.find("%", position + 1)
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        message = "not valid UTF-8"
        raise ValueError(message) from None


class Call:
    """One request. ``path`` holds the pattern's arguments, ``body`` the whole body."""

    __slots__ = ("body", "front", "headers", "method", "path", "query", "source_address", "target")

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of a request, in its order
        self,
        front: Front,
        method: str,
        target: str,
        query: Query,
        headers: Mapping[str, str],
        body: bytes,
        source_address: str,
    ) -> None:
        self.front = front
        self.method = method
        self.target = target
        self.query = query
        self.headers = headers
        self.body = body
        self.source_address = source_address
        self.path: dict[str, str] = {}

    @property
    def local(self) -> LocalAgent:
        """This node's own registrations."""
        return self.front.local

    @property
    def datacenter(self) -> str:
        """The datacenter of this agent."""
        return self.front.datacenter

    @property
    def node_name(self) -> str:
        """The name of this agent's node."""
        return self.front.node_name
