"""gRPC messages in a body: cut out of chunks, and wrapped. Source: gRPC over HTTP/2."""

from typing import Final

MESSAGE_BYTES_MAX: Final = 16 * 1024 * 1024  # a request that names a hundred thousand clusters
PREFIX_BYTES: Final = 5
UNIMPLEMENTED: Final = 12
UNAVAILABLE: Final = 14
INVALID_ARGUMENT: Final = 3


class BadFrame(ValueError):
    """Compressed though nobody agreed to, or too long."""


class Messages:
    """Collects chunks of a body."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The messages that are complete with this chunk. Raises BadFrame."""
        self._kept += chunk
        found = []
        while len(self._kept) >= PREFIX_BYTES:
            length = int.from_bytes(self._kept[1:PREFIX_BYTES], "big")
            if self._kept[0] or length > MESSAGE_BYTES_MAX:
                raise BadFrame("the message is compressed, or too long")
            end = PREFIX_BYTES + length
            if len(self._kept) < end:
                break
            found.append(bytes(self._kept[PREFIX_BYTES:end]))
            del self._kept[:end]
        return found


def wrapped(message: bytes) -> bytes:
    """A message as it goes into a body."""
    return b"\0" + len(message).to_bytes(PREFIX_BYTES - 1, "big") + message
