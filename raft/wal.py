"""The write-ahead log of one server: segments of records, appended and synced round by round.

A ``Wal`` belongs to one thread at a time: whoever recovers it hands it to the writer. Every round
lies in one segment, is one write and one sync, and is on disk when ``write`` returns. Truncation
is a record, never a cut; old entries go away by whole segments. Any ``OSError`` out of ``write``
means that the state of the file is unknown: the process must end (see ``raft.writer``).

Recovery is one forward pass; the rule that parts a torn tail from lost data is in
``raft.records``. Reading of old entries is by place, checked again each time.
"""

import logging
import mmap
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from raft.entries import Entry, HardState
from raft.errors import Corrupt
from raft.files import Files
from raft.log_index import LogIndex, Place
from raft.records import (
    as_entry,
    encode_hard_state,
    frame,
    framed_bytes,
    outline,
    read_record,
    was_synced,
)
from raft.segments import (
    HEADER_BYTES,
    SEGMENT_BYTES,
    SegmentFile,
    SegmentHeader,
    Spares,
    check_server,
    decode_header,
    encode_header,
    list_segments,
    segment_name,
    zero_range,
)

BATCH_MODULUS: Final = 2**32  # a u32 on disk; it wraps after days of full load

_log = logging.getLogger("raft")


class Wal:
    """One server's log in ``directory``. ``recover`` first; then ``begin`` if it was empty."""

    def __init__(
        self,
        directory: Path,
        server_id: str,
        files: Files,
        *,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._directory = directory
        self._server_id = server_id
        self._files = files
        self._segment_bytes = segment_bytes
        self._spares = Spares(directory, files, segment_bytes)
        self._segments: list[tuple[SegmentFile, int]] = []  # with the first index of each
        self._index = LogIndex()
        self._cluster_id = b""
        self._descriptor = -1
        self._offset = 0
        self._size_bytes = 0
        self._batch = 0
        self._last_crc = 0

    @property
    def first_index(self) -> int:
        """Oldest entry that can be read; ``last_index + 1`` when there is none."""
        return self._index.first_index

    @property
    def last_index(self) -> int:
        """Newest durable entry."""
        return self._index.last_index

    @property
    def last_term(self) -> int:
        """Term of the newest entry; 0 when only a snapshot knows it."""
        return self._index.last_term

    @property
    def cluster_id(self) -> bytes:
        """16 bytes; empty while the log is."""
        return self._cluster_id

    @property
    def hard_state(self) -> HardState:
        """The last one written."""
        return self._index.hard_state

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever written: a fresh directory."""
        return not self._segments

    def recover(self) -> None:
        """Read the whole log, repair a torn tail. Raises ``Corrupt``, ``IdentityMismatch``."""
        found = list_segments(self._directory)
        for segment in found:
            self._recover_segment(segment, is_last=segment is found[-1])
        if self.hard_state.commit_index > self.last_index:
            message = (
                f"{self._directory}: the log ends at entry {self.last_index}, but entry "
                f"{self.hard_state.commit_index} was committed"
            )
            raise Corrupt(message)

    def begin(self, cluster_id: bytes) -> None:
        """Make the first segment, as a member of ``cluster_id`` (16 bytes).

        One without an entry is from a start that ended before its first; it may name another
        cluster, and is made anew.
        """
        assert self.last_index == 0, "there are entries"
        if self._segments and self._cluster_id == cluster_id:
            return
        self.close()
        for segment, _ in self._segments:
            self._files.unlink(segment.path)
        self._segments.clear()
        self._spares = Spares(self._directory, self._files, self._segment_bytes)
        self._cluster_id = cluster_id
        self._index = LogIndex()
        self._batch = self._last_crc = 0
        self._roll(0)

    def write(self, bodies: Sequence[bytes]) -> None:
        """Append one round; it is on disk on return. Raises ``OSError``: then never write again."""
        needed = sum(framed_bytes(len(body)) for body in bodies)
        if self._offset + needed > self._size_bytes:
            # The hard state goes along: the segment that holds it may be released.
            bodies = [encode_hard_state(self.hard_state), *bodies]
            needed += framed_bytes(len(bodies[0]))
            self._roll(needed)
        number = self._segments[-1][0].number
        self._batch = (self._batch + 1) % BATCH_MODULUS
        content = frame(bodies, segment=number, batch=self._batch, start=self._offset)
        self._files.write_at(self._descriptor, content, self._offset)
        self._files.sync_content(self._descriptor)
        for encoded in bodies:
            body = outline(encoded)
            self._index.note(body, Place(number, self._offset))
            self._offset += framed_bytes(len(encoded))
            self._last_crc = body.crc
        if self._offset > self._size_bytes // 2:
            self._spares.prepare()

    def agrees(self, index: int, term: int) -> bool:
        """Whether the log leads up to this entry or past it; if not, a mark there restarts it."""
        return self._index.agrees(index, term)

    def release(self, first_index: int) -> None:
        """Delete the segments that hold no entry at or above ``first_index``."""
        self._index.release(first_index)
        while len(self._segments) > 1 and self._segments[1][1] <= first_index:
            (segment, _) = self._segments.pop(0)
            self._files.unlink(segment.path)

    def entries(self, first_index: int, last_index: int) -> Iterator[Entry]:
        """Read ``[first_index, last_index]`` back; raises ``Corrupt`` on damage."""
        paths = {segment.number: segment.path for segment, _ in self._segments}
        opened: tuple[int, memoryview] | None = None
        for index in range(first_index, last_index + 1):
            place = self._index.place(index)
            if opened is None or opened[0] != place.segment:
                opened = (place.segment, _map(paths[place.segment]))
            record = read_record(opened[1], place.offset, place.segment)
            if record is None or record.body.index != index:
                message = f"{paths[place.segment]}: entry {index} can no longer be read"
                raise Corrupt(message)
            yield as_entry(record.body)

    def close(self) -> None:
        """Close the files; what was written stays."""
        self._spares.close()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _roll(self, round_bytes: int) -> None:
        """Go on in a new segment that has room for the round."""
        spare = self._spares.take(HEADER_BYTES + round_bytes)
        number = self._segments[-1][0].number + 1 if self._segments else 1
        first_index = self.last_index + 1
        header = SegmentHeader(
            cluster_id=self._cluster_id,
            server_id=self._server_id,
            number=number,
            first_index=first_index,
            previous_crc=self._last_crc,
        )
        self._files.write_at(spare.descriptor, encode_header(header), 0)
        self._files.sync_content(spare.descriptor)
        path = self._directory / segment_name(number, first_index)
        self._files.rename(spare.path, path)
        self._files.sync_directory(self._directory)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = spare.descriptor
        self._size_bytes = spare.size_bytes
        self._offset = HEADER_BYTES
        self._segments.append((SegmentFile(number, path), first_index))

    def _recover_segment(self, segment: SegmentFile, *, is_last: bool) -> None:
        path = segment.path
        view = _map(path)
        header = decode_header(bytes(view[:HEADER_BYTES]), path)
        self._check_header(header, segment)
        self._segments.append((segment, header.first_index))
        offset = round_start = HEADER_BYTES
        while record := read_record(view, offset, segment.number):
            self._index.note(record.body, Place(segment.number, offset))
            self._batch = record.batch
            self._last_crc = record.body.crc
            offset, round_start = record.end, record.batch_start
        if not is_last:
            return  # the next segment's header says whether this one is whole
        if was_synced(view, offset, segment.number):
            message = (
                f"{path}: the record at offset {offset} is damaged, and later ones show that it "
                "had been acknowledged: wipe this server and let it join under a new id, or "
                "restore a snapshot"
            )
            raise Corrupt(message)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._offset, self._size_bytes = offset, len(view)
        self._secure_end(view, round_start)

    def _secure_end(self, view: memoryview, round_start: int) -> None:
        """Make the end of the log what was read of it: durable, and nothing behind it.

        The last round may be in the page cache only, and after a failed sync even there as if it
        were on disk; writing it anew makes the sync cover it.
        """
        path = self._segments[-1][0].path
        torn = bytes(view[self._offset :]).rstrip(b"\0")
        if torn:
            _log.warning("%s: dropped a torn tail of %d bytes", path, len(torn))
            zero_range(self._files, self._descriptor, self._offset, len(view))
        kept = bytes(view[round_start : self._offset])
        self._files.write_at(self._descriptor, kept, round_start)
        self._files.sync_content(self._descriptor)

    def _check_header(self, header: SegmentHeader, segment: SegmentFile) -> None:
        check_server(header, self._server_id, segment.path)
        if not self._segments:
            self._cluster_id = header.cluster_id
            self._index = LogIndex(header.first_index)
        elif header.cluster_id != self._cluster_id:
            message = f"{segment.path}: the segment belongs to another cluster"
            raise Corrupt(message)
        elif header.previous_crc != self._last_crc:
            message = f"{segment.path}: records before this segment are damaged or missing"
            raise Corrupt(message)
        if header.number != segment.number:
            message = f"{segment.path}: the file holds segment {header.number}"
            raise Corrupt(message)


def _map(path: Path) -> memoryview:
    with path.open("rb") as file:
        if not path.stat().st_size:
            return memoryview(b"")  # an empty file cannot be mapped
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
