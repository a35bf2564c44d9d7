import pytest

from raft.entries import Entry, Kind, SnapshotMeta, Write, sole_configuration
from raft.errors import SnapshotFailed
from raft.storage import MemoryStorage, Recovered, Reports
from tests.raft.machines import ADDRESS, SERVER_ID

META = SnapshotMeta(
    id="2-7-1000",
    index=7,
    term=2,
    configuration=sole_configuration(SERVER_ID, ADDRESS),
    configuration_index=1,
)


def test_memory_never_remembers_anything() -> None:
    storage = MemoryStorage()

    assert Recovered() == storage.open()
    storage.begin(bytes(16))
    assert list(storage.entries(1, 5)) == []
    assert not storage.keeps_log
    storage.forget_peers()
    assert storage.shortage() is None
    storage.close()


def test_memory_reports_a_write_before_it_returns() -> None:
    storage = MemoryStorage()
    persisted: list[int] = []
    storage.start(Reports(persisted.append, lambda _: None, lambda _: None))

    storage.persist(Write(sequence=4, entries=[Entry(1, 1, Kind.NO_OP)]))

    assert persisted == [4]


def test_memory_keeps_the_newest_snapshot_only() -> None:
    snapshots = MemoryStorage().snapshots
    staged = snapshots.stage(META, [b"sta", b"te"])

    with pytest.raises(SnapshotFailed, match="no longer kept"):
        snapshots.open_state(staged.meta)
    staged.discard()
    staged.commit()
    snapshots.reap()
    assert snapshots.is_intact(staged.meta)

    assert staged.meta.size_bytes == 5
    assert snapshots.open_state(staged.meta).read() == b"state"
