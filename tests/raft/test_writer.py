import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Sequence

import pytest

from raft import writer as module
from raft.errors import Overloaded
from raft.writer import EXIT_STORAGE_FAILED, Queued, Writer


class Disk:
    """A sink whose first round waits for ``gate``."""

    def __init__(self) -> None:
        self.rounds: list[list[bytes]] = []
        self.released: list[int] = []
        self.started = threading.Event()
        self.gate = threading.Event()
        self.error: OSError | None = None

    def write(self, bodies: Sequence[bytes], /) -> None:
        self.rounds.append(list(bodies))
        self.started.set()
        assert self.gate.wait(10)
        if self.error is not None:
            raise self.error

    def release(self, first_index: int, /) -> None:
        self.released.append(first_index)


class Reported:
    """What the writer said, and an event for the next word."""

    def __init__(self, disk: Disk) -> None:
        self.persisted: list[int] = []
        self.failures: list[BaseException] = []
        self.fatal: list[BaseException] = []
        self.spoke = asyncio.Event()
        self.writer = Writer(
            disk, persisted=self._persisted, failed=self._failed, on_fatal=self.fatal.append
        )

    def _persisted(self, sequence: int) -> None:
        self.persisted.append(sequence)
        self.spoke.set()

    def _failed(self, error: BaseException) -> None:
        self.failures.append(error)
        self.spoke.set()

    async def until(self, sequence: int) -> None:
        while not self.persisted or self.persisted[-1] < sequence:
            self.spoke.clear()
            await asyncio.wait_for(self.spoke.wait(), 10)


def queued(sequence: int, size_bytes: int = 10, release_before: int = 0) -> Queued:
    return Queued(sequence, [b"%d" % sequence], size_bytes, release_before)


async def test_everything_queued_during_a_sync_is_one_round() -> None:
    disk = Disk()
    reported = Reported(disk)
    reported.writer.put(queued(1))
    await asyncio.to_thread(disk.started.wait, 10)

    for sequence in range(2, 50):
        reported.writer.put(queued(sequence))
    disk.gate.set()
    await reported.until(49)

    assert [len(bodies) for bodies in disk.rounds] == [1, 48]
    assert reported.persisted == [1, 49]
    reported.writer.close()


async def test_close_writes_what_is_queued() -> None:
    disk = Disk()
    disk.gate.set()
    reported = Reported(disk)

    for sequence in range(1, 6):
        reported.writer.put(queued(sequence, release_before=sequence))
    reported.writer.close()
    await reported.until(5)

    assert [body for bodies in disk.rounds for body in bodies] == [b"1", b"2", b"3", b"4", b"5"]
    assert disk.released[-1] == 5


async def test_close_writes_several_rounds_and_may_follow_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ROUND_BYTES_MAX", 25)
    disk = Disk()
    disk.gate.set()
    reported = Reported(disk)
    for sequence in range(1, 8):
        reported.writer.put(queued(sequence))

    reported.writer.close()
    reported.writer.close()

    assert [b"%d" % number for number in range(1, 8)] == [
        body for bodies in disk.rounds for body in bodies
    ]


async def test_a_round_ends_at_its_byte_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROUND_BYTES_MAX", 25)
    disk = Disk()
    reported = Reported(disk)
    for sequence in range(1, 8):
        reported.writer.put(queued(sequence))

    disk.gate.set()
    await reported.until(7)

    assert max(len(bodies) for bodies in disk.rounds) <= 3
    reported.writer.close()


@pytest.mark.parametrize("limit", ["QUEUE_BYTES_MAX", "QUEUE_WRITES_MAX"])
async def test_full_queue_is_refused(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(module, limit, 20 if limit == "QUEUE_BYTES_MAX" else 2)
    disk = Disk()
    reported = Reported(disk)
    reported.writer.put(queued(1))
    await asyncio.to_thread(disk.started.wait, 10)

    reported.writer.put(queued(2))
    reported.writer.put(queued(3))
    with pytest.raises(Overloaded, match="wait for the disk"):
        reported.writer.put(queued(9))

    disk.gate.set()
    reported.writer.close()


async def test_first_error_is_fatal_and_nothing_is_written_after_it() -> None:
    """A second sync may report success for lost pages, so there is none (rostamlabs/rostam#94)."""
    disk = Disk()
    disk.error = OSError(5, "Input/output error")
    disk.gate.set()
    reported = Reported(disk)

    reported.writer.put(queued(1))
    await asyncio.wait_for(reported.spoke.wait(), 10)
    reported.writer.put(queued(2))
    reported.writer.close()

    assert [disk.error] == reported.fatal == reported.failures
    assert disk.rounds == [[b"1"]]
    assert reported.persisted == []


def test_the_process_ends_with_a_code_of_its_own() -> None:
    script = "from raft.writer import exit_process; exit_process(OSError(5, 'I/O error'))"

    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=False, env=os.environ
    )

    assert EXIT_STORAGE_FAILED == ended.returncode == 74
    assert b"I/O error" in ended.stderr
