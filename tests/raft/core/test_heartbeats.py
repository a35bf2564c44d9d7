"""Contact with a quorum, rounds and leases. Sources: thesis §6.2 and §6.4.1; etcd/raft."""

import pytest

from raft.core.settings import Settings
from raft.core.types import Append, AppendAnswer, Heartbeat, HeartbeatAnswer, Role
from tests.raft.core.cluster import Cluster, of


def test_a_leader_that_hears_a_quorum_stays_for_ever() -> None:
    cluster = Cluster()
    term = cluster.elect("a").term

    cluster.wait(20)

    assert ("a", term) == (cluster.leader().server_id, cluster.leader().term)


def test_heartbeats_come_every_interval() -> None:
    cluster = Cluster()
    cluster.elect("a")
    cluster.hosts["a"].raft.tick(cluster.now)

    assert cluster.hosts["a"].deadline == pytest.approx(cluster.now + 0.1)
    cluster.now += 0.1
    cluster.tick("a")
    assert 2 == len(cluster.sent(Heartbeat, by="a"))


def test_a_leader_without_a_quorum_steps_down_in_its_term() -> None:
    """Thesis §6.2: clients must not wait for a leader that can do nothing."""
    cluster = Cluster()
    leader = cluster.elect("a")
    term, epoch = leader.term, leader.epoch
    cluster.isolate("a")

    cluster.wait(0.45)
    assert Role.LEADER is leader.role
    cluster.wait(0.1)

    assert (Role.FOLLOWER, term, "") == (leader.role, leader.term, leader.leader_id)
    assert epoch + 1 == leader.epoch


def test_learners_do_not_keep_a_leader_in_office() -> None:
    cluster = Cluster("abc", learners="xyz")
    leader = cluster.elect("a")
    cluster.isolate("b", "c")

    cluster.wait(0.6)

    assert Role.FOLLOWER is leader.role


def test_a_leader_whose_disk_hangs_steps_down_and_does_not_come_back() -> None:
    """hashicorp/raft#503, #612, #666, consul#3552: heartbeats went on, the cluster froze."""
    cluster = Cluster()
    leader = cluster.elect("a")
    cluster.hung_disks.add("a")
    cluster.propose("a", b"x")

    cluster.wait(6)
    assert cluster.leader().server_id in "bc"

    cluster.crash("b")
    cluster.crash("c")
    cluster.wait(6)
    assert leader.is_disk_stalled
    assert Role.FOLLOWER is leader.role

    cluster.hung_disks.clear()
    cluster.persist("a")
    cluster.restart("b")
    cluster.hosts["a"].dice.value = 0.1
    cluster.wait(6)
    assert cluster.leader().server_id in "ab"


def test_a_heartbeat_commits_nothing_that_the_follower_is_not_known_to_hold() -> None:
    """etcd/raft TestBcastBeat."""
    cluster = Cluster()
    leader = cluster.elect("a")
    cluster.isolate("c")
    cluster.propose("a", b"x")
    cluster.settle()
    match_index = leader.progress["c"].match_index

    cluster.now += 0.1
    cluster.tick("a")

    assert [match_index] == [m.commit_index for m in cluster.sent(Heartbeat, to="c")]
    assert [leader.commit_index] == [m.commit_index for m in cluster.sent(Heartbeat, to="b")]


def test_a_heartbeat_of_a_past_term_is_answered_with_the_present_one() -> None:
    cluster = Cluster()
    term = cluster.elect("a").term

    cluster.say("c", "b", Heartbeat(term - 1, 0, 1))
    cluster.say("c", "b", Append(term - 1, 0, 0, 0))

    assert [HeartbeatAnswer(term, 0)] * 2 == cluster.sent(HeartbeatAnswer, to="c")


def leased() -> Cluster:
    """Server a leads and its heartbeats have just been answered."""
    cluster = Cluster()
    cluster.elect("a")
    cluster.now += 0.1
    cluster.tick("a")
    cluster.settle()
    return cluster


def test_a_lease_ends_before_a_follower_may_vote_for_another() -> None:
    cluster = leased()
    lease_s = Settings().lease_s

    assert cluster["a"].has_lease(cluster.now)
    assert cluster["a"].has_lease(cluster.now + lease_s - 0.01)
    assert not cluster["a"].has_lease(cluster.now + lease_s)


def test_a_lease_counts_from_when_the_heartbeat_was_sent() -> None:
    cluster = leased()
    cluster.now += 0.1
    cluster.tick("a")
    sent_at = cluster.now
    cluster.now += 0.3
    cluster.deliver(of(Heartbeat))
    cluster.deliver(of(HeartbeatAnswer))

    assert not cluster["a"].has_lease(sent_at + Settings().lease_s)


def test_one_answer_of_five_is_no_lease() -> None:
    cluster = Cluster("abcde")
    cluster.elect("a")
    cluster.now += 0.46
    cluster.tick("a")
    cluster.deliver(of(Heartbeat, to="b"))
    cluster.deliver(of(HeartbeatAnswer, by="b"))

    assert not cluster["a"].has_lease(cluster.now)


def test_there_is_no_lease_before_an_entry_of_the_own_term_is_committed() -> None:
    """etcd#7331: before, the leader does not know what is committed."""
    cluster = Cluster()
    cluster.now += 2.0
    cluster.tick("a")
    cluster.settle_but(AppendAnswer)
    assert Role.LEADER is cluster["a"].role

    assert not cluster["a"].has_lease(cluster.now)
    cluster.settle()
    assert cluster["a"].has_lease(cluster.now)


def test_a_transfer_ends_leases_for_the_rest_of_the_term() -> None:
    """etcd-io/raft#99: TimeoutNow may arrive after the transfer was given up."""
    cluster = leased()
    cluster["a"].transfer("b", cluster.now)
    cluster.flush("a")
    cluster.drop()
    assert not cluster["a"].has_lease(cluster.now)

    cluster.cut = {("a", "b")}
    cluster.wait(1.2)

    assert Role.LEADER is cluster["a"].role
    assert not cluster["a"].has_lease(cluster.now)


def test_a_lone_server_has_a_lease() -> None:
    cluster = Cluster("a")
    cluster.elect("a")

    assert cluster["a"].has_lease(cluster.now + 100)
