"""Frames between servers: every message comes back, and nothing else comes through."""

import contextlib
import zlib
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raft import wire
from raft.core import types
from raft.core.settings import Settings
from raft.entries import Configuration, Entry, Kind, Server, SnapshotMeta
from raft.records import BODY_BYTES_MIN, encode_entry
from raft.wire import Bad, BadFrame, Channel, Encoder, FrameReader, Goodbye, Hello

HELLO = Hello(wire.PROTOCOL_VERSION, b"c" * 16, "a", "b", 0, Channel.URGENT)
META = SnapshotMeta(
    id="3-7-1700000000000",
    index=7,
    term=3,
    configuration=Configuration((Server(0, "a", "10.0.0.1:8300"),)),
    configuration_index=1,
    size_bytes=5,
)
CHUNK = types.SnapshotChunk(4, META, 0, b"state")

numbers = st.integers(0, wire.NUMBER_MAX)
servers = st.builds(Server, st.integers(0, 2), st.text(max_size=8), st.text(max_size=8))
metas = st.builds(
    SnapshotMeta,
    version=st.just(1),
    id=st.from_regex(r"[0-9]{1,9}-[0-9]{1,9}-[0-9]{1,13}", fullmatch=True),
    index=numbers,
    term=numbers,
    peers=st.none() | st.binary(max_size=8),
    configuration=st.builds(Configuration, st.tuples(servers), st.just(()) | st.tuples(servers)),
    configuration_index=numbers,
    size_bytes=numbers,
)


@st.composite
def appends(draw: st.DrawFn) -> types.Append:
    terms = sorted(draw(st.lists(numbers, min_size=2, max_size=7)))
    previous_index = draw(st.integers(0, 2**40))
    entries = tuple(
        Entry(index, term, draw(st.sampled_from(Kind)), draw(st.binary(max_size=30)))
        for index, term in enumerate(terms[1:-1], previous_index + 1)
    )
    return types.Append(terms[-1], previous_index, terms[0], draw(numbers), entries)


messages: st.SearchStrategy[types.Message] = st.one_of(
    appends(),
    st.builds(types.SnapshotChunk, numbers, metas, numbers, st.binary(max_size=50)),
    st.builds(
        types.SnapshotAnswer,
        numbers,
        st.just(META.id),
        numbers,
        numbers,
        st.sampled_from(types.SnapshotStatus),
    ),
    *(
        st.builds(kind, **{f.name: numbers if f.type is int else st.booleans() for f in fields})
        for kind in get_args(types.Message)
        if kind not in (types.Append, types.SnapshotChunk, types.SnapshotAnswer)
        for fields in [msgspec.structs.fields(kind)]
    ),
)


def encode(message: types.Message) -> bytes:
    return bytes(Encoder().encode(message))


def framed(array: bytes, flags: int = 0) -> bytes:
    return (len(array) + 1).to_bytes(4, "big") + bytes([flags]) + array


def packed(*items: object) -> bytes:
    return framed(msgspec.msgpack.encode(items))


def blob(*bodies: bytes) -> bytes:
    return b"".join(len(body).to_bytes(4, "little") + body for body in bodies)


def entry(index: int, term: int = 1, payload: bytes = b"set") -> Entry:
    return Entry(index, term, Kind.COMMAND, payload)


def badness(received: bytes) -> Bad:
    with pytest.raises(BadFrame) as caught:
        FrameReader().feed(received)
    return caught.value.kind


# What is sent arrives.


@given(message=messages)
def test_each_message_comes_back_as_it_was(message: types.Message):
    assert [message] == FrameReader().feed(encode(message))


@given(sent=st.lists(messages, max_size=5), cut=st.integers(1, 40))
def test_frames_come_back_whatever_portions_they_arrive_in(sent: list[types.Message], cut: int):
    stream = wire.PREAMBLE + wire.encode_handshake(HELLO) + b"".join(map(encode, sent))
    reader = FrameReader(wire.PREAMBLE)

    received = [
        frame
        for start in range(0, len(stream), cut)
        for frame in reader.feed(stream[start : start + cut])
    ]

    assert [HELLO, *sent] == received


def test_a_goodbye_says_why():
    assert [Goodbye("why")] == FrameReader().feed(bytes(wire.encode_handshake(Goodbye("why"))))


