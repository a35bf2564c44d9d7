"""The disk fails or the machine stops at each call in turn: what was acknowledged stays.

Every test counts the calls that an ordinary life makes, and then has one life for each of them.
"""

import os
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from typing_extensions import override

from raft.driver import Driver
from raft.errors import RaftError
from raft.files import Files
from raft.machine import Settings
from tests.raft.machines import (
    ALONE,
    CopyingFiles,
    Journal,
    commands_after_restart,
    durable,
    make_driver,
)

COMMAND_BYTES = 9000  # seven fill a segment, so that a short life makes several of them
COMMANDS = 16


class FaultyFiles(Files):
    """Calls ``before(number, name)`` before each call that changes the disk."""

    def __init__(self, before: Callable[[int, str], None] = lambda _number, _name: None) -> None:
        self.count = 0
        self._before = before

    def _next(self, name: str) -> None:
        self.count += 1
        self._before(self.count, name)

    @override
    def write_at(self, descriptor: int, content: bytes | memoryview, offset: int) -> None:
        self._next("write_at")
        super().write_at(descriptor, content, offset)

    @override
    def sync_content(self, descriptor: int) -> None:
        self._next("sync_content")
        super().sync_content(descriptor)

    @override
    def sync(self, descriptor: int) -> None:
        self._next("sync")
        super().sync(descriptor)

    @override
    def rename(self, source: Path, target: Path) -> None:
        self._next("rename")
        super().rename(source, target)

    @override
    def unlink(self, path: Path) -> None:
        self._next("unlink")
        super().unlink(path)


class ForgetfulFiles(FaultyFiles):
    """One sync of content fails, and what it should have covered is lost; the next would succeed.

    Linux reports a failed write-back once and calls the pages clean.
    """

    def __init__(self, failing: int) -> None:
        super().__init__()
        self.syncs = 0
        self.syncs_after_failure = 0
        self._failing = failing
        self._unsynced: dict[int, list[tuple[int, bytes]]] = defaultdict(list)

    @override
    def write_at(self, descriptor: int, content: bytes | memoryview, offset: int) -> None:
        before = os.pread(descriptor, len(content), offset)
        self._unsynced[descriptor].append((offset, before))
        super().write_at(descriptor, content, offset)

    @override
    def sync_content(self, descriptor: int) -> None:
        self.syncs += 1
        lost = self._unsynced.pop(descriptor, [])
        if self.syncs == self._failing:
            for offset, before in reversed(lost):
                os.pwrite(descriptor, before, offset)
            raise OSError(5, "Input/output error")
        self.syncs_after_failure += self.syncs > self._failing
        super().sync_content(descriptor)


async def live(path: Path, files: Files, *, compacts: bool = True) -> list[bytes]:
    """One life of a lone server; returns what it acknowledged."""
    acknowledged: list[bytes] = []
    fatal: list[BaseException] = []
    settings = Settings(trailing_logs=2)
    driver = make_driver(Journal(), durable(path, files=files), settings=settings, fatal=fatal)
    try:
        await driver.start(ALONE)
        for number in range(COMMANDS):
            command = b"%d" % number * COMMAND_BYTES
            await driver.propose(command[:COMMAND_BYTES])
            acknowledged.append(command[:COMMAND_BYTES])
            if compacts and number in (5, 11):
                await compact(driver)
    except RaftError:
        pass
    await driver.stop()
    return acknowledged


async def compact(driver: Driver) -> None:
    """A snapshot that fails is no reason to stop."""
    try:
        await driver.snapshot()
    except RaftError:
        return


async def kept(path: Path) -> list[bytes]:
    return [command for _, command in await commands_after_restart(path)]


@pytest.mark.parametrize("lasting", [True, False], ids=["for good", "once"])
async def test_a_full_disk_at_any_call_leaves_a_log_that_starts_with_what_was_acknowledged(
    tmp_path: Path, *, lasting: bool
) -> None:
    """etcd#6191, #2819, #3591, #3068: a full disk left a log that could not be started."""
    counting = FaultyFiles()
    await live(tmp_path / "whole", counting)

    for failing in range(1, counting.count + 1):

        def full(number: int, name: str, failing: int = failing) -> None:
            if number == failing or (lasting and number > failing and name != "unlink"):
                raise OSError(28, "No space left on device")

        path = tmp_path / "failing"
        acknowledged = await live(path, FaultyFiles(full))

        commands = await kept(path)
        assert acknowledged == commands[: len(acknowledged)], failing
        assert len(commands) <= len(acknowledged) + 1, failing
        shutil.rmtree(path)


async def test_a_sync_that_fails_once_and_drops_its_pages_ends_all_acknowledgements(
    tmp_path: Path,
) -> None:
    """hashicorp/raft#614, rostamlabs/rostam#94: the next sync succeeds and says nothing of it."""
    counting = ForgetfulFiles(failing=0)
    assert COMMANDS == len(await live(tmp_path / "whole", counting, compacts=False))

    for failing in range(1, counting.syncs + 1):
        files = ForgetfulFiles(failing)
        path = tmp_path / "failing"
        acknowledged = await live(path, files, compacts=False)

        assert len(acknowledged) < COMMANDS
        assert 0 == files.syncs_after_failure
        assert acknowledged == await kept(path), failing
        shutil.rmtree(path)


async def test_a_crash_at_any_call_of_a_snapshot_applies_each_command_once(tmp_path: Path) -> None:
    """etcd#13766: the applied index was stored beside the state, and a crash came between them."""
    path, copies = tmp_path / "life", tmp_path / "copies"
    files = CopyingFiles(path, copies)
    files.is_watching = False
    settings = Settings(trailing_logs=2)
    driver = make_driver(Journal(), durable(path, files=files), settings=settings)
    await driver.start(ALONE)
    expected: list[bytes] = []
    for number in range(COMMANDS):
        expected.append(b"%d" % number * COMMAND_BYTES)
        await driver.propose(expected[-1])
    files.is_watching = True
    await driver.snapshot()
    await driver.barrier()
    await driver.stop()

    states = {name.name: await kept(name) for name in copies.iterdir()}
    assert len(states) > 8
    assert {name for name, state in states.items() if state != expected} == set()
