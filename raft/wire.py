"""What servers of one log say to each other: frames, hello, and the messages of ``raft.core``.

A connection begins with PREAMBLE from the end that dialled, then a hello from each end. A frame is
(big endian)::

    frame_bytes u32 | flags u8 (0) | msgpack array [code, fixed positions ...]

``frame_bytes`` counts the flags and the array. Fields are only ever appended: unknown trailing
items are ignored, codes are never used again. 14 and 15 are kept for forwarded proposals.

The entries of an Append travel as one blob of record bodies (``raft.records``), each behind its
length (u32, little endian as the records are). A body's checksum is that of the leader's log and is
verified by whoever receives it.

Nothing here does I/O. Whatever is received is either a valid frame or BadFrame.
"""

import zlib
from collections.abc import Iterator, Sequence
from enum import IntEnum, StrEnum
from typing import Annotated, Final, TypeAlias, Union

import msgspec
from msgspec.structs import astuple

from raft.core import types
from raft.entries import Entry, SnapshotMeta
from raft.records import decode_body, decode_entry, encode_entry

PREAMBLE: Final = b"\xc1RFT"
"""0xc1 alone tells a raft connection: it begins no TLS record and no request in text, as a length
it would be above any frame of the agents, and msgpack never uses it."""

PROTOCOL_VERSION: Final = 1
# An Append of 1 MiB, the entry of 1.5 MiB that may cross that, and their framing; with a reserve.
FRAME_BYTES_MAX: Final = 4 * 1024 * 1024
ENTRY_COUNT_MAX: Final = 4096  # in one Append; the core sends a quarter of it
ID_LENGTH_MAX: Final = 128  # characters; a server's id is a UUID, a snapshot's three numbers
CLUSTER_ID_BYTES_MAX: Final = 64  # 16 are used
REASON_LENGTH_MAX: Final = 1024  # characters of a goodbye, which are shown to the operator
NUMBER_MAX: Final = 2**62  # terms and indexes: so far below u64 that adding to one never overflows
BLOBS_KEPT_MAX: Final = 2  # the Appends under way to a peer; the other peers mostly get the same

_LENGTH_BYTES: Final = 4
_FLAGS_BYTES: Final = 1


class Bad(StrEnum):
    """What is wrong with a frame, for counting."""

    PREAMBLE = "preamble"
    LENGTH = "length"
    FLAGS = "flags"
    CONTENT = "content"
    ENTRIES = "entries"
    CHECKSUM = "checksum"
    ORDER = "order"  # no hello first, or a second one


class BadFrame(ValueError):
    """The bytes are no frame; the connection cannot go on. The text says why."""

    def __init__(self, kind: Bad, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Channel(IntEnum):
    """What a connection is for. Each has its own, so that nothing urgent waits for bulk."""

    URGENT = 0
    APPENDS = 1
    SNAPSHOTS = 2


Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]
Id: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=ID_LENGTH_MAX)]
ClusterId: TypeAlias = Annotated[bytes, msgspec.Meta(max_length=CLUSTER_ID_BYTES_MAX)]
# It becomes the name of a directory at the receiver.
SnapshotId: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=ID_LENGTH_MAX, pattern=r"^[0-9A-Za-z][0-9A-Za-z-]*\Z")
]


class _Frame(msgspec.Struct, frozen=True, array_like=True):
    """Subclasses carry their code; the order of their fields is the order on the wire."""


class Hello(_Frame, frozen=True, tag=0):
    """Who speaks, to whom, about which log (empty: not known yet). The first frame both ways."""

    version: Number
    cluster_id: ClusterId
    from_id: Id
    to_id: Id
    features: Number  # bits of what the speaker understands beyond the version
    channel: Channel


class Goodbye(_Frame, frozen=True, tag=31):
    """Why the other end is left."""

    reason: Annotated[str, msgspec.Meta(max_length=REASON_LENGTH_MAX)]


class _PreVote(_Frame, frozen=True, tag=1):
    term: Number
    last_index: Number
    last_term: Number
    round: Number


class _PreVoteAnswer(_Frame, frozen=True, tag=2):
    term: Number
    granted: bool
    round: Number


class _Vote(_Frame, frozen=True, tag=3):
    term: Number
    last_index: Number
    last_term: Number
    is_transfer: bool


class _VoteAnswer(_Frame, frozen=True, tag=4):
    term: Number
    granted: bool


class _Append(_Frame, frozen=True, tag=5):
    term: Number
    previous_index: Number
    previous_term: Number
    commit_index: Number
    bodies: bytes


