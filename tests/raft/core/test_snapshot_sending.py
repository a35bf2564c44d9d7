"""Snapshots from the leader's side. Sources: Raft §7; etcd/raft's raft_snap_test.go."""

import itertools

import msgspec
import pytest

from raft.core.progress import Mode
from raft.core.settings import Settings
from raft.core.types import (
    Append,
    AppendAnswer,
    Heartbeat,
    HeartbeatAnswer,
    SnapshotAnswer,
    SnapshotChunk,
    SnapshotStatus,
)
from raft.entries import SnapshotMeta
from tests.raft.core.cluster import Cluster, of

COMPACTING = Settings(trailing_count=0, snapshot_chunk_bytes=64)


def behind(settings: Settings = COMPACTING) -> Cluster:
    """Server c lacks entries that a, the leader, has released."""
    cluster = Cluster(settings=settings)
    cluster.elect("a")
    cluster.cut = {("a", "c")}
    cluster.propose("a", b"x", b"y")
    cluster.settle()
    cluster.compact("a")
    cluster.heal()
    return cluster


def find_out(cluster: Cluster) -> None:
    """A heartbeat shows that c lags, its refusal that it needs what is gone."""
    cluster.now += 0.1
    cluster.tick("a")
    cluster.deliver(of(Heartbeat, to="c"))
    cluster.deliver(of(HeartbeatAnswer, by="c"))
    for _ in range(3):
        cluster.deliver(of(Append, to="c"))
        cluster.deliver(lambda sender, _r, m: sender == "c" and not isinstance(m, SnapshotAnswer))
    cluster.flush("a")


def test_a_follower_whose_entries_are_gone_gets_a_snapshot_in_chunks() -> None:
    cluster = behind()

    cluster.wait(0.3)

    assert [b"x", b"y"] == cluster.hosts["c"].payloads
    chunks = [m for _, _, m in cluster.heard if isinstance(m, SnapshotChunk)]
    assert len(chunks) > 1
    assert {len(chunk.content) for chunk in chunks[:-1]} == {64}
    assert Mode.REPLICATE is cluster["a"].progress["c"].mode


def test_replication_pauses_beside_a_snapshot_and_heartbeats_go_on() -> None:
    """etcd/raft TestPendingSnapshotPauseReplication."""
    cluster = behind()
    find_out(cluster)
    assert Mode.SNAPSHOT is cluster["a"].progress["c"].mode

    cluster.propose("a", b"z")
    cluster.now += 0.1
    cluster.tick("a")

    assert [] == cluster.sent(Append, to="c")
    assert 1 == len(cluster.sent(Heartbeat, to="c"))


def test_every_single_lost_message_of_the_exchange_is_made_good() -> None:
    """etcd#10225: a lost report left the follower in limbo for ever."""
    for lost in range(12):
        cluster = behind()
        seen = 0

        def is_unlucky(_s: str, _r: str, message: object, unlucky: int = lost) -> bool:
            nonlocal seen
            if isinstance(message, SnapshotChunk | SnapshotAnswer):
                seen += 1
                return seen == unlucky + 1
            return False

        for _ in range(60):
            cluster.now += 0.1
            cluster.tick()
            for _ in range(6):
                cluster.drop(is_unlucky)
                cluster.deliver()
                cluster.persist()

        assert [b"x", b"y"] == cluster.hosts["c"].payloads, f"message {lost} was lost"


def test_a_follower_that_can_go_on_without_its_snapshot_does() -> None:
    """etcd-io/raft#110: it may have got the entries in another way."""
    cluster = behind()
    find_out(cluster)
    leader = cluster["a"]

    done = SnapshotAnswer(leader.term, "another", 4, 0, SnapshotStatus.DONE)
    cluster.say("c", "a", done)

    assert (Mode.REPLICATE, 4) == (leader.progress["c"].mode, leader.progress["c"].match_index)


