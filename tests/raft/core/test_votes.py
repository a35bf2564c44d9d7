"""Giving votes. Sources: Raft §5.2 and §5.4.1, thesis §4.2.3; etcd/raft's raft_test.go."""

import pytest

from raft.core.types import (
    Append,
    HeartbeatAnswer,
    PreVote,
    PreVoteAnswer,
    Role,
    Vote,
    VoteAnswer,
)
from tests.raft.core.cluster import Cluster, of


def candidate(cluster: Cluster, server_id: str = "a") -> None:
    """Let a server win the pre-vote of all that hear it; its votes are not answered yet."""
    cluster.hosts[server_id].dice.value = 0.0
    cluster.now += 3.0
    cluster[server_id].tick(cluster.now)
    cluster.flush(server_id)
    cluster.deliver(of(PreVote))
    cluster.deliver(of(PreVoteAnswer))


def forgotten(cluster: Cluster) -> None:
    """Let so much time pass that nobody remembers a leader."""
    cluster.now += 10.0


def test_the_vote_is_asked_for_only_after_the_own_one_is_durable() -> None:
    """A request answered late, after a crash that lost entries it speaks of, must not count."""
    cluster = Cluster()
    candidate(cluster)

    assert Role.CANDIDATE is cluster["a"].role
    assert [] == cluster.sent(Vote)
    cluster.persist("a")
    assert 2 == len(cluster.sent(Vote, by="a"))


def test_a_vote_leaves_only_when_it_is_durable() -> None:
    """hashicorp/raft#661: term and vote are one record, and first of all on disk."""
    cluster = Cluster()
    candidate(cluster)
    cluster.persist("a")

    cluster.deliver(of(Vote, to="b"))
    assert [] == cluster.sent(VoteAnswer)
    assert "a" == cluster["b"].vote

    cluster.persist("b")
    assert [VoteAnswer(2, granted=True)] == cluster.sent(VoteAnswer, by="b")


def test_a_vote_that_a_crash_took_was_never_given() -> None:
    cluster = Cluster()
    candidate(cluster)
    cluster.persist("a")
    cluster.deliver(of(Vote, to="b"))

    cluster.crash("b")
    cluster.restart("b")

    assert (1, "") == (cluster["b"].term, cluster["b"].vote)


def test_there_is_one_vote_a_term_and_the_same_candidate_gets_it_again() -> None:
    """Raft §5.2; etcd/raft TestVoteFromAnyState."""
    cluster = Cluster()
    forgotten(cluster)

    for _ in range(2):
        cluster.say("b", "a", Vote(5, 9, 1))
        cluster.persist("a")
        assert VoteAnswer(5, granted=True) == cluster.sent(VoteAnswer, to="b")[-1]
    cluster.say("c", "a", Vote(5, 9, 1))

    assert [VoteAnswer(5, granted=False)] == cluster.sent(VoteAnswer, to="c")


def test_the_vote_survives_a_restart() -> None:
    """PySyncObj#202: forgotten votes elect two leaders and overwrite what was committed."""
    cluster = Cluster()
    forgotten(cluster)
    cluster.say("b", "a", Vote(5, 9, 1))
    cluster.persist("a")

    cluster.crash("a")
    cluster.restart("a")
    forgotten(cluster)
    cluster.say("c", "a", Vote(5, 9, 1))

    assert [VoteAnswer(5, granted=False)] == cluster.sent(VoteAnswer, to="c")


@pytest.mark.parametrize(
    ("last_index", "last_term", "granted"),
    [(3, 3, True), (2, 4, True), (4, 3, True), (2, 3, False), (9, 2, False)],
)
def test_a_candidate_with_a_shorter_or_older_log_is_refused(
    last_index: int, last_term: int, granted: bool
) -> None:
    """Raft §5.4.1."""
    cluster = Cluster()
    cluster.with_log("a", [3, 3])
    forgotten(cluster)

    cluster.say("b", "a", PreVote(4, last_index, last_term, 1))
    cluster.say("b", "a", Vote(4, last_index, last_term))
    cluster.persist("a")

    assert [granted] == [answer.granted for answer in cluster.sent(PreVoteAnswer)]
    assert [granted] == [answer.granted for answer in cluster.sent(VoteAnswer)]