class _AppendAnswer(_Frame, frozen=True, tag=6):
    term: Number
    accepted: bool
    index: Number
    hint_index: Number
    hint_term: Number


class _Heartbeat(_Frame, frozen=True, tag=7):
    term: Number
    commit_index: Number
    round: Number


class _HeartbeatAnswer(_Frame, frozen=True, tag=8):
    term: Number
    round: Number


class _SnapshotChunk(_Frame, frozen=True, tag=9):
    term: Number
    meta: SnapshotMeta  # by name, as in the file beside the snapshot
    offset: Number
    content: bytes
    crc: Number  # of the content: TCP's 16 bits are too few for gigabytes


class _SnapshotAnswer(_Frame, frozen=True, tag=10):
    term: Number
    snapshot_id: SnapshotId
    index: Number
    offset_next: Number
    status: types.SnapshotStatus


class _TimeoutNow(_Frame, frozen=True, tag=11):
    term: Number


class _ReadIndex(_Frame, frozen=True, tag=12):
    term: Number
    request: Number


class _ReadIndexAnswer(_Frame, frozen=True, tag=13):
    term: Number
    request: Number
    index: Number
    accepted: bool


# Messages whose fields are those of their frame, in the same order.
_FRAME_OF: Final[dict[type[types.Message], type[_Frame]]] = {
    types.PreVote: _PreVote,
    types.PreVoteAnswer: _PreVoteAnswer,
    types.Vote: _Vote,
    types.VoteAnswer: _VoteAnswer,
    types.AppendAnswer: _AppendAnswer,
    types.Heartbeat: _Heartbeat,
    types.HeartbeatAnswer: _HeartbeatAnswer,
    types.SnapshotAnswer: _SnapshotAnswer,
    types.TimeoutNow: _TimeoutNow,
    types.ReadIndex: _ReadIndex,
    types.ReadIndexAnswer: _ReadIndexAnswer,
}
_MESSAGE_OF: Final = {frame: message for message, frame in _FRAME_OF.items()}
for _message, _frame in _FRAME_OF.items():
    assert _message.__struct_fields__ == _frame.__struct_fields__, _message

Received: TypeAlias = Hello | Goodbye | types.Message

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final[msgspec.msgpack.Decoder[_Frame]] = msgspec.msgpack.Decoder(
    Union[(Hello, Goodbye, _Append, _SnapshotChunk, *_MESSAGE_OF)]
)


def channel_of(message: types.Message) -> Channel:
    """Entries and snapshots have their own connections; all else is small and urgent."""
    match message:
        case types.Append():
            return Channel.APPENDS
        case types.SnapshotChunk():
            return Channel.SNAPSHOTS
        case _:
            return Channel.URGENT


def encode_handshake(frame: Hello | Goodbye) -> bytearray:
    """A frame about the connection itself."""
    return _framed(frame)


class Encoder:
    """Frames of messages. One a server: it keeps the last blobs of entries for its other peers."""

    def __init__(self) -> None:
        self._blobs: dict[tuple[int, int, int], bytes] = {}

    def encode(self, message: types.Message) -> bytearray:
        """The frame of a message."""
        match message:
            case types.Append(term, previous_index, previous_term, commit_index, entries):
                blob = self._blob(entries)
                return _framed(_Append(term, previous_index, previous_term, commit_index, blob))
            case types.SnapshotChunk(term, meta, offset, content):
                return _framed(_SnapshotChunk(term, meta, offset, content, zlib.crc32(content)))
            case _:
                return _framed(_FRAME_OF[type(message)](*astuple(message)))

    def _blob(self, entries: Sequence[Entry]) -> bytes:
        if not entries:
            return b""
        # Index and term of an entry name it and all before it, on every server (Raft §5.3).
        key = (entries[0].index, entries[-1].index, entries[-1].term)
        blob = self._blobs.get(key)
        if blob is None:
            assert len(entries) <= ENTRY_COUNT_MAX, "the core sends fewer at once"
            blob = b"".join(_with_lengths(entries))
            self._blobs[key] = blob
            if len(self._blobs) > BLOBS_KEPT_MAX:
                del self._blobs[next(iter(self._blobs))]
        return blob


def _with_lengths(entries: Sequence[Entry]) -> Iterator[bytes]:
    for entry in entries:
        body = encode_entry(entry)
        yield len(body).to_bytes(_LENGTH_BYTES, "little")
        yield body


def _framed(frame: _Frame) -> bytearray:
    framed = bytearray(_LENGTH_BYTES + _FLAGS_BYTES)
    _encoder.encode_into(frame, framed, len(framed))
    frame_bytes = len(framed) - _LENGTH_BYTES
    assert frame_bytes <= FRAME_BYTES_MAX, "what the core sends at once is smaller"
    framed[:_LENGTH_BYTES] = frame_bytes.to_bytes(_LENGTH_BYTES, "big")
    return framed


