"""Membership changes. Sources: Raft §6, thesis §4; Ongaro on raft-dev (2015); etcd/raft."""

import pytest

from raft.core.types import Accepted, AppendAnswer, Refusal, Refused, Role, TimeoutNow
from raft.entries import Configuration, Server
from tests.raft.core.cluster import Cluster


def servers(voters: str, learners: str = "") -> tuple[Server, ...]:
    return (
        *(Server(0, voter, f"{voter}:1") for voter in voters),
        *(Server(1, learner, f"{learner}:1") for learner in learners),
    )


def led(
    voters: str = "abc", learners: str = "", *, joining: str = "", notice_delay_s: float = 0.0
) -> Cluster:
    cluster = Cluster(voters, learners=learners, notice_delay_s=notice_delay_s)
    for server_id in joining:
        cluster.add(server_id)
    cluster.elect("a")
    return cluster


def change(
    cluster: Cluster, voters: str, learners: str = "", *, by: str = "a", previous_index: int = 0
) -> Accepted | Refused:
    wanted = servers(voters, learners)
    return cluster[by].propose_configuration(wanted, cluster.now, previous_index)


def agreed(cluster: Cluster, ids: str) -> set[tuple[str, ...]]:
    return {tuple(s.id for s in cluster[server_id].configuration.servers) for server_id in ids}


def test_a_voter_is_added_and_counts_at_once() -> None:
    """etcd#7625, etcd-io/raft#80: at the apply it would be late, and need guards of its own."""
    cluster = led(joining="d")

    assert isinstance(change(cluster, "abcd"), Accepted)
    assert 4 == len(cluster["a"].configuration.voter_ids())
    cluster.settle()

    assert {tuple("abcd")} == agreed(cluster, "abcd")
    cluster.isolate("b", "c")
    cluster.propose("a", b"x")
    cluster.settle()
    assert [] == cluster.hosts["a"].payloads


def test_a_learner_receives_the_log_and_counts_for_nothing() -> None:
    cluster = led("ab", joining="x")
    change(cluster, "ab", "x")
    cluster.settle()
    cluster.isolate("b")

    cluster.propose("a", b"x")
    cluster.settle()

    assert [] == cluster.hosts["a"].payloads
    assert cluster["a"].last_index == cluster["x"].last_index


def test_a_removal_commits_entries_that_wait_for_a_quorum() -> None:
    """etcd/raft TestCommitAfterRemoveNode."""
    cluster = led("ab")
    cluster.isolate("b")
    cluster.propose("a", b"x")
    cluster.settle()
    assert [] == cluster.hosts["a"].payloads

    change(cluster, "a")
    cluster.settle()

    assert [b"x"] == cluster.hosts["a"].payloads


@pytest.mark.parametrize("notice_delay_s", [0.0, 0.15])
def test_a_removed_follower_is_told_and_then_left_alone(notice_delay_s: float) -> None:
    cluster = led(notice_delay_s=notice_delay_s)

    change(cluster, "ab")
    cluster.settle()

    assert {tuple("ab")} == agreed(cluster, "abc")
    assert {"b"} == set(cluster["a"].progress)
    assert cluster["a"].commit_index == cluster["c"].commit_index


def test_one_change_at_a_time() -> None:
    """hydro-project/hydro PR 3192: two removals at once forked the log."""
    cluster = led("abcd")
    change(cluster, "abc")

    assert Refused(Refusal.PENDING_CHANGE, "a") == change(cluster, "abd")

    cluster.settle()
    assert isinstance(change(cluster, "ab"), Accepted)


def test_no_change_before_an_entry_of_the_own_term_is_committed() -> None:
    """Ongaro 2015: a adds e, b removes d; their majorities need not overlap."""
    cluster = Cluster("abcd")
    cluster.add("e")
    cluster.now += 2.0
    cluster.tick("a")
    cluster.settle_but(AppendAnswer)
    assert Role.LEADER is cluster["a"].role

    assert Refused(Refusal.NOT_READY, "a") == change(cluster, "abcde")

    cluster.settle()
    assert isinstance(change(cluster, "abcde"), Accepted)


def test_the_four_server_script_of_the_single_server_bug_commits_one_history() -> None:
    """Ongaro, raft-dev 2015: {a,b,c,d}; a adds e on {a,e}; b removes d on {b,c}; a comes back."""
    cluster = led("abcd", joining="e")
    cluster.isolate("b", "c", "d")
    change(cluster, "abcde")
    cluster.settle()
    cluster.isolate("a", "e")
    cluster.wait(1)
    cluster.cut = {(x, y) for x in "ae" for y in "bcd"} | {(y, x) for x in "ae" for y in "bcd"}
    cluster.elect("b")
    change(cluster, "abc", by="b")
    cluster.settle()
    assert {tuple("abc")} == agreed(cluster, "bc")

    cluster.cut = {("b", x) for x in "acde"} | {(x, "b") for x in "acde"}
    cluster.wait(5)
    cluster.heal()
    cluster.wait(5)

    assert {tuple("abc")} == agreed(cluster, "abc")


def test_compare_and_set_on_the_membership() -> None:
    cluster = led()
    index = cluster["a"].configuration_index

    assert Refused(Refusal.CHANGED, "a") == change(cluster, "ab", previous_index=index + 1)
    assert isinstance(change(cluster, "ab", previous_index=index), Accepted)


