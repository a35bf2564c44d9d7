"""Units of the log, after the tables of etcd/raft's log_test.go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raft.core.log import ENTRY_OVERHEAD_BYTES, RaftLog
from raft.entries import Entry, Kind


def log_of(*terms: int, base: tuple[int, int] = (0, 0), payload: bytes = b"") -> RaftLog:
    log = RaftLog(*base)
    if terms:
        log.append(
            [Entry(i, term, Kind.COMMAND, payload) for i, term in enumerate(terms, base[0] + 1)]
        )
    return log


def indexes(entries: object) -> list[int]:
    return [entry.index for entry in entries]  # type: ignore[attr-defined]  # any sequence


def test_terms_are_known_from_the_base_to_the_end() -> None:
    log = log_of(2, 2, 3, base=(4, 1))

    assert [None, 1, 2, 2, 3, None] == [log.term(index) for index in range(3, 9)]
    assert (5, 7, 3) == (log.first_index, log.last_index, log.last_term)


def test_an_empty_log_ends_with_its_base() -> None:
    log = log_of(base=(4, 2))

    assert (5, 4, 2) == (log.first_index, log.last_index, log.last_term)
    assert [] == list(log.entries(5, 4))


def test_a_batch_ends_with_the_entry_that_crosses_the_limit() -> None:
    """The soft limit: one entry larger than a batch is sent alone."""
    log = log_of(*[1] * 5, payload=bytes(36))  # 100 bytes each
    assert 100 == 36 + ENTRY_OVERHEAD_BYTES

    assert [2] == indexes(log.batch(2, 10, 1))
    assert [2] == indexes(log.batch(2, 10, 100))
    assert [2, 3] == indexes(log.batch(2, 10, 101))
    assert [2, 3, 4, 5] == indexes(log.batch(2, 10, 10_000))
    assert [2, 3] == indexes(log.batch(2, 2, 10_000))


def test_cut_entries_are_replaced() -> None:
    log = log_of(1, 1, 1)

    log.truncate(1)
    log.append([Entry(2, 2, Kind.COMMAND, b"other")])

    assert [1, 2, None] == [log.term(index) for index in (1, 2, 3)]
    assert len(b"other") + ENTRY_OVERHEAD_BYTES == log.bytes_between(1, 2)


def test_a_committed_base_is_never_cut() -> None:
    with pytest.raises(AssertionError):
        log_of(2, base=(4, 1)).truncate(3)


def test_released_entries_leave_their_last_term_behind() -> None:
    log = log_of(1, 2, 3, payload=b"x")
    size_bytes = log.bytes_between(2, 3)

    log.release(2)

    assert (3, 2, 3) == (log.first_index, log.term(2), log.last_index)
    assert None is log.term(1)
    assert size_bytes == log.bytes_between(2, 3)


def test_a_restart_forgets_everything() -> None:
    log = log_of(1, 1)

    log.restart(9, 4)

    assert (10, 9, 4) == (log.first_index, log.last_index, log.last_term)


@given(st.lists(st.integers(0, 9), min_size=1), st.data())
def test_sizes_are_exact_after_any_release_and_cut(sizes: list[int], data: st.DataObject) -> None:
    log = RaftLog()
    log.append([Entry(i, 1, Kind.COMMAND, bytes(n)) for i, n in enumerate(sizes, 1)])
    base = data.draw(st.integers(0, len(sizes)))
    last = data.draw(st.integers(base, len(sizes)))

    log.release(base)
    log.truncate(last)

    expected = sum(sizes[base:last]) + ENTRY_OVERHEAD_BYTES * (last - base)
    assert expected == log.bytes_between(base, last)


def test_the_last_bytes_begin_where_they_fit() -> None:
    log = log_of(*[1] * 4, payload=bytes(36))

    assert 1 == log.first_of_last_bytes(400)
    assert 3 == log.first_of_last_bytes(299)
    assert 3 == log.first_of_last_bytes(200)
    assert 5 == log.first_of_last_bytes(10)


@given(
    st.lists(st.integers(1, 4), max_size=8).map(sorted),
    st.integers(0, 10),
    st.integers(0, 5),
    st.integers(0, 8),
)
def test_a_hint_is_the_last_entry_that_may_match(
    terms: list[int], index: int, term: int, base: int
) -> None:
    """etcd-io/raft findConflictByTerm, against a search entry by entry."""
    base = min(base, len(terms))
    log = log_of(*terms)
    log.release(base)

    candidates = [
        i for i in range(base, min(index, len(terms)) + 1) if (terms[i - 1] if i else 0) <= term
    ]

    expected = candidates[-1] if candidates else max(min(index, base - 1), 0)
    assert expected == log.conflict_hint(index, term)
