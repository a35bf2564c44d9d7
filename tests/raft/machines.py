"""A state machine that remembers every command, and a driver around it, for the raft tests."""

import asyncio
import itertools
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from raft.driver import Driver
from raft.durable import DurableStorage
from raft.entries import Server, sole_configuration
from raft.files import Files
from raft.machine import Settings, Surroundings
from raft.storage import Storage

SERVER_ID = "3f2b7c1e-0000-4000-8000-000000000001"
OTHER_ID = "3f2b7c1e-0000-4000-8000-000000000002"
ADDRESS = "127.0.0.1:8300"
ALONE = sole_configuration(SERVER_ID, ADDRESS)
SMALL_SEGMENT_BYTES = 64 * 1024


class Journal:
    """Applies a command by appending it; answers with how many there are."""

    def __init__(self) -> None:
        self.commands: list[tuple[int, bytes]] = []

    def apply(self, index: int, command: bytes, /) -> object:
        self.commands.append((index, command))
        return len(self.commands)

    def freeze(self) -> Callable[[], Iterator[bytes]]:
        frozen = list(self.commands)
        return lambda: (line for line in [msgspec.json.encode(frozen)])

    def restore(self, chunks: Iterator[bytes], /) -> None:
        try:
            commands = msgspec.json.decode(b"".join(chunks), type=list[tuple[int, bytes]])
        except msgspec.DecodeError as error:
            raise ValueError(str(error)) from error
        self.commands = commands


class CountingFiles(Files):
    """Counts syncs, notes the order of calls, raises at the chosen call of a method."""

    def __init__(self) -> None:
        self.content_syncs = 0
        self.calls: list[str] = []
        self.fail: dict[str, OSError] = {}
        self.room_bytes: int | None = None

    def _maybe_fail(self, call: str) -> None:
        self.calls.append(call)
        if (error := self.fail.get(call)) is not None:
            raise error

    def write_at(self, descriptor: int, content: bytes | memoryview, offset: int) -> None:
        self._maybe_fail("write_at")
        super().write_at(descriptor, content, offset)

    def sync_content(self, descriptor: int) -> None:
        self.content_syncs += 1
        self._maybe_fail("sync_content")
        super().sync_content(descriptor)

    def sync(self, descriptor: int) -> None:
        self._maybe_fail("sync")
        super().sync(descriptor)

    def sync_directory(self, directory: Path) -> None:
        self._maybe_fail(f"sync_directory {directory.name}")
        Files().sync_directory(directory)

    def free_bytes(self, directory: Path) -> int:
        return super().free_bytes(directory) if self.room_bytes is None else self.room_bytes

    def rename(self, source: Path, target: Path) -> None:
        self._maybe_fail("rename")
        super().rename(source, target)


class CopyingFiles(CountingFiles):
    """Copies ``directory`` before each call that changes it: what a crash there would leave.

    A copy in which another thread interferes is none.
    """

    def __init__(self, directory: Path, copies: Path) -> None:
        super().__init__()
        self.is_watching = True
        self._directory = directory
        self._copies = copies
        self._lock = threading.Lock()

    def _maybe_fail(self, call: str) -> None:
        with self._lock:
            super()._maybe_fail(call)
            if not self.is_watching:
                return
            copy = self._copies / str(len(self.calls))
            try:
                shutil.copytree(self._directory, copy)
            except OSError:  # shutil's own error, too
                shutil.rmtree(copy)

    def unlink(self, path: Path) -> None:
        self._maybe_fail("unlink")
        super().unlink(path)


def durable(
    path: Path, *, files: Files | None = None, server_id: str = SERVER_ID
) -> DurableStorage:
    return DurableStorage(path, server_id, files=files, segment_bytes=SMALL_SEGMENT_BYTES)


def make_driver(
    machine: Journal,
    storage: Storage,
    *,
    settings: Settings | None = None,
    address: str = ADDRESS,
    fatal: list[BaseException] | None = None,
) -> Driver:
    fatal_errors = [] if fatal is None else fatal
    ticks = itertools.count(1)
    return Driver(
        machine,
        storage,
        Server(0, SERVER_ID, address),
        settings or Settings(),
        Surroundings(
            wall_s=lambda: time.time() + next(ticks),
            monotonic_s=time.monotonic,
            random=random.random,
            start_task=lambda name, work: asyncio.get_running_loop().create_task(work, name=name),
            on_fatal=fatal_errors.append,
        ),
    )


async def commands_after_restart(path: Path) -> list[tuple[int, bytes]]:
    machine = Journal()
    driver = make_driver(machine, durable(path))
    await driver.start(ALONE)
    await driver.stop()
    return machine.commands