class FrameReader:
    """Frames from bytes that come in any portions; at most one unfinished frame is kept."""

    def __init__(self, preamble: bytes = b"") -> None:
        self._preamble = preamble  # what has to come first
        self._buffer = bytearray()

    def feed(self, received: bytes) -> list[Received]:
        """What is complete now. Raises BadFrame."""
        buffer = self._buffer
        buffer += received
        frames: list[Received] = []
        if not self._skip_preamble():
            return frames
        start = 0
        with memoryview(buffer) as view:
            while len(buffer) - start >= _LENGTH_BYTES:
                body = start + _LENGTH_BYTES
                frame_bytes = int.from_bytes(view[start:body], "big")
                if not _FLAGS_BYTES < frame_bytes <= FRAME_BYTES_MAX:
                    text = f"a frame of {frame_bytes} bytes, allowed are 2 to {FRAME_BYTES_MAX}"
                    raise BadFrame(Bad.LENGTH, text)
                if len(buffer) - body < frame_bytes:
                    break
                start = body + frame_bytes
                with view[body:start] as frame:
                    frames.append(_decode(frame))
        del buffer[:start]
        return frames

    def _skip_preamble(self) -> bool:
        if self._preamble:
            begun = bytes(self._buffer[: len(self._preamble)])
            if not self._preamble.startswith(begun):
                raise BadFrame(Bad.PREAMBLE, "this is no connection of a raft server")
            if begun == self._preamble:
                del self._buffer[: len(begun)]
                self._preamble = b""
        return not self._preamble


def _decode(frame: memoryview) -> Received:
    if frame[0] != 0:
        raise BadFrame(Bad.FLAGS, f"flags {frame[0]:#x}; none are known here")
    try:
        decoded = _decoder.decode(frame[_FLAGS_BYTES:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadFrame(Bad.CONTENT, f"not a frame: {error}") from None
    match decoded:
        case Hello() | Goodbye():
            return decoded
        case _Append():
            return _append(decoded)
        case _SnapshotChunk():
            return _snapshot_chunk(decoded)
        case _:
            return _MESSAGE_OF[type(decoded)](*astuple(decoded))


def _snapshot_chunk(frame: _SnapshotChunk) -> types.SnapshotChunk:
    meta = frame.meta
    numbers = (meta.version, meta.index, meta.term, meta.configuration_index, meta.size_bytes)
    if not all(0 <= number <= NUMBER_MAX for number in numbers):
        raise BadFrame(Bad.CONTENT, "not a frame: a number of the snapshot is out of range")
    try:
        msgspec.convert(meta.id, SnapshotId)
    except msgspec.ValidationError as error:
        raise BadFrame(Bad.CONTENT, f"not a frame: the snapshot's id: {error}") from None
    if zlib.crc32(frame.content) != frame.crc:
        raise BadFrame(Bad.CHECKSUM, f"a snapshot's bytes at {frame.offset} were damaged")
    return types.SnapshotChunk(frame.term, meta, frame.offset, frame.content)


def _append(frame: _Append) -> types.Append:
    numbers = (frame.term, frame.previous_index, frame.previous_term, frame.commit_index)
    return types.Append(*numbers, tuple(_entries(frame)))


def _entries(frame: _Append) -> list[Entry]:
    """The entries, each verified: whole, undamaged, without holes, of terms that never fall."""
    blob, entries = frame.bodies, list[Entry]()
    index, term, end = frame.previous_index, frame.previous_term, 0
    blob_bytes = len(blob)
    while end < blob_bytes:
        start = end + _LENGTH_BYTES
        end = start + int.from_bytes(blob[end:start], "little")
        index += 1
        if end > blob_bytes or len(entries) == ENTRY_COUNT_MAX:
            text = f"the entries after {frame.previous_index} are cut short or too many"
            raise BadFrame(Bad.ENTRIES, text)
        entry = decode_entry(blob, start, end)
        if entry is None and decode_body(blob[start:end]) is None:
            raise BadFrame(Bad.CHECKSUM, f"entry {index} was damaged")
        if entry is None or entry.index != index or entry.term < term:
            raise BadFrame(Bad.ENTRIES, f"entry {index} is not one that can follow there")
        term = entry.term
        entries.append(entry)
    if term > frame.term:
        raise BadFrame(Bad.ENTRIES, f"entry {index} is of a term after its leader's")
    return entries
