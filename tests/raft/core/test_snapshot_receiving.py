"""Snapshots from the follower's side. Sources: Raft §7; etcd/raft TestRestore*."""

import msgspec
import pytest

from raft.core.types import (
    Append,
    AppendAnswer,
    Role,
    SnapshotAnswer,
    SnapshotChunk,
    SnapshotStatus,
)
from raft.entries import Configuration, Entry, Kind, Server, SnapshotMeta
from tests.raft.core.cluster import Cluster

STATE = [Entry(index, 2, Kind.COMMAND, b"s") for index in range(1, 11)]
PACKED = msgspec.msgpack.encode(STATE)


def meta(**changes: object) -> SnapshotMeta:
    """A snapshot up to entry 10 of term 2."""
    configuration = Configuration(tuple(Server(0, voter, f"{voter}:1") for voter in "abc"))
    snapshot = SnapshotMeta(
        id="2-10-0",
        index=10,
        term=2,
        configuration=configuration,
        configuration_index=1,
        size_bytes=len(PACKED),
    )
    return msgspec.structs.replace(snapshot, **changes)


def follower(*terms: int) -> Cluster:
    """Server b in term 9, with entries of these terms from index 2 on."""
    cluster = Cluster()
    cluster.with_log("b", terms, term=9)
    return cluster


def whole(snapshot: SnapshotMeta, term: int = 9) -> SnapshotChunk:
    return SnapshotChunk(term, snapshot, 0, PACKED)


def receive(cluster: Cluster, message: SnapshotChunk) -> None:
    cluster.say("a", "b", message)
    cluster.flush("b")


def statuses(cluster: Cluster) -> list[SnapshotStatus]:
    return [answer.status for answer in cluster.sent(SnapshotAnswer)]


def test_a_snapshot_takes_the_place_of_log_state_and_membership() -> None:
    members = Configuration((Server(0, "a", "a:1"), Server(0, "b", "b:1")))
    cluster = follower()

    receive(cluster, whole(meta(configuration=members, configuration_index=7)))
    cluster.persist("b")

    raft = cluster["b"]
    assert (11, 10, 10, 2) == (raft.first_index, raft.last_index, raft.commit_index, raft.last_term)
    assert (members, 7) == (raft.configuration, raft.configuration_index)
    assert STATE == cluster.hosts["b"].state
    assert 10 == raft.applied_index


def test_it_is_acknowledged_and_restored_only_when_the_log_says_so_durably() -> None:
    cluster = follower()

    receive(cluster, whole(meta()))
    assert [] == statuses(cluster)
    assert [] == cluster.hosts["b"].state

    cluster.persist("b")
    assert [SnapshotStatus.DONE] == statuses(cluster)
    assert STATE == cluster.hosts["b"].state


def test_a_tail_that_conflicts_below_is_dropped_with_the_rest() -> None:
    """hashicorp/raft#697, #704: the kept tail was refused and sent a snapshot for ever."""
    cluster = follower(*[1] * 15)

    receive(cluster, whole(meta()))
    cluster.say("a", "b", Append(9, 10, 2, 10, (Entry(11, 9, Kind.NO_OP),)))
    cluster.persist("b")

    assert [11] == [e.index for e in cluster.hosts["b"].disk.entries]
    assert AppendAnswer(9, accepted=True, index=11) == cluster.sent(AppendAnswer)[-1]


def test_a_log_that_leads_up_to_it_is_kept_and_committed() -> None:
    """etcd/raft TestRestoreIgnoreSnapshot: fast forward, no restore."""
    cluster = follower(*[2] * 12)

    receive(cluster, whole(meta()))
    cluster.persist("b")

    assert (13, 10) == (cluster["b"].last_index, cluster["b"].commit_index)
    assert [SnapshotStatus.DONE] == statuses(cluster)
    assert None is cluster["b"].snapshot


def test_an_old_one_is_acknowledged_and_changes_nothing() -> None:
    cluster = follower(*[2] * 12)
    cluster.say("a", "b", Append(9, 13, 2, 13))

    receive(cluster, whole(meta()))
    cluster.persist("b")

    assert 13 == cluster["b"].commit_index
    assert [SnapshotStatus.DONE] == statuses(cluster)


def test_chunks_are_asked_for_in_order() -> None:
    cluster = follower()
    snapshot = meta()

    receive(cluster, SnapshotChunk(9, snapshot, 40, PACKED[40:80]))
    assert [0] == [answer.offset_next for answer in cluster.sent(SnapshotAnswer)]

    receive(cluster, SnapshotChunk(9, snapshot, 0, PACKED[:40]))
    receive(cluster, SnapshotChunk(9, snapshot, 0, PACKED[:40]))
    assert [0, 40, 40] == [answer.offset_next for answer in cluster.sent(SnapshotAnswer)]

    receive(cluster, SnapshotChunk(9, snapshot, 40, PACKED[40:]))
    cluster.persist("b")
    assert STATE == cluster.hosts["b"].state


def test_one_chunk_is_stored_at_a_time() -> None:
    """Two stores at once could reach the file in any order."""
    cluster = follower()
    cluster["b"].step("a", SnapshotChunk(9, meta(), 0, PACKED[:40]), cluster.now)

    cluster["b"].step("a", SnapshotChunk(9, meta(), 0, PACKED[:40]), cluster.now)
    cluster["b"].step("a", SnapshotChunk(9, meta(id="2-10-1"), 0, PACKED[:40]), cluster.now)

    assert 1 == len(cluster["b"].take_effects(cluster.now).snapshot_stores)


