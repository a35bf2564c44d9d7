"""Linearizable reads. Sources: Raft §8, thesis §6.4; etcd/raft's read-only tests."""

import pytest

from raft.core.settings import Settings
from raft.core.types import (
    AppendAnswer,
    Heartbeat,
    HeartbeatAnswer,
    ReadFailed,
    ReadIndex,
    ReadIndexAnswer,
    ReadReady,
    Refusal,
    Role,
)
from tests.raft.core.cluster import Cluster, Dice, of


def led(voters: str = "abc", **numbers: int) -> Cluster:
    """Server a leads, and its lease has run out without a new heartbeat."""
    cluster = Cluster(voters, settings=Settings(**numbers))  # type: ignore[arg-type]  # all ints
    cluster.elect("a")
    return cluster


def read(cluster: Cluster, server_id: str, token: str, *, lease_allowed: bool = False) -> None:
    cluster[server_id].read(token, cluster.now, lease_allowed=lease_allowed)
    cluster.flush(server_id)


def test_a_read_waits_for_a_round_that_began_after_it() -> None:
    cluster = led()
    cluster.now += 0.1
    cluster.tick("a")  # this round began before

    read(cluster, "a", "r")
    rounds = sorted({heartbeat.round for heartbeat in cluster.sent(Heartbeat)})
    early = [
        m for m in cluster.network if not isinstance(m[2], Heartbeat) or m[2].round == rounds[0]
    ]
    late = [m for m in cluster.network if m not in early]
    cluster.network.clear()
    cluster.network.extend(early)
    cluster.settle()
    assert [] == cluster.hosts["a"].ready

    cluster.network.extend(late)
    cluster.settle()
    assert [ReadReady("r", 2)] == cluster.hosts["a"].ready


def test_late_answers_to_an_earlier_round_confirm_nothing() -> None:
    """etcd-io/raft#397, etcd#20418: a deposed leader served what it had on such answers."""
    cluster = led("abcde")
    read(cluster, "a", "r1")
    cluster.deliver(of(Heartbeat))
    held = [m for m in cluster.network if isinstance(m[2], HeartbeatAnswer)]
    cluster.network.clear()

    read(cluster, "a", "r2")
    cluster.network.clear()
    cluster.network.extend(held)
    cluster.settle_but(Heartbeat)

    assert ["r1"] == [ready.token for ready in cluster.hosts["a"].ready]


def test_reads_of_a_turn_share_a_round_and_later_ones_the_next() -> None:
    cluster = led()
    for token in ("r1", "r2"):
        cluster["a"].read(token, cluster.now, lease_allowed=False)
    cluster.flush("a")
    assert 1 == len(cluster.sent(Heartbeat, to="b"))
    for token in ("r3", "r4"):
        read(cluster, "a", token)
    assert 1 == len(cluster.sent(Heartbeat, to="b"))

    cluster.settle()

    assert ["r1", "r2", "r3", "r4"] == [ready.token for ready in cluster.hosts["a"].ready]
    beats = [m for _, receiver, m in cluster.heard if isinstance(m, Heartbeat) and receiver == "b"]
    assert 2 == len({beat.round for beat in beats[-2:]})


def test_a_new_leader_serves_no_read_before_its_no_op_is_committed() -> None:
    """etcd#7331: it does not know yet what is committed."""
    cluster = Cluster()
    cluster.now += 2.0
    cluster.tick("a")
    cluster.settle_but(AppendAnswer)
    assert Role.LEADER is cluster["a"].role

    for lease_allowed in (True, False):
        read(cluster, "a", "r", lease_allowed=lease_allowed)
    cluster.settle_but(AppendAnswer)
    assert [] == cluster.hosts["a"].ready

    cluster.settle()
    assert [ReadReady("r", 2)] * 2 == cluster.hosts["a"].ready


def test_a_read_waits_until_its_index_is_applied() -> None:
    cluster = led()
    cluster.hosts["a"].applied_at_once = False
    cluster.propose("a", b"x")
    cluster.settle()

    read(cluster, "a", "r")
    cluster.settle()
    assert [] == cluster.hosts["a"].ready

    cluster["a"].applied(3, cluster.now)
    cluster.flush("a")
    assert [ReadReady("r", 3)] == cluster.hosts["a"].ready


def test_a_lease_serves_at_once() -> None:
    """Thesis §6.4.1."""
    cluster = led()

    read(cluster, "a", "r", lease_allowed=True)

    assert [ReadReady("r", 2)] == cluster.hosts["a"].ready
    assert [] == cluster.sent(Heartbeat)


def test_a_read_that_must_not_trust_clocks_asks_in_spite_of_a_lease() -> None:
    cluster = led()

    read(cluster, "a", "r")

    assert [] == cluster.hosts["a"].ready
    assert 2 == len(cluster.sent(Heartbeat))


def test_a_lone_server_serves_at_once() -> None:
    cluster = led("a")

    read(cluster, "a", "r")

    assert [ReadReady("r", 2)] == cluster.hosts["a"].ready


