from pathlib import Path

import pytest

from raft.directory import LogDirectory
from raft.entries import Configuration, Server
from raft.errors import DirectoryLocked, StorageError
from raft.files import Files
from tests.raft.machines import SERVER_ID


def test_second_owner_is_refused_by_name_until_the_first_is_gone(tmp_path: Path) -> None:
    first = LogDirectory(tmp_path / "raft", Files())

    with pytest.raises(DirectoryLocked, match=str(tmp_path / "raft")):
        LogDirectory(tmp_path / "raft", Files())

    first.close()
    LogDirectory(tmp_path / "raft", Files()).close()


def test_a_path_that_is_no_directory_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "raft").touch()

    with pytest.raises(StorageError, match="raft cannot be used"):
        LogDirectory(tmp_path / "raft", Files())


def test_every_new_name_is_made_durable(tmp_path: Path) -> None:
    synced: list[Path] = []

    class Watched(Files):
        def sync_directory(self, directory: Path) -> None:
            synced.append(directory)

    LogDirectory(tmp_path / "data" / "raft", Watched()).close()

    data = tmp_path / "data"
    assert [tmp_path, data, data / "raft", data / "raft"] == synced


def test_unfinished_files_and_snapshots_are_removed(tmp_path: Path) -> None:
    (tmp_path / "wal").mkdir()
    (tmp_path / "wal" / "spare-1.tmp").touch()
    (tmp_path / "snapshots" / "2-7-1.tmp").mkdir(parents=True)
    (tmp_path / "snapshots" / "2-7-1.tmp" / "state.bin").touch()

    directory = LogDirectory(tmp_path, Files())

    assert [*directory.wal.iterdir(), *directory.snapshots.iterdir()] == []
    directory.close()


def test_first_start_explains_itself_and_drops_a_stale_peers_file(tmp_path: Path) -> None:
    (tmp_path / "peers.json").write_text("[]")
    directory = LogDirectory(tmp_path, Files())

    assert directory.settle_peers() is None

    assert "peers.json" in (tmp_path / "peers.info").read_text()
    assert not (tmp_path / "peers.json").exists()
    directory.close()


def test_later_peers_file_asks_for_its_membership_once(tmp_path: Path) -> None:
    directory = LogDirectory(tmp_path, Files())
    directory.settle_peers()
    (tmp_path / "peers.json").write_text(f'[{{"id": "{SERVER_ID}", "address": "a:1"}}]')

    assert Configuration((Server(0, SERVER_ID, "a:1"),)) == directory.settle_peers()
    directory.forget_peers()
    assert directory.settle_peers() is None
    directory.close()


def test_bad_peers_file_is_refused_with_the_field(tmp_path: Path) -> None:
    directory = LogDirectory(tmp_path, Files())
    directory.settle_peers()
    (tmp_path / "peers.json").write_text('[{"id": 7}]')

    with pytest.raises(StorageError, match=r"peers\.json is not an array.*id"):
        directory.settle_peers()
    directory.close()
