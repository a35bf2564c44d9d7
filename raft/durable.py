"""Storage that survives a crash: the directory, the log, the writer thread and the snapshots."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from typing_extensions import override

from raft.directory import LogDirectory
from raft.entries import Entry, Mark, SnapshotMeta, Write
from raft.errors import Corrupt, IdentityMismatch, StorageError
from raft.files import Files
from raft.records import (
    encode_entry,
    encode_hard_state,
    encode_mark,
    encode_truncate,
    framed_bytes,
)
from raft.segments import SEGMENT_BYTES, SEGMENT_WAITED_BYTES
from raft.snapshots import DirectorySnapshots
from raft.storage import Recovered, Reports, Storage
from raft.wal import Wal
from raft.writer import Queued, Writer

FREE_BYTES_MIN: Final = SEGMENT_WAITED_BYTES  # what the log needs to go on when a segment is full


class DurableStorage(Storage):
    """The log of server ``server_id`` (a UUID) below ``directory``.

    ``segment_bytes`` is the size of a full segment file.
    """

    snapshots: DirectorySnapshots

    def __init__(
        self,
        directory: Path,
        server_id: str,
        *,
        files: Files | None = None,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self.keeps_log = True
        self._path = directory
        self._server_id = canonical_id(server_id)
        self._files = files or Files()
        self._segment_bytes = segment_bytes
        self._directory: LogDirectory | None = None
        self._writer: Writer | None = None

    @override
    def open(self) -> Recovered:
        directory = LogDirectory(self._path, self._files)
        self.snapshots = DirectorySnapshots(directory.snapshots, self._files)
        self._wal = Wal(
            directory.wal, self._server_id, self._files, segment_bytes=self._segment_bytes
        )
        try:
            recovered = self._recover(directory)
        except BaseException as error:
            self._wal.close()
            directory.close()
            if isinstance(error, OSError):
                message = f"{self._path}: the log cannot be recovered: {error}"
                raise StorageError(message) from error
            raise
        self._directory = directory
        return recovered

    def _recover(self, directory: LogDirectory) -> Recovered:
        peers = directory.settle_peers()
        self._wal.recover()
        snapshot = self.snapshots.newest(self._wal.first_index)
        self._connect(snapshot)
        return Recovered(
            hard_state=self._wal.hard_state,
            snapshot=snapshot,
            first_index=self._wal.first_index,
            last_index=self._wal.last_index,
            last_term=max(self._wal.last_term, snapshot.term if snapshot else 0),
            cluster_id=self._wal.cluster_id,
            peers=peers,
        )

    def _connect(self, snapshot: SnapshotMeta | None) -> None:
        """Make sure that log and snapshot together have no hole."""
        if snapshot is None:
            if self._wal.first_index > 1:
                message = f"{self._path}: entries before {self._wal.first_index} and every "
                message += "snapshot are gone: let this server join under a new id"
                raise Corrupt(message)
            return
        if self._wal.is_empty:
            message = f"{self._path}: there are snapshots but no log; votes may be forgotten: "
            message += "let this server join under a new id"
            raise Corrupt(message)
        if self._wal.first_index > snapshot.index + 1:
            message = f"{self._path}: entries {snapshot.index + 1} to {self._wal.first_index - 1} "
            message += "are neither in the newest snapshot nor in the log"
            raise Corrupt(message)
        holds_entry = self._wal.first_index <= snapshot.index <= self._wal.last_index
        if self._wal.last_index < snapshot.index or (
            holds_entry and not self._wal.agrees(snapshot.index, snapshot.term)
        ):
            # The crash came between the snapshot of another server and its mark in the log.
            self._wal.write([encode_mark(Mark(snapshot.index, snapshot.term))])

    @override
    def begin(self, cluster_id: bytes, /) -> None:
        try:
            self._wal.begin(cluster_id)
        except OSError as error:
            message = f"{self._path}: the log cannot be made: {error}"
            raise StorageError(message) from error

    @override
    def entries(self, first_index: int, last_index: int, /) -> Iterator[Entry]:
        return self._wal.entries(first_index, last_index)

    @override
    def restart(self, mark: Mark, /) -> None:
        try:
            self._wal.write([encode_mark(mark)])
            self._wal.release(mark.index + 1)
        except OSError as error:
            message = f"{self._path}: the log cannot be written: {error}"
            raise StorageError(message) from error

    @override
    def start(self, reports: Reports, /) -> None:
        self._writer = Writer(
            self._wal,
            persisted=reports.persisted,
            failed=reports.failed,
            on_fatal=reports.on_fatal,
        )

    @override
    def persist(self, write: Write, /) -> None:
        assert self._writer is not None
        bodies: list[bytes] = []
        if write.mark is not None:
            bodies.append(encode_mark(write.mark))
        if write.hard_state is not None:
            bodies.append(encode_hard_state(write.hard_state))
        if write.truncate_to is not None:
            bodies.append(encode_truncate(write.truncate_to))
        bodies += [encode_entry(entry) for entry in write.entries]
        size_bytes = sum(framed_bytes(len(body)) for body in bodies)
        self._writer.put(Queued(write.sequence, bodies, size_bytes, write.release_before))

    @override
    def shortage(self) -> str | None:
        free_bytes = self._files.free_bytes(self._path)
        if free_bytes >= FREE_BYTES_MIN:
            return None
        return f"only {free_bytes} bytes are free at {self._path}, {FREE_BYTES_MIN} are needed"

    @override
    def forget_peers(self) -> None:
        assert self._directory is not None
        self._directory.forget_peers()

    @override
    def close(self) -> None:
        if self._directory is None:
            return
        if self._writer is not None:
            self._writer.close()
        self._wal.close()
        self._directory.close()
        self._directory = None


def canonical_id(server_id: str) -> str:
    """The id in lower case with dashes; raises ``IdentityMismatch`` when it is no UUID."""
    try:
        return str(uuid.UUID(server_id))
    except ValueError as error:
        message = f"the server id {server_id!r} must be a UUID (the node id)"
        raise IdentityMismatch(message) from error
