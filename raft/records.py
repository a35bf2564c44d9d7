"""The bytes of one log record, and how to tell a torn end from lost data.

A record is an outer header and a body, padded to 8 bytes (little endian)::

    header  body_bytes u32 | batch u32 | batch_start u32 | header_crc u32
    body    body_crc u32 | kind u8 | term u64 | index u64 | payload

``batch`` numbers the write rounds (modulo 2**32); ``batch_start`` is the offset in its segment at
which the round's first record lies. ``header_crc`` covers the three fields and the segment's
number, so bytes of another segment never validate. ``body_crc`` covers the rest of the body and
nothing about its place: a body may travel to other servers and be written there unchanged.

A round is written only after the one before it is on disk. So when a record is bad at ``offset``
and *any* valid header says that its round began after ``offset``, then the bad bytes had been
synced: acknowledged data is lost. Without such a header the bad bytes belong to the last round,
which nobody was told about: they are a torn tail and may be dropped.
"""

import struct
import zlib
from collections.abc import Sequence
from typing import Final

import msgspec

from raft.entries import Entry, HardState, Kind, Mark

HARD_STATE: Final = 16  # term, index = commit hint, payload = vote
TRUNCATE: Final = 17  # index = the last entry that stays
MARK: Final = 18  # index and term of a durable snapshot
KINDS: Final = frozenset({*Kind, HARD_STATE, TRUNCATE, MARK})
_ENTRY_KINDS: Final = {kind.value: kind for kind in Kind}  # a call of Kind costs more than the rest

ALIGNMENT: Final = 8
ZERO_CHUNK_BYTES: Final = 64 * 1024  # step over untouched space by memcmp, not byte by byte

_HEADER: Final = struct.Struct("<IIII")
_HEADER_FIELDS: Final = struct.Struct("<IIIQ")
_BODY: Final = struct.Struct("<IBQQ")
_BODY_FIELDS: Final = struct.Struct("<BQQ")
_CRC_BYTES: Final = 4
_ZEROS: Final = bytes(ZERO_CHUNK_BYTES)

HEADER_BYTES: Final = _HEADER.size  # the outer header; the body has its own
BODY_BYTES_MIN: Final = _BODY.size


class Body(msgspec.Struct, frozen=True, gc=False):
    """A record's content, as read back."""

    kind: int
    term: int
    index: int
    payload: bytes
    crc: int


class Record(msgspec.Struct, frozen=True):
    """A valid record and its place: ``[offset, end)`` within its segment."""

    offset: int
    end: int
    batch: int
    batch_start: int
    body: Body


def encode_entry(entry: Entry) -> bytes:
    """The body of an entry: made once, the same on every server."""
    return _encode(entry.kind, entry.term, entry.index, entry.payload)


def encode_hard_state(state: HardState) -> bytes:
    """Term, vote and commit hint in one record, so that no crash can part them."""
    return _encode(HARD_STATE, state.term, state.commit_index, state.vote.encode())


def encode_truncate(index_last: int) -> bytes:
    """Entries above ``index_last`` are void; the log goes on from there."""
    return _encode(TRUNCATE, 0, index_last, b"")


def encode_mark(mark: Mark) -> bytes:
    """A durable snapshot covers the log up to this index."""
    return _encode(MARK, mark.term, mark.index, b"")


def _encode(kind: int, term: int, index: int, payload: bytes) -> bytes:
    crc = zlib.crc32(payload, zlib.crc32(_BODY_FIELDS.pack(kind, term, index)))
    return _BODY.pack(crc, kind, term, index) + payload


def decode_body(body: bytes | memoryview) -> Body | None:
    """Check and read a body; None when it is not one."""
    if len(body) < BODY_BYTES_MIN:
        return None
    crc, kind, term, index = _BODY.unpack_from(body)
    if kind not in KINDS or zlib.crc32(body[_CRC_BYTES:]) != crc:
        return None
    return Body(kind, term, index, bytes(body[BODY_BYTES_MIN:]), crc)


