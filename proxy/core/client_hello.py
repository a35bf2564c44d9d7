"""The first message of a TLS client, read before anything is answered: whom it asks for.

A listener chooses its filter chain by the server name, and a mesh gateway passes the bytes on
unread, so neither can leave the reading to a TLS library. Nothing is checked that is not needed
for that; the library that completes the handshake checks the rest.
Source: RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3, RFC 7301 section 3.1.
"""

from typing import Final

import msgspec

HELLO_BYTES_MAX: Final = 16_384  # post-quantum key shares take 2 KiB, tickets one or two more
RECORDS_MAX: Final = 64  # a hello is one record, or a few; one byte a record is an attack
NAME_BYTES_MAX: Final = 255  # of a host name in DNS

_RECORD_HEADER_BYTES: Final = 5
_RECORD_BYTES_MAX: Final = 16_384  # RFC 8446 section 5.1: of a plaintext record
_MESSAGE_HEADER_BYTES: Final = 4
_MESSAGE_BYTES_MAX: Final = (  # what is left when it comes in as many records as possible
    HELLO_BYTES_MAX - RECORDS_MAX * _RECORD_HEADER_BYTES - _MESSAGE_HEADER_BYTES
)
_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_RANDOM_BYTES: Final = 32
_SERVER_NAME: Final = 0
_ALPN: Final = 16


class BadHelloError(ValueError):
    """The bytes are no ClientHello; ``reason`` is a short stable word for counts."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ClientHello(msgspec.Struct, frozen=True):
    """What is asked for; the name in lower case without a final dot, empty if there is none."""

    server_name: str = ""
    alpn: tuple[str, ...] = ()


def parse_client_hello(received: bytes) -> ClientHello | None:
    """The hello at the start of a connection's bytes; None while more of them are needed.

    More than `HELLO_BYTES_MAX` are never needed. Raises BadHelloError: ``not-tls`` for what is
    another protocol, ``bad-hello`` for what is broken or beyond a limit.
    """
    message = _first_message(received)
    return None if message is None else _read(message)


def _first_message(received: bytes) -> bytes | None:
    """The content of the ClientHello, put together from its records; None if some is missing."""
    content = b""
    offset = 0
    for _ in range(RECORDS_MAX):
        header = received[offset : offset + _RECORD_HEADER_BYTES]
        if header[:1] not in {b"", b"\x16"} or header[1:2] not in {b"", b"\x03"}:
            raise BadHelloError("bad-hello" if offset else "not-tls")
        if len(header) < _RECORD_HEADER_BYTES:
            return None
        size = int.from_bytes(header[3:5], "big")
        if not 0 < size <= _RECORD_BYTES_MAX:
            raise BadHelloError("bad-hello")
        offset += _RECORD_HEADER_BYTES
        content += received[offset : offset + size]
        offset += size
        if content[:1] not in {b"", bytes([_CLIENT_HELLO])}:
            raise BadHelloError("bad-hello")
        if len(content) >= _MESSAGE_HEADER_BYTES:
            length = int.from_bytes(content[1:4], "big")
            if length > _MESSAGE_BYTES_MAX:
                raise BadHelloError("bad-hello")
            message = content[_MESSAGE_HEADER_BYTES : _MESSAGE_HEADER_BYTES + length]
            if len(message) == length:
                return message
        if offset > len(received):
            return None
    raise BadHelloError("bad-hello")


class _Reader:
    """Takes fields off the front of a message. What does not fit raises BadHelloError."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._offset = 0

    def is_empty(self) -> bool:
        return self._offset == len(self._content)

    def take(self, size: int) -> bytes:
        end = self._offset + size
        if end > len(self._content):
            raise BadHelloError("bad-hello")
        taken = self._content[self._offset : end]
        self._offset = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, length_size: int) -> "_Reader":
        return _Reader(self.take(self.number(length_size)))

    def rest(self) -> bytes:
        return self._content[self._offset :]


def _read(message: bytes) -> ClientHello:
    reader = _Reader(message)
    reader.take(2 + _RANDOM_BYTES)
    reader.vector(1)  # session id
    reader.vector(2)  # cipher suites
    reader.vector(1)  # compression methods
    if reader.is_empty():
        return ClientHello()  # TLS 1.2 allows a hello without extensions
    extensions = reader.vector(2)
    if not reader.is_empty():
        raise BadHelloError("bad-hello")
    server_name = ""
    alpn: tuple[str, ...] = ()
    seen: set[int] = set()
    while not extensions.is_empty():
        kind = extensions.number(2)
        content = extensions.vector(2)
        if kind in seen:
            raise BadHelloError("bad-hello")
        seen.add(kind)
        if kind == _SERVER_NAME:
            server_name = _server_name(content)
        elif kind == _ALPN:
            alpn = _alpn(content)
    return ClientHello(server_name, alpn)


def _server_name(extension: _Reader) -> str:
    names = extension.vector(2)
    while not names.is_empty():
        kind = names.number(1)
        name = names.vector(2).rest()
        if kind == 0:
            return _host_name(name)
    return ""


def _host_name(raw: bytes) -> str:
    if not 0 < len(raw) <= NAME_BYTES_MAX or not all(0x21 <= byte < 0x7F for byte in raw):
        raise BadHelloError("bad-hello")
    return raw.decode("ascii").lower().removesuffix(".")


def _alpn(extension: _Reader) -> tuple[str, ...]:
    protocols = extension.vector(2)
    found: list[str] = []
    while not protocols.is_empty():
        name = protocols.vector(1).rest()
        if not name:
            raise BadHelloError("bad-hello")
        found.append(name.decode("latin-1"))
    return tuple(found)
