"""Header compression for HTTP/2: field lists to blocks and back, each end with its table.

Source: RFC 7541. The static table and Huffman decoding are of the `hpack` library, which is also
what the tests compare with; the loops are ours, since they are what a request costs most of.

What makes them quick: a block that does not change the table means the same again for as long as
the table stays, so it is remembered whole; and what differs from request to request is not put
in the table, so that it stays. Nothing is sent in Huffman code: it would save a fifth of the
bytes within a data center, for twice the work on both sides.

Limits: a decoded list and its fields, below. Failure: ConnectionFault, since after it the two
tables differ.
"""

from collections import deque
from typing import Final, Generic, TypeVar

from hpack.exceptions import HPACKDecodingError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

from proxy.core.http2_frames import Code, ConnectionFault
from proxy.http import Headers

TABLE_BYTES_MAX: Final = 4096
"""Of the table that a peer keeps for us, and we for it: RFC 9113's default, which holds the
constant fields of about 60 kinds of request."""
ENTRY_OVERHEAD_BYTES: Final = 32  # RFC 7541 section 4.1
REMEMBERED_MAX: Final = 64  # blocks: the kinds of request that a connection sees in turn
REMEMBERED_BYTES_MAX: Final = 1024  # of a block; one with large fields is rarely sent twice
INTEGER_BYTES_MAX: Final = 5  # enough for 2^32; more is an attempt to be slow

STATIC: Final[tuple[tuple[bytes, bytes], ...]] = tuple(HeaderTable.STATIC_TABLE)
_STATIC_INDEX: Final = {field: index for index, field in reversed(list(enumerate(STATIC, 1)))}
_STATIC_NAME: Final = {name: index for index, (name, _) in reversed(list(enumerate(STATIC, 1)))}
_DYNAMIC_FIRST: Final = len(STATIC) + 1

VARYING: Final = frozenset(
    (
        b":path",
        b"content-length",
        b"content-range",
        b"etag",
        b"if-modified-since",
        b"if-none-match",
        b"last-modified",
        b"location",
        b"traceparent",
        b"tracestate",
        b"x-b3-spanid",
        b"x-b3-traceid",
        b"x-request-id",
        b"x-envoy-upstream-service-time",
        b"grpc-timeout",
    )
)
"""Fields that are another each time: not worth a place in the table."""
SECRET: Final = frozenset((b"authorization", b"proxy-authorization", b"cookie", b"set-cookie"))
"""Fields that nobody may put in a table, where their size could be probed. RFC 7541, 7.1.3."""

T = TypeVar("T")


class Block(Generic[T]):
    """A decoded block. ``meaning`` is for what the reader made of it, as long as it is kept."""

    __slots__ = ("fields", "list_bytes", "meaning")

    def __init__(self, fields: Headers, list_bytes: int) -> None:
        self.fields = fields
        self.list_bytes = list_bytes
        self.meaning: T | None = None


class Decoder(Generic[T]):
    """Reads blocks. ``list_bytes_max``: of a decoded list, counted as RFC 9113 6.5.2 does."""

    __slots__ = ("_entries", "_entries_bytes", "_remembered", "_table_bytes_max", "list_bytes_max")

    def __init__(self, list_bytes_max: int) -> None:
        self.list_bytes_max = list_bytes_max
        self._entries: deque[tuple[bytes, bytes]] = deque()
        self._entries_bytes = 0
        self._table_bytes_max = TABLE_BYTES_MAX
        self._remembered: dict[bytes, Block[T]] = {}

    def decode(self, block: bytes) -> Block[T]:
        """Give the fields. Raises ConnectionFault."""
        known = self._remembered.get(block)
        if known is not None:
            return known
        try:
            decoded, is_table_same = self._decode(block)
        except (HPACKDecodingError, IndexError) as error:
            raise ConnectionFault(Code.COMPRESSION_ERROR, "a header block is cut short") from error
        if is_table_same and len(block) <= REMEMBERED_BYTES_MAX:
            if len(self._remembered) >= REMEMBERED_MAX:
                self._remembered.clear()
            self._remembered[block] = decoded
        return decoded

    def _decode(self, block: bytes) -> tuple[Block[T], bool]:
        fields: Headers = []
        position, size, is_table_same = 0, 0, True
        while position < len(block):
            first = block[position]
            if first & 0x80:
                index, position = _integer(block, position, 0x7F)
                field = self._entry(index)
            elif first & 0x20 and not first & 0x40:
                position = self._resize(block, position, is_first=not fields)
                is_table_same = False
                continue
            else:
                prefix = 0x3F if first & 0x40 else 0x0F
                index, position = _integer(block, position, prefix)
                if index:
                    name = self._entry(index)[0]
                else:
                    name, position = _string(block, position)
                value, position = _string(block, position)
                field = (name, value)
                if first & 0x40:
                    self._add(field)
                    is_table_same = False
            fields.append(field)
            size += len(field[0]) + len(field[1]) + ENTRY_OVERHEAD_BYTES
            if size > self.list_bytes_max:
                # The rest is not looked at, so the table is lost and the connection with it.
                raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "a header list is far too large")
        return Block(fields, size), is_table_same

    def _entry(self, index: int) -> tuple[bytes, bytes]:
        if 0 < index < _DYNAMIC_FIRST:
            return STATIC[index - 1]
        if not index:
            raise IndexError
        return self._entries[index - _DYNAMIC_FIRST]

    def _add(self, field: tuple[bytes, bytes]) -> None:
        self._remembered.clear()
        self._entries.appendleft(field)
        self._entries_bytes += len(field[0]) + len(field[1]) + ENTRY_OVERHEAD_BYTES
        self._evict()

    def _resize(self, block: bytes, position: int, *, is_first: bool) -> int:
        table_bytes_max, position = _integer(block, position, 0x1F)
        if not is_first or table_bytes_max > TABLE_BYTES_MAX:
            raise ConnectionFault(Code.COMPRESSION_ERROR, "a table size that is not allowed")
        self._remembered.clear()
        self._table_bytes_max = table_bytes_max
        self._evict()
        return position

    def _evict(self) -> None:
        while self._entries_bytes > self._table_bytes_max:
            name, value = self._entries.pop()
            self._entries_bytes -= len(name) + len(value) + ENTRY_OVERHEAD_BYTES


