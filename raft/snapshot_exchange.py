"""Snapshots on their way between servers: chunks read for followers, chunks stored from a leader.

One worker thread does both, in order, so nothing here needs a lock and the loop never waits for
the disk. A snapshot that is being read stays open, and so readable, although newer ones replace
it; it is let go when nobody has asked for ``IDLE_S``.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, Final, TypeVar

import msgspec

from raft.core.types import SnapshotRead, SnapshotStore
from raft.entries import SnapshotMeta
from raft.errors import RaftError
from raft.snapshots import Arriving, Snapshots

IDLE_S: Final = 60.0  # a follower that is slow, but still there, asks more often

_log = logging.getLogger("raft")
T = TypeVar("T")


class Outcomes(msgspec.Struct, frozen=True):
    """How an exchange ends; all are called on the loop.

    ``read(request, content)``, ``unreadable(snapshot_id)``: one of them for each read;
    ``stored(store)``, ``store_failed(store)``: the same for each store.
    """

    read: Callable[[SnapshotRead, bytes], None]
    unreadable: Callable[[str], None]
    stored: Callable[[SnapshotStore], None]
    store_failed: Callable[[SnapshotStore], None]


class SnapshotExchange:
    """Serves from and into ``snapshots``; ``now`` is a monotonic clock in seconds."""

    def __init__(self, snapshots: Snapshots, outcomes: Outcomes, now: Callable[[], float]) -> None:
        self._snapshots = snapshots
        self._outcomes = outcomes
        self._now = now
        self._worker: ThreadPoolExecutor | None = None  # few servers ever need it
        self._open: dict[str, tuple[IO[bytes], float]] = {}  # with the time of the last read
        self._arriving: Arriving | None = None

    def read(self, request: SnapshotRead, newest: SnapshotMeta | None) -> None:
        """Read a chunk of ``newest``, or of an older one that is still open."""

        def ended(content: bytes | None) -> None:
            if content is None:
                self._outcomes.unreadable(request.snapshot_id)
            else:
                self._outcomes.read(request, content)

        self._run(lambda: self._read(request, newest), ended)

    def store(self, store: SnapshotStore) -> None:
        """Store a chunk; the last one makes the snapshot durable as a whole."""

        def ended(is_stored: bool) -> None:
            (self._outcomes.stored if is_stored else self._outcomes.store_failed)(store)

        self._run(lambda: self._store(store), ended)

    async def close(self) -> None:
        """Finish what is under way and close every file."""
        if self._worker is not None:
            await asyncio.to_thread(self._worker.shutdown)
        for state, _ in self._open.values():
            state.close()
        self._open.clear()
        if self._arriving is not None:
            self._arriving.discard()
            self._arriving = None

    def _run(self, work: Callable[[], T], ended: Callable[[T], None]) -> None:
        loop = asyncio.get_running_loop()
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="raft-snapshot")

        def finished(future: Future[T]) -> None:
            if not future.cancelled() and not loop.is_closed():
                loop.call_soon_threadsafe(lambda: ended(future.result()))

        self._worker.submit(work).add_done_callback(finished)

    # --- in the worker thread ---

    def _read(self, request: SnapshotRead, newest: SnapshotMeta | None) -> bytes | None:
        try:
            state = self._state(request.snapshot_id, newest)
            if state is None:
                return None
            state.seek(request.offset)
            return state.read(request.bytes_max)
        except (OSError, RaftError) as error:
            _log.error("snapshot %s cannot be read: %s", request.snapshot_id, error)
            return None

    def _state(self, snapshot_id: str, newest: SnapshotMeta | None) -> IO[bytes] | None:
        now_s = self._now()
        found = self._open.pop(snapshot_id, None)
        for other_id, (other, read_at) in list(self._open.items()):
            if now_s - read_at > IDLE_S:
                other.close()
                del self._open[other_id]
        if found is not None:
            state = found[0]
        elif newest is not None and newest.id == snapshot_id:
            state = self._snapshots.open_state(newest)
        else:
            return None
        self._open[snapshot_id] = (state, now_s)
        return state

    def _store(self, store: SnapshotStore) -> bool:
        try:
            if store.offset == 0:
                self._discard()
                self._arriving = self._snapshots.begin(store.meta)
            arriving = self._arriving
            if arriving is None or arriving.size_bytes != store.offset:
                _log.error("snapshot %s has no place for this chunk", store.meta.id)
                return False
            arriving.append(store.content)
            if store.is_last:
                self._finish(arriving, store.meta)
        except OSError as error:
            _log.error("snapshot %s cannot be stored: %s", store.meta.id, error)
            self._discard()
            return False
        return True

    def _finish(self, arriving: Arriving, meta: SnapshotMeta) -> None:
        self._arriving = None
        try:
            if arriving.size_bytes != meta.size_bytes:
                message = f"{arriving.size_bytes} bytes came of {meta.size_bytes}"
                raise OSError(message)
            staged = arriving.finish()
        except OSError:
            arriving.discard()
            raise
        try:
            staged.commit()
        except OSError:
            staged.discard()
            raise
        try:
            self._snapshots.reap()
        except (OSError, RaftError) as error:
            _log.error("older snapshots cannot be deleted: %s", error)

    def _discard(self) -> None:
        if self._arriving is not None:
            self._arriving.discard()
            self._arriving = None