@pytest.mark.parametrize(
    ("message", "array"),
    [
        (types.PreVote(5, 9, 4, 2), [1, 5, 9, 4, 2]),
        (types.PreVoteAnswer(5, True, 2), [2, 5, True, 2]),
        (types.Vote(5, 9, 4, True), [3, 5, 9, 4, True]),
        (types.VoteAnswer(5, False), [4, 5, False]),
        (
            types.Append(5, 6, 4, 3, (entry(7, 5),)),
            [5, 5, 6, 4, 3, blob(encode_entry(entry(7, 5)))],
        ),
        (types.AppendAnswer(5, False, 6, 2, 1), [6, 5, False, 6, 2, 1]),
        (types.Heartbeat(5, 3, 77), [7, 5, 3, 77]),
        (types.HeartbeatAnswer(5, 77), [8, 5, 77]),
        (CHUNK, [9, 4, META, 0, b"state", zlib.crc32(b"state")]),
        (
            types.SnapshotAnswer(4, META.id, 7, 5, types.SnapshotStatus.MORE),
            [10, 4, META.id, 7, 5, "more"],
        ),
        (types.TimeoutNow(5), [11, 5]),
        (types.ReadIndex(5, 8), [12, 5, 8]),
        (types.ReadIndexAnswer(5, 8, 6, True), [13, 5, 8, 6, True]),
    ],
)
def test_codes_and_positions_stay_as_they_are(message: types.Message, array: list[object]):
    assert packed(*array) == encode(message)


def test_positions_of_the_handshake_stay_as_they_are():
    assert packed(0, 1, b"c" * 16, "a", "b", 0, 0) == wire.encode_handshake(HELLO)
    assert packed(31, "why") == wire.encode_handshake(Goodbye("why"))


def test_items_that_a_newer_version_appends_are_ignored():
    received = packed(7, 5, 3, 77, "new", {"and": [1, 2]})

    assert [types.Heartbeat(5, 3, 77)] == FrameReader().feed(received)


def test_the_same_entries_for_two_peers_are_encoded_once():
    encoder = Encoder()
    entries = (entry(2), entry(3))

    first = encoder.encode(types.Append(1, 1, 1, 0, entries))
    second = encoder.encode(types.Append(1, 1, 1, 1, tuple(entries)))
    other = encoder.encode(types.Append(1, 1, 1, 0, (entry(2), entry(3, 2, b"del"))))

    assert first[-20:] == second[-20:] != other[-20:]
    assert len(encoder._blobs) == 2


def test_an_encoder_keeps_few_blobs():
    encoder = Encoder()

    for index in range(1, 50):
        encoder.encode(types.Append(1, index - 1, 1, 0, (entry(index),)))

    assert len(encoder._blobs) == wire.BLOBS_KEPT_MAX


def test_each_kind_of_message_has_its_channel():
    assert wire.channel_of(types.Append(1, 0, 0, 0)) is Channel.APPENDS
    assert wire.channel_of(CHUNK) is Channel.SNAPSHOTS
    assert wire.channel_of(types.AppendAnswer(1, True, 1)) is Channel.URGENT
    assert wire.channel_of(types.Heartbeat(1, 0, 1)) is Channel.URGENT


def test_the_largest_append_of_the_core_fits_into_a_frame():
    settings = Settings()
    framing_bytes = settings.batch_count_max * (BODY_BYTES_MIN + 4) + 100

    largest_bytes = settings.batch_bytes_max + settings.command_bytes_max + framing_bytes
    assert largest_bytes <= wire.FRAME_BYTES_MAX
    assert settings.batch_count_max <= wire.ENTRY_COUNT_MAX
    assert settings.snapshot_chunk_bytes + framing_bytes <= wire.FRAME_BYTES_MAX


# Nothing else comes through.


@given(junk=st.binary(max_size=200))
def test_junk_raises_nothing_but_bad_frame(junk: bytes):
    for received in (junk, framed(junk), framed(junk)[:-1]):
        with contextlib.suppress(BadFrame):
            FrameReader().feed(received)
    with contextlib.suppress(BadFrame):
        FrameReader(wire.PREAMBLE).feed(junk)


@given(message=messages, data=st.data())
def test_a_frame_with_a_changed_byte_raises_nothing_but_bad_frame(
    message: types.Message, data: st.DataObject
):
    damaged = bytearray(encode(message))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))

    with contextlib.suppress(BadFrame):
        FrameReader().feed(bytes(damaged))


