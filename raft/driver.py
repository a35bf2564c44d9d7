"""The driver: the log of a server that is a quorum of one, as the agent uses it.

Life: ``start`` recovers (snapshot, then log), takes office in a new term, and is ready;
``submit`` or ``propose``; ``stop`` drains. The rules kept (Raft §5; order rules of a log):
nothing is applied or answered before it is durable; term and vote are one record; a term begins
with a no-op; entries are dropped only behind a durable snapshot. The path of a proposal is in
``raft.pipeline``; this file is about terms, snapshots and archives.
"""

import asyncio
import enum
import logging
from collections.abc import Callable, Iterator
from typing import IO, Final

from raft.archive import Archive, read_archive, write_archive
from raft.entries import (
    Configuration,
    HardState,
    Kind,
    Mark,
    Server,
    SnapshotMeta,
    cluster_id,
    encode_configuration,
    sole_configuration,
)
from raft.errors import BadArchive, Corrupt, SnapshotFailed, Stopped, UnsupportedMembership
from raft.machine import Done, Settings, StateMachine, Surroundings
from raft.pipeline import Pipeline
from raft.snapshots import read_chunks
from raft.storage import Recovered, Reports, Storage

REPLAY_SLICE_ENTRIES: Final = 256  # replay lets the loop answer "starting" now and then

_BOOTSTRAP_TERM: Final = 1  # the first configuration is nobody's proposal; Consul writes it so
_log = logging.getLogger("raft")


class Phase(enum.Enum):
    """Where in its life the driver is."""

    NEW = enum.auto()
    RUNNING = enum.auto()
    STOPPED = enum.auto()


