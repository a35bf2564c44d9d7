"""Chunks of snapshots, read and stored in a worker thread, on disk and in memory."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from raft import snapshot_exchange as module
from raft.core.types import SnapshotRead, SnapshotStore
from raft.directory import LogDirectory
from raft.entries import SnapshotMeta, sole_configuration
from raft.files import Files
from raft.snapshot_exchange import Outcomes, SnapshotExchange
from raft.snapshots import DirectorySnapshots, Snapshots
from raft.storage import MemorySnapshots
from tests.raft.machines import ADDRESS, SERVER_ID, CountingFiles


def meta(index: int, size_bytes: int = 0) -> SnapshotMeta:
    return SnapshotMeta(
        id=f"2-{index}-1000",
        index=index,
        term=2,
        configuration=sole_configuration(SERVER_ID, ADDRESS),
        configuration_index=1,
        size_bytes=size_bytes,
    )


class Site:
    """An exchange whose outcomes are noted; ``outcome`` waits for the next one."""

    def __init__(self, snapshots: Snapshots) -> None:
        self.outcomes: asyncio.Queue[tuple[object, ...]] = asyncio.Queue()
        note = self.outcomes.put_nowait
        self.now_s = 0.0
        self.snapshots = snapshots
        self.exchange = SnapshotExchange(
            snapshots,
            Outcomes(
                read=lambda request, content: note(("read", request.offset, content)),
                unreadable=lambda snapshot_id: note(("unreadable", snapshot_id)),
                stored=lambda store: note(("stored", store.offset)),
                store_failed=lambda store: note(("store failed", store.offset)),
            ),
            lambda: self.now_s,
        )

    async def outcome(self) -> tuple[object, ...]:
        return await asyncio.wait_for(self.outcomes.get(), 10)

    def make(self, index: int, state: bytes) -> SnapshotMeta:
        staged = self.snapshots.stage(meta(index), [state])
        staged.commit()
        return staged.meta


@pytest.fixture(params=["memory", "disk"])
def snapshots(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Snapshots]:
    if request.param == "memory":
        yield MemorySnapshots()
        return
    directory = LogDirectory(tmp_path, Files())
    yield DirectorySnapshots(directory.snapshots, Files())
    directory.close()


async def test_chunks_of_the_newest_snapshot_are_read(snapshots: Snapshots) -> None:
    site = Site(snapshots)
    newest = site.make(7, b"abcdefgh")

    site.exchange.read(SnapshotRead("b", newest.id, 0, 5), newest)
    site.exchange.read(SnapshotRead("b", newest.id, 5, 5), newest)

    assert [("read", 0, b"abcde"), ("read", 5, b"fgh")] == [
        await site.outcome(),
        await site.outcome(),
    ]
    await site.exchange.close()


async def test_a_snapshot_that_is_being_read_outlives_newer_ones(snapshots: Snapshots) -> None:
    site = Site(snapshots)
    older = site.make(7, b"old state")
    site.exchange.read(SnapshotRead("b", older.id, 0, 3), older)
    await site.outcome()
    for index in (8, 9, 10):
        newest = site.make(index, b"new state")
    snapshots.reap()

    site.exchange.read(SnapshotRead("b", older.id, 3, 9), newest)

    assert await site.outcome() == ("read", 3, b" state")
    site.now_s = module.IDLE_S + 1
    site.exchange.read(SnapshotRead("b", newest.id, 0, 3), newest)
    assert await site.outcome() == ("read", 0, b"new")
    site.exchange.read(SnapshotRead("b", older.id, 0, 3), newest)
    assert await site.outcome() == ("unreadable", older.id)
    await site.exchange.close()


async def test_a_snapshot_that_was_never_stored_is_unreadable(snapshots: Snapshots) -> None:
    site = Site(snapshots)

    site.exchange.read(SnapshotRead("b", meta(7).id, 0, 3), meta(7))

    assert await site.outcome() == ("unreadable", meta(7).id)
    await site.exchange.close()


async def test_stored_chunks_become_a_snapshot_with_the_last_one(snapshots: Snapshots) -> None:
    site = Site(snapshots)
    whole = meta(7, size_bytes=8)

    site.exchange.store(SnapshotStore(whole, 0, b"half", is_last=False))
    site.exchange.store(SnapshotStore(whole, 0, b"abcde", is_last=False))
    site.exchange.store(SnapshotStore(whole, 5, b"fgh", is_last=True))
    outcomes = [await site.outcome() for _ in range(3)]

    assert [("stored", 0), ("stored", 0), ("stored", 5)] == outcomes
    with snapshots.open_state(whole) as state:
        assert state.read() == b"abcdefgh"
    assert snapshots.is_intact(whole)
    await site.exchange.close()


async def test_a_chunk_out_of_place_is_refused(snapshots: Snapshots) -> None:
    site = Site(snapshots)

    site.exchange.store(SnapshotStore(meta(7, 8), 5, b"fgh", is_last=True))

    assert await site.outcome() == ("store failed", 5)
    await site.exchange.close()


async def test_a_snapshot_of_another_size_is_refused(snapshots: Snapshots) -> None:
    site = Site(snapshots)
    short = msgspec.structs.replace(meta(7), size_bytes=9)

    site.exchange.store(SnapshotStore(short, 0, b"abc", is_last=True))

    assert await site.outcome() == ("store failed", 0)
    await site.exchange.close()


async def test_a_full_disk_leaves_nothing_of_a_snapshot(tmp_path: Path) -> None:
    files = CountingFiles()
    directory = LogDirectory(tmp_path, files)
    site = Site(DirectorySnapshots(directory.snapshots, files))
    files.fail["sync"] = OSError(28, "No space left on device")

    site.exchange.store(SnapshotStore(meta(7, 3), 0, b"abc", is_last=True))

    assert await site.outcome() == ("store failed", 0)
    assert list(directory.snapshots.iterdir()) == []
    await site.exchange.close()
    directory.close()


async def test_what_is_half_stored_goes_with_the_exchange(tmp_path: Path) -> None:
    directory = LogDirectory(tmp_path, Files())
    site = Site(DirectorySnapshots(directory.snapshots, Files()))
    site.exchange.store(SnapshotStore(meta(7, 9), 0, b"abc", is_last=False))
    await site.outcome()

    await site.exchange.close()

    assert list(directory.snapshots.iterdir()) == []
    directory.close()