def outline(encoded: bytes) -> Body:
    """What the log index has to know of a body that was just encoded here: nothing is verified.

    Only a hard state comes with its payload; the index does not look at any other.
    """
    crc, kind, term, index = _BODY.unpack_from(encoded)
    return Body(kind, term, index, encoded[BODY_BYTES_MIN:] if kind == HARD_STATE else b"", crc)


def decode_entry(encoded: bytes, start: int, end: int) -> Entry | None:
    """Check and read the entry at ``[start, end)``, in one step; None when it is not one."""
    payload_at = start + BODY_BYTES_MIN
    if not payload_at <= end <= len(encoded):
        return None
    crc, kind_number, term, index = _BODY.unpack_from(encoded, start)
    payload = encoded[payload_at:end]
    kind = _ENTRY_KINDS.get(kind_number)
    if kind is None or crc != zlib.crc32(
        payload, zlib.crc32(encoded[start + _CRC_BYTES : payload_at])
    ):
        return None
    return Entry(index, term, kind, payload)


def as_entry(body: Body) -> Entry:
    """The entry that ``encode_entry`` made this body of."""
    return Entry(body.index, body.term, Kind(body.kind), body.payload)


def framed_bytes(body_bytes: int) -> int:
    """What a body takes on disk: header, body and padding."""
    return -(-(HEADER_BYTES + body_bytes) // ALIGNMENT) * ALIGNMENT


def frame(bodies: Sequence[bytes], *, segment: int, batch: int, start: int) -> bytes:
    """One round: every body with its header and padding, to be written at offset ``start``."""
    assert start % ALIGNMENT == 0
    parts: list[bytes] = []
    for body in bodies:
        size = len(body)
        parts.append(_HEADER.pack(size, batch, start, _header_crc(size, batch, start, segment)))
        parts.append(body)
        parts.append(_ZEROS[: -(HEADER_BYTES + size) % ALIGNMENT])
    return b"".join(parts)


def _header_crc(body_bytes: int, batch: int, start: int, segment: int) -> int:
    return zlib.crc32(_HEADER_FIELDS.pack(body_bytes, batch, start, segment))


def read_record(view: memoryview, offset: int, segment: int) -> Record | None:
    """The record at ``offset``; None when what is there is not a whole valid record."""
    header = _read_header(view, offset, segment)
    if header is None:
        return None
    body_bytes, batch, start = header
    body_at = offset + HEADER_BYTES
    if body_at + body_bytes > len(view):
        return None
    body = decode_body(view[body_at : body_at + body_bytes])
    if body is None:
        return None
    return Record(offset, offset + framed_bytes(body_bytes), batch, start, body)


def _read_header(view: memoryview, offset: int, segment: int) -> tuple[int, int, int] | None:
    """(body bytes, batch, batch start), or None when the checksum does not hold."""
    if offset + HEADER_BYTES > len(view):
        return None
    body_bytes, batch, start, crc = _HEADER.unpack_from(view, offset)
    if body_bytes < BODY_BYTES_MIN or crc != _header_crc(body_bytes, batch, start, segment):
        return None
    return body_bytes, batch, start


def was_synced(view: memoryview, damage: int, segment: int) -> bool:
    """Whether a later round proves that the bytes at ``damage`` had reached the disk."""
    offset = damage
    while offset < len(view):
        chunk = view[offset : offset + ZERO_CHUNK_BYTES]
        if bytes(chunk) == _ZEROS[: len(chunk)]:  # a copy, as memcmp beats a view's compare
            offset += ZERO_CHUNK_BYTES
            continue
        for at in range(offset, offset + len(chunk), ALIGNMENT):
            header = _read_header(view, at, segment)
            if header is not None and damage < header[2] <= at:
                return True
        offset += ZERO_CHUNK_BYTES
    return False
