"""Takes chunked bodies apart, and makes chunks. Source: RFC 9112 section 7.1.

Chunk extensions are dropped: they mean something only between two neighbours. Bounded: a line that
gives a chunk's size, and the trailers. What is wrong raises `HeadError`.
"""

from typing import Final

from proxy.core.http1_head import HeadError, read_trailers
from proxy.http import Headers

SIZE_DIGITS_MAX: Final = 15  # hex digits: a chunk of 2^60 bytes is none
SIZE_LINE_BYTES_MAX: Final = 256  # the digits, and extensions that nobody reads
LAST_CHUNK: Final = b"0\r\n\r\n"

_HEX: Final = b"0123456789abcdefABCDEF"
_LINE: Final = b"\t" + bytes(range(32, 127)) + bytes(range(128, 256))


class ChunkedBody:
    """Reads one chunked body. After `feed`, ``is_complete`` tells whether it has ended; then
    ``trailers`` are its trailers, and ``rest`` is what came after it.
    """

    __slots__ = ("_buffer", "_bytes_max", "_count_max", "_left", "is_complete", "rest", "trailers")

    def __init__(self, *, trailer_bytes_max: int, trailer_count_max: int) -> None:
        self._buffer = b""
        self._left = 0  # of the chunk that is being read and its line end; -1: reading trailers
        self._bytes_max = trailer_bytes_max
        self._count_max = trailer_count_max
        self.is_complete = False
        self.trailers: Headers = []
        self.rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes off the connection, give the content that was in them; raises HeadError."""
        block = self._buffer + chunk if self._buffer else chunk
        at = 0
        parts: list[bytes] = []
        while self._left >= 0:
            if self._left:
                at = self._content(block, at, parts)
                if self._left:
                    break
            else:
                end = block.find(b"\r\n", at)
                if end < 0:
                    _check_open_line(block, at)
                    break
                self._left = _size(block[at:end])
                at = end + 2
        if self._left < 0:
            at = self._end(block, at)
        self._buffer = block[at:] if at else block
        if self.is_complete:
            self.rest, self._buffer = self._buffer, b""
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _content(self, block: bytes, at: int, parts: list[bytes]) -> int:
        """Take content up to the chunk's line end; gives the new position.

        ``_left`` counts the line end's two bytes, so that 2 says that only it is missing.
        """
        have = len(block) - at
        content = min(have, self._left - 2)
        if content > 0:
            parts.append(block[at : at + content])
            at += content
            self._left -= content
        if self._left == 2 and len(block) - at >= 2:
            if block[at : at + 2] != b"\r\n":
                raise HeadError("a chunk does not end where it said")
            at += 2
            self._left = 0
        elif self._left == 2 and len(block) - at == 1 and block[at] != 13:
            raise HeadError("a chunk does not end where it said")
        return at

    def _end(self, block: bytes, at: int) -> int:
        """Read the trailers up to their empty line; gives the new position."""
        if block.startswith(b"\r\n", at):
            self.is_complete = True
            return at + 2
        end = block.find(b"\r\n\r\n", at)
        if (end if end >= 0 else len(block)) - at > self._bytes_max:
            raise HeadError("the trailers are too large", 431)
        if end < 0:
            return at
        self.trailers = read_trailers(block[at:end], count_max=self._count_max)
        self.is_complete = True
        return end + 4


def chunk_of(content: bytes) -> bytes:
    """Wrap content, which must not be empty: an empty chunk ends a body."""
    return b"%x\r\n%b\r\n" % (len(content), content)


def last_chunk(trailers: Headers) -> bytes:
    """End a chunked body."""
    if not trailers:
        return LAST_CHUNK
    return b"0\r\n" + b"".join([b"%b: %b\r\n" % field for field in trailers]) + b"\r\n"


def _size(line: bytes) -> int:
    """Read a chunk's size; gives what is to come with the line end, or -1 for the last chunk."""
    digits, mark, _ = line.partition(b";")
    digits = digits.rstrip(b" \t") if mark else digits
    if len(line) > SIZE_LINE_BYTES_MAX or line.translate(None, _LINE):
        raise HeadError("a chunk's size line is too long or has control characters")
    if not digits or len(digits) > SIZE_DIGITS_MAX or digits.translate(None, _HEX):
        raise HeadError("a chunk's size is not a hexadecimal number")
    size = int(digits, 16)
    return size + 2 if size else -1


def _check_open_line(block: bytes, at: int) -> None:
    """Refuse early what can be no size line any more."""
    if len(block) - at > SIZE_LINE_BYTES_MAX or block.find(b"\n", at) >= 0:
        raise HeadError("a chunk's size line does not end")
