from pathlib import Path

import msgspec
import pytest

from raft.entries import SnapshotMeta, sole_configuration
from raft.errors import Corrupt
from raft.snapshots import CHUNK_BYTES, DirectorySnapshots, read_chunks
from tests.raft.machines import ADDRESS, SERVER_ID, CountingFiles


def meta(index: int, term: int = 2) -> SnapshotMeta:
    return SnapshotMeta(
        id=f"{term}-{index}-1000",
        index=index,
        term=term,
        configuration=sole_configuration(SERVER_ID, ADDRESS),
        configuration_index=1,
    )


@pytest.fixture
def files() -> CountingFiles:
    return CountingFiles()


@pytest.fixture
def snapshots(tmp_path: Path, files: CountingFiles) -> DirectorySnapshots:
    return DirectorySnapshots(tmp_path, files)


def take(snapshots: DirectorySnapshots, index: int, state: bytes = b"state") -> SnapshotMeta:
    staged = snapshots.stage(meta(index), [state])
    staged.commit()
    return staged.meta


def test_no_snapshot_is_no_error(snapshots: DirectorySnapshots) -> None:
    assert snapshots.newest(1) is None


def test_staged_snapshot_is_invisible_until_committed(
    snapshots: DirectorySnapshots, tmp_path: Path
) -> None:
    staged = snapshots.stage(meta(7), [b"sta", b"te"])

    assert snapshots.newest(1) is None
    staged.commit()
    assert msgspec.structs.replace(meta(7), size_bytes=5) == snapshots.newest(1)
    with snapshots.open_state(staged.meta) as state:
        assert b"".join(read_chunks(state)) == b"state"
    assert [path.name for path in tmp_path.iterdir()] == ["2-7-1000"]


def test_every_step_is_durable_before_the_next(
    snapshots: DirectorySnapshots, files: CountingFiles, tmp_path: Path
) -> None:
    take(snapshots, 7)

    written = ["write_at", "sync"]
    named = ["sync_directory 2-7-1000.tmp", "rename", f"sync_directory {tmp_path.name}"]
    assert [*written, *written, *named] == files.calls


def test_discarded_snapshot_leaves_nothing(snapshots: DirectorySnapshots, tmp_path: Path) -> None:
    snapshots.stage(meta(7), [b"state"]).discard()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["write_at", "sync"])
def test_disk_error_leaves_nothing(
    snapshots: DirectorySnapshots, files: CountingFiles, tmp_path: Path, call: str
) -> None:
    files.fail[call] = OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        snapshots.stage(meta(7), [b"state"])

    assert list(tmp_path.iterdir()) == []


def test_newest_is_by_number_not_by_name(snapshots: DirectorySnapshots) -> None:
    take(snapshots, 99)
    take(snapshots, 100)

    newest = snapshots.newest(1)

    assert newest is not None
    assert newest.index == 100


def test_two_newest_are_retained(snapshots: DirectorySnapshots, tmp_path: Path) -> None:
    for index in (10, 20, 30):
        take(snapshots, index)

    snapshots.reap()

    assert {"2-20-1000", "2-30-1000"} == {path.name for path in tmp_path.iterdir()}


def test_nothing_is_reaped_behind_a_newest_that_cannot_be_read(
    snapshots: DirectorySnapshots, tmp_path: Path
) -> None:
    for index in (10, 20, 30):
        take(snapshots, index)
    (tmp_path / "2-30-1000" / "state.bin").write_bytes(b"stale")

    with pytest.raises(Corrupt):
        snapshots.reap()

    assert len(list(tmp_path.iterdir())) == 3


def damage(path: Path, how: str) -> None:
    match how:
        case "state changed":
            (path / "state.bin").write_bytes(b"stale")
        case "state cut":
            (path / "state.bin").write_bytes(b"stat")
        case "state missing":
            (path / "state.bin").unlink()
        case "meta cut":
            (path / "meta.json").write_bytes(b'{"snapsh')
        case "renamed":
            path.rename(path.with_name("2-21-1000"))


DAMAGES = ["state changed", "state cut", "state missing", "meta cut", "renamed"]


@pytest.mark.parametrize("how", DAMAGES)
def test_older_one_stands_in_while_the_log_covers_the_difference(
    snapshots: DirectorySnapshots, tmp_path: Path, how: str
) -> None:
    older = take(snapshots, 10)
    take(snapshots, 20)
    damage(tmp_path / "2-20-1000", how)

    assert older == snapshots.newest(11)


@pytest.mark.parametrize("how", DAMAGES)
def test_older_one_is_refused_when_entries_between_are_gone(
    snapshots: DirectorySnapshots, tmp_path: Path, how: str
) -> None:
    """Starting from it would skip entries. Source: hashicorp/raft#85."""
    take(snapshots, 10)
    take(snapshots, 20)
    damage(tmp_path / "2-20-1000", how)

    with pytest.raises(Corrupt, match="no longer covers"):
        snapshots.newest(12)


def test_damaged_only_snapshot_is_no_loss_while_the_log_is_whole(
    snapshots: DirectorySnapshots, tmp_path: Path
) -> None:
    take(snapshots, 10)
    damage(tmp_path / "2-10-1000", "state cut")

    assert snapshots.newest(1) is None


def test_state_is_read_in_chunks(snapshots: DirectorySnapshots) -> None:
    kept = take(snapshots, 10, bytes(CHUNK_BYTES + 1))

    with snapshots.open_state(kept) as state:
        assert [len(chunk) for chunk in read_chunks(state)] == [CHUNK_BYTES, 1]
