"""Changes of role, in order and with epochs. Source: hashicorp/vault#8547: some were missed."""

from raft.core.types import Append, Heartbeat, Role
from raft.entries import Kind
from tests.raft.core.cluster import Cluster


def test_every_change_is_told_in_order() -> None:
    cluster = Cluster("a")
    cluster.elect("a")

    told = [(change.role, change.term, change.leader_id) for change in cluster.hosts["a"].roles]

    assert [
        (Role.PRE_CANDIDATE, 1, ""),
        (Role.CANDIDATE, 2, ""),
        (Role.LEADER, 2, "a"),
    ] == told


def test_leadership_won_and_lost_in_one_turn_is_told_with_both_epochs() -> None:
    cluster = Cluster()
    leader = cluster.elect("a")
    before = leader.epoch

    leader.step("b", Heartbeat(leader.term + 1, 0, 1), cluster.now)
    leader.step("c", Append(leader.term + 1, 0, 0, 0), cluster.now)
    cluster.flush("a")

    assert [before + 1] * 2 == [change.epoch for change in cluster.hosts["a"].roles[-2:]]
    assert ["b", "c"] == [change.leader_id for change in cluster.hosts["a"].roles[-2:]]


def test_following_the_same_leader_again_is_no_change() -> None:
    cluster = Cluster()
    cluster.elect("a")
    before = len(cluster.hosts["b"].roles)

    cluster.wait(2)

    assert before == len(cluster.hosts["b"].roles)


def test_a_term_begins_with_a_no_op() -> None:
    """Raft §8."""
    cluster = Cluster()
    leader = cluster.elect("a")

    (entry,) = leader.entries(2, 2)

    assert (Kind.NO_OP, leader.term) == (entry.kind, entry.term)
