import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gossip.core.snapshot import replay
from gossip.snapshot_file import PENDING_MAX, SnapshotFile


class Opened:
    """A snapshot file and what it complained about."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failures: list[str] = []
        self.file = SnapshotFile(path, self.failures.append)
        self.is_closed = False

    async def close(self) -> str:
        self.is_closed = True
        await self.file.close()
        return self.path.read_text() if self.path.exists() else ""


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    opened = Opened(tmp_path / "serf" / "local.snapshot")
    yield opened
    if not opened.is_closed:
        await opened.close()


async def test_missing_file_reads_as_empty(opened: Opened) -> None:
    assert b"" == await opened.file.read()


async def test_lines_are_appended_in_order(opened: Opened) -> None:
    opened.file.append(["alive: a 1.2.3.4:5", "clock: 1"], sync=False)
    opened.file.append(["leave"], sync=True)

    assert "alive: a 1.2.3.4:5\nclock: 1\nleave\n" == await opened.close()


async def test_replaced_file_goes_on_with_later_lines(opened: Opened) -> None:
    opened.file.append(["clock: 1"], sync=False)
    opened.file.replace(["clock: 2"])
    opened.file.append(["clock: 3"], sync=False)

    assert "clock: 2\nclock: 3\n" == await opened.close()
    assert [opened.path] == list(opened.path.parent.iterdir())


@pytest.mark.parametrize("tail", ["alive: b 1.2.3", "\0" * 4096])
async def test_damaged_tail_does_not_swallow_the_next_line(opened: Opened, tail: str) -> None:
    opened.path.parent.mkdir()
    opened.path.write_text("clock: 7\n" + tail)

    opened.file.append(["alive: a 1.2.3.4:5"], sync=False)

    await opened.close()
    history = replay(opened.path.read_bytes())
    assert ["a"] == list(history.alive)
    assert 7 == history.time


async def test_name_with_a_line_end_cannot_forge_a_line(opened: Opened) -> None:
    opened.file.append(["alive: a\nleave 1.2.3.4:5", "clock: 1"], sync=False)

    assert "clock: 1\n" == await opened.close()


async def test_failed_write_is_told_and_later_ones_go_on(opened: Opened) -> None:
    opened.path.parent.mkdir()
    opened.path.mkdir()
    opened.file.append(["clock: 1"], sync=False)
    with contextlib.suppress(IsADirectoryError):
        await opened.file.read()  # the thread comes to it after the append
    assert 1 == len(opened.failures)
    assert "cannot write snapshot" in opened.failures[0]

    opened.path.rmdir()
    opened.file.append(["clock: 2"], sync=False)

    assert "clock: 2\n" == await opened.close()


async def test_slow_disk_drops_lines_instead_of_keeping_them(opened: Opened) -> None:
    for number in range(PENDING_MAX + 1):
        opened.file.append([f"clock: {number}"], sync=False)

    assert ["the disk is too slow for the snapshot file"] == opened.failures
