"""Leadership transfer. Sources: thesis §3.10; etcd/raft's TestLeaderTransfer*."""

import msgspec
import pytest

from raft.core.types import (
    Accepted,
    Append,
    AppendAnswer,
    Refusal,
    Refused,
    Role,
    TimeoutNow,
    TransferEnded,
    Vote,
)
from raft.entries import Server
from tests.raft.core.cluster import Cluster, of


def led(voters: str = "abc", learners: str = "") -> Cluster:
    cluster = Cluster(voters, learners=learners)
    cluster.elect("a")
    return cluster


def transfer(cluster: Cluster, target_id: str | None) -> str | Refused:
    answer = cluster["a"].transfer(target_id, cluster.now)
    cluster.flush("a")
    return answer


def test_leadership_goes_to_a_server_that_is_up_to_date_in_one_round() -> None:
    cluster = led()

    assert "b" == transfer(cluster, "b")
    cluster.settle()

    assert "b" == cluster.leader().server_id
    assert [TransferEnded("b", succeeded=True)] == cluster.hosts["a"].transfers


def test_a_server_that_lags_catches_up_first() -> None:
    cluster = led()
    cluster.cut = {("a", "b")}
    cluster.propose("a", b"x")
    cluster.settle()
    cluster.heal()

    transfer(cluster, "b")
    assert [] == cluster.sent(TimeoutNow)
    cluster.wait(0.3)

    assert "b" == cluster.leader().server_id


def test_a_server_that_needs_a_snapshot_gets_it_first() -> None:
    """etcd/raft TestLeaderTransferAfterSnapshot."""
    cluster = led(voters="abc")
    cluster["a"].settings = msgspec.structs.replace(cluster["a"].settings, trailing_count=0)
    cluster.cut = {("a", "c")}
    cluster.propose("a", b"x")
    cluster.settle()
    cluster.compact("a")
    cluster.heal()

    transfer(cluster, "c")
    cluster.wait(0.5)

    assert "c" == cluster.leader().server_id
    assert [b"x"] == cluster.hosts["c"].payloads


def test_the_best_voter_is_chosen_when_none_is_named() -> None:
    cluster = led(learners="x")
    cluster.cut = {("a", "b")}
    cluster.propose("a", b"x")
    cluster.settle()

    assert "c" == transfer(cluster, None)


def test_nothing_is_proposed_meanwhile() -> None:
    """hashicorp/raft PR 487: proposals that slip in make the target look old."""
    cluster = led()
    cluster.cut = {("a", "b")}
    transfer(cluster, "b")

    refused = Refused(Refusal.TRANSFERRING, "a")
    assert refused == cluster["a"].propose([b"x"], cluster.now)
    assert refused == cluster["a"].propose_configuration(cluster.configuration.servers, cluster.now)


def test_a_transfer_is_given_up_after_an_election_timeout() -> None:
    cluster = led()
    cluster.cut = {("a", "b"), ("b", "a")}
    transfer(cluster, "b")

    cluster.wait(1.05)

    assert [TransferEnded("b", succeeded=False)] == cluster.hosts["a"].transfers
    assert isinstance(cluster["a"].propose([b"x"], cluster.now), Accepted)


def test_a_transfer_does_not_survive_into_the_next_leadership() -> None:
    """hashicorp/raft#696: the flag stayed, and every later proposal was refused."""
    cluster = led()
    cluster.cut = {("a", "b"), ("b", "a")}
    transfer(cluster, "b")
    cluster.isolate("a")
    cluster.wait(0.6)
    assert Role.FOLLOWER is cluster["a"].role
    cluster.heal()

    cluster.elect("a")

    assert [TransferEnded("b", succeeded=False)] == cluster.hosts["a"].transfers
    assert isinstance(cluster["a"].propose([b"x"], cluster.now), Accepted)


def test_a_learner_a_stranger_and_the_leader_itself_are_refused() -> None:
    cluster = led(learners="x")

    for target_id in ("x", "nobody", "a"):
        assert Refused(Refusal.BAD_TARGET, "a") == transfer(cluster, target_id)


def test_a_server_that_is_silent_is_refused() -> None:
    cluster = led()
    cluster.isolate("b")
    cluster.wait(1.1)

    assert Refused(Refusal.BAD_TARGET, "a") == transfer(cluster, "b")


def test_a_follower_refuses_and_names_the_leader() -> None:
    cluster = led()

    assert Refused(Refusal.NOT_LEADER, "a") == cluster["b"].transfer("c", cluster.now)


