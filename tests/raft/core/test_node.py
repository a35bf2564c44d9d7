"""Whole conversations of the simplest kind; each mechanism has its own tests."""

from raft.core.types import Role
from tests.raft.core.cluster import Cluster


def test_three_servers_elect_one_leader_and_commit_its_no_op() -> None:
    cluster = Cluster()

    leader = cluster.elect("a")

    assert Role.LEADER is leader.role
    assert [2, 2, 2] == [host.raft.commit_index for host in cluster.hosts.values()]


def test_what_is_proposed_is_applied_everywhere_in_order() -> None:
    cluster = Cluster()
    cluster.elect("a")

    cluster.propose("a", b"x", b"y")
    cluster.propose("a", b"z")
    cluster.settle()

    assert [[b"x", b"y", b"z"]] * 3 == [host.payloads for host in cluster.hosts.values()]


def test_a_lone_server_leads_at_once_but_only_after_its_own_write() -> None:
    cluster = Cluster("a")

    cluster.tick("a")
    assert Role.CANDIDATE is cluster["a"].role

    cluster.persist("a")
    assert Role.LEADER is cluster["a"].role
    assert 0 == cluster["a"].commit_index

    cluster.persist("a")
    assert 2 == cluster["a"].commit_index
