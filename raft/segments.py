"""Segment files: their header, their names, and the next one prepared ahead.

A segment is a file of zeros with a 64-byte header, filled from front to back. Zeros are written
and synced before use, so an append changes no metadata and ``fdatasync`` has one thing to do; a
full disk shows up here, not in the middle of an append. A file gets its final name only after its
header is on disk: whatever is called ``*.wal`` is whole.

Header (little endian): magic 4 | version u32 | cluster id 16 | server id 16 | number u64 |
first index u64 | crc of the last record before it u32 | crc of the header u32.
"""

import itertools
import os
import re
import struct
import uuid
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from raft.errors import Corrupt, IdentityMismatch
from raft.files import Files

MAGIC: Final = b"PCWL"
VERSION: Final = 1
SEGMENT_BYTES: Final = 64 * 1024 * 1024  # prepared ahead, nobody waits: few rolls, few files
SEGMENT_WAITED_BYTES: Final = 16 * 1024 * 1024  # made while somebody waits: 10 ms, not 45 ms
ZERO_WRITE_BYTES: Final = 1024 * 1024  # large enough for full disk speed, small in memory

_HEADER: Final = struct.Struct("<4sI16s16sQQII")
_CRC: Final = struct.Struct("<I")
_NAME: Final = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16})\.wal")

HEADER_BYTES: Final = _HEADER.size  # the first record starts here, aligned
assert HEADER_BYTES == 64


class SegmentHeader(msgspec.Struct, frozen=True, kw_only=True):
    """Who wrote the segment and where it belongs. ``previous_crc`` chains it to the one before."""

    cluster_id: bytes
    server_id: str
    number: int
    first_index: int
    previous_crc: int


class SegmentFile(NamedTuple):
    """A segment found on disk; sorts by number."""

    number: int
    path: Path


class Spare(NamedTuple):
    """A file of zeros, synced, not yet part of the log."""

    path: Path
    descriptor: int
    size_bytes: int


def encode_header(header: SegmentHeader) -> bytes:
    """The first 64 bytes of a segment."""
    fields = _HEADER.pack(
        MAGIC,
        VERSION,
        header.cluster_id,
        uuid.UUID(header.server_id).bytes,
        header.number,
        header.first_index,
        header.previous_crc,
        0,
    )[: -_CRC.size]
    return fields + _CRC.pack(zlib.crc32(fields))


def decode_header(content: bytes, path: Path) -> SegmentHeader:
    """Read and check a header; raises ``Corrupt`` naming the file."""
    if len(content) < HEADER_BYTES:
        message = f"{path}: the segment header is cut short"
        raise Corrupt(message)
    magic, version, cluster_id, server_id, number, first_index, previous_crc, crc = _HEADER.unpack(
        content[:HEADER_BYTES]
    )
    if magic != MAGIC or zlib.crc32(content[: HEADER_BYTES - _CRC.size]) != crc:
        message = f"{path}: the segment header is damaged or this is not a segment"
        raise Corrupt(message)
    if version != VERSION:
        message = f"{path}: segment format {version} is not known, only {VERSION}"
        raise Corrupt(message)
    return SegmentHeader(
        cluster_id=cluster_id,
        server_id=str(uuid.UUID(bytes=server_id)),
        number=number,
        first_index=first_index,
        previous_crc=previous_crc,
    )


def check_server(header: SegmentHeader, server_id: str, path: Path) -> None:
    """Refuse a log that another server wrote: its votes and entries are not ours."""
    if header.server_id != server_id:
        message = (
            f"{path} was written by server {header.server_id}, but this server's id is "
            f"{server_id}: restore the node-id file or use another data directory"
        )
        raise IdentityMismatch(message)


def segment_name(number: int, first_index: int) -> str:
    """File name of a segment; sorts in log order."""
    return f"{number:016x}-{first_index:016x}.wal"


def list_segments(directory: Path) -> list[SegmentFile]:
    """The segments in order; raises ``Corrupt`` when one in the middle is missing."""
    found = sorted(
        SegmentFile(int(match[1], 16), path)
        for path in directory.iterdir()
        if (match := _NAME.fullmatch(path.name))
    )
    for before, after in itertools.pairwise(found):
        if after.number != before.number + 1:
            message = f"{directory}: segment {before.number + 1} is missing before {after.path}"
            raise Corrupt(message)
    return found


class Spares:
    """At most one segment prepared ahead, made in a thread of its own."""

    def __init__(self, directory: Path, files: Files, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._directory = directory
        self._files = files
        self._segment_bytes = segment_bytes
        self._maker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="raft-segment")
        self._coming: Future[Spare] | None = None
        self._made = 0

    def prepare(self) -> None:
        """Start to make the next segment unless one is ready or on its way."""
        if self._coming is None:
            self._coming = self._maker.submit(self._make, self._segment_bytes)

    def take(self, size_bytes_min: int) -> Spare:
        """The prepared segment, or one made now: the disk may have room again, or for less.

        Raises ``OSError`` when it has not.
        """
        coming, self._coming = self._coming, None
        if coming is not None and coming.exception() is None:
            spare = coming.result()
            if spare.size_bytes >= size_bytes_min:
                return spare
            self._discard(spare)
        return self._make(max(size_bytes_min, min(self._segment_bytes, SEGMENT_WAITED_BYTES)))

    def close(self) -> None:
        """Wait for the maker and remove what it made; the next start would delete it anyway."""
        self._maker.shutdown(wait=True)
        coming, self._coming = self._coming, None
        if coming is not None and coming.exception() is None:
            self._discard(coming.result())

    def _discard(self, spare: Spare) -> None:
        os.close(spare.descriptor)
        self._files.unlink(spare.path)

    def _make(self, size_bytes: int) -> Spare:
        self._made += 1
        path = self._directory / f"spare-{self._made}.tmp"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            zero_range(self._files, descriptor, 0, size_bytes)
            self._files.sync(descriptor)
        except BaseException:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        return Spare(path, descriptor, size_bytes)


def zero_range(files: Files, descriptor: int, start: int, end: int) -> None:
    """Write zeros to ``[start, end)``; the caller syncs."""
    zeros = memoryview(bytes(min(ZERO_WRITE_BYTES, max(end - start, 0))))
    for offset in range(start, end, ZERO_WRITE_BYTES):
        files.write_at(descriptor, zeros[: end - offset], offset)