def test_another_target_replaces_the_first_and_the_same_changes_nothing() -> None:
    cluster = led()
    cluster.cut = {("a", "b")}
    cluster.propose("a", b"x")
    transfer(cluster, "b")
    assert "b" == transfer(cluster, "b")
    assert [] == cluster.hosts["a"].transfers

    assert "c" == transfer(cluster, "c")
    cluster.settle()

    assert TransferEnded("b", succeeded=False) == cluster.hosts["a"].transfers[0]
    assert "c" == cluster.leader().server_id


def test_a_target_whose_connection_breaks_is_given_up() -> None:
    cluster = led()
    cluster.cut = {("a", "b")}
    cluster.propose("a", b"x")
    cluster.settle()
    transfer(cluster, "b")

    cluster["a"].peer_unreachable("b", cluster.now)
    cluster.flush("a")

    assert [TransferEnded("b", succeeded=False)] == cluster.hosts["a"].transfers


def test_time_out_now_is_repeated_while_the_target_does_not_seem_to_hear() -> None:
    cluster = led()
    transfer(cluster, "b")
    assert 1 == cluster.drop(of(TimeoutNow))

    cluster.wait(0.3)

    assert "b" == cluster.leader().server_id


def test_the_target_does_not_let_the_old_leader_stop_it() -> None:
    """hashicorp/raft PR 487, 570: an append of the old term reset the candidate."""
    cluster = led()
    term = cluster["a"].term
    transfer(cluster, "b")
    cluster.deliver(of(TimeoutNow))

    cluster.say("a", "b", Append(term, 2, term, 2))
    cluster.settle()

    assert "b" == cluster.leader().server_id
    assert {True} == {m.is_transfer for _, _, m in cluster.heard if isinstance(m, Vote)} - {False}


def test_a_target_that_is_demoted_by_a_new_membership_is_given_up() -> None:
    cluster = led()
    servers = [s for s in cluster.configuration.servers if s.id != "b"]
    assert isinstance(
        cluster["a"].propose_configuration([*servers, Server(1, "b", "")], cluster.now), Accepted
    )
    cluster.flush("a")

    assert Refused(Refusal.BAD_TARGET, "a") == transfer(cluster, "b")


def test_a_target_that_stops_being_a_voter_meanwhile_is_given_up() -> None:
    """etcd/raft TestLeaderTransferToDemotedNode..: here by leaving a joint membership."""
    cluster = led()
    cluster.cut = {("a", "b")}
    servers = [Server(0, "a", "a:1"), Server(1, "b", "b:1"), Server(1, "c", "c:1")]
    cluster["a"].propose_configuration(servers, cluster.now)
    assert "b" == transfer(cluster, "b")

    cluster.settle()

    assert ("a",) == cluster["a"].configuration.voter_ids()
    assert [TransferEnded("b", succeeded=False)] == cluster.hosts["a"].transfers


def test_a_leader_that_is_deposed_by_somebody_else_gives_up() -> None:
    """etcd/raft TestLeaderTransferReceiveHigherTermVote."""
    cluster = led()
    cluster.cut = {("a", "b")}
    cluster.propose("a", b"x")
    transfer(cluster, "b")

    cluster.say("c", "a", AppendAnswer(cluster["a"].term + 1, accepted=False, index=0))

    assert [TransferEnded("b", succeeded=False)] == cluster.hosts["a"].transfers


@pytest.mark.parametrize("lags", [True, False])
def test_proposals_at_any_step_of_a_transfer_are_refused_or_kept(*, lags: bool) -> None:
    """hashicorp/raft#517, #570, #581: those that slipped in made the target's log look old."""
    for step in range(12):
        cluster = led()
        if lags:
            cluster.cut = {("a", "b")}
            cluster.propose("a", b"before")
            cluster.settle()
            cluster.heal()
            cluster.now += 0.1  # with a heartbeat, whose answer shows that b lags
            cluster.tick("a")
        kept = [b"before"] * lags
        transfer(cluster, "b")
        for turn in range(40):
            if turn == step:
                answers = {s: cluster[s].propose([b"x"], cluster.now) for s in "abc"}
                kept += [b"x" for answer in answers.values() if isinstance(answer, Accepted)]
                cluster.flush()
            cluster.deliver(count=1)
            cluster.persist(count=1)

        cluster.wait(1)

        assert "b" == cluster.leader().server_id, step
        assert {tuple(kept)} == {tuple(cluster.hosts[s].payloads) for s in "abc"}, step


def test_a_server_that_was_removed_does_not_stand_when_told_to() -> None:
    """etcd/raft TestLeaderTransferToUnknown..: only members take a leadership over."""
    cluster = led()
    cluster["a"].propose_configuration(cluster.configuration.servers[:2], cluster.now)
    cluster.settle()
    assert ("a", "b") == cluster["c"].configuration.voter_ids()

    cluster.say("a", "c", TimeoutNow(cluster["a"].term))

    assert Role.FOLLOWER is cluster["c"].role