def test_another_snapshot_or_sender_begins_anew() -> None:
    cluster = follower()
    receive(cluster, SnapshotChunk(9, meta(), 0, PACKED[:40]))

    receive(cluster, SnapshotChunk(9, meta(id="2-10-1"), 40, PACKED[40:]))
    assert 0 == cluster.sent(SnapshotAnswer)[-1].offset_next

    cluster.say("c", "b", SnapshotChunk(10, meta(id="2-10-1"), 40, PACKED[40:]))
    assert 0 == cluster.sent(SnapshotAnswer, to="c")[-1].offset_next


def test_appends_of_the_leader_do_not_disturb_it() -> None:
    cluster = follower()
    receive(cluster, SnapshotChunk(9, meta(), 0, PACKED[:40]))

    cluster.say("a", "b", Append(9, 12, 9, 0))
    receive(cluster, SnapshotChunk(9, meta(), 40, PACKED[40:]))
    cluster.persist("b")

    assert STATE == cluster.hosts["b"].state


def test_a_chunk_that_could_not_be_stored_begins_anew() -> None:
    """hashicorp/raft#212: an error while receiving left the follower stuck."""
    cluster = follower()
    cluster["b"].step("a", SnapshotChunk(9, meta(), 0, PACKED[:40]), cluster.now)
    cluster["b"].snapshot_store_failed("2-10-0", cluster.now)
    cluster.flush("b")
    assert [SnapshotStatus.FAILED] == statuses(cluster)

    cluster.hosts["b"].incoming = b""
    receive(cluster, whole(meta()))
    cluster.persist("b")
    assert STATE == cluster.hosts["b"].state


def test_a_server_that_stands_for_election_installs_nothing() -> None:
    """Only a follower may lose its log."""
    cluster = follower(*[1] * 3)
    cluster["b"].step("a", whole(meta()), cluster.now)
    effects = cluster["b"].take_effects(cluster.now)
    (store,) = effects.snapshot_stores
    cluster["b"].persisted(effects.writes[-1].sequence, cluster.now) if effects.writes else None
    cluster.now += 3
    cluster.tick("b")
    assert Role.PRE_CANDIDATE is cluster["b"].role

    cluster["b"].snapshot_stored(store.meta.id, len(PACKED), cluster.now)
    cluster.flush("b")

    assert 4 == cluster["b"].last_index


def test_a_server_that_is_no_member_of_it_takes_it_and_stands_for_nothing() -> None:
    cluster = follower()
    members = Configuration((Server(0, "a", "a:1"),))

    receive(cluster, whole(meta(configuration=members)))
    cluster.persist("b")
    cluster.isolate("b")
    cluster.wait(5)

    assert 10 == cluster["b"].applied_index
    assert Role.FOLLOWER is cluster["b"].role


def test_a_crash_before_the_mark_leaves_the_old_log() -> None:
    cluster = follower(*[1] * 3)
    receive(cluster, whole(meta()))

    cluster.crash("b")
    cluster.restart("b")

    assert (1, 4) == (cluster["b"].first_index, cluster["b"].last_index)


def test_a_restart_goes_on_from_the_snapshot() -> None:
    cluster = follower()
    receive(cluster, whole(meta()))
    cluster.persist("b")

    cluster.crash("b")
    cluster.restart("b")

    assert (11, 10, 10) == (
        cluster["b"].first_index,
        cluster["b"].commit_index,
        cluster["b"].applied_index,
    )
    assert STATE == cluster.hosts["b"].state


def test_a_joint_membership_in_it_is_joint_afterwards() -> None:
    """etcd/raft TestConfChangeV2.. restore with a joint configuration, and learners."""
    joint = Configuration(
        (Server(0, "a", "a:1"), Server(1, "b", "b:1")),
        (Server(0, "a", "a:1"), Server(0, "b", "b:1"), Server(0, "c", "c:1")),
    )
    cluster = follower()

    receive(cluster, whole(meta(configuration=joint, configuration_index=9)))
    cluster.persist("b")
    assert joint == cluster["b"].configuration

    cluster.crash("b")
    cluster.restart("b")
    assert (joint, 9) == cluster["b"].configuration_at(10)


@pytest.mark.parametrize(("before", "after"), [(0, 1), (1, 0)], ids=["demoted", "promoted"])
def test_a_vote_that_came_or_went_with_it_counts_from_then_on(before: int, after: int) -> None:
    """etcd/raft TestRestoreVoterToLearner, TestRestoreLearnerPromotion."""

    def members(suffrage: int) -> Configuration:
        return Configuration((Server(0, "a", "a:1"), Server(suffrage, "b", "b:1")))

    cluster = follower()
    receive(cluster, whole(meta(configuration=members(before), configuration_index=2)))
    cluster.persist("b")

    newer = meta(id="2-11-0", index=11, configuration=members(after), configuration_index=11)
    receive(cluster, whole(newer))
    cluster.persist("b")
    cluster.isolate("b")
    cluster.wait(5)

    assert members(after) == cluster["b"].configuration
    assert (Role.PRE_CANDIDATE if after == 0 else Role.FOLLOWER) is cluster["b"].role
