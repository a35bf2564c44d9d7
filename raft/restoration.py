"""An operator's archive takes the place of the whole state, at the leader.

The log ends at a new index, above both the log's and the archive's, and goes on behind it with a
no-op; the membership stays. Followers have no such entry, so they are sent the snapshot.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from raft.compaction import Compaction
from raft.core.node import Raft
from raft.engine import Engine
from raft.errors import BadArchive, OutcomeUnknown, SnapshotFailed
from raft.machine import StateMachine, Surroundings
from raft.snapshots import Staged, read_chunks
from raft.storage import Storage

if TYPE_CHECKING:
    from raft.archive import Archive


def unpack(packed: bytes) -> Archive:
    """Verify an archive; raises ``BadArchive``. Blocks."""
    # Tar and gzip are 0.6 MiB, which a server that reads no archives need not have.
    from raft.archive import read_archive

    return read_archive(packed)


class Restoration:
    """Restores into ``machine`` and ``storage``; no proposal enters the log meanwhile."""

    def __init__(
        self,
        machine: StateMachine,
        storage: Storage,
        engine: Engine,
        compaction: Compaction,
        surroundings: Surroundings,
    ) -> None:
        self._machine = machine
        self._storage = storage
        self._engine = engine
        self._compaction = compaction
        self._on_fatal = surroundings.on_fatal

    async def install(self, archive: Archive) -> int:
        """Replace the state, with the lock of ``Compaction`` held; returns the no-op's index.

        Raises ``BadArchive``, ``SnapshotFailed`` or ``OutcomeUnknown`` before anything changed.
        """
        engine = self._engine
        epoch = engine.leadership.epoch
        engine.pause()
        try:
            await engine.drained()
            raft = engine.running()
            index = max(raft.last_index, archive.meta.index) + 1
            staged = await self._stage(raft, archive, index)
            # No await from here on: nobody may see the new state before it is durable.
            if engine.leadership.epoch != epoch:
                staged.discard()
                raise OutcomeUnknown
            self._replace(archive, staged)
            return index + 1
        finally:
            engine.resume()

    async def _stage(self, raft: Raft, archive: Archive, index: int) -> Staged:
        meta = self._compaction.describe(raft, index, raft.term)
        stage = self._storage.snapshots.stage
        try:
            return await asyncio.to_thread(stage, meta, read_chunks(archive.state))
        except OSError as error:
            message = f"the restored snapshot could not be written: {error}"
            raise SnapshotFailed(message) from error

    def _replace(self, archive: Archive, staged: Staged) -> None:
        archive.state.seek(0)
        try:
            self._machine.restore(read_chunks(archive.state))
        except BaseException as error:
            staged.discard()
            if not isinstance(error, ValueError):
                raise
            message = f"the archive's state cannot be restored: {error}"
            raise BadArchive(message) from error
        try:
            staged.commit()
        except OSError as error:
            self._engine.failed(error)
            self._on_fatal(error)
            raise
        self._engine.state_replaced(staged.meta)
