"""Snapshots of the own state: when they are taken, and what a full or rotten disk does to them."""

import asyncio
from pathlib import Path

import pytest

from raft.errors import SnapshotFailed
from raft.machine import MEMORY_LOG_BYTES, Settings
from raft.storage import MemoryStorage, Storage
from tests.raft.machines import (
    ALONE,
    CountingFiles,
    Journal,
    commands_after_restart,
    durable,
    make_driver,
)


@pytest.fixture(params=["memory", "disk"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return MemoryStorage() if request.param == "memory" else durable(tmp_path)


async def test_snapshot_and_trailing_entries_bring_back_the_state(tmp_path: Path) -> None:
    settings = Settings(trailing_logs=1500)
    machine = Journal()
    driver = make_driver(machine, durable(tmp_path), settings=settings)
    await driver.start(ALONE)
    for number in range(3000):
        driver.submit(b"%d" % number * 20, lambda *_: None)
        if number % 100 == 0:
            await driver.barrier()
    await driver.barrier()
    segments_before = len(list((tmp_path / "wal").glob("*.wal")))

    meta = await driver.snapshot()
    await driver.propose(b"after")
    await driver.stop()

    assert (meta.index, meta.term) == (3002, 2)
    assert (driver.last_snapshot_index, driver.last_snapshot_term) == (3002, 2)
    assert segments_before > len(list((tmp_path / "wal").glob("*.wal")))
    assert machine.commands == await commands_after_restart(tmp_path)
    storage = durable(tmp_path)
    storage.open()
    assert len(list(storage.entries(meta.index - 1500 + 1, meta.index))) == 1500
    storage.close()


async def test_snapshot_of_unchanged_state_is_the_one_there_is(storage: Storage) -> None:
    driver = make_driver(Journal(), storage)
    await driver.start(ALONE)
    await driver.propose(b"a")

    first = await driver.snapshot()

    assert first == await driver.snapshot()
    await driver.propose(b"b")
    assert first.index + 1 == (await driver.snapshot()).index
    await driver.stop()


async def test_snapshots_are_taken_by_themselves_at_the_threshold(tmp_path: Path) -> None:
    settings = Settings(snapshot_threshold=10, snapshot_interval_s=0.001)
    driver = make_driver(Journal(), durable(tmp_path), settings=settings)
    await driver.start(ALONE)

    async with asyncio.timeout(10):
        while driver.last_snapshot_index < 10:
            await driver.propose(b"x")

    await driver.stop()


async def test_a_log_that_grows_fast_does_not_wait_for_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raft.machine.LOG_COUNT_MIN", 20)
    settings = Settings(snapshot_threshold=5, snapshot_interval_s=1000)
    driver = make_driver(Journal(), durable(tmp_path), settings=settings)
    await driver.start(ALONE)

    async with asyncio.timeout(10):
        while not driver.last_snapshot_index:
            await driver.propose(b"x")

    assert driver.last_snapshot_index > 20
    await driver.stop()


async def test_new_settings_count_at_once(tmp_path: Path) -> None:
    driver = make_driver(Journal(), durable(tmp_path))
    await driver.start(ALONE)

    driver.reconfigure(Settings(snapshot_threshold=10, snapshot_interval_s=0.001))

    async with asyncio.timeout(10):
        while driver.last_snapshot_index < 10:
            await driver.propose(b"x")
    await driver.stop()


async def test_full_disk_fails_the_snapshot_and_not_the_log(tmp_path: Path) -> None:
    files = CountingFiles()
    machine = Journal()
    driver = make_driver(machine, durable(tmp_path, files=files))
    await driver.start(ALONE)
    await driver.propose(b"a")
    files.fail["sync"] = OSError(28, "No space left on device")

    with pytest.raises(SnapshotFailed, match="No space left"):
        await driver.snapshot()

    await driver.propose(b"b")
    assert driver.last_snapshot_index == 0
    assert list((tmp_path / "snapshots").iterdir()) == []
    files.fail.clear()
    assert (await driver.snapshot()).index == 4
    await driver.stop()


async def test_snapshot_that_cannot_be_named_leaves_the_log_as_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = CountingFiles()
    settings = Settings(snapshot_threshold=1, snapshot_interval_s=0.001)
    driver = make_driver(Journal(), durable(tmp_path, files=files), settings=settings)
    await driver.start(ALONE)
    files.fail["rename"] = OSError(5, "Input/output error")

    async with asyncio.timeout(10):
        while "no snapshot taken, the log keeps growing" not in caplog.text:
            await driver.propose(b"x")

    assert driver.last_snapshot_index == 0
    files.fail.clear()
    await driver.stop()


async def test_snapshot_that_rotted_is_taken_anew(tmp_path: Path) -> None:
    driver = make_driver(Journal(), durable(tmp_path))
    await driver.start(ALONE)
    await driver.propose(b"a")
    rotten = await driver.snapshot()
    (tmp_path / "snapshots" / rotten.id / "state.bin").write_bytes(b"rot")

    file, meta = await driver.save_archive()

    file.close()
    assert rotten.index == meta.index
    assert rotten.id != meta.id
    await driver.stop()


async def test_a_log_in_memory_is_kept_short_without_a_copy_of_the_state() -> None:
    storage = MemoryStorage()
    driver = make_driver(Journal(), storage)
    await driver.start(ALONE)
    for _ in range(40):
        driver.submit(bytes(MEMORY_LOG_BYTES // 10), lambda *_: None)
        await driver.barrier()

    assert driver.first_index > 20
    assert storage.snapshots.newest is None
    assert (await driver.snapshot()).index == driver.applied_index
    await driver.stop()