@given(message=messages, data=st.data())
def test_an_array_cut_short_is_bad(message: types.Message, data: st.DataObject):
    array = encode(message)[5:]
    cut = data.draw(st.integers(1, len(array) - 1))

    assert badness(framed(array[:cut])) in {Bad.CONTENT, Bad.ENTRIES}


@pytest.mark.parametrize(
    ("received", "kind"),
    [
        ((0).to_bytes(4, "big"), Bad.LENGTH),
        ((1).to_bytes(4, "big"), Bad.LENGTH),
        ((wire.FRAME_BYTES_MAX + 1).to_bytes(4, "big"), Bad.LENGTH),
        (b"GET / HTTP/1.1\r\n\r\n", Bad.LENGTH),
        (framed(msgspec.msgpack.encode([7, 5, 3, 77]), flags=1), Bad.FLAGS),
        (packed(99, 1), Bad.CONTENT),
        (packed(7, 5, 3), Bad.CONTENT),
        (packed(7, -1, 3, 77), Bad.CONTENT),
        (packed(7, 2**63, 3, 77), Bad.CONTENT),
        (packed(7, "five", 3, 77), Bad.CONTENT),
        (framed(b"\x91" * 100_000), Bad.CONTENT),
        (framed(b"\x94\x07\x01\x01\x01" + b"\x91" * 100_000), Bad.CONTENT),
        (packed(0, 1, b"", "", "b", 0, 0), Bad.CONTENT),
        (packed(0, 1, b"", "a" * 129, "b", 0, 0), Bad.CONTENT),
        (packed(0, 1, bytes(65), "a", "b", 0, 0), Bad.CONTENT),
        (packed(0, 1, b"", "a", "b", 0, 9), Bad.CONTENT),
        (packed(9, 4, META, 0, b"state", 1), Bad.CHECKSUM),
        (packed(9, 4, msgspec.structs.replace(META, id="../up"), 0, b"", 0), Bad.CONTENT),
        (packed(9, 4, msgspec.structs.replace(META, index=-1), 0, b"", 0), Bad.CONTENT),
        (packed(9, 4, msgspec.structs.replace(META, id="3-7\n"), 0, b"", 0), Bad.CONTENT),
        (packed(10, 4, "../up", 7, 5, "more"), Bad.CONTENT),
    ],
)
def test_a_bad_frame_is_told_by_its_kind(received: bytes, kind: Bad):
    assert kind == badness(received)


GOOD_BODY = encode_entry(entry(7))


@pytest.mark.parametrize(
    ("entries", "kind"),
    [
        (blob(GOOD_BODY[:-1] + b"?"), Bad.CHECKSUM),
        (blob(GOOD_BODY[: BODY_BYTES_MIN - 1]), Bad.CHECKSUM),
        (b"\x01", Bad.ENTRIES),
        (blob(GOOD_BODY)[:-1], Bad.ENTRIES),
        (blob(encode_entry(entry(8))), Bad.ENTRIES),  # a hole
        (blob(GOOD_BODY, GOOD_BODY), Bad.ENTRIES),  # the same twice
        (blob(encode_entry(entry(7, 0))), Bad.ENTRIES),  # an older term than the entry before
        (blob(encode_entry(entry(7, 3))), Bad.ENTRIES),  # a newer term than the leader's
        (blob(encode_entry(Entry(7, 1, 16, b""))), Bad.ENTRIES),  # type: ignore[arg-type] # a vote
    ],
)
def test_bad_entries_are_refused_with_their_frame(entries: bytes, kind: Bad):
    assert kind == badness(packed(5, 2, 6, 1, 0, entries))


def test_too_many_entries_are_refused():
    bodies = [encode_entry(entry(index)) for index in range(1, wire.ENTRY_COUNT_MAX + 2)]

    assert Bad.ENTRIES is badness(packed(5, 2, 0, 0, 0, blob(*bodies)))


def test_only_the_preamble_begins_a_connection():
    with pytest.raises(BadFrame, match="no connection of a raft server"):
        FrameReader(wire.PREAMBLE).feed(b"\xc1RFX")


def test_the_preamble_looks_like_nothing_else_on_the_port():
    tls_handshake, largest_rpc_frame = 0x16, 16 * 1024 * 1024

    assert wire.PREAMBLE[0] not in {tls_handshake, largest_rpc_frame >> 24, 0}
    assert wire.PREAMBLE[0] > 0x7F
