import msgspec
import pytest

from raft.core.settings import Settings
from raft.entries import Mark, SnapshotMeta
from tests.raft.core.cluster import Cluster


def led(**numbers: int) -> Cluster:
    cluster = Cluster("a", settings=Settings(**numbers))  # type: ignore[arg-type]  # all ints
    cluster.elect("a")
    cluster.propose("a", *[b"x"] * 10)  # entries 3 to 12
    cluster.settle()
    return cluster


def test_entries_are_kept_behind_a_snapshot_for_those_that_lag() -> None:
    cluster = led(trailing_count=4)

    cluster.compact("a")

    assert (9, 12) == (cluster["a"].first_index, cluster["a"].last_index)
    assert [9, 10, 11, 12] == [entry.index for entry in cluster.hosts["a"].disk.entries]


def test_nothing_is_released_that_the_snapshot_does_not_cover() -> None:
    cluster = led(trailing_count=0)
    snapshot = cluster.compact("a")
    cluster.propose("a", b"y")
    cluster.settle()

    assert (snapshot.index + 1, 13) == (cluster["a"].first_index, cluster["a"].last_index)


def test_the_log_in_memory_is_bounded_although_entries_should_trail() -> None:
    cluster = led(log_bytes_max=130)

    cluster.compact("a")

    assert 11 == cluster["a"].entries(11, 12)[0].index
    assert 11 == cluster["a"].first_index


def test_a_log_that_is_too_large_keeps_what_its_snapshot_does_not_cover() -> None:
    cluster = led(log_bytes_max=1)
    snapshot = SnapshotMeta(
        id="s",
        index=5,
        term=cluster["a"].term,
        configuration=cluster.configuration,
        configuration_index=1,
    )

    cluster["a"].snapshot_made(snapshot, cluster.now)

    assert (6, 12) == (cluster["a"].first_index, cluster["a"].last_index)


def test_a_snapshot_is_wanted_when_what_it_would_cover_is_large() -> None:
    cluster = led(log_bytes_max=200)
    cluster.settle()
    assert cluster.hosts["a"].snapshots_wanted > 0

    cluster.compact("a")
    wanted = cluster.hosts["a"].snapshots_wanted
    cluster.settle()
    assert wanted == cluster.hosts["a"].snapshots_wanted


def test_a_snapshot_is_wanted_when_it_would_cover_many_entries() -> None:
    cluster = led(log_count_max=12)
    cluster.flush("a")
    assert 0 == cluster.hosts["a"].snapshots_wanted

    cluster.propose("a", b"y")
    cluster.settle()
    cluster.flush("a")
    assert cluster.hosts["a"].snapshots_wanted > 0

    cluster.compact("a")
    wanted = cluster.hosts["a"].snapshots_wanted
    cluster.propose("a", *[b"z"] * 12)
    cluster.settle()
    cluster.flush("a")
    assert wanted == cluster.hosts["a"].snapshots_wanted


def test_the_mark_and_the_release_are_one_write() -> None:
    cluster = led(trailing_count=4)
    host = cluster.hosts["a"]
    snapshot = SnapshotMeta(
        id="s",
        index=10,
        term=cluster["a"].term,
        configuration=cluster.configuration,
        configuration_index=1,
    )

    cluster["a"].snapshot_made(snapshot, cluster.now)
    cluster.flush("a")

    (write,) = host.pending
    assert (Mark(10, cluster["a"].term), 9) == (write.mark, write.release_before)


def test_an_older_snapshot_than_the_known_one_is_ignored() -> None:
    cluster = led(trailing_count=0)
    newest = cluster.compact("a")

    cluster["a"].snapshot_made(msgspec.structs.replace(newest, index=5, id="old"), cluster.now)
    cluster.flush("a")

    assert newest == cluster["a"].snapshot
    assert not cluster.hosts["a"].pending


def test_a_snapshot_of_what_was_not_applied_is_a_bug() -> None:
    """hashicorp/raft: a snapshot claims no more than its state holds."""
    cluster = led()
    snapshot = cluster.compact("a")

    with pytest.raises(AssertionError):
        cluster["a"].snapshot_made(msgspec.structs.replace(snapshot, index=99), cluster.now)


def test_a_restart_goes_on_from_snapshot_and_trailing_entries() -> None:
    cluster = led(trailing_count=4)
    cluster.compact("a")

    cluster.crash("a")
    cluster.restart("a")
    cluster.elect("a")

    assert [b"x"] * 10 == cluster.hosts["a"].payloads
    assert 9 + 1 == cluster["a"].first_index
