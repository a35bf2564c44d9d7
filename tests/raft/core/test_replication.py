"""The leader's side of replication. Sources: Raft §5.3-§5.4, etcd/raft's raft_flow_control_test."""

import pytest

from raft.core.progress import Mode
from raft.core.settings import Settings
from raft.core.types import (
    Append,
    AppendAnswer,
    Heartbeat,
    HeartbeatAnswer,
    ReadIndex,
    Role,
)
from tests.raft.core.cluster import Cluster, of


def led(voters: str = "abc", *, notice_delay_s: float = 0.0, **numbers: int) -> Cluster:
    settings = Settings(**numbers)  # type: ignore[arg-type]  # all ints
    cluster = Cluster(voters, settings=settings, notice_delay_s=notice_delay_s)
    cluster.elect("a")
    return cluster


def with_a_commit_to_tell(notice_delay_s: float) -> Cluster:
    """``a`` leads and has committed an entry that the others hold and do not know to be."""
    cluster = led(notice_delay_s=notice_delay_s)
    cluster.propose("a", b"x")
    cluster.settle()
    assert [[b"x"], [], []] == payloads(cluster)
    return cluster


def payloads(cluster: Cluster) -> list[list[bytes]]:
    return [host.payloads for host in cluster.hosts.values()]


def test_entries_leave_before_the_own_write_is_durable_but_count_only_after() -> None:
    """Thesis §10.2.1."""
    cluster = led("ab")
    cluster.propose("a", b"x")
    cluster.flush("a")
    assert 1 == len(cluster.sent(Append, to="b"))

    cluster.deliver()
    cluster.persist("b")
    cluster.deliver()
    assert [] == cluster.hosts["a"].payloads

    cluster.persist("a")
    assert [b"x"] == cluster.hosts["a"].payloads


def test_a_quorum_without_the_leader_commits_and_the_leader_applies_when_it_is_durable() -> None:
    """etcd#14370: what was applied and answered must survive a crash of this server."""
    cluster = led()
    cluster.propose("a", b"x")
    cluster.flush("a")
    cluster.deliver()
    cluster.persist("b", "c")
    cluster.deliver()

    assert cluster["a"].last_index == cluster["a"].commit_index
    assert [] == cluster.hosts["a"].payloads
    cluster.persist("a")
    assert [b"x"] == cluster.hosts["a"].payloads


def test_everything_of_a_turn_is_one_message_a_follower() -> None:
    cluster = led()
    for _ in range(5):
        cluster.propose("a", b"x", b"y")
    cluster.flush("a")

    assert [10, 10] == [len(append.entries) for append in cluster.sent(Append)]


def test_only_entries_of_the_own_term_are_committed_by_counting() -> None:
    """Raft figure 8: an entry of an earlier term on a majority may still be overwritten."""
    cluster = Cluster()
    cluster.with_log("a", [2], term=3)
    cluster.with_log("b", [2], term=3)
    cluster.crash("c")
    cluster.now += 3.0
    cluster.tick("a")
    cluster.settle_but(AppendAnswer)
    assert Role.LEADER is cluster["a"].role
    term = cluster["a"].term

    cluster.say("b", "a", AppendAnswer(term, accepted=True, index=2))
    assert 0 == cluster["a"].commit_index

    cluster.say("b", "a", AppendAnswer(term, accepted=True, index=3))
    assert 3 == cluster["a"].commit_index


def test_a_window_lets_so_many_messages_through_and_no_more() -> None:
    """hashicorp/raft#541: a deep pipeline defeats batching."""
    cluster = led(window_count_max=2)
    cluster.isolate("c")
    for _ in range(5):
        cluster.propose("a", b"x")
        cluster.flush("a")

    assert [1, 1] == [len(append.entries) for append in cluster.sent(Append, to="b")]
    cluster.deliver(of(Append, to="b"))
    cluster.persist("b")
    cluster.deliver(of(AppendAnswer, by="b"))
    assert [3] == [len(append.entries) for append in cluster.sent(Append, to="b") if append.entries]


def test_a_batch_is_bounded_by_count_and_bytes() -> None:
    cluster = led(batch_count_max=3, window_count_max=9)
    cluster.propose("a", *[b"x"] * 7)
    cluster.flush("a")
    assert [3, 3, 1] == [len(append.entries) for append in cluster.sent(Append, to="b")]

    cluster = led(batch_bytes_max=1, window_count_max=9)
    cluster.propose("a", *[b"x"] * 3)
    cluster.flush("a")
    assert [1, 1, 1] == [len(append.entries) for append in cluster.sent(Append, to="b")]


