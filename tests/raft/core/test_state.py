"""What a server starts from."""

import math

import pytest

from raft.core.settings import Settings
from raft.core.state import State
from raft.core.types import Refusal, Refused, Restart
from raft.entries import (
    Configuration,
    Entry,
    HardState,
    Kind,
    Mark,
    SnapshotMeta,
    encode_configuration,
    sole_configuration,
)
from tests.raft.core.cluster import Dice

ALONE = sole_configuration("a", "a:1")
SNAPSHOT = SnapshotMeta(id="s", index=10, term=2, configuration=ALONE, configuration_index=3)


def started(**fields: object) -> State:
    return State("a", Settings(), Dice("a"), 100.0, Restart(**fields))  # type: ignore[arg-type]


def entries(first: int, last: int, term: int = 2) -> list[Entry]:
    return [Entry(index, term, Kind.COMMAND) for index in range(first, last + 1)]


def test_a_fresh_server_knows_nothing_and_promised_nothing() -> None:
    state = started()

    assert (0, "", 0, 0) == (state.term, state.vote, state.log.last_index, state.commit_index)
    assert -math.inf == state.refuses_votes_until
    assert Refused(Refusal.NO_LEADER) == state.refusal()


def test_one_that_was_up_before_refuses_votes_for_an_election_timeout() -> None:
    assert 101.0 == started(hard_state=HardState(3)).refuses_votes_until


def test_the_commit_hint_is_believed_as_far_as_the_log_goes() -> None:
    """etcd#14143, etcd-io/raft#300: a hint beyond the log is no reason not to start."""
    state = started(hard_state=HardState(2, "", 9), entries=entries(1, 7))

    assert (7, 0) == (state.commit_index, state.applied_index)


def test_a_vote_of_an_earlier_term_than_the_log_s_is_void() -> None:
    state = started(hard_state=HardState(1, "b", 0), entries=entries(1, 2))

    assert (2, "") == (state.term, state.vote)


@pytest.mark.parametrize(
    ("held", "first_index", "last_index"),
    [([], 11, 10), (entries(11, 13), 11, 13), (entries(1, 13), 1, 13), (entries(5, 13), 6, 13)],
)
def test_the_log_goes_on_behind_or_around_the_snapshot(
    held: list[Entry], first_index: int, last_index: int
) -> None:
    state = started(hard_state=HardState(2), snapshot=SNAPSHOT, entries=held)

    assert (first_index, last_index) == (state.log.first_index, state.log.last_index)
    assert (10, 10) == (state.commit_index, state.applied_index)


def test_a_log_that_ends_before_the_snapshot_is_void() -> None:
    state = started(hard_state=HardState(2), snapshot=SNAPSHOT, entries=entries(1, 7))

    assert (11, 10) == (state.log.first_index, state.log.last_index)


def test_a_log_with_another_entry_at_the_snapshot_is_void_and_is_declared_so() -> None:
    """The crash came between a received snapshot and its mark in the log."""
    for held in (entries(1, 13, term=1), entries(4, 10, term=1), entries(1, 7)):
        state = started(hard_state=HardState(2), snapshot=SNAPSHOT, entries=held)

        write = state.writes.close(0, 0.0)
        assert (11, 10, 2) == (state.log.first_index, state.log.last_index, state.log.last_term)
        assert write is not None
        assert Mark(10, 2) == write.mark


def test_a_hole_between_snapshot_and_log_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        started(hard_state=HardState(2), snapshot=SNAPSHOT, entries=entries(12, 13))


def test_the_membership_is_the_newest_of_snapshot_and_log() -> None:
    newer = Configuration((*ALONE.servers, *sole_configuration("b", "b:1").servers))
    change = Entry(12, 2, Kind.CONFIGURATION, encode_configuration(newer))
    state = started(hard_state=HardState(2), snapshot=SNAPSHOT, entries=[*entries(11, 11), change])

    assert (12, newer) == (state.membership.index, state.membership.configuration)
    assert (ALONE, 3) == state.membership.at(11)


def test_a_committed_entry_is_never_cut() -> None:
    state = started(hard_state=HardState(2, "", 5), entries=entries(1, 7))

    with pytest.raises(AssertionError):
        state.truncate(4)
