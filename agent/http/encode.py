"""Answers to bytes: JSON, headers and compression, the same for both lanes of the server."""

import zlib
from typing import Final, NamedTuple
from urllib.parse import quote

import msgspec

from agent.http.call import NOTHING, Answer
from catalog.shape import to_json

GZIP_BYTES_MIN: Final = 1400  # below one packet compression gains nothing
GZIP_QUICK_BYTES_MIN: Final = 64 * 1024  # above it half the time matters more than a tenth of size
_JSON: Final = "application/json"
_TEXT: Final = "text/plain; charset=utf-8"
_PLAIN: Final = " !\"#$&'()*+,/:;<=>?@[\\]^`{|}"
_encode = msgspec.json.encode


class Rendered(NamedTuple):
    """A complete answer: status, headers in order, body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def json_bytes(value: object, *, pretty: bool) -> bytes:
    """JSON of rows or plain values; ``pretty`` is four spaces and a final newline."""
    plain = _encode(to_json(value))
    return msgspec.json.format(plain, indent=4) + b"\n" if pretty else plain


def render(answer: Answer, common: list[tuple[str, str]], *, pretty: bool, gzip: bool) -> Rendered:
    """The status, headers and body of an answer. ``common`` headers are on every answer."""
    headers = [*common, *((name, _field(value)) for name, value in answer.headers.items())]
    if answer.text is not None:
        body = answer.text.encode()
        # An empty text has no type, as nothing was said.
        content_type = answer.content_type or (_TEXT if body else None)
    elif answer.json is not NOTHING:
        body = json_bytes(answer.json, pretty=pretty)
        content_type = _JSON
    else:
        body = answer.body or b""
        content_type = answer.content_type
    if content_type is not None:
        headers.append(("Content-Type", content_type))
    if gzip and len(body) >= GZIP_BYTES_MIN:
        body = _gzip(body)
        headers.append(("Content-Encoding", "gzip"))
    return Rendered(answer.status, headers, body)


def _field(value: str) -> str:
    """A field's value, percent-encoded where it is no plain text: names come from users."""
    return value if value.isascii() and value.isprintable() else quote(value, safe=_PLAIN)


def _gzip(body: bytes) -> bytes:
    level = 1 if len(body) >= GZIP_QUICK_BYTES_MIN else 6
    compressor = zlib.compressobj(level, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()
