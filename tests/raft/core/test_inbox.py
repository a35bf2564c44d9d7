"""Terms, before anything else. Source: Raft §5.1."""

import pytest

from raft.core.types import (
    Append,
    AppendAnswer,
    Heartbeat,
    HeartbeatAnswer,
    Message,
    PreVote,
    PreVoteAnswer,
    Role,
    TimeoutNow,
    Vote,
    VoteAnswer,
)
from tests.raft.core.cluster import Cluster


def led() -> Cluster:
    cluster = Cluster()
    cluster.elect("a")
    return cluster


@pytest.mark.parametrize(
    "message", [AppendAnswer(9, False, 0), HeartbeatAnswer(9, 0), VoteAnswer(9, granted=False)]
)
def test_a_later_term_deposes_a_leader(message: Message) -> None:
    cluster = led()

    cluster.say("b", "a", message)

    assert (Role.FOLLOWER, 9, "") == (cluster["a"].role, cluster["a"].term, cluster["a"].leader_id)


@pytest.mark.parametrize("message", [Append(9, 0, 0, 0), Heartbeat(9, 0, 1)])
def test_a_leader_of_a_later_term_is_followed_at_once(message: Message) -> None:
    cluster = led()

    cluster.say("b", "a", message)

    assert (Role.FOLLOWER, 9, "b") == (cluster["a"].role, cluster["a"].term, cluster["a"].leader_id)


@pytest.mark.parametrize(
    "message", [PreVote(9, 9, 9, 1), PreVoteAnswer(9, granted=True, round=1), Vote(9, 9, 9)]
)
def test_questions_about_a_later_term_depose_nobody(message: Message) -> None:
    cluster = led()
    term = cluster["a"].term

    cluster.say("b", "a", message)

    assert (Role.LEADER, term) == (cluster["a"].role, cluster["a"].term)


@pytest.mark.parametrize(
    "message",
    [
        Vote(1, 99, 99),
        VoteAnswer(1, granted=True),
        AppendAnswer(1, accepted=True, index=99),
        HeartbeatAnswer(1, 99),
        PreVoteAnswer(1, granted=True, round=1),
        TimeoutNow(1),
    ],
)
def test_an_earlier_term_is_ignored(message: Message) -> None:
    cluster = led()
    term = cluster["a"].term

    cluster.say("b", "a", message)

    assert (Role.LEADER, term) == (cluster["a"].role, cluster["a"].term)
    assert [] == list(cluster.network)


def test_a_transfer_s_vote_deposes_the_leader() -> None:
    cluster = led()
    term = cluster["a"].term

    cluster.say("b", "a", Vote(term + 1, 99, term, is_transfer=True))
    cluster.persist("a")

    assert ("b", term + 1) == (cluster["a"].vote, cluster["a"].term)


def test_a_proposal_and_a_later_term_meet_in_either_order_without_a_wrong_entry() -> None:
    """hashicorp/raft#695: the term was read, raised elsewhere, and written into the entry."""
    for proposes_first in (True, False):
        cluster = led()
        term = cluster["a"].term
        if proposes_first:
            cluster["a"].propose([b"x"], cluster.now)
            cluster["a"].step("b", Heartbeat(term + 1, 0, 1), cluster.now)
        else:
            cluster["a"].step("b", Heartbeat(term + 1, 0, 1), cluster.now)
            cluster["a"].propose([b"x"], cluster.now)
        cluster.flush("a")

        raft = cluster["a"]
        assert {1, term} == {raft.entry_term(i) for i in range(1, raft.last_index + 1)}
