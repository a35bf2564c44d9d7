"""Joint steps seen whole, and changes that are refused. Sources: Raft §6; etcd/raft."""

import pytest

from raft.core.types import Accepted, AppendAnswer, Refusal, Refused, Role, TimeoutNow
from raft.entries import (
    Configuration,
    Entry,
    HardState,
    Kind,
    Server,
    encode_configuration,
)
from tests.raft.core.cluster import Cluster


def voters(ids: str) -> tuple[Server, ...]:
    return tuple(Server(0, server_id, f"{server_id}:1") for server_id in ids)


def led(ids: str = "abc", *, joining: str = "") -> Cluster:
    cluster = Cluster(ids)
    for server_id in joining:
        cluster.add(server_id)
    cluster.elect("a")
    return cluster


def change(cluster: Cluster, servers: tuple[Server, ...], by: str = "a") -> Accepted | Refused:
    return cluster[by].propose_configuration(servers, cluster.now)


def test_a_leader_that_is_replaced_in_a_joint_step_hands_over_and_stands_no_more() -> None:
    """etcd/raft: replace_leader.txt."""
    cluster = led(joining="d")

    change(cluster, voters("bcd"))
    cluster.flush("a")
    assert cluster["a"].configuration.is_joint
    cluster.settle()

    assert cluster.leader().server_id in "bcd"
    assert 1 == len([m for _, _, m in cluster.heard if isinstance(m, TimeoutNow)])
    term = cluster.leader().term
    cluster.isolate("a")
    cluster.wait(10)
    assert Role.FOLLOWER is cluster["a"].role
    assert term == cluster.leader().term


def test_no_joint_step_begins_within_another() -> None:
    """etcd/raft TestConfChangeCheckBeforeCampaign.. and its confchange tests: entered twice."""
    cluster = led("abc", joining="defg")
    change(cluster, voters("ade"))
    cluster.flush("a")

    for wanted in ("afg", "abc", "ade"):
        assert Refused(Refusal.PENDING_CHANGE, "a") == change(cluster, voters(wanted))

    cluster.settle()
    assert voters("ade") == cluster["e"].configuration.servers


def test_a_joint_step_is_left_by_one_entry_although_its_commit_is_seen_in_many_turns() -> None:
    """etcd#12136, #11046: each look at the committed joint membership left it once more."""
    cluster = led("abc", joining="de")
    change(cluster, voters("ade"))
    cluster.settle_but(AppendAnswer)
    while cluster.deliver(lambda _s, _r, m: isinstance(m, AppendAnswer), count=1):
        for _ in range(3):
            cluster.flush()
        cluster.persist()
    cluster.wait(3)

    raft = cluster["a"]
    history = [e for e in raft.entries(1, raft.last_index) if e.kind is Kind.CONFIGURATION]
    assert 3 == len(history)  # the first one, the joint one, and its end


def test_a_refused_change_leaves_no_entry_behind() -> None:
    """etcd-io/raft#80, #234, cockroach#105797: it became an empty entry and was waited for."""
    cluster = led(joining="d")
    change(cluster, voters("abcd"))
    last_index = cluster["a"].last_index

    refusals = [
        change(cluster, voters("abc")),
        change(cluster, ()),
        change(cluster, voters("ab"), by="b"),
    ]

    assert {Refused} == {type(refusal) for refusal in refusals}
    assert last_index == cluster["a"].last_index
    assert {Kind.CONFIGURATION} == {e.kind for e in cluster["a"].entries(last_index, last_index)}


def test_a_follower_counts_by_a_change_from_its_append_on() -> None:
    """etcd#7625, etcd-io/raft#80: at the apply, two memberships could be in force at once."""
    cluster = led(joining="de")
    cluster.isolate("c")
    change(cluster, voters("abd"))  # a joint step: c leaves and d comes
    cluster.flush("a")
    assert cluster["a"].configuration.is_joint

    cluster.deliver()
    cluster.persist("b")

    assert cluster["b"].configuration_index > cluster["b"].commit_index
    assert cluster["a"].configuration == cluster["b"].configuration
    cluster.isolate("a", "d")
    cluster.wait(5)
    assert Role.LEADER is not cluster["b"].role  # b and c would do without the change


@pytest.mark.parametrize("first_id", ["a", "b"])
def test_two_leaders_that_each_remove_the_other_s_voter_do_not_both_commit(first_id: str) -> None:
    """Ongaro, raft-dev 2015; hydro-project/hydro PR 3192: removals from {a,b,c,d} at once."""
    cluster = Cluster("abcd")
    cluster.elect("a")
    cluster.isolate("a")
    change(cluster, voters("abc"), by="a")
    cluster.flush("a")
    cluster.wait(1)
    cluster.elect("b")
    change(cluster, voters("abd"), by="b")
    cluster.settle()
    cluster.heal()
    other_id = "b" if first_id == "a" else "a"
    cluster.isolate(other_id)
    cluster.wait(6)
    cluster.heal()

    cluster.wait(6)

    leader = cluster.leader()
    assert voters("abd") == leader.configuration.servers
    assert Configuration(voters("abd")) == cluster["a"].configuration


def test_a_joint_step_ends_whenever_its_leader_is_killed() -> None:
    """etcd#12136, #11046, #12582: at each message of the step in turn; it is undone or left."""
    for step in range(40):
        cluster = led("abc", joining="de")
        change(cluster, voters("bde"))
        cluster.flush("a")
        for _ in range(step):
            cluster.deliver(count=1)
            cluster.persist()
        cluster.crash("a")

        cluster.wait(8)

        leader = cluster.leader()
        history = [
            entry
            for entry in leader.entries(1, leader.last_index)
            if entry.kind is Kind.CONFIGURATION
        ]
        assert not leader.configuration.is_joint, step
        assert leader.configuration.servers in (voters("abc"), voters("bde")), step
        assert len(history) in (1, 3), step
        for voter in set(leader.configuration.voter_ids()) - {"a"}:
            assert leader.configuration == cluster[voter].configuration, step


def test_cohorts_of_a_joint_membership_with_longer_and_newer_logs_elect_a_leader() -> None:
    """openraft#1796: the long log had the low term, and neither half got the other's votes."""
    cluster = Cluster("abcd")
    joint = Configuration(voters("cd"), voters("ab"))
    for server_id, terms, term in (
        ("a", [1] * 4, 1),
        ("b", [1] * 4, 1),
        ("c", [], 9),
        ("d", [], 9),
    ):
        disk = cluster.hosts[server_id].disk
        configured = Entry(2, 1, Kind.CONFIGURATION, encode_configuration(joint))
        tail = [Entry(index, t, Kind.COMMAND, b"x") for index, t in enumerate(terms, 3)]
        disk.entries = [disk.entries[0], configured, *tail]
        disk.hard_state = HardState(term, "", 0)
        cluster.hosts[server_id].start(cluster.now)

    cluster.wait(10)

    assert voters("cd") == cluster.leader().configuration.servers
    assert 4 == len(cluster.hosts["c"].payloads)
