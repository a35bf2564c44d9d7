"""Archives and the driver: save, restore, refuse; the index only goes up."""

import asyncio
from pathlib import Path

import pytest

from raft.entries import Server
from raft.errors import BadArchive, SnapshotFailed, Stopped
from raft.storage import MemoryStorage, Storage
from tests.raft.machines import (
    ADDRESS,
    ALONE,
    SERVER_ID,
    CountingFiles,
    Journal,
    commands_after_restart,
    durable,
    make_driver,
)


@pytest.fixture(params=["memory", "disk"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return MemoryStorage() if request.param == "memory" else durable(tmp_path)


async def test_archive_brings_back_the_state_at_a_higher_index(
    storage: Storage, tmp_path: Path
) -> None:
    machine = Journal()
    driver = make_driver(machine, storage)
    await driver.start(ALONE)
    await driver.propose(b"old")
    file, meta = await driver.save_archive()
    with file:
        archive = file.read()
    for _ in range(30):
        await driver.propose(b"new")

    await driver.restore_archive(archive)

    assert meta.index == 3
    assert machine.commands == [(3, b"old")]
    assert (driver.last_snapshot_index, driver.last_index) == (34, 35)  # the snapshot, a no-op
    assert (Server(0, SERVER_ID, ADDRESS),) == driver.configuration.servers
    assert await driver.propose(b"later") == (36, 2)
    await driver.stop()
    if not isinstance(storage, MemoryStorage):
        assert await commands_after_restart(tmp_path) == [(3, b"old"), (36, b"later")]


async def test_archive_of_another_history_moves_the_index_past_its_own(tmp_path: Path) -> None:
    donor = make_driver(Journal(), MemoryStorage())
    await donor.start(ALONE)
    for _ in range(100):
        await donor.propose(b"donated")
    file, _ = await donor.save_archive()
    with file:
        archive = file.read()
    await donor.stop()
    driver = make_driver(Journal(), durable(tmp_path))
    await driver.start(ALONE)

    await driver.restore_archive(archive)

    assert (driver.last_snapshot_index, driver.last_index) == (103, 104)
    await driver.stop()
    assert len(await commands_after_restart(tmp_path)) == 100


async def test_proposals_during_a_restore_apply_to_the_new_state(storage: Storage) -> None:
    machine = Journal()
    driver = make_driver(machine, storage)
    await driver.start(ALONE)
    file, _ = await driver.save_archive()
    with file:
        archive = file.read()

    restoring = asyncio.get_running_loop().create_task(driver.restore_archive(archive))
    answers = []
    while not restoring.done():
        answers.append(await driver.propose(b"meanwhile"))
    await restoring
    last = await driver.propose(b"last")

    assert last[0] > answers[-1][0]
    assert sorted(answers) == answers
    assert machine.commands[-1][1] == b"last"
    await driver.stop()


async def test_bad_archive_changes_nothing(storage: Storage) -> None:
    machine = Journal()
    driver = make_driver(machine, storage)
    await driver.start(ALONE)
    await driver.propose(b"kept")

    with pytest.raises(BadArchive, match="not a whole gzip file"):
        await driver.restore_archive(b"no archive")

    assert machine.commands == [(3, b"kept")]
    assert await driver.propose(b"next") == (4, 2)
    await driver.stop()


async def test_archive_that_the_machine_refuses_changes_nothing(tmp_path: Path) -> None:
    class Other(Journal):
        def freeze(self):
            return lambda: iter([b"not what a journal reads"])

    donor = make_driver(Other(), MemoryStorage())
    await donor.start(ALONE)
    file, _ = await donor.save_archive()
    with file:
        archive = file.read()
    await donor.stop()
    machine = Journal()
    driver = make_driver(machine, durable(tmp_path))
    await driver.start(ALONE)
    await driver.propose(b"kept")

    with pytest.raises(BadArchive, match="state cannot be restored"):
        await driver.restore_archive(archive)

    assert await driver.propose(b"next") == (4, 2)
    await driver.stop()
    assert list((tmp_path / "snapshots").iterdir()) == []
    assert machine.commands == await commands_after_restart(tmp_path)


async def archive_of(command: bytes) -> bytes:
    donor = make_driver(Journal(), MemoryStorage())
    await donor.start(ALONE)
    await donor.propose(command)
    file, _ = await donor.save_archive()
    await donor.stop()
    with file:
        return file.read()


async def test_restore_on_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    archive = await archive_of(b"donated")
    files = CountingFiles()
    machine = Journal()
    driver = make_driver(machine, durable(tmp_path, files=files))
    await driver.start(ALONE)
    await driver.propose(b"kept")
    files.fail["sync"] = OSError(28, "No space left on device")

    with pytest.raises(SnapshotFailed, match="No space left"):
        await driver.restore_archive(archive)

    files.fail.clear()
    assert await driver.propose(b"next") == (4, 2)
    assert machine.commands == [(3, b"kept"), (4, b"next")]
    await driver.stop()


async def test_restore_that_cannot_become_durable_is_fatal(tmp_path: Path) -> None:
    """The state machine holds the new state by then, and no disk does."""
    archive = await archive_of(b"donated")
    files = CountingFiles()
    fatal: list[BaseException] = []
    driver = make_driver(Journal(), durable(tmp_path, files=files), fatal=fatal)
    await driver.start(ALONE)
    error = OSError(5, "Input/output error")
    files.fail["rename"] = error

    with pytest.raises(OSError, match="Input/output"):
        await driver.restore_archive(archive)

    assert fatal == [error]
    with pytest.raises(Stopped, match="Input/output"):
        await driver.propose(b"refused")
    await driver.stop()
    assert await commands_after_restart(tmp_path) == []