@pytest.mark.parametrize("voters", ["", "aa"])
def test_a_membership_that_is_not_valid_is_refused(voters: str) -> None:
    assert Refused(Refusal.INVALID, "a") == change(led(), voters)


def test_a_follower_names_the_leader() -> None:
    assert Refused(Refusal.NOT_LEADER, "a") == change(led(), "ab", by="b")


def test_what_is_so_already_may_be_asked_for() -> None:
    """etcd/raft TestAddNodeIdempotent."""
    cluster = led()

    change(cluster, "abc")
    cluster.settle()

    assert {tuple("abc")} == agreed(cluster, "abc")


def test_an_address_changes_without_changing_who_votes() -> None:
    cluster = led()
    moved = (*servers("ab"), Server(0, "c", "elsewhere:1"))

    cluster["a"].propose_configuration(moved, cluster.now)
    cluster.settle()

    assert Configuration(moved) == cluster["c"].configuration
    assert {"b", "c"} == set(cluster["a"].progress)


def test_two_voters_are_replaced_through_a_joint_step_that_is_left_by_itself() -> None:
    """Raft §6."""
    cluster = led("abc", joining="de")

    change(cluster, "ade")
    cluster.flush("a")
    assert cluster["a"].configuration.is_joint
    cluster.settle()

    assert {tuple("ade")} == agreed(cluster, "abcde")
    assert not cluster["a"].configuration.is_joint
    assert {"d", "e"} == set(cluster["a"].progress)


def test_a_joint_step_needs_both_majorities() -> None:
    cluster = led("abc", joining="de")
    cluster.isolate("d", "e")

    change(cluster, "ade")
    cluster.settle()

    assert cluster["a"].configuration.is_joint
    assert cluster["a"].commit_index < cluster["a"].configuration_index
    assert Refused(Refusal.PENDING_CHANGE, "a") == change(cluster, "abc")


@pytest.mark.parametrize("committed", [True, False])
def test_a_joint_step_is_left_once_by_whoever_leads(*, committed: bool) -> None:
    """etcd#12136, #11046, #12582: stuck for ever, or left several times."""
    cluster = led("abc", joining="de")
    if not committed:
        cluster.isolate("d", "e")
    change(cluster, "bde")
    cluster.flush("a")
    cluster.deliver()
    cluster.persist()
    cluster.crash("a")
    cluster.heal()

    cluster.wait(8)

    leader = cluster.leader()
    history = [leader.configuration_at(i)[1] for i in range(2, leader.last_index + 1)]
    assert not leader.configuration.is_joint
    assert {tuple("bde")} == agreed(cluster, leader.configuration.voter_ids()[0])
    assert len(set(history)) <= 3


def test_a_voter_demoted_in_a_joint_step_is_a_learner_afterwards() -> None:
    cluster = led("abc")

    change(cluster, "a", "bc")
    cluster.settle()

    assert ("a",) == cluster["b"].configuration.voter_ids()
    assert {"b", "c"} == set(cluster["a"].progress)


def test_a_leader_that_removes_itself_leads_until_that_is_committed() -> None:
    """Thesis §4.2.2; etcd/raft's remove-leader tests."""
    cluster = led()
    cluster.isolate("b", "c")
    change(cluster, "bc")
    cluster.settle()
    assert Role.LEADER is cluster["a"].role

    cluster.heal()
    cluster.now += 0.1
    cluster.tick("a")
    cluster.settle()

    assert Role.FOLLOWER is cluster["a"].role
    assert cluster.leader().server_id in "bc"
    assert 1 == len([m for _, _, m in cluster.heard if isinstance(m, TimeoutNow)])
    assert {tuple("bc")} == agreed(cluster, "bc")


def test_a_leader_that_removes_itself_does_not_count_itself() -> None:
    cluster = led()
    cluster.isolate("b")

    change(cluster, "bc")
    cluster.settle()

    assert cluster["a"].commit_index < cluster["a"].configuration_index


def test_a_removed_server_that_campaigned_comes_back_as_a_learner_in_peace() -> None:
    """hashicorp/raft#524-#526: its high term deposed the leader again and again."""
    cluster = led()
    term = cluster["a"].term
    cluster.isolate("c")
    change(cluster, "ab")
    cluster.settle()
    cluster.wait(20)
    cluster.heal()

    change(cluster, "ab", "c")
    cluster.wait(3)

    assert (term, "a") == (cluster["a"].term, cluster.leader().server_id)
    assert cluster["a"].last_index == cluster["c"].last_index


def test_a_change_that_is_overwritten_is_undone() -> None:
    cluster = led(joining="d")
    cluster.isolate("a")
    change(cluster, "abcd")
    cluster.wait(1)
    cluster.elect("b")
    cluster.heal()
    cluster.wait(1)

    assert {tuple("abc")} == agreed(cluster, "abc")


def test_a_new_voter_does_not_make_the_quorum_seem_lost() -> None:
    """etcd/raft: an added server counts as recently active."""
    cluster = led("a", joining="b")

    change(cluster, "ab")
    cluster.tick("a")

    assert Role.LEADER is cluster["a"].role


def test_the_last_voter_s_change_to_one_server_is_possible() -> None:
    """etcd-io/raft#372: {1,2,3} to {3} needs both majorities and is safe."""
    cluster = led()

    change(cluster, "c")
    cluster.wait(4)

    assert {("c",)} == agreed(cluster, "c")
    assert "c" == cluster.leader().server_id
