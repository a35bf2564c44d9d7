"""Servers that were away and come back, and how a cluster goes on with what it has left.

Sources: thesis §4.2.3 and §9.6; etcd/raft's check-quorum and pre-vote tests.
"""

import pytest

from raft.core.settings import Settings
from raft.core.types import (
    Append,
    Heartbeat,
    PreVote,
    PreVoteAnswer,
    Role,
    TimeoutNow,
    Vote,
)
from raft.entries import Server
from tests.raft.core.cluster import Cluster, of

OUTAGE_S = 60.0


def led(voters: str = "abc", learners: str = "") -> Cluster:
    cluster = Cluster(voters, learners=learners)
    cluster.elect("a")
    return cluster


def test_a_partitioned_server_with_a_complete_log_comes_back_without_an_election() -> None:
    """etcd/raft TestDisruptiveFollowerPreVote: its log could win, but voters hear a leader."""
    cluster = led()
    term = cluster["a"].term
    cluster.isolate("c")
    cluster.wait(10)
    assert Role.PRE_CANDIDATE is cluster["c"].role
    deadline = cluster.hosts["c"].deadline
    assert deadline is not None
    cluster.wait(deadline - cluster.now - 0.01)
    cluster.heal()
    cluster.now = deadline
    cluster.tick("c")  # before the next heartbeat
    assert 2 == len(cluster.sent(PreVote))

    cluster.settle()
    cluster.wait(5)

    assert (term, "a") == (cluster.leader().term, cluster.leader().server_id)
    assert (term, "a") == (cluster["c"].term, cluster["c"].leader_id)


@pytest.mark.parametrize("is_crash", [True, False])
def test_a_server_that_was_away_for_a_minute_catches_up_at_once_and_calls_no_election(
    *, is_crash: bool
) -> None:
    """consul#1674: the pauses between appends had grown so long that it stood for election."""
    cluster = led()
    term = cluster["a"].term
    if is_crash:
        cluster.crash("c")
    else:
        cluster.isolate("c")
    for number in range(6):
        cluster.propose("a", b"%d" % number)
        cluster.wait(OUTAGE_S / 6, step_s=0.1)

    cluster.heal()
    if is_crash:
        cluster.restart("c")
    cluster.wait(0.3)

    assert cluster["a"].last_index == cluster["c"].last_index
    assert 6 == len(cluster.hosts["c"].payloads)
    cluster.wait(5)
    assert (term, "a") == (cluster.leader().term, cluster.leader().server_id)


def test_a_server_with_a_smaller_term_completes_an_election() -> None:
    """etcd/raft TestNodeWithSmallerTermCanCompleteElection."""
    cluster = led()
    cluster.isolate("c")
    for leader_id, next_id in ("ab", "ba", "ab"):
        cluster[leader_id].transfer(next_id, cluster.now)
        cluster.settle()
        assert next_id == cluster.leader().server_id
    assert cluster["c"].term < cluster["b"].term
    cluster.crash("b")
    cluster.heal()

    cluster.wait(5)

    assert cluster.leader().server_id in "ac"
    assert cluster["a"].term == cluster["c"].term


def test_a_split_vote_is_followed_by_an_election() -> None:
    """etcd/raft TestPreVoteWithSplitVote: both won the pre-vote, and each has its own vote."""
    cluster = led()
    cluster.crash("a")
    cluster.now += 3.0
    cluster.tick("b", "c")
    cluster.deliver(of(PreVote))
    cluster.deliver(of(PreVoteAnswer))
    assert {Role.CANDIDATE} == {cluster[s].role for s in "bc"}
    cluster.persist("b", "c")
    assert {"b", "c"} == {sender for sender, _, m in cluster.network if isinstance(m, Vote)}
    cluster.settle()
    assert "b" == cluster["b"].vote
    assert "c" == cluster["c"].vote

    cluster.wait(6)

    assert cluster.leader().server_id in "bc"


def test_a_promoted_learner_that_does_not_know_of_it_helps_to_elect() -> None:
    """etcd/raft TestLearnerCanVote, TestLearnerPromotion."""
    cluster = led("ab", learners="x")
    cluster.isolate("x")
    promoted = tuple(Server(0, s, f"{s}:1") for s in "abx")
    cluster["a"].propose_configuration(promoted, cluster.now)
    cluster.settle()
    assert promoted == cluster["b"].configuration.servers
    assert ("a", "b") == cluster["x"].configuration.voter_ids()
    cluster.crash("a")
    cluster.heal()

    cluster.wait(5)

    assert "b" == cluster.leader().server_id
    assert promoted == cluster["x"].configuration.servers


def test_a_voter_that_lacks_its_own_membership_counts_as_contact_of_its_leader() -> None:
    """etcd/raft TestNonPromotableVoterWithCheckQuorum: it cannot lead, and it answers."""
    cluster = led("a")
    cluster.add("b")
    cluster["a"].propose_configuration((Server(0, "a", "a:1"), Server(0, "b", "b:1")), cluster.now)
    for _ in range(100):
        cluster.now += 0.05
        cluster.tick()
        cluster.persist()
        cluster.drop(of(Append, to="b"))
        cluster.deliver()
    assert 0 == cluster["b"].last_index
    assert Role.LEADER is cluster["a"].role

    cluster.wait(1)

    assert ("a", "b") == cluster["b"].configuration.voter_ids()


