"""What is durable when, with writes under way and entries overwritten."""

from raft.core.writes import Writes
from raft.entries import Entry, HardState, Kind, Mark, Write


def entries(first: int, last: int, term: int = 1) -> list[Entry]:
    return [Entry(index, term, Kind.COMMAND) for index in range(first, last + 1)]


def closed(writes: Writes, commit_index: int = 0, now: float = 0.0) -> Write:
    write = writes.close(commit_index, now)
    assert write is not None
    return write


def test_nothing_to_do_is_no_write() -> None:
    assert None is Writes(HardState(), 0).close(0, 0.0)


def test_a_turn_is_one_write_with_the_next_number() -> None:
    writes = Writes(HardState(), 0)

    writes.set_vote(2, "a")
    writes.append(entries(1, 2))
    writes.append(entries(3, 3))

    expected = Write(sequence=1, hard_state=HardState(2, "a"), entries=entries(1, 3))
    assert expected == closed(writes)
    writes.append(entries(4, 4))
    assert 2 == closed(writes).sequence


def test_entries_are_stable_when_their_write_is_done() -> None:
    writes = Writes(HardState(), 0)
    writes.append(entries(1, 2))
    closed(writes)
    writes.append(entries(3, 3))
    closed(writes)

    assert 0 == writes.stable_index
    writes.persisted(1)
    assert 2 == writes.stable_index
    writes.persisted(2)
    assert 3 == writes.stable_index


def test_entries_cut_in_the_same_turn_are_never_written() -> None:
    writes = Writes(HardState(), 0)
    writes.append(entries(1, 3))

    writes.truncate(1)
    writes.append(entries(2, 2, term=2))

    write = closed(writes)
    assert None is write.truncate_to
    assert [*entries(1, 1), *entries(2, 2, term=2)] == list(write.entries)


def test_entries_that_storage_has_are_cut_by_the_next_write() -> None:
    writes = Writes(HardState(), 5)

    writes.truncate(3)
    writes.append(entries(4, 4, term=2))
    writes.truncate(2)
    writes.append(entries(3, 3, term=3))

    write = closed(writes)
    assert 2 == write.truncate_to
    assert entries(3, 3, term=3) == list(write.entries)


def test_an_entry_overwritten_twice_is_stable_only_with_its_last_write() -> None:
    """etcd/raft async_storage_writes_append_aba_race: A, then B over it, then A again."""
    writes = Writes(HardState(), 0)
    writes.append(entries(1, 3, term=1))
    closed(writes)
    writes.truncate(0)
    writes.append(entries(1, 1, term=2))
    closed(writes)
    writes.truncate(0)
    writes.append(entries(1, 3, term=1))
    closed(writes)

    writes.persisted(1)
    assert 0 == writes.stable_index
    writes.persisted(2)
    assert 0 == writes.stable_index
    writes.persisted(3)
    assert 3 == writes.stable_index


def test_a_cut_makes_stable_entries_unstable_at_once() -> None:
    writes = Writes(HardState(), 5)

    writes.truncate(3)

    assert 3 == writes.stable_index


def test_a_received_snapshot_voids_what_is_under_way() -> None:
    writes = Writes(HardState(), 2)
    writes.append(entries(3, 30))
    closed(writes)

    writes.restart(Mark(20, 2), 1)
    writes.append(entries(21, 21, term=2))
    write = closed(writes)

    assert Mark(20, 2) == write.mark
    assert None is write.truncate_to
    writes.persisted(1)
    assert 1 == writes.stable_index
    writes.persisted(2)
    assert 21 == writes.stable_index


def test_the_commit_hint_rides_along_and_covers_only_what_is_durable() -> None:
    """A hint beyond a log that lost its tail would keep it from starting (etcd#3591)."""
    writes = Writes(HardState(1), 0)
    writes.append(entries(1, 4))
    assert None is closed(writes, commit_index=4).hard_state
    assert None is writes.close(4, 0.0)
    writes.persisted(1)

    writes.append(entries(5, 5))

    assert HardState(1, "", 4) == closed(writes, commit_index=5).hard_state


def test_a_new_vote_does_not_wait_for_entries_under_way() -> None:
    writes = Writes(HardState(), 0)
    writes.set_vote(1, "")
    closed(writes)
    writes.append(entries(1, 1))

    assert 1 == writes.vote_sequence
    assert 2 == writes.sequence_needed


def test_the_oldest_write_says_how_long_storage_has_been_busy() -> None:
    writes = Writes(HardState(), 0)
    writes.append(entries(1, 1))
    closed(writes, now=3.0)
    writes.append(entries(2, 2))
    closed(writes, now=4.0)

    assert 3.0 == writes.oldest_issued_at
    writes.persisted(1)
    assert 4.0 == writes.oldest_issued_at
    writes.persisted(2)
    assert None is writes.oldest_issued_at


def test_released_entries_go_with_the_mark() -> None:
    writes = Writes(HardState(1), 9)

    writes.mark(Mark(7, 1), 5)

    assert Write(sequence=1, mark=Mark(7, 1), entries=[], release_before=5) == closed(writes)