def test_a_follower_asks_the_leader_and_waits_until_it_has_applied_as_much() -> None:
    cluster = led()
    cluster.cut = {("a", "b")}
    cluster.propose("a", b"x")
    cluster.settle()
    cluster.heal()

    read(cluster, "b", "r")
    cluster.deliver(of(ReadIndex))
    cluster.deliver(of(Heartbeat, to="c"))
    cluster.deliver(of(HeartbeatAnswer))
    cluster.deliver(of(ReadIndexAnswer))
    assert [] == cluster.hosts["b"].ready

    cluster.wait(0.3)
    assert [ReadReady("r", 3)] == cluster.hosts["b"].ready
    assert [b"x"] == cluster.hosts["b"].payloads


def test_a_learner_may_ask() -> None:
    cluster = Cluster(learners="x")
    cluster.elect("a")

    read(cluster, "x", "r")
    cluster.settle()

    assert ["r"] == [ready.token for ready in cluster.hosts["x"].ready]


def test_a_read_without_a_leader_fails_at_once() -> None:
    cluster = Cluster()

    read(cluster, "a", "r")

    assert [ReadFailed("r", Refusal.NO_LEADER)] == cluster.hosts["a"].failed


def test_reads_fail_when_leadership_is_lost() -> None:
    cluster = led()
    cluster.isolate("a")
    read(cluster, "a", "r")

    cluster.wait(1)

    assert [ReadFailed("r", Refusal.NO_LEADER)] == cluster.hosts["a"].failed


def test_a_follower_is_told_when_the_leader_is_deposed() -> None:
    cluster = led()
    cluster.cut = {("a", "c"), ("c", "a")}
    read(cluster, "b", "r")
    cluster.deliver(of(ReadIndex))
    cluster.drop()

    cluster.say("c", "a", HeartbeatAnswer(cluster["a"].term + 1, 0))
    cluster.settle()

    assert ["r"] == [failed.token for failed in cluster.hosts["b"].failed]


def test_a_question_that_is_lost_is_given_up() -> None:
    cluster = led()
    read(cluster, "b", "r")
    cluster.drop()

    cluster.wait(1.1)

    assert [ReadFailed("r", Refusal.NO_LEADER)] == cluster.hosts["b"].failed


def test_a_question_to_a_former_leader_is_given_up_when_another_is_known() -> None:
    cluster = led()
    read(cluster, "b", "r")
    cluster.drop()

    cluster.say("c", "b", Heartbeat(cluster["a"].term + 1, 0, 1))

    assert [ReadFailed("r", Refusal.NOT_LEADER)] == cluster.hosts["b"].failed


def test_a_question_that_comes_late_in_term_is_refused() -> None:
    cluster = led()

    cluster.say("b", "a", ReadIndex(cluster["a"].term - 1, 7))

    refused = ReadIndexAnswer(cluster["a"].term, 7, 0, accepted=False)
    assert [refused] == cluster.sent(ReadIndexAnswer)


def test_an_answer_to_a_former_life_s_read_fits_none_of_this_life() -> None:
    cluster = led()
    read(cluster, "b", "old")
    cluster.deliver(of(ReadIndex))
    (old,) = [m for _, _, m in cluster.heard if isinstance(m, ReadIndex)]
    cluster.crash("b")
    cluster.hosts["b"].dice = Dice("another life")
    cluster.restart("b")
    cluster.wait(0.2)

    read(cluster, "b", "new")
    (new,) = cluster.sent(ReadIndex)

    assert old.request != new.request


def test_too_many_reads_are_refused() -> None:
    cluster = led(reads_waiting_max=2)

    for token in ("r1", "r2", "r3"):
        read(cluster, "a", token)
    assert [ReadFailed("r3", Refusal.OVERLOADED)] == cluster.hosts["a"].failed

    cluster.settle()
    read(cluster, "a", "r4")
    cluster.settle()
    assert ["r1", "r2", "r4"] == [ready.token for ready in cluster.hosts["a"].ready]


def test_a_restarted_cluster_serves_nothing_older_than_what_was_answered() -> None:
    """consul#2644: consistent reads right after a start came from before the log was replayed."""
    cluster = led()
    cluster.propose("a", b"x")
    cluster.settle()
    for server_id in "abc":
        cluster.crash(server_id)
    for server_id in "abc":
        cluster.restart(server_id)

    cluster.elect("b")
    read(cluster, "b", "r")
    cluster.settle()

    assert ["r"] == [ready.token for ready in cluster.hosts["b"].ready]
    assert [b"x"] == cluster.hosts["b"].payloads


@pytest.mark.parametrize("server_id", ["a", "b"])
def test_reads_that_fail_leave_nothing_behind(server_id: str) -> None:
    """etcd/raft TestRaftFreesReadOnlyMem: with room for one read, the next one is taken."""
    cluster = led(reads_waiting_max=1)
    cluster.isolate("a")
    for number in range(3):
        read(cluster, server_id, f"r{number}")
        cluster.wait(1.1)

    reasons = [failed.reason for failed in cluster.hosts[server_id].failed]
    assert [Refusal.NO_LEADER] * 3 == reasons[:1] * 3
    assert Refusal.OVERLOADED not in reasons
    cluster.heal()
    cluster.wait(5)
    read(cluster, server_id, "last")
    cluster.settle()
    assert "last" == cluster.hosts[server_id].ready[-1].token
