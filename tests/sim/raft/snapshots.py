"""The driver's part of snapshots: take them, read them for others, store what others send."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from raft.core.node import Raft
from raft.core.types import SnapshotRead, SnapshotStore
from raft.entries import SnapshotMeta

if TYPE_CHECKING:
    from tests.sim.raft.server import SimServer

READ_S_MAX = 0.002  # to read a chunk


class ServerSnapshots:
    """Of one life of a server."""

    def __init__(self, server: "SimServer") -> None:
        self._server = server
        self._life = server.life
        self._is_taking = False

    def take(self) -> None:
        """Store the machine's state as it is now."""
        server = self._server
        core, index = server.core, server.machine.applied_index
        newest = server.disk.newest()
        if core is None or server.is_paused or self._is_taking:
            return
        if index == 0 or (newest is not None and newest.index >= index):
            return
        configuration, configuration_index = core.configuration_at(index)
        term = core.entry_term(index)
        assert term
        content = server.machine.freeze()
        meta = SnapshotMeta(
            id=f"{term}-{index}-{server.life}",
            index=index,
            term=term,
            configuration=configuration,
            configuration_index=configuration_index,
            size_bytes=len(content),
        )
        server.world.checkers.on_snapshot(server, meta)
        self._is_taking = True

        def done() -> None:
            self._is_taking = False
            if server.reach("snapshot durable, not reported"):
                return
            server.give(lambda core, now: core.snapshot_made(meta, now))

        server.disk.keep(meta, content, done)

    def fill_machine(self, meta: SnapshotMeta) -> None:
        """Replace the machine's state by a stored one."""
        server = self._server
        content = server.disk.read(meta.id, 0, meta.size_bytes)
        assert content is not None, "the snapshot to restore is gone"
        server.machine.restore(content)
        server.world.checkers.on_restored(server, meta)

    def read(self, request: SnapshotRead) -> None:
        """A chunk for another server."""

        def answer(core: Raft, now: float) -> None:
            content = self._server.disk.read(request.snapshot_id, request.offset, request.bytes_max)
            if content is None:
                core.snapshot_unreadable(request.snapshot_id, now)
            else:
                core.snapshot_read(
                    request.peer_id, request.snapshot_id, request.offset, content, now
                )

        self.later(self._server.rng.uniform(0.0001, READ_S_MAX), answer)

    def store(self, chunk: SnapshotStore) -> None:
        """A chunk from another server."""
        server, world, snapshot_id = self._server, self._server.world, chunk.meta.id
        if not world.is_calm and server.rng.random() < world.profile.store_failure:
            self.later(0.001, lambda core, now: core.snapshot_store_failed(snapshot_id, now))
            return
        offset_next = chunk.offset + len(chunk.content)
        server.disk.store(
            chunk,
            lambda: self._on_stored(snapshot_id, offset_next, is_last=chunk.is_last),
        )

    def _on_stored(self, snapshot_id: str, offset_next: int, *, is_last: bool) -> None:
        if is_last and self._server.reach("snapshot durable, not reported"):
            return
        self._server.give(lambda core, now: core.snapshot_stored(snapshot_id, offset_next, now))

    def later(self, delay_s: float, action: Callable[[Raft, float], object]) -> None:
        """Give the server an input after a while, if it is still in this life."""
        server = self._server

        def act() -> None:
            if server.life == self._life:
                server.give(action)

        server.world.after(delay_s, act)