def test_a_snapshot_that_has_become_too_old_is_followed_by_another() -> None:
    cluster = behind()
    find_out(cluster)
    leader = cluster["a"]
    sent = leader.progress["c"].sending
    assert sent is not None
    leader.settings = msgspec.structs.replace(leader.settings, log_bytes_max=1)
    cluster.propose("a", b"z")
    cluster.flush("a")
    cluster.deliver(of(Append, to="b"))
    cluster.persist("a", "b")
    cluster.deliver(of(object, by="b"))
    newer = cluster.compact("a")
    assert newer.index == leader.first_index - 1

    done = SnapshotAnswer(leader.term, sent.meta.id, sent.meta.index, 0, SnapshotStatus.DONE)
    cluster.say("c", "a", done)

    sending = leader.progress["c"].sending
    assert sending is not None
    assert newer == sending.meta


def test_entries_stay_for_a_follower_that_receives_a_snapshot() -> None:
    """consul#9609: with them gone after each transfer, snapshots never end."""
    cluster = behind()
    find_out(cluster)
    snapshot_index = cluster["a"].progress["c"].next_index - 1
    cluster.propose("a", *[b"more"] * 5)
    cluster.flush("a")
    cluster.deliver(of(Append, to="b"))
    cluster.persist("a", "b")
    cluster.deliver(of(object, by="b"))

    cluster.compact("a")

    assert snapshot_index + 1 == cluster["a"].first_index


def test_a_silent_follower_gets_no_snapshot() -> None:
    """etcd/raft: nothing is sent to an inactive peer."""
    cluster = behind()
    cluster.isolate("c")
    cluster.wait(1.5)

    cluster["a"].peer_unreachable("c", cluster.now)
    cluster.flush("a")

    assert Mode.PROBE is cluster["a"].progress["c"].mode
    assert [] == cluster.sent(SnapshotChunk)


def test_a_snapshot_that_cannot_be_read_is_made_anew() -> None:
    """hashicorp/raft#522: lagging followers never caught up."""
    cluster = behind()
    host = cluster.hosts["a"]
    host.disk.snapshots.clear()

    cluster.wait(0.3)
    assert host.snapshots_wanted > 0
    assert [] == cluster.hosts["c"].payloads

    remade = msgspec.structs.replace(cluster.compact("a"), id="remade")
    host.disk.snapshots["remade"] = (remade, msgspec.msgpack.encode(host.state))
    host.raft.snapshot_made(remade, cluster.now)
    cluster.wait(0.5)

    assert [b"x", b"y"] == cluster.hosts["c"].payloads


def test_a_follower_that_could_not_store_gets_it_again_after_a_while() -> None:
    cluster = behind()
    find_out(cluster)
    (chunk,) = cluster.sent(SnapshotChunk)
    cluster.drop(of(SnapshotChunk))

    failed = SnapshotAnswer(
        cluster["a"].term, chunk.meta.id, chunk.meta.index, 0, SnapshotStatus.FAILED
    )
    cluster.say("c", "a", failed)
    assert [] == cluster.sent(SnapshotChunk)

    cluster.wait(1.5)
    assert [b"x", b"y"] == cluster.hosts["c"].payloads


def test_a_broken_connection_has_the_chunk_sent_again_with_the_next_heartbeat() -> None:
    cluster = behind()
    find_out(cluster)
    assert 1 == cluster.drop(of(SnapshotChunk))

    cluster["a"].peer_unreachable("c", cluster.now)
    cluster.wait(0.2)

    assert [b"x", b"y"] == cluster.hosts["c"].payloads


def test_chunks_read_for_another_offset_or_snapshot_are_not_sent() -> None:
    cluster = behind()
    find_out(cluster)
    (chunk,) = cluster.sent(SnapshotChunk)
    before = len(cluster.network)

    cluster["a"].snapshot_read("c", chunk.meta.id, 999, b"x", cluster.now)
    cluster["a"].snapshot_read("c", "another", 0, b"x", cluster.now)
    cluster["a"].snapshot_read("b", chunk.meta.id, 0, b"x", cluster.now)
    cluster.flush("a")

    assert before == len(cluster.network)
    assert isinstance(chunk.meta, SnapshotMeta)


