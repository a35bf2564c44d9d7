import pytest

from raft.entries import Entry, HardState, Kind, Mark
from raft.errors import Corrupt
from raft.log_index import LogIndex, Place
from raft.records import (
    decode_body,
    encode_entry,
    encode_hard_state,
    encode_mark,
    encode_truncate,
)


def feed(log: LogIndex, *bodies: bytes) -> LogIndex:
    for number, encoded in enumerate(bodies):
        body = decode_body(encoded)
        assert body is not None
        log.note(body, Place(1, number))
    return log


def entries(first: int, last: int, term: int = 1) -> list[bytes]:
    return [encode_entry(Entry(index, term, Kind.COMMAND)) for index in range(first, last + 1)]


def extent(log: LogIndex) -> tuple[int, int, int]:
    return log.first_index, log.last_index, log.last_term


def test_empty_log_ends_before_it_starts() -> None:
    assert extent(LogIndex(5)) == (5, 4, 0)


def test_entries_extend_the_log_by_one() -> None:
    log = feed(LogIndex(), *entries(1, 3, term=2))

    assert extent(log) == (1, 3, 2)
    assert Place(1, 1) == log.place(2)


def test_a_hole_is_refused() -> None:
    with pytest.raises(Corrupt, match="entry 3 follows entry 1"):
        feed(LogIndex(), *entries(1, 1), *entries(3, 3))


def test_the_last_hard_state_counts() -> None:
    log = feed(
        LogIndex(), encode_hard_state(HardState(1, "a")), encode_hard_state(HardState(2, "b", 7))
    )

    assert HardState(2, "b", 7) == log.hard_state


def test_truncation_cuts_the_tail_and_the_log_goes_on() -> None:
    log = feed(LogIndex(), *entries(1, 4), encode_truncate(2), *entries(3, 3, term=2))

    assert extent(log) == (1, 3, 2)


def test_truncation_below_what_is_left_restarts_there() -> None:
    log = feed(LogIndex(10), *entries(10, 12), encode_truncate(7), *entries(8, 8))

    assert extent(log) == (8, 8, 1)


def test_mark_within_an_agreeing_log_keeps_its_entries() -> None:
    log = feed(LogIndex(), *entries(1, 4), encode_mark(Mark(4, 1)), encode_mark(Mark(2, 1)))

    assert extent(log) == (1, 4, 1)


def test_mark_past_the_end_restarts_the_log() -> None:
    log = feed(LogIndex(), *entries(1, 4), encode_mark(Mark(9, 3)))

    assert extent(log) == (10, 9, 3)


def test_mark_that_contradicts_the_log_voids_it() -> None:
    """A kept tail would be rejected for ever by a leader. Source: hashicorp/raft#697."""
    log = feed(LogIndex(), *entries(1, 4), encode_mark(Mark(3, 2)))

    assert extent(log) == (4, 3, 2)


def test_release_forgets_the_prefix_and_never_more_than_there_is() -> None:
    log = feed(LogIndex(), *entries(1, 4))

    log.release(3)
    log.release(2)

    assert extent(log) == (3, 4, 1)
    log.release(100)
    assert (log.first_index, log.last_index) == (5, 4)