def test_a_probe_sends_one_message_until_it_is_answered() -> None:
    """etcd/raft TestSendAppendForProgressProbe."""
    cluster = led()
    cluster["a"].peer_unreachable("b", cluster.now)
    assert Mode.PROBE is cluster["a"].progress["b"].mode

    for _ in range(3):
        cluster.propose("a", b"x")
        cluster.flush("a")

    assert 1 == len(cluster.sent(Append, to="b"))


def test_the_answer_to_a_heartbeat_allows_another_probe() -> None:
    cluster = led()
    cluster["a"].peer_unreachable("b", cluster.now)
    cluster.propose("a", b"x")
    cluster.flush("a")
    cluster.drop()

    cluster.wait(0.2)

    assert [b"x"] == cluster.hosts["b"].payloads


def test_a_caught_up_follower_leaves_the_probe() -> None:
    """etcd/raft TestRecvMsgUnreachable and its counterpart for followers with nothing to get."""
    cluster = led()
    cluster["a"].peer_unreachable("b", cluster.now)

    cluster.settle()

    assert Mode.REPLICATE is cluster["a"].progress["b"].mode


def test_a_lost_window_is_found_out_by_the_next_heartbeat() -> None:
    """etcd PR 14633: with a full window nothing was sent any more."""
    cluster = led(window_count_max=2)
    cluster.isolate("c")
    for _ in range(2):
        cluster.propose("a", b"x")
        cluster.flush("a")
    cluster.drop(of(Append, to="b"))
    cluster.settle()
    assert [] == cluster.hosts["b"].payloads

    cluster.wait(0.2)

    assert [b"x", b"x"] == cluster.hosts["b"].payloads


def test_a_lost_last_message_is_found_out_by_the_next_heartbeat() -> None:
    cluster = led(window_count_max=9)
    cluster.propose("a", b"x")
    cluster.flush("a")
    cluster.drop(of(Append, to="b"))

    cluster.wait(0.2)

    assert [b"x"] == cluster.hosts["b"].payloads


def test_a_commit_goes_by_itself_once_when_nothing_takes_it_along_for_a_moment() -> None:
    """etcd/raft: a follower with nothing to get learns of the commit without a heartbeat."""
    cluster = with_a_commit_to_tell(notice_delay_s=0.005)
    assert cluster.hosts["a"].deadline == pytest.approx(cluster.now + 0.005)

    cluster.now += 0.005
    cluster.tick("a")
    assert [()] * 2 == [append.entries for append in cluster.sent(Append)]
    cluster.settle()

    assert [[b"x"]] * 3 == payloads(cluster)
    cluster.now += 0.005
    cluster.tick("a")
    assert [] == cluster.sent(Append)


def test_a_commit_goes_along_with_entries_and_not_by_itself() -> None:
    cluster = with_a_commit_to_tell(notice_delay_s=0.005)
    cluster.now += 0.004
    cluster.propose("a", b"y")

    cluster.settle()

    assert [[b"x", b"y"], [b"x"], [b"x"]] == payloads(cluster)
    assert cluster.hosts["a"].deadline == pytest.approx(cluster.now + 0.005)


def test_a_commit_goes_along_with_a_heartbeat_and_not_by_itself() -> None:
    cluster = with_a_commit_to_tell(notice_delay_s=0.15)
    cluster.now += 0.1
    cluster.tick("a")
    cluster.settle()
    assert [[b"x"]] * 3 == payloads(cluster)

    cluster.now += 0.05
    cluster.tick("a")

    assert [] == cluster.sent(Append)


def test_a_follower_that_is_to_read_hears_of_the_commit_at_once() -> None:
    cluster = led(notice_delay_s=0.15)
    cluster.propose("a", b"x")
    cluster.flush("a")
    cluster.deliver(of(Append))
    cluster.persist("a", "c")
    cluster.deliver(of(AppendAnswer))
    cluster["b"].read("r", cluster.now)  # what it reads up to, it has not stored yet
    cluster.flush("b")
    cluster.deliver(of(ReadIndex))

    cluster.settle()

    assert [b"x"] == cluster.hosts["b"].payloads
    assert ["r"] == [ready.token for ready in cluster.hosts["b"].ready]


def test_a_commit_that_no_read_waits_for_can_wait_again() -> None:
    cluster = with_a_commit_to_tell(notice_delay_s=0.15)
    cluster["b"].read("r", cluster.now)
    cluster.settle()
    assert [b"x"] == cluster.hosts["b"].payloads

    cluster.propose("a", b"y")
    cluster.settle()

    assert [b"x"] == cluster.hosts["b"].payloads