def test_a_follower_with_a_full_window_gets_a_snapshot_when_its_entries_are_released() -> None:
    """etcd/raft slow_follower_after_compaction.txt: it looked for entries that were gone."""
    settings = msgspec.structs.replace(COMPACTING, batch_count_max=1, window_count_max=2)
    cluster = Cluster(settings=settings)
    cluster.elect("a")
    payloads = [b"%d" % number for number in range(6)]
    for payload in payloads:
        cluster.propose("a", payload)
        cluster.flush("a")
    assert 2 == len(cluster["a"].progress["c"].in_flight)
    for _ in range(20):
        cluster.drop(of(Append, to="c"))
        cluster.deliver(lambda _s, receiver, _m: receiver != "c")
        cluster.persist("a", "b")
    cluster.compact("a")
    assert cluster["a"].first_index > cluster["a"].progress["c"].next_index

    cluster.wait(0.5)

    assert payloads == cluster.hosts["c"].payloads
    assert Mode.REPLICATE is cluster["a"].progress["c"].mode


@pytest.mark.parametrize("failing", range(4))
def test_a_snapshot_arrives_whichever_of_its_chunks_cannot_be_stored(
    monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """hashicorp/raft#212: after an error the rest of the stream was taken for something else."""
    cluster = behind()
    raft, stores = cluster["c"], itertools.count()
    stored = raft.snapshot_stored

    def fails_once(snapshot_id: str, offset_next: int, now: float) -> None:
        if next(stores) == failing:
            raft.snapshot_store_failed(snapshot_id, now)
        else:
            stored(snapshot_id, offset_next, now)

    monkeypatch.setattr(raft, "snapshot_stored", fails_once)
    cluster.wait(3)

    assert next(stores) > failing
    assert [b"x", b"y"] == cluster.hosts["c"].payloads
    assert Mode.REPLICATE is cluster["a"].progress["c"].mode


def test_a_follower_that_got_far_enough_goes_on_although_its_snapshot_goes_further() -> None:
    """etcd-io/raft#110: what it lacks is still in the log."""
    cluster = behind(msgspec.structs.replace(COMPACTING, trailing_count=1))
    find_out(cluster)
    leader = cluster["a"]
    sending = leader.progress["c"].sending
    assert sending is not None
    enough = leader.first_index - 1
    assert enough < sending.meta.index

    cluster.say("c", "a", AppendAnswer(leader.term, accepted=True, index=enough))

    assert (Mode.REPLICATE, enough) == (leader.progress["c"].mode, leader.progress["c"].match_index)
    assert [enough + 1] == [e.index for m in cluster.sent(Append, to="c") for e in m.entries]


def test_a_slow_snapshot_ends_although_the_log_goes_on_and_is_compacted_meanwhile() -> None:
    """consul#9609: each snapshot was too old when it had arrived, and another one was sent."""
    cluster = behind()
    cluster["a"].settings = msgspec.structs.replace(cluster["a"].settings, snapshot_chunk_bytes=8)
    slow = of(SnapshotChunk)
    steps = 0
    while len(cluster.hosts["c"].payloads) < steps + 2 or steps < 20:
        cluster.propose("a", b"%d" % steps)
        steps += 1
        assert steps < 200, "the snapshots never end"
        cluster.now += 0.05
        cluster.tick()
        cluster.deliver(slow, count=1)  # one chunk a step, and everything else in no time
        cluster.settle_but(SnapshotChunk)
        cluster.compact("a")

    metas = {m.meta.id for _, _, m in cluster.heard if isinstance(m, SnapshotChunk)}
    assert 1 == len(metas)
