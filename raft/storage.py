"""Where the log lives, as the driver sees it; and the storage that forgets, for ``-dev``.

The driver numbers its writes; storage makes them durable strictly in that order and reports the
highest number done. What depends on durability waits for that report, nothing else does.
"""

import io
from collections.abc import Callable, Iterator
from typing import IO, Protocol

import msgspec
from typing_extensions import override

from raft.entries import Configuration, Entry, HardState, Mark, SnapshotMeta, Write
from raft.errors import SnapshotFailed
from raft.snapshots import Arriving, Snapshots, Staged


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What storage knows after ``open``: the log is ``[first_index, last_index]``.

    ``last_index`` is 0 on a server that never ran. ``cluster_id`` is empty until the log belongs
    to a cluster. ``peers`` is the membership that an operator asked for in ``peers.json``.
    """

    hard_state: HardState = HardState()
    snapshot: SnapshotMeta | None = None
    first_index: int = 1
    last_index: int = 0
    last_term: int = 0
    cluster_id: bytes = b""
    peers: Configuration | None = None


class Reports(msgspec.Struct, frozen=True):
    """How storage talks back, always on the loop thread, except ``on_fatal``.

    ``persisted(sequence)``: every write up to this number is durable. ``on_fatal(error)``: called
    at once, in any thread, when durability is lost; it normally ends the process. ``failed``: the
    same, for a driver that goes on living.
    """

    persisted: Callable[[int], None]
    failed: Callable[[BaseException], None]
    on_fatal: Callable[[BaseException], None]


class Storage(Protocol):
    """One server's log and snapshots.

    Order of calls: ``open``, then ``begin`` if it never ran, ``entries`` to replay, ``restart`` if
    an operator wants that, ``start``, ``persist`` any number of times, ``close``. All but
    ``start``, ``persist`` and ``shortage`` block. A ``StorageError`` out of them is for the
    operator.
    """

    snapshots: Snapshots
    keeps_log: bool  # whether entries pile up until a snapshot lets them go

    def open(self) -> Recovered:
        """Take ownership and recover. Raises ``StorageError``."""

    def begin(self, cluster_id: bytes, /) -> None:
        """Prepare for the first entry ever, as a member of this cluster."""

    def entries(self, first_index: int, last_index: int, /) -> Iterator[Entry]:
        """Read entries back; raises ``Corrupt``."""

    def restart(self, mark: Mark, /) -> None:
        """The newest snapshot takes the place of the whole log, which ends before it."""

    def start(self, reports: Reports, /) -> None:
        """Accept writes from now on; called on the loop."""

    def persist(self, write: Write, /) -> None:
        """Make a write durable; may report before it returns. Raises ``Overloaded``."""

    def shortage(self) -> str | None:
        """Why no more commands should be taken for now: the disk is nearly full."""

    def forget_peers(self) -> None:
        """The membership of ``peers.json`` is in the log."""

    def close(self) -> None:
        """Finish what was queued and let go."""


class MemoryStorage(Storage):
    """Durable for as long as the process lives: keeps the newest snapshot and no entries."""

    def __init__(self) -> None:
        self.snapshots = MemorySnapshots()
        self.keeps_log = False
        self._persisted: Callable[[int], None] | None = None

    @override
    def open(self) -> Recovered:
        return Recovered()

    @override
    def begin(self, cluster_id: bytes, /) -> None:
        return

    @override
    def entries(self, first_index: int, last_index: int, /) -> Iterator[Entry]:
        return iter(())

    @override
    def restart(self, mark: Mark, /) -> None:
        return

    @override
    def start(self, reports: Reports, /) -> None:
        self._persisted = reports.persisted

    @override
    def persist(self, write: Write, /) -> None:
        assert self._persisted is not None
        self._persisted(write.sequence)

    @override
    def shortage(self) -> str | None:
        return None

    @override
    def forget_peers(self) -> None:
        return

    @override
    def close(self) -> None:
        return


class MemorySnapshots(Snapshots):
    """The newest snapshot, as bytes."""

    def __init__(self) -> None:
        self.newest: tuple[SnapshotMeta, bytes] | None = None

    @override
    def begin(self, meta: SnapshotMeta, /) -> Arriving:
        return ArrivingBytes(self, meta)

    @override
    def open_state(self, meta: SnapshotMeta, /) -> IO[bytes]:
        if self.newest is None or self.newest[0] != meta:
            message = f"snapshot {meta.id} is no longer kept"
            raise SnapshotFailed(message)
        return io.BytesIO(self.newest[1])

    @override
    def is_intact(self, meta: SnapshotMeta, /) -> bool:
        return self.newest is not None and self.newest[0] == meta

    @override
    def reap(self) -> None:
        return


class ArrivingBytes(Arriving):
    """A snapshot in memory that is not whole yet."""

    def __init__(self, owner: MemorySnapshots, meta: SnapshotMeta) -> None:
        self.size_bytes = 0
        self._owner = owner
        self._meta = meta
        self._chunks: list[bytes] = []

    @override
    def append(self, chunk: bytes, /) -> None:
        self._chunks.append(chunk)
        self.size_bytes += len(chunk)

    @override
    def finish(self) -> Staged:
        meta = msgspec.structs.replace(self._meta, size_bytes=self.size_bytes)
        return StagedBytes(self._owner, meta, b"".join(self._chunks))

    @override
    def discard(self) -> None:
        self._chunks.clear()


class StagedBytes(Staged):
    """A snapshot in memory, not yet the newest."""

    def __init__(self, owner: MemorySnapshots, meta: SnapshotMeta, state: bytes) -> None:
        self.meta = meta
        self._owner = owner
        self._state = state

    @override
    def commit(self) -> None:
        self._owner.newest = (self.meta, self._state)

    @override
    def discard(self) -> None:
        return