def test_a_pre_vote_changes_nothing_at_the_voter() -> None:
    cluster = Cluster()
    forgotten(cluster)
    before = cluster.hosts["a"].deadline

    cluster.say("b", "a", PreVote(2, 1, 1, 1))

    assert (1, "", before) == (cluster["a"].term, cluster["a"].vote, cluster.hosts["a"].deadline)
    assert [PreVoteAnswer(2, granted=True, round=1)] == cluster.sent(PreVoteAnswer)


def test_who_hears_a_leader_ignores_candidates() -> None:
    """Thesis §4.2.3: a removed or partitioned server must not disturb a working cluster."""
    cluster = Cluster()
    leader = cluster.elect("a")
    term = leader.term

    for server_id in "abc":
        cluster.say("x", server_id, PreVote(term + 1, 99, term, 1))
        cluster.say("x", server_id, Vote(term + 1, 99, term))

    assert 0 == len(cluster.sent(PreVoteAnswer) + cluster.sent(VoteAnswer))
    assert {term} == {cluster[s].term for s in "abc"}


def test_a_request_after_the_leader_fell_silent_is_answered() -> None:
    cluster = Cluster()
    term = cluster.elect("a").term
    cluster.now += 1.0

    cluster.say("c", "b", Vote(term + 1, 99, term))
    cluster.persist("b")

    assert [VoteAnswer(term + 1, granted=True)] == cluster.sent(VoteAnswer)


def test_a_follower_keeps_its_promise_to_the_leader_in_a_later_term_too() -> None:
    """A term learnt by the way must not shorten the leader's lease."""
    cluster = Cluster()
    term = cluster.elect("a").term

    cluster.say("c", "b", HeartbeatAnswer(term + 1, 0))
    cluster.say("c", "b", Vote(term + 1, 99, term))

    assert term + 1 == cluster["b"].term
    assert "" == cluster["b"].vote


def test_a_restarted_voter_keeps_the_promises_it_cannot_remember() -> None:
    """It may have answered a heartbeat just before: no vote for an election timeout."""
    cluster = Cluster()
    term = cluster.elect("a").term
    cluster.crash("b")
    cluster.restart("b")

    cluster.now += 0.9
    cluster.say("c", "b", Vote(term + 1, 99, term))
    assert "" == cluster["b"].vote or term == cluster["b"].term

    cluster.now += 0.2
    cluster.say("c", "b", Vote(term + 1, 99, term))
    assert (term + 1, "c") == (cluster["b"].term, cluster["b"].vote)


def test_a_granted_vote_ends_the_own_pre_candidacy() -> None:
    cluster = Cluster()
    cluster.now += 3.0
    cluster.tick("a")

    cluster.say("b", "a", Vote(1, 9, 1))

    assert (Role.FOLLOWER, "b") == (cluster["a"].role, cluster["a"].vote)


def test_a_server_with_an_older_term_learns_the_newer_one_from_a_refused_pre_vote() -> None:
    """etcd#8243, #8501: ignoring it left the cluster without a leader for ever."""
    cluster = Cluster()
    cluster.with_log("b", [], term=7)
    forgotten(cluster)

    cluster.say("a", "b", PreVote(2, 1, 1, 1))
    cluster.deliver(of(PreVoteAnswer))

    assert 7 == cluster["a"].term


def test_a_learner_never_stands_for_election_but_votes_when_asked() -> None:
    """etcd/raft TestLearnerPromotion: a promoted server may not know of it yet."""
    cluster = Cluster("a", learners="x")
    cluster.isolate("x")
    cluster.wait(10)
    assert Role.FOLLOWER is cluster["x"].role

    forgotten(cluster)
    cluster.say("a", "x", Vote(9, 99, 8))
    cluster.persist("x")

    assert [VoteAnswer(9, granted=True)] == cluster.sent(VoteAnswer, by="x")


def test_a_server_that_only_an_uncommitted_membership_calls_alone_waits_like_everybody() -> None:
    """The leader that proposed it may hold a lease on this server's last answer."""
    cluster = Cluster("ab")
    cluster.elect("a")
    cluster["a"].propose_configuration(cluster.configuration.servers[1:], cluster.now)
    cluster.flush("a")
    cluster.deliver(of(Append))
    cluster.persist("b")
    cluster.crash("b")
    cluster.restart("b")
    assert ("b",) == cluster["b"].configuration.voter_ids()

    cluster.tick("b")
    assert Role.FOLLOWER is cluster["b"].role

    cluster.now += 2.0
    cluster.tick("b")
    assert Role.CANDIDATE is cluster["b"].role
