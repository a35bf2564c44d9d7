"""The record format against arbitrary content and arbitrary damage."""

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from raft.entries import Entry, HardState, Kind, Mark
from raft.records import (
    ALIGNMENT,
    HARD_STATE,
    MARK,
    TRUNCATE,
    as_entry,
    decode_body,
    decode_entry,
    encode_entry,
    encode_hard_state,
    encode_mark,
    encode_truncate,
    frame,
    framed_bytes,
    outline,
    read_record,
    was_synced,
)

SEGMENT = 7
U64 = st.integers(0, 2**64 - 1)
ENTRIES = st.builds(Entry, U64, U64, st.sampled_from(Kind), st.binary(max_size=70))
ROUNDS = st.lists(st.lists(ENTRIES, min_size=1, max_size=4), min_size=1, max_size=4)


def lay_out(rounds: list[list[Entry]]) -> tuple[bytearray, list[int]]:
    """The bytes of the rounds, and where each starts, with untouched space behind."""
    content = bytearray()
    starts: list[int] = []
    for batch, entries in enumerate(rounds, 1):
        starts.append(len(content))
        bodies = [encode_entry(entry) for entry in entries]
        content += frame(bodies, segment=SEGMENT, batch=batch, start=len(content))
    return content + bytes(256), starts


def read_all(content: bytes | bytearray) -> tuple[list[Entry], int]:
    view, offset, entries = memoryview(content), 0, []
    while record := read_record(view, offset, SEGMENT):
        entries.append(as_entry(record.body))
        offset = record.end
    return entries, offset


@given(ENTRIES)
def test_entry_survives_the_round_trip(entry: Entry) -> None:
    body = decode_body(encode_entry(entry))

    assert body is not None
    assert entry == as_entry(body)


@given(ENTRIES)
def test_an_outline_is_the_body_without_what_the_entry_holds(entry: Entry) -> None:
    encoded = encode_entry(entry)
    body = decode_body(encoded)

    assert body is not None
    assert msgspec.structs.replace(body, payload=b"") == outline(encoded)


@given(U64, st.text(max_size=9), U64)
def test_the_outline_of_a_hard_state_is_all_of_it(term: int, vote: str, commit: int) -> None:
    encoded = encode_hard_state(HardState(term, vote, commit))

    assert decode_body(encoded) == outline(encoded)


@given(ENTRIES, st.binary(max_size=9), st.binary(max_size=9))
def test_entry_is_read_out_of_other_bytes(entry: Entry, before: bytes, after: bytes) -> None:
    encoded = encode_entry(entry)
    start, end = len(before), len(before) + len(encoded)

    assert entry == decode_entry(before + encoded + after, start, end)


@given(ENTRIES, st.data())
def test_entry_that_was_damaged_or_cut_is_none(entry: Entry, data: st.DataObject) -> None:
    encoded = bytearray(encode_entry(entry))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(encoded) - 1))

    assert decode_entry(bytes(encoded), 0, len(encoded)) is None
    assert decode_entry(encode_entry(entry), 0, cut) is None


def test_other_records_are_no_entries() -> None:
    encoded = encode_mark(Mark(9, 3))

    assert decode_entry(encoded, 0, len(encoded)) is None


@given(U64, st.text(max_size=40), U64)
def test_term_vote_and_hint_share_one_record(term: int, vote: str, commit_index: int) -> None:
    body = decode_body(encode_hard_state(HardState(term, vote, commit_index)))

    assert body is not None
    assert (HARD_STATE, term, vote.encode(), commit_index) == (
        body.kind,
        body.term,
        body.payload,
        body.index,
    )


def test_marks_and_truncations_carry_their_index() -> None:
    mark, truncate = decode_body(encode_mark(Mark(9, 3))), decode_body(encode_truncate(5))

    assert mark is not None
    assert truncate is not None
    assert (mark.kind, mark.index, mark.term) == (MARK, 9, 3)
    assert (truncate.kind, truncate.index) == (TRUNCATE, 5)


@given(ROUNDS)
def test_rounds_read_back_as_written(rounds: list[list[Entry]]) -> None:
    content, _ = lay_out(rounds)

    entries, end = read_all(content)

    assert [entry for entries in rounds for entry in entries] == entries
    assert len(content) - 256 == end
    assert end % ALIGNMENT == 0
    assert not was_synced(memoryview(content), end, SEGMENT)


@given(st.binary(max_size=300), st.integers(0, 40))
def test_noise_is_no_record(noise: bytes, offset: int) -> None:
    assert read_record(memoryview(noise), offset, SEGMENT) is None


def test_a_record_of_another_segment_never_validates() -> None:
    content, _ = lay_out([[Entry(1, 1, Kind.COMMAND, b"x")]])

    assert read_record(memoryview(content), 0, SEGMENT + 1) is None


@given(ROUNDS, st.data())
def test_damage_in_the_last_round_is_a_torn_tail(
    rounds: list[list[Entry]], data: st.DataObject
) -> None:
    content, starts = lay_out(rounds)
    end = len(content) - 256
    first = data.draw(st.integers(starts[-1], end - 1))
    noise = data.draw(st.binary(min_size=1, max_size=end - first))

    content[first : first + len(noise)] = noise
    entries, damage = read_all(content)

    assert damage >= starts[-1]
    assert not was_synced(memoryview(content), damage, SEGMENT)
    expected = [entry for entries in rounds for entry in entries]
    if damage < end:
        assert expected[: len(entries)] == entries


@given(st.lists(st.lists(ENTRIES, min_size=1, max_size=4), min_size=2, max_size=4), st.data())
@example([[Entry(1, 1, Kind.NO_OP), Entry(2, 1, Kind.NO_OP)], [Entry(3, 1, Kind.NO_OP)]], None).via(
    "the last record before the last round: only batch_start tells it from a torn tail"
)
def test_damage_before_the_last_round_is_lost_data(
    rounds: list[list[Entry]], data: st.DataObject | None
) -> None:
    content, starts = lay_out(rounds)
    at = (
        starts[-1] - framed_bytes(21) if data is None else data.draw(st.integers(0, starts[-1] - 1))
    )

    content[at] ^= 0xFF
    _, damage = read_all(content)

    if damage < len(content) - 256:  # padding is not covered by any checksum
        assert was_synced(memoryview(content), damage, SEGMENT)
