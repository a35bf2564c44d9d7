"""Storage on disk as one thing: what recovery says after each kind of end."""

import asyncio
import shutil
from pathlib import Path

import pytest

from raft.durable import DurableStorage, canonical_id
from raft.entries import Entry, HardState, Kind, Mark, SnapshotMeta, Write, sole_configuration
from raft.errors import Corrupt, DirectoryLocked, IdentityMismatch
from raft.storage import Recovered, Reports
from tests.raft.machines import ADDRESS, OTHER_ID, SERVER_ID, CountingFiles, durable

CLUSTER = bytes(16)


def meta(index: int, term: int = 1) -> SnapshotMeta:
    return SnapshotMeta(
        id=f"{term}-{index}-1000",
        index=index,
        term=term,
        configuration=sole_configuration(SERVER_ID, ADDRESS),
        configuration_index=1,
    )


def entries(first: int, last: int) -> list[Entry]:
    return [Entry(index, 1, Kind.COMMAND, b"%d" % index) for index in range(first, last + 1)]


async def write(storage: DurableStorage, *writes: Write) -> None:
    """Persist the writes and wait for the last report."""
    done = asyncio.Event()

    def persisted(sequence: int) -> None:
        if sequence == writes[-1].sequence:
            done.set()

    storage.start(Reports(persisted, lambda _: None, lambda _: None))
    for each in writes:
        storage.persist(each)
    await asyncio.wait_for(done.wait(), 10)


def reopened(path: Path) -> Recovered:
    storage = durable(path)
    recovered = storage.open()
    storage.close()
    return recovered


async def begun(path: Path) -> DurableStorage:
    storage = durable(path)
    assert Recovered() == storage.open()
    storage.begin(CLUSTER)
    return storage


async def test_vote_and_entries_are_recovered(tmp_path: Path) -> None:
    storage = await begun(tmp_path)
    vote = HardState(1, SERVER_ID)
    await write(storage, Write(sequence=1, hard_state=vote, entries=entries(1, 5)))
    storage.close()

    expected = Recovered(hard_state=vote, last_index=5, last_term=1, cluster_id=CLUSTER)
    assert expected == reopened(tmp_path)


async def test_a_start_that_ended_before_its_first_entry_can_be_repeated(tmp_path: Path) -> None:
    storage = await begun(tmp_path)
    storage.close()

    storage = durable(tmp_path)
    assert Recovered(cluster_id=CLUSTER) == storage.open()
    storage.begin(CLUSTER)
    await write(storage, Write(sequence=1, entries=entries(1, 1)))
    storage.close()

    assert reopened(tmp_path).last_index == 1


async def test_a_start_that_ended_before_its_first_entry_may_belong_to_another_cluster(
    tmp_path: Path,
) -> None:
    storage = await begun(tmp_path)
    storage.close()
    other = b"2" * 16

    storage = durable(tmp_path)
    storage.open()
    storage.begin(other)
    await write(storage, Write(sequence=1, entries=entries(1, 1)))
    storage.close()

    recovered = reopened(tmp_path)
    assert (recovered.cluster_id, recovered.last_index) == (other, 1)


async def test_second_owner_is_refused_and_a_failed_one_lets_go(tmp_path: Path) -> None:
    storage = await begun(tmp_path)

    with pytest.raises(DirectoryLocked, match=str(tmp_path)):
        durable(tmp_path).open()
    storage.close()
    with pytest.raises(IdentityMismatch, match=f"{SERVER_ID}.*{OTHER_ID}"):
        durable(tmp_path, server_id=OTHER_ID).open()

    assert reopened(tmp_path).last_index == 0


def test_server_id_must_be_a_uuid_and_is_kept_in_one_form() -> None:
    assert canonical_id(SERVER_ID.upper()) == SERVER_ID
    with pytest.raises(IdentityMismatch, match="'node-a' must be a UUID"):
        canonical_id("node-a")


async def test_snapshot_ahead_of_the_log_replaces_it(tmp_path: Path) -> None:
    """The crash came after the snapshot of a restore was renamed, before its mark was written."""
    storage = await begun(tmp_path)
    await write(storage, Write(sequence=1, entries=entries(1, 5)))
    storage.snapshots.stage(meta(9, term=2), [b"state"]).commit()
    storage.close()

    for _ in range(2):
        recovered = reopened(tmp_path)
        assert recovered.snapshot is not None
        assert (recovered.snapshot.index, recovered.last_index, recovered.last_term) == (9, 9, 2)