class Driver:
    """Drives ``machine`` by the log in ``storage`` as ``server`` (id and address)."""

    def __init__(
        self,
        machine: StateMachine,
        storage: Storage,
        server: Server,
        settings: Settings,
        surroundings: Surroundings,
    ) -> None:
        self._machine = machine
        self._storage = storage
        self._server = server
        self._settings = settings
        self._surroundings = surroundings
        self._pipeline = Pipeline(machine, storage, surroundings.on_fatal)
        self._phase = Phase.NEW
        self._snapshot: SnapshotMeta | None = None
        self._snapshot_lock = asyncio.Lock()
        self._check: asyncio.TimerHandle | None = None
        self.submit: Callable[[bytes, Done], None] = self._pipeline.submit
        """See ``Pipeline.submit``; bound here to spare the hot path a call."""

    @property
    def last_index(self) -> int:
        """Index of the newest entry, durable or not; 0 before ``start``."""
        return self._pipeline.last_index

    @property
    def commit_index(self) -> int:
        """Index of the newest entry that is durable on a quorum."""
        return self._pipeline.commit_index

    @property
    def applied_index(self) -> int:
        """Index of the newest entry that the state machine has seen."""
        return self._pipeline.applied_index

    @property
    def term(self) -> int:
        """The current term; one more at every start."""
        return self._pipeline.term

    @property
    def last_snapshot_index(self) -> int:
        """Index that the newest snapshot covers; 0 when there is none."""
        return self._snapshot.index if self._snapshot else 0

    @property
    def last_snapshot_term(self) -> int:
        """Term of the entry at ``last_snapshot_index``; 0 when there is none."""
        return self._snapshot.term if self._snapshot else 0

    @property
    def configuration(self) -> Configuration:
        """The committed membership."""
        return self._pipeline.configuration

    @property
    def configuration_index(self) -> int:
        """Index of the entry that brought the committed membership."""
        return self._pipeline.configuration_index

    async def propose(self, command: bytes) -> tuple[int, object]:
        """Submit and wait: (index, result). Raises ``TooLarge``, ``Overloaded``, ``Stopped``."""
        return await self._pipeline.propose(command)

    async def barrier(self) -> int:
        """Wait until everything submitted so far is applied; returns the applied index."""
        self._require_running()
        return await self._pipeline.drained()

    async def start(self) -> None:
        """Recover and take office; raises ``StorageError`` for the operator to read."""
        assert self._phase is Phase.NEW
        recovered = await asyncio.to_thread(self._storage.open)
        try:
            await self._recover(recovered)
            await self._take_office(recovered)
        except BaseException:
            await asyncio.to_thread(self._storage.close)
            raise
        self._phase = Phase.RUNNING
        if self._storage.keeps_log:
            self._schedule_check()

    async def stop(self) -> None:
        """Refuse new proposals, finish the taken ones, close. Idempotent."""
        if self._phase is not Phase.RUNNING:
            return
        self._phase = Phase.STOPPED
        if self._check is not None:
            self._check.cancel()
        self._pipeline.close("the log is stopping")
        try:
            async with self._snapshot_lock:
                await self._pipeline.drained()
        except Stopped:
            _log.error("the log failed before everything was written")
        await asyncio.to_thread(self._storage.close)

    def reconfigure(self, settings: Settings) -> None:
        """Use other settings from now on; called on the loop, before or after ``start``."""
        self._settings = settings
        if self._check is not None and self._phase is Phase.RUNNING:
            self._check.cancel()
            self._schedule_check()

    async def snapshot(self) -> SnapshotMeta:
        """Snapshot the applied state; the newest one when nothing changed since.

        Raises ``SnapshotFailed`` (disk full and the like); the log then stays as it was.
        """
        async with self._snapshot_lock:
            return await self._take_snapshot()

    async def save_archive(self) -> tuple[IO[bytes], SnapshotMeta]:
        """A fresh snapshot as an archive file at its start (the caller closes it), and its meta."""
        async with self._snapshot_lock:
            meta = await self._take_snapshot()
            return await asyncio.to_thread(self._pack, meta), meta

    async def restore_archive(self, packed: bytes) -> None:
        """Replace the whole state by an archive's; the index goes up and the membership stays.

        Proposals submitted meanwhile wait and apply to the new state. Raises ``BadArchive`` or
        ``SnapshotFailed`` before anything has changed.
        """
        archive = await asyncio.to_thread(read_archive, packed)
        with archive.state:
            async with self._snapshot_lock:
                self._require_running()
                self._pipeline.pause()
                try:
                    await self._pipeline.drained()
                    await self._install(archive)
                finally:
                    self._pipeline.resume()
        await self._pipeline.drained()

    async def _recover(self, recovered: Recovered) -> None:
        pipeline = self._pipeline
        if recovered.snapshot is not None:
            self._snapshot = recovered.snapshot
            with self._storage.snapshots.open_state(recovered.snapshot) as state:
                try:
                    self._machine.restore(read_chunks(state))
                except ValueError as error:
                    message = f"snapshot {recovered.snapshot.id} cannot be restored: {error}"
                    raise Corrupt(message) from error
            pipeline.restart(recovered.snapshot.index, recovered.snapshot.term)
            pipeline.configuration = recovered.snapshot.configuration
            pipeline.configuration_index = recovered.snapshot.configuration_index
        replayed = self._storage.entries(pipeline.last_index + 1, recovered.last_index)
        for count, entry in enumerate(replayed, 1):
            pipeline.replay(entry)
            if count % REPLAY_SLICE_ENTRIES == 0:
                await asyncio.sleep(0)
        assert pipeline.last_index == recovered.last_index

    async def _take_office(self, recovered: Recovered) -> None:
        """Vote for ourselves in a new term and commit a no-op in it."""
        pipeline = self._pipeline
        wanted = self._membership(recovered)
        payload = encode_configuration(wanted)
        is_fresh = recovered.last_index == 0
        if is_fresh:
            await asyncio.to_thread(self._storage.begin, cluster_id(payload))
        self._storage.start(
            Reports(pipeline.persisted, pipeline.failed, self._surroundings.on_fatal)
        )
        pipeline.open()
        if is_fresh:
            pipeline.term = _BOOTSTRAP_TERM
            pipeline.append([(Kind.CONFIGURATION, payload)])
        # A vote of a lower term than the log's last says nothing about this one.
        pipeline.term = max(pipeline.term, recovered.hard_state.term, recovered.last_term) + 1
        entries = [(Kind.NO_OP, b"")]
        if not is_fresh and wanted != pipeline.configuration:
            entries.append((Kind.CONFIGURATION, payload))
        vote = HardState(pipeline.term, self._server.id, pipeline.commit_index)
        pipeline.append(entries, hard_state=vote)
        await pipeline.drained()
        if recovered.peers is not None:
            self._storage.forget_peers()

    def _membership(self, recovered: Recovered) -> Configuration:
        """The membership to run with: this server alone, under its present address."""
        known = recovered.peers or self._pipeline.configuration
        if known.servers and known.voter_ids() != (self._server.id,):
            message = (
                f"the membership names the voters {', '.join(known.voter_ids()) or 'none'}, but "
                f"this server is {self._server.id} and can only run alone: put a peers.json with "
                "this server only beside peers.info to go on without the others"
            )
            raise UnsupportedMembership(message)
        return sole_configuration(self._server.id, self._server.address)

    async def _take_snapshot(self) -> SnapshotMeta:
        self._require_running()
        pipeline = self._pipeline
        newest = self._snapshot
        if newest is not None and newest.index == pipeline.applied_index:
            if await asyncio.to_thread(self._storage.snapshots.is_intact, newest):
                return newest
            self._require_running()
        meta = self._describe(pipeline.applied_index, pipeline.applied_term)
        produce = self._machine.freeze()  # no await since the index was read
        try:
            meta = await asyncio.to_thread(self._store, meta, produce)
        except (OSError, Corrupt) as error:
            message = f"snapshot {meta.id} could not be written: {error}"
            raise SnapshotFailed(message) from error
        self._snapshot = meta
        keep_from = min(meta.index, pipeline.last_index - self._settings.trailing_logs) + 1
        pipeline.append([], mark=Mark(meta.index, meta.term), release_before=max(keep_from, 0))
        return meta

    def _store(self, meta: SnapshotMeta, produce: Callable[[], Iterator[bytes]]) -> SnapshotMeta:
        staged = self._storage.snapshots.stage(meta, produce())
        try:
            staged.commit()
        except OSError:
            staged.discard()
            raise
        self._storage.snapshots.reap()
        return staged.meta

    def _describe(self, index: int, term: int) -> SnapshotMeta:
        now_ms = int(self._surroundings.wall_s() * 1000)
        return SnapshotMeta(
            id=f"{term}-{index}-{now_ms}",
            index=index,
            term=term,
            configuration=self._pipeline.configuration,
            configuration_index=self._pipeline.configuration_index,
        )

    def _pack(self, meta: SnapshotMeta) -> IO[bytes]:
        with self._storage.snapshots.open_state(meta) as state:
            return write_archive(meta, state)

    async def _install(self, archive: Archive) -> None:
        pipeline = self._pipeline
        index = max(pipeline.last_index, archive.meta.index) + 1
        meta = self._describe(index, pipeline.term)
        stage = self._storage.snapshots.stage
        try:
            staged = await asyncio.to_thread(stage, meta, read_chunks(archive.state))
        except OSError as error:
            message = f"the restored snapshot could not be written: {error}"
            raise SnapshotFailed(message) from error
        archive.state.seek(0)
        try:
            self._machine.restore(read_chunks(archive.state))
        except BaseException as error:
            staged.discard()
            if not isinstance(error, ValueError):
                raise
            message = f"the archive's state cannot be restored: {error}"
            raise BadArchive(message) from error
        # No await until the mark is queued: nobody may see the new state before it is durable.
        try:
            staged.commit()
        except OSError as error:
            pipeline.failed(error)
            self._surroundings.on_fatal(error)
            raise
        self._snapshot = staged.meta
        pipeline.restart(index, pipeline.term)
        mark = Mark(index, pipeline.term)
        pipeline.append([(Kind.NO_OP, b"")], mark=mark, release_before=index + 1)

    def _schedule_check(self) -> None:
        delay_s = self._settings.snapshot_interval_s * (1 + self._surroundings.random())
        self._check = asyncio.get_running_loop().call_later(delay_s, self._check_threshold)

    def _check_threshold(self) -> None:
        grown = self.last_index - self.last_snapshot_index
        if grown >= self._settings.snapshot_threshold and not self._snapshot_lock.locked():
            self._surroundings.start_task("raft.snapshot", self._snapshot_when_due())
        self._schedule_check()

    async def _snapshot_when_due(self) -> None:
        try:
            meta = await self.snapshot()
        except (SnapshotFailed, Stopped) as error:
            _log.error("no snapshot taken, the log keeps growing: %s", error)
        else:
            _log.info("snapshot %s taken, %d bytes", meta.id, meta.size_bytes)

    def _require_running(self) -> None:
        if self._phase is not Phase.RUNNING:
            message = "the log is not running"
            raise Stopped(message)
