"""Quorum arithmetic against brute force: the median, majorities, and both for joint halves."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raft.core.quorum import VoteResult, Voters, reached, vote_result

IDS = tuple("abcdefg")
halves = st.sets(st.sampled_from(IDS), max_size=7).map(lambda ids: tuple(sorted(ids)))
indexes = st.dictionaries(st.sampled_from(IDS), st.integers(0, 5))
votes_of = st.dictionaries(st.sampled_from(IDS), st.booleans())


def is_majority(count: int, half: tuple[str, ...]) -> bool:
    return not half or 2 * count > len(half)


@given(indexes, halves, halves)
def test_a_value_is_reached_when_a_majority_of_each_half_has_it(
    values: dict[str, int], newer: tuple[str, ...], older: tuple[str, ...]
) -> None:
    actual = reached(values, Voters(newer, older))

    for value in range(6):
        has_quorum = all(
            is_majority(sum(values.get(voter, -1) >= value for voter in half), half)
            for half in (newer, older)
        )
        assert has_quorum == (actual >= value)


@pytest.mark.parametrize(
    ("matches", "commit"),
    [([1], 1), ([2, 2, 2], 2), ([1, 2, 2], 2), ([2, 1, 1], 1), ([1, 1, 2, 2], 1), ([1] * 2, 1)],
)
def test_the_commit_index_is_what_a_majority_holds(matches: list[int], commit: int) -> None:
    """Raft §5.3; the table of etcd/raft's TestCommit."""
    voters = IDS[: len(matches)]

    assert commit == reached(dict(zip(voters, matches, strict=True)), Voters(voters))


def test_nobody_to_ask_agrees_to_everything() -> None:
    """etcd/raft: an empty half of a joint configuration always wins."""
    assert math.inf == reached({}, Voters())
    assert VoteResult.WON is vote_result({}, Voters())


@given(votes_of, halves, halves)
def test_an_election_is_decided_exactly_when_no_outstanding_vote_can_change_it(
    votes: dict[str, bool], newer: tuple[str, ...], older: tuple[str, ...]
) -> None:
    voters = Voters(newer, older)
    silent = [voter for voter in voters.ids() if voter not in votes]

    outcomes = set()
    for answers in product([False, True], repeat=len(silent)):
        all_votes = votes | dict(zip(silent, answers, strict=True))
        outcomes.add(
            all(is_majority(sum(all_votes[voter] for voter in half), half) for half in voters)
        )

    expected = VoteResult.WON if outcomes == {True} else VoteResult.LOST
    expected = VoteResult.PENDING if len(outcomes) == 2 else expected
    assert expected is vote_result(votes, voters)


def test_a_voter_of_both_halves_is_named_once() -> None:
    voters = Voters(("a", "b"), ("b", "c"))

    assert ("a", "b", "c") == voters.ids()
    assert voters.include("c")
    assert not voters.include("d")
