import os
from pathlib import Path

import pytest

from raft.files import Files


def test_a_short_write_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    monkeypatch.setattr(os, "pwrite", lambda *_: 3)

    with pytest.raises(OSError, match="short write: 3 of 5 bytes"):
        Files().write_at(descriptor, b"12345", 0)

    os.close(descriptor)


def test_written_bytes_are_where_they_were_asked_to_be(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files = Files()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)

    files.write_at(descriptor, b"log", 2)
    files.sync_content(descriptor)
    files.sync(descriptor)
    os.close(descriptor)
    files.rename(path, tmp_path / "other")
    files.sync_directory(tmp_path)

    assert (tmp_path / "other").read_bytes() == b"\0\0log"
    files.unlink(tmp_path / "other")
    assert list(tmp_path.iterdir()) == []