def _integer(block: bytes, position: int, prefix: int) -> tuple[int, int]:
    """Give the integer in the low bits of a byte and those that follow it, and where it ends."""
    number = block[position] & prefix
    position += 1
    if number < prefix:
        return number, position
    for shift in range(0, 7 * INTEGER_BYTES_MAX, 7):
        byte = block[position]
        position += 1
        number += (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
    raise ConnectionFault(Code.COMPRESSION_ERROR, "an integer is too long")


def _string(block: bytes, position: int) -> tuple[bytes, int]:
    is_huffman = block[position] & 0x80
    length, start = _integer(block, position, 0x7F)
    end = start + length
    if end > len(block):
        raise IndexError
    text = block[start:end]
    return (bytes(decode_huffman(text)) if is_huffman else text), end


class Encoder:
    """Writes blocks."""

    __slots__ = ("_added", "_entries", "_entries_bytes", "_index", "_resizes", "_table_bytes_max")

    def __init__(self) -> None:
        # An entry is known by how many were added before it: its index shifts, that does not.
        self._index: dict[tuple[bytes, bytes], int] = {}
        self._entries: deque[tuple[bytes, bytes]] = deque()
        self._entries_bytes = 0
        self._added = 0
        self._table_bytes_max = TABLE_BYTES_MAX
        self._resizes: list[int] = []

    def resize(self, peer_bytes_max: int) -> None:
        """The peer keeps a table of so many bytes; we use no more than our own limit."""
        size = min(peer_bytes_max, TABLE_BYTES_MAX)
        if size != self._table_bytes_max:
            self._table_bytes_max = size
            # The smallest size in between must be told too: what it threw out is gone.
            self._resizes = [min([size, *self._resizes]), size]
            self._evict()

    def encode(self, fields: Headers) -> bytes:
        """Give the block; names are lower case."""
        out = bytearray()
        if self._resizes:
            for size in dict.fromkeys(self._resizes):
                _put_integer(out, size, 0x1F, 0x20)
            self._resizes = []
        for field in fields:
            index = _STATIC_INDEX.get(field)
            if index is None:
                number = self._index.get(field)
                if number is None:
                    self._put_literal(out, field)
                    continue
                index = _DYNAMIC_FIRST + self._added - 1 - number
            if index < 0x7F:
                out.append(0x80 | index)
            else:
                _put_integer(out, index, 0x7F, 0x80)
        return bytes(out)

    def _put_literal(self, out: bytearray, field: tuple[bytes, bytes]) -> None:
        name, value = field
        if name in SECRET:
            prefix, mark = 0x0F, 0x10
        elif (
            name in VARYING
            or len(name) + len(value) + ENTRY_OVERHEAD_BYTES > self._table_bytes_max // 4
        ):
            prefix, mark = 0x0F, 0
        else:
            prefix, mark = 0x3F, 0x40
        index = _STATIC_NAME.get(name, 0)
        if index < prefix:
            out.append(mark | index)
        else:
            _put_integer(out, index, prefix, mark)
        if not index:
            _put_integer(out, len(name), 0x7F, 0)
            out += name
        size = len(value)
        if size < 0x7F:
            out.append(size)
        else:
            _put_integer(out, size, 0x7F, 0)
        out += value
        if mark == 0x40:
            self._add(field)

    def _add(self, field: tuple[bytes, bytes]) -> None:
        self._entries.append(field)
        self._index[field] = self._added
        self._added += 1
        self._entries_bytes += len(field[0]) + len(field[1]) + ENTRY_OVERHEAD_BYTES
        self._evict()

    def _evict(self) -> None:
        while self._entries_bytes > self._table_bytes_max:
            field = self._entries.popleft()
            del self._index[field]
            self._entries_bytes -= len(field[0]) + len(field[1]) + ENTRY_OVERHEAD_BYTES


def _put_integer(out: bytearray, number: int, prefix: int, mark: int) -> None:
    if number < prefix:
        out.append(mark | number)
        return
    out.append(mark | prefix)
    number -= prefix
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
