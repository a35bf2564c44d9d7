"""Snapshots on disk: each a directory that appears whole or not at all.

``<directory>/<term>-<index>-<Unix ms>/`` holds ``state.bin`` and ``meta.json``. Both are written
and synced in a ``.tmp`` directory, which is synced, renamed, and made durable by syncing the
parent; only then does the log know of it. Size and SHA-256 are checked before every use.
"""

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final, Protocol

import msgspec
from typing_extensions import override

from raft.entries import SnapshotMeta
from raft.errors import Corrupt
from raft.files import Files

RETAINED: Final = 2  # the newest, and one to fall back on while the log still covers it
CHUNK_BYTES: Final = 256 * 1024  # unit of reading: large for the disk, small for the loop

_NAME: Final = re.compile(r"(\d+)-(\d+)-(\d+)")
_log = logging.getLogger("raft")


class Stored(msgspec.Struct, frozen=True):
    """The content of ``meta.json``."""

    snapshot: SnapshotMeta
    sha256: str


class Staged(Protocol):
    """A snapshot that is written and synced but not yet there."""

    meta: SnapshotMeta

    def commit(self) -> None:
        """Make it the newest snapshot, durably. Raises ``OSError``."""

    def discard(self) -> None:
        """Remove every trace."""


class Arriving(Protocol):
    """A snapshot that is being written, piece by piece."""

    size_bytes: int  # so far

    def append(self, chunk: bytes, /) -> None:
        """Write what follows. Raises ``OSError``."""

    def finish(self) -> Staged:
        """Sync it; its size is filled in. Raises ``OSError``."""

    def discard(self) -> None:
        """Remove every trace."""


class Snapshots(Protocol):
    """Where snapshots are kept; all methods block and may run in a worker thread."""

    def begin(self, meta: SnapshotMeta, /) -> Arriving:
        """Begin to write a snapshot, in place of an unfinished one. Raises ``OSError``."""

    def stage(self, meta: SnapshotMeta, chunks: Iterable[bytes], /) -> Staged:
        """Write a whole snapshot. Raises ``OSError`` and leaves nothing."""
        arriving = self.begin(meta)
        try:
            for chunk in chunks:
                arriving.append(chunk)
            return arriving.finish()
        except BaseException:
            arriving.discard()
            raise

    def open_state(self, meta: SnapshotMeta, /) -> IO[bytes]:
        """The state of a retained snapshot, from its start; the caller closes it."""

    def is_intact(self, meta: SnapshotMeta, /) -> bool:
        """Whether a retained snapshot still has the size and sum it was written with."""

    def reap(self) -> None:
        """Delete all but the newest ones, after a check that the newest can be read."""


def read_chunks(state: IO[bytes]) -> Iterator[bytes]:
    """The rest of a file in pieces of ``CHUNK_BYTES``."""
    while chunk := state.read(CHUNK_BYTES):
        yield chunk


class DirectorySnapshots(Snapshots):
    """Snapshots as directories below ``directory``."""

    def __init__(self, directory: Path, files: Files) -> None:
        self._directory = directory
        self._files = files

    @override
    def begin(self, meta: SnapshotMeta, /) -> "ArrivingDirectory":
        return ArrivingDirectory(meta, self._directory / f"{meta.id}.tmp", self._files)

    def newest(self, covered_from: int) -> SnapshotMeta | None:
        """The newest valid snapshot; None when there is none at all.

        ``covered_from`` is the log's first index. An older snapshot stands in for a damaged one
        only if the log goes on right after it; else raises ``Corrupt``.
        """
        damaged: list[str] = []
        for path in self._newest_first():
            try:
                meta = verify(path)
            except Corrupt as error:
                _log.error("snapshot cannot be used: %s", error)
                damaged.append(str(path))
                continue
            if damaged and covered_from > meta.index + 1:
                break
            return meta
        if damaged and covered_from > 1:
            message = (
                f"snapshot {damaged[0]} is damaged and the log no longer covers what it held "
                f"(it starts at entry {covered_from}): wipe this server and let it join under a "
                "new id, or restore a snapshot"
            )
            raise Corrupt(message)
        return None

    @override
    def open_state(self, meta: SnapshotMeta, /) -> IO[bytes]:
        return (self._directory / meta.id / "state.bin").open("rb")

    @override
    def is_intact(self, meta: SnapshotMeta, /) -> bool:
        try:
            verify(self._directory / meta.id)
        except Corrupt as error:
            _log.error("snapshot can no longer be used: %s", error)
            return False
        return True

    @override
    def reap(self) -> None:
        paths = self._newest_first()
        if len(paths) <= RETAINED:
            return
        verify(paths[0])
        for path in paths[RETAINED:]:
            shutil.rmtree(path)

    def _newest_first(self) -> list[Path]:
        found = [
            (tuple(int(part) for part in match.groups()), path)
            for path in self._directory.iterdir()
            if (match := _NAME.fullmatch(path.name))
        ]
        return [path for _, path in sorted(found, reverse=True)]