def test_a_commit_that_waits_is_forgotten_when_the_follower_is_lost() -> None:
    """Else its moment would pass again and again, with nothing to do."""
    cluster = with_a_commit_to_tell(notice_delay_s=0.005)
    cluster.isolate("b", "c")
    for peer_id in "bc":
        cluster["a"].peer_unreachable(peer_id, cluster.now)
    cluster.settle()

    deadline = cluster.hosts["a"].deadline

    assert deadline is not None
    assert deadline > cluster.now + 0.005


@pytest.mark.parametrize("tail", [[1, 1, 1], [1, 2, 2, 2, 3], [3] * 20, [2] * 20])
def test_a_divergent_follower_is_found_in_one_probe_a_term(tail: list[int]) -> None:
    """etcd-io/raft findConflictByTerm; hashicorp/raft#541 backs up entry by entry."""
    cluster = Cluster()
    cluster.with_log("a", [1, 1, 5, 5, 6], term=6)
    cluster.with_log("b", [1, 1, 5, 5, 6], term=6)
    cluster.with_log("c", tail, term=6)
    cluster.elect("a")
    refusals = [m for _, _, m in cluster.heard if isinstance(m, AppendAnswer) and not m.accepted]

    assert len(set(tail)) + 1 >= len(refusals)
    assert cluster["a"].last_index == cluster["c"].last_index


def test_an_acknowledgement_of_an_unknown_server_is_ignored() -> None:
    cluster = led()

    cluster.say("x", "a", AppendAnswer(cluster["a"].term, accepted=True, index=2))
    cluster.say("x", "a", HeartbeatAnswer(cluster["a"].term, 1))

    assert {"b", "c"} == set(cluster["a"].progress)


def test_a_late_own_write_does_not_count_in_the_next_term() -> None:
    """etcd/raft TestLateSelfAppend..: the entry was cut before its write was done."""
    cluster = led()
    cluster.isolate("a")
    cluster.propose("a", b"x")
    cluster.flush("a")
    cluster.wait(0.0)
    cluster.hung_disks.add("a")
    cluster.wait(1.0)
    cluster.elect("b")
    cluster.heal()
    cluster.propose("b", b"y")
    cluster.wait(1.0)

    cluster.hung_disks.clear()
    cluster.settle()

    assert [[b"y"]] * 3 == [host.payloads for host in cluster.hosts.values()]


def test_repeated_and_reordered_messages_do_no_harm() -> None:
    cluster = led(window_count_max=9)
    for payload in (b"1", b"2", b"3"):
        cluster.propose("a", payload)
        cluster.flush("a")
    messages = list(cluster.network)
    cluster.network.clear()
    cluster.network.extend([*reversed(messages), *messages])

    cluster.settle()
    cluster.wait(0.3)

    assert [[b"1", b"2", b"3"]] * 3 == [host.payloads for host in cluster.hosts.values()]


def test_a_server_that_was_wiped_and_kept_its_id_catches_up() -> None:
    cluster = led()
    cluster.propose("a", b"x")
    cluster.settle()

    cluster.add("b")
    cluster["a"].peer_unreachable("b", cluster.now)
    cluster.wait(1)

    assert [b"x"] == cluster.hosts["b"].payloads


def test_a_heartbeat_does_not_wait_for_a_follower_that_is_far_behind() -> None:
    cluster = led()
    cluster.isolate("c")
    cluster.propose("a", b"x")
    cluster.settle()
    cluster.now += 0.1
    cluster.tick("a")

    assert 1 == len(cluster.sent(Heartbeat, to="c"))


def test_a_follower_whose_entries_are_gone_waits_for_a_snapshot_that_can_be_read() -> None:
    cluster = led(trailing_count=0, window_count_max=2)
    cluster.cut = {("a", "b")}
    for payload in (b"1", b"2", b"3"):
        cluster.propose("a", payload)
        cluster.settle()
    snapshot = cluster.compact("a")
    cluster["a"].snapshot_unreadable(snapshot.id, cluster.now)
    progress = cluster["a"].progress["b"]
    assert Mode.REPLICATE is progress.mode

    cluster.say("b", "a", AppendAnswer(cluster["a"].term, accepted=True, index=3))

    assert 1 == len(progress.in_flight)
    assert cluster.hosts["a"].snapshots_wanted > 0


def test_an_unreachable_follower_is_probed_from_what_it_is_known_to_hold() -> None:
    """etcd/raft TestRecvMsgUnreachable: what was sent ahead is taken for lost."""
    cluster = led()
    cluster.cut = {("a", "b")}
    for _ in range(2):
        cluster.propose("a", b"x")
        cluster.flush("a")
    progress = cluster["a"].progress["b"]
    known_index = progress.match_index
    assert known_index + 3 == progress.next_index

    cluster["a"].peer_unreachable("b", cluster.now)

    assert (Mode.PROBE, known_index + 1) == (progress.mode, progress.next_index)