def test_a_server_with_an_uncommitted_change_may_lead() -> None:
    """Changes count from the append on, so none has to be applied before (etcd/raft waits)."""
    cluster = led()
    cluster.isolate("c")
    grown = tuple(Server(0, s, f"{s}:1") for s in "abcd")
    cluster["a"].propose_configuration(grown, cluster.now)
    cluster.flush("a")
    cluster.deliver(of(Append, to="b"))
    cluster.persist("b")
    assert cluster["b"].configuration_index > cluster["b"].commit_index
    cluster.crash("a")
    cluster.add("d")
    cluster.heal()

    cluster.wait(8)

    assert "b" == cluster.leader().server_id
    assert grown == cluster["c"].configuration.servers


def test_a_candidate_asks_for_no_vote_for_entries_that_a_crash_would_take() -> None:
    """Its entry is committed on two others; elected by a late vote it would overwrite it."""
    cluster = led()
    cluster.elect("b")
    cluster.hung_disks.add("a")
    cluster.propose("b", b"x")
    cluster.settle()
    assert [b"x"] == cluster.hosts["c"].payloads
    assert cluster["a"].last_index == cluster["c"].last_index
    cluster.crash("b")
    cluster.now += 1.9
    cluster.tick("a")
    cluster.deliver(of(PreVote))
    cluster.deliver(of(PreVoteAnswer))

    assert Role.CANDIDATE is cluster["a"].role
    assert [] == cluster.sent(Vote)

    cluster.crash("a")
    cluster.restart("a")
    assert cluster["a"].last_index < cluster["c"].last_index
    cluster.wait(8)
    assert "c" == cluster.leader().server_id
    assert [b"x"] == cluster.hosts["a"].payloads


@pytest.mark.parametrize("role", [Role.FOLLOWER, Role.PRE_CANDIDATE, Role.CANDIDATE])
def test_a_vote_makes_any_server_a_follower_and_a_pre_vote_changes_none(role: Role) -> None:
    """etcd/raft TestVoteFromAnyState, TestPreVoteFromAnyState."""
    cluster = Cluster(settings=Settings(disk_stall_limit_s=100.0))
    cluster.now += 10.0
    if role is not Role.FOLLOWER:
        cluster.tick("a")
    if role is Role.CANDIDATE:
        cluster.deliver(of(PreVote))
        cluster.deliver(of(PreVoteAnswer))
    cluster.network.clear()
    term = cluster["a"].term
    assert role is cluster["a"].role

    cluster.say("b", "a", PreVote(term + 1, 9, 9, 1))
    assert (role, term) == (cluster["a"].role, cluster["a"].term)
    assert [True] == [answer.granted for answer in cluster.sent(PreVoteAnswer)]

    cluster.say("b", "a", Vote(term + 1, 9, 9))
    assert (Role.FOLLOWER, term + 1, "b") == (
        cluster["a"].role,
        cluster["a"].term,
        cluster["a"].vote,
    )


def test_a_leader_is_not_told_to_stand_for_election() -> None:
    """etcd/raft: a campaign of who leads already is nothing."""
    cluster = led()
    term = cluster["a"].term

    cluster.now += 100.0
    for server_id in "bc":
        cluster.hosts[server_id].raft.step("a", Heartbeat(term, 0, 99), cluster.now)
    cluster.say("a", "a", TimeoutNow(term))

    assert (Role.LEADER, term) == (cluster["a"].role, cluster["a"].term)


def test_after_a_restart_of_all_the_one_that_missed_a_write_does_not_lead() -> None:
    """PySyncObj#202: the third server led with its old log and overwrote what was committed."""
    cluster = led()
    for server_id in "abc":
        cluster.crash(server_id)
    for server_id in "ab":
        cluster.restart(server_id)
    cluster.elect("b")
    cluster.propose("b", b"x")
    cluster.settle()
    assert [b"x"] == cluster.hosts["a"].payloads
    cluster.crash("b")
    cluster.restart("c")
    cluster.hosts["c"].dice.value = 0.0  # it stands first
    cluster.hosts["a"].dice.value = 0.9

    cluster.wait(8)

    assert "a" == cluster.leader().server_id
    assert [b"x"] == cluster.hosts["c"].payloads


@pytest.mark.parametrize("lease_allowed", [True, False])
def test_a_leader_that_was_paused_serves_no_read_from_before_its_successor(
    *, lease_allowed: bool
) -> None:
    """etcd#741, etcd#20418, consul#54: it woke up and still believed that it led."""
    cluster = led()
    paused = cluster.hosts["a"]
    cluster.isolate("a")
    cluster.down.add("a")  # neither ticks nor writes
    cluster.wait(4)
    successor = cluster.leader().server_id
    cluster.propose(successor, b"x")
    cluster.settle()
    cluster.down.remove("a")
    assert Role.LEADER is paused.raft.role

    cluster["a"].read("r", cluster.now, lease_allowed=lease_allowed)
    cluster.flush("a")
    assert [] == paused.ready
    cluster.heal()
    cluster.wait(2)

    assert [] == paused.ready
    assert ["r"] == [failed.token for failed in paused.failed]