class ArrivingDirectory(Arriving):
    """A ``.tmp`` directory that is being filled. Raises ``OSError`` and leaves nothing."""

    def __init__(self, meta: SnapshotMeta, work: Path, files: Files) -> None:
        self.size_bytes = 0
        self._meta = meta
        self._work = work
        self._files = files
        self._digest = hashlib.sha256()
        shutil.rmtree(work, ignore_errors=True)  # of an attempt that ended halfway
        work.mkdir()
        try:
            self._descriptor = _create(work / "state.bin")
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise

    @override
    def append(self, chunk: bytes, /) -> None:
        self._files.write_at(self._descriptor, chunk, self.size_bytes)
        self._digest.update(chunk)
        self.size_bytes += len(chunk)

    @override
    def finish(self) -> "StagedDirectory":
        meta = msgspec.structs.replace(self._meta, size_bytes=self.size_bytes)
        self._seal()
        self._descriptor = _create(self._work / "meta.json")
        stored = msgspec.json.encode(Stored(meta, self._digest.hexdigest()))
        self._files.write_at(self._descriptor, stored, 0)
        self._seal()
        self._files.sync_directory(self._work)
        return StagedDirectory(meta, self._work, self._files)

    @override
    def discard(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        shutil.rmtree(self._work, ignore_errors=True)

    def _seal(self) -> None:
        self._files.sync(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = -1


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


class StagedDirectory(Staged):
    """A ``.tmp`` directory, complete and synced."""

    def __init__(self, meta: SnapshotMeta, work: Path, files: Files) -> None:
        self.meta = meta
        self._work = work
        self._files = files

    @override
    def commit(self) -> None:
        self._files.rename(self._work, self._work.with_name(self.meta.id))
        self._files.sync_directory(self._work.parent)

    @override
    def discard(self) -> None:
        shutil.rmtree(self._work, ignore_errors=True)


def verify(path: Path) -> SnapshotMeta:
    """Check a snapshot directory against its name, size and sum; raises ``Corrupt``."""
    digest = hashlib.sha256()
    size_bytes = 0
    try:
        stored = msgspec.json.decode((path / "meta.json").read_bytes(), type=Stored)
        with (path / "state.bin").open("rb") as state:
            for chunk in read_chunks(state):
                digest.update(chunk)
                size_bytes += len(chunk)
    except (OSError, msgspec.DecodeError) as error:
        message = f"{path}: the snapshot cannot be read: {error}"
        raise Corrupt(message) from error
    meta = stored.snapshot
    if (meta.size_bytes, stored.sha256) != (size_bytes, digest.hexdigest()):
        message = f"{path}: size or checksum of the snapshot is wrong"
        raise Corrupt(message)
    term, index, _ = path.name.split("-")
    if (meta.id, meta.term, meta.index) != (path.name, int(term), int(index)):
        message = f"{path}: the snapshot's name and meta.json disagree"
        raise Corrupt(message)
    return meta
