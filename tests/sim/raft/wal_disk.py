"""A simulated disk whose log is the real one: ``raft.wal`` on files that tear at a crash.

When a round is due it is written and synced for real, except that no sync waits. A crash lets the
round under way run into a call that fails half way: any of its sectors may have come through.
What recovery then reads is what the next process starts from.
"""

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Final

from typing_extensions import override

from raft.entries import Mark, Write
from raft.files import Files
from raft.records import encode_entry, encode_hard_state, encode_mark, encode_truncate
from raft.wal import Wal
from tests.sim.raft.disk import Disk, Image

SEGMENT_BYTES: Final = 4096  # a few rounds, so that runs roll
SECTOR_BYTES: Final = 512
CALLS_MAX: Final = 4  # of a round, before the crash comes; a roll makes several
CLUSTER_ID: Final = b"simulated worlds"


class Torn(Exception):
    """The process is gone in the middle of a call."""


class TearingFiles(Files):
    """Files of one server. ``calls_left``: after so many calls the process is gone; None: never."""

    def __init__(self, rng: Random) -> None:
        self.calls_left: int | None = None
        self._rng = rng

    def _call(self) -> bool:
        """Whether this is the call that the process does not survive."""
        if self.calls_left is None:
            return False
        self.calls_left -= 1
        return self.calls_left < 0

    @override
    def write_at(self, descriptor: int, content: bytes | memoryview, offset: int) -> None:
        if not self._call():
            super().write_at(descriptor, content, offset)
            return
        for start in range(0, len(content), SECTOR_BYTES):
            if self._rng.random() < 0.5:
                super().write_at(descriptor, content[start : start + SECTOR_BYTES], offset + start)
        raise Torn

    @override
    def sync_content(self, descriptor: int) -> None:
        if self._call():
            raise Torn

    @override
    def sync(self, descriptor: int) -> None:
        if self._call():
            raise Torn

    @override
    def sync_directory(self, directory: Path) -> None:
        if self._call():
            raise Torn

    @override
    def rename(self, source: Path, target: Path) -> None:
        if self._call():
            raise Torn
        super().rename(source, target)


class WalDisk(Disk):
    """Keeps the log below ``directory``; ``image`` repeats what the log must hold."""

    def __init__(
        self,
        rng: Random,
        at: Callable[[float, Callable[[], None]], None],
        directory: Path,
    ) -> None:
        super().__init__(rng, at)
        directory.mkdir()
        self._directory = directory
        self._server_id = str(uuid.UUID(int=rng.getrandbits(128)))
        self._files = TearingFiles(rng)
        self._wal = self._opened()
        self._wal.begin(CLUSTER_ID)

    def close(self) -> None:
        """Let go of the files."""
        self._files.calls_left = None
        self._wal.close()

    def _opened(self) -> Wal:
        wal = Wal(self._directory, self._server_id, self._files, segment_bytes=SEGMENT_BYTES)
        wal.recover()
        return wal

    @override
    def _sync(self, writes: Sequence[Write]) -> None:
        super()._sync(writes)
        self._write(writes)
        self._check()

    @override
    def _tear(self, writes: Sequence[Write], queued: Sequence[Write]) -> None:
        """Two rounds at most had begun; then the log is recovered."""
        self._files.calls_left = self._rng.randint(0, CALLS_MAX)
        try:
            for round_writes in (writes, queued):
                if round_writes:
                    self._write(round_writes)
        except Torn:
            pass
        self.close()
        for unfinished in self._directory.glob("*.tmp"):
            unfinished.unlink()  # as raft.directory does at every start
        self._wal = wal = self._opened()
        self.image = image = Image()
        image.hard_state = wal.hard_state
        image.first_index = wal.first_index
        image.entries = list(wal.entries(wal.first_index, wal.last_index))

    @override
    def _restart_log(self, mark: Mark) -> None:
        super()._restart_log(mark)
        self._wal.write([encode_mark(mark)])
        self._check()

    def _write(self, writes: Sequence[Write]) -> None:
        bodies: list[bytes] = []
        for write in writes:
            if write.mark is not None:
                bodies.append(encode_mark(write.mark))
            if write.hard_state is not None:
                bodies.append(encode_hard_state(write.hard_state))
            if write.truncate_to is not None:
                bodies.append(encode_truncate(write.truncate_to))
            bodies += [encode_entry(entry) for entry in write.entries]
        self._wal.write(bodies)
        if release_before := max(write.release_before for write in writes):
            self._wal.release(release_before)

    def _check(self) -> None:
        wal, image = self._wal, self.image
        assert (wal.last_index, wal.hard_state) == (image.last_index, image.hard_state), (
            "the log on disk is not what was written"
        )
