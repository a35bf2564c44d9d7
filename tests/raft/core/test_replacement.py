"""The operator's restore (Consul's PUT /v1/snapshot) on a leader."""

import msgspec
import pytest

from raft.core.types import Append, Heartbeat, SnapshotChunk
from raft.entries import Entry, Kind, SnapshotMeta
from tests.raft.core.cluster import Cluster, of

NEW_STATE = [Entry(index, 1, Kind.COMMAND, b"new") for index in range(1, 21)]


def replaced(cluster: Cluster) -> SnapshotMeta:
    """Replace the leader's state by one at index 20."""
    host = cluster.hosts["a"]
    packed = msgspec.msgpack.encode(NEW_STATE)
    meta = SnapshotMeta(
        id="restored",
        index=20,
        term=host.raft.term,
        configuration=host.raft.configuration,
        configuration_index=host.raft.configuration_index,
        size_bytes=len(packed),
    )
    host.disk.snapshots[meta.id] = (meta, packed)
    host.state = list(NEW_STATE)
    cluster.committed.clear()
    host.raft.state_replaced(meta, cluster.now)
    cluster.flush("a")
    return meta


def led(voters: str = "abc") -> Cluster:
    cluster = Cluster(voters)
    cluster.elect("a")
    cluster.propose("a", b"old")
    cluster.settle()
    return cluster


def test_a_lone_server_goes_on_behind_the_new_state() -> None:
    cluster = led("a")

    replaced(cluster)
    cluster.settle()
    cluster.propose("a", b"x")
    cluster.settle()

    assert [b"new"] * 20 + [b"x"] == cluster.hosts["a"].payloads
    assert (21, 22) == (cluster["a"].first_index, cluster["a"].commit_index)


def test_it_survives_a_restart() -> None:
    cluster = led("a")
    replaced(cluster)
    cluster.settle()

    cluster.crash("a")
    cluster.restart("a")
    cluster.elect("a")

    assert [b"new"] * 20 == cluster.hosts["a"].payloads


def test_every_follower_takes_the_new_state() -> None:
    cluster = led()

    replaced(cluster)
    cluster.wait(1)
    cluster.propose("a", b"x")
    cluster.wait(1)

    assert [[b"new"] * 20 + [b"x"]] * 3 == [h.payloads for h in cluster.hosts.values()]


def test_nothing_is_committed_before_a_quorum_has_the_new_state() -> None:
    cluster = led()

    replaced(cluster)
    cluster.settle_but(SnapshotChunk)

    assert 20 == cluster["a"].commit_index
    assert 21 == cluster["a"].last_index


def test_a_deposed_leader_never_mixes_its_new_state_with_another_history() -> None:
    cluster = led()
    replaced(cluster)
    cluster.persist("a")
    cluster.isolate("a")
    cluster.drop()
    cluster.wait(1)
    cluster.elect("b")
    cluster.propose("b", *[b"other"] * 30)
    cluster.settle()
    cluster.drop()
    cluster.heal()

    cluster.now += 0.1
    cluster["b"].tick(cluster.now)
    cluster.flush("b")

    def meet() -> None:
        for _ in range(10):
            cluster.deliver(of(Heartbeat, to="a"))
            cluster.deliver(of(object, by="a"))
            cluster.deliver(of(Append, to="a"))
            cluster.persist("a")

    with pytest.raises(AssertionError, match="contradicts"):
        meet()
