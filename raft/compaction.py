"""Snapshots of the own state: when they are due, how they are taken, and as archives.

The state is frozen on the loop, at an applied index, and written in a worker thread; the log goes
on meanwhile. A failure changes nothing but that the log keeps growing.

Storage that keeps no log has no need for stored snapshots: its entries are let go behind a mark,
and a snapshot is taken once a follower wants one.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import IO, Final

from raft.core.node import Raft
from raft.core.settings import Settings as CoreSettings
from raft.engine import Engine
from raft.entries import SnapshotMeta
from raft.errors import Corrupt, SnapshotFailed, Stopped
from raft.machine import Settings, StateMachine, Surroundings
from raft.storage import Storage

RETRY_S: Final = 10.0  # after a failure: a full disk is not helped by more attempts

_log = logging.getLogger("raft")


class Compaction:
    """Takes snapshots of ``machine`` for ``engine``; ``lock`` is held while one is made."""

    def __init__(
        self,
        machine: StateMachine,
        storage: Storage,
        engine: Engine,
        settings: Settings,
        surroundings: Surroundings,
    ) -> None:
        self.lock = asyncio.Lock()
        self._machine = machine
        self._storage = storage
        self._engine = engine
        self._settings = settings
        self._surroundings = surroundings
        self._check: asyncio.TimerHandle | None = None
        self._retry_at = 0.0

    def begin(self) -> None:
        """Take snapshots by itself from now on."""
        self._engine.on_snapshot_wanted = self._wanted
        if self._storage.keeps_log:
            self._schedule_check()

    def end(self) -> None:
        """Take no more by itself."""
        self._engine.on_snapshot_wanted = lambda: None
        if self._check is not None:
            self._check.cancel()
            self._check = None

    def reconfigure(self, settings: Settings) -> None:
        """Use other settings from now on."""
        self._settings = settings
        if self._engine.raft is not None:
            self._engine.raft.settings = self.core_settings()
        if self._check is not None:
            self._check.cancel()
            self._schedule_check()

    def core_settings(self, newest: SnapshotMeta | None = None) -> CoreSettings:
        """What the rules go by, with the newest snapshot at hand."""
        newest = newest or self._engine.newest
        return self._settings.for_core(
            keeps_log=self._storage.keeps_log, state_bytes=newest.size_bytes if newest else 0
        )

    async def take(self) -> SnapshotMeta:
        """Snapshot the applied state, with ``lock`` held; the newest when nothing changed since.

        Raises ``SnapshotFailed`` (disk full and the like).
        """
        engine = self._engine
        newest, is_intact = engine.newest, self._storage.snapshots.is_intact
        if newest is None or newest.index != engine.applier.applied_index:
            pass  # there is something new to snapshot
        elif await asyncio.to_thread(is_intact, newest):
            return newest
        raft = engine.running()
        index = engine.applier.applied_index
        meta = self.describe(raft, index, engine.applier.applied_term)
        produce = self._machine.freeze()  # no await since the index was read
        try:
            meta = await asyncio.to_thread(self._store, meta, produce)
        except (OSError, Corrupt) as error:
            message = f"snapshot {meta.id} could not be written: {error}"
            raise SnapshotFailed(message) from error
        raft.settings = self.core_settings(meta)
        engine.snapshot_made(meta)
        return meta

    async def pack(self) -> tuple[IO[bytes], SnapshotMeta]:
        """A fresh snapshot as an archive file at its start (the caller closes it), and its meta."""
        async with self.lock:
            meta = await self.take()
            return await asyncio.to_thread(self._pack, meta), meta

    def describe(self, raft: Raft, index: int, term: int) -> SnapshotMeta:
        """What a snapshot at ``index``, which is applied, covers; its size is not known yet."""
        configuration, configuration_index = raft.configuration_at(index)
        now_ms = int(self._surroundings.wall_s() * 1000)
        return SnapshotMeta(
            id=f"{term}-{index}-{now_ms}",
            index=index,
            term=term,
            configuration=configuration,
            configuration_index=configuration_index,
        )

    def _store(self, meta: SnapshotMeta, produce: Callable[[], Iterator[bytes]]) -> SnapshotMeta:
        staged = self._storage.snapshots.stage(meta, produce())
        try:
            staged.commit()
        except OSError:
            staged.discard()
            raise
        self._storage.snapshots.reap()
        return staged.meta

    def _pack(self, meta: SnapshotMeta) -> IO[bytes]:
        # Tar and gzip are 0.6 MiB, which a server that makes no archives need not have.
        from raft.archive import write_archive

        with self._storage.snapshots.open_state(meta) as state:
            return write_archive(meta, state)

    # --- when ---

    def _schedule_check(self) -> None:
        delay_s = self._settings.snapshot_interval_s * (1 + self._surroundings.random())
        self._check = asyncio.get_running_loop().call_later(delay_s, self._check_threshold)

    def _check_threshold(self) -> None:
        newest = self._engine.newest
        grown = self._engine.applier.applied_index - (newest.index if newest else 0)
        if grown >= self._settings.snapshot_threshold:
            self._start()
        self._schedule_check()

    def _wanted(self) -> None:
        if self._storage.keeps_log or self._engine.is_snapshot_missed:
            self._start()
        else:
            self._mark()

    def _start(self) -> None:
        if not self.lock.locked() and self._surroundings.monotonic_s() >= self._retry_at:
            self._surroundings.start_task("raft.snapshot", self._take_when_due())

    async def _take_when_due(self) -> None:
        async with self.lock:
            try:
                meta = await self.take()
            except (SnapshotFailed, Stopped) as error:
                self._retry_at = self._surroundings.monotonic_s() + RETRY_S
                _log.error("no snapshot taken, the log keeps growing: %s", error)
            else:
                _log.info("snapshot %s taken, %d bytes", meta.id, meta.size_bytes)

    def _mark(self) -> None:
        """Let entries go; the mark stays below what a snapshot of the present state would cover."""
        raft = self._engine.running()
        index = raft.applied_index - 1
        term = raft.entry_term(index)
        if term is not None:
            self._engine.marked(self.describe(raft, index, term))