async def test_log_that_contradicts_the_snapshot_is_dropped(tmp_path: Path) -> None:
    """The crash came after a leader's snapshot was renamed; the tail was another leader's."""
    storage = await begun(tmp_path)
    await write(storage, Write(sequence=1, entries=entries(1, 20)))
    storage.snapshots.stage(meta(9, term=2), [b"state"]).commit()
    storage.close()

    for _ in range(2):
        recovered = reopened(tmp_path)
        assert (recovered.first_index, recovered.last_index, recovered.last_term) == (10, 9, 2)


async def test_an_operator_can_restart_the_log_behind_a_snapshot(tmp_path: Path) -> None:
    storage = await begun(tmp_path)
    await write(storage, Write(sequence=1, entries=entries(1, 5)))
    storage.close()
    storage = durable(tmp_path)
    storage.open()
    storage.snapshots.stage(meta(6), [b"state"]).commit()

    storage.restart(Mark(6, 1))
    storage.close()

    recovered = reopened(tmp_path)
    assert (recovered.first_index, recovered.last_index, recovered.last_term) == (7, 6, 1)


async def test_log_that_starts_behind_the_snapshot_is_refused(tmp_path: Path) -> None:
    storage = await begun(tmp_path)
    storage.snapshots.stage(meta(3), [b"state"]).commit()
    await write(
        storage,
        Write(sequence=1, entries=entries(1, 5)),
        Write(sequence=2, mark=Mark(9, 1), release_before=10),
    )
    storage.close()

    with pytest.raises(Corrupt, match="4 to 9 are neither in the newest snapshot nor in the log"):
        reopened(tmp_path)


async def test_missing_snapshots_are_refused_when_the_log_needs_them(tmp_path: Path) -> None:
    storage = await begun(tmp_path)
    await write(storage, Write(sequence=1, mark=Mark(9, 1), entries=entries(10, 12)))
    storage.close()

    with pytest.raises(Corrupt, match="entries before 10 and every snapshot are gone"):
        reopened(tmp_path)


async def test_missing_log_is_refused_when_there_are_snapshots(tmp_path: Path) -> None:
    """Without the log the server could vote twice in a term."""
    storage = await begun(tmp_path)
    storage.snapshots.stage(meta(3), [b"state"]).commit()
    storage.close()
    shutil.rmtree(tmp_path / "wal")

    with pytest.raises(Corrupt, match="snapshots but no log"):
        reopened(tmp_path)


async def test_entries_that_another_leader_overwrote_are_not_recovered(tmp_path: Path) -> None:
    storage = await begun(tmp_path)
    overwriting = Write(sequence=2, truncate_to=2, entries=[Entry(3, 2, Kind.COMMAND, b"other")])

    await write(storage, Write(sequence=1, entries=entries(1, 5)), overwriting)
    storage.close()

    again = durable(tmp_path)
    recovered = again.open()
    kept = list(again.entries(1, recovered.last_index))
    again.close()
    assert [*entries(1, 2), Entry(3, 2, Kind.COMMAND, b"other")] == kept


@pytest.mark.parametrize("call", ["write_at", "sync_content"])
async def test_no_entry_is_deleted_before_the_mark_of_its_snapshot_is_durable(
    tmp_path: Path, call: str
) -> None:
    files = CountingFiles()
    storage = durable(tmp_path, files=files)
    storage.open()
    storage.begin(CLUSTER)
    reports: asyncio.Queue[object] = asyncio.Queue()
    storage.start(Reports(reports.put_nowait, reports.put_nowait, lambda _: None))
    for index in range(1, 30):
        storage.persist(Write(sequence=index, entries=[Entry(index, 1, Kind.COMMAND, bytes(9000))]))
        assert index == await asyncio.wait_for(reports.get(), 10)
    segments = sorted((tmp_path / "wal").glob("*.wal"))
    assert len(segments) > 2
    storage.snapshots.stage(meta(29), [b"state"]).commit()
    error = files.fail[call] = OSError(5, "Input/output error")

    storage.persist(Write(sequence=30, mark=Mark(29, 1), release_before=29))

    assert error is await asyncio.wait_for(reports.get(), 10)
    assert segments == sorted((tmp_path / "wal").glob("*.wal"))
    storage.close()
