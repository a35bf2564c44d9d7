"""The snapshot file on disk: lines appended, now and then the whole replaced, in a thread.

What the lines mean is ``gossip.core.snapshot``'s business. One thread writes, in the order of the
calls. A failed write is reported and forgotten: the file only spares a restarted node the search
for its pool, so a full disk must not stop gossip. After one the file is opened again, where a
half-written last line is ended before the next one starts.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from gossip.keyring_file import sync_directory

READ_BYTES_MAX: Final = 64 * 1024 * 1024
"""The core compacts far earlier; of a larger file only the end, which is newer, is read."""
PENDING_MAX: Final = 1024
"""Writes that wait for a slow disk; the core asks for two a second."""


class SnapshotFile:
    """Writes one snapshot file. ``failed`` is called on the loop with a text for the log."""

    def __init__(self, path: Path, failed: Callable[[str], None]) -> None:
        self._path = path
        self._failed = failed
        self._thread = ThreadPoolExecutor(1, "gossip-snapshot")
        self._descriptor: int | None = None
        self._pending = 0

    async def read(self) -> bytes:
        """What the last run left; empty without a file. Raises OSError."""
        return await asyncio.wrap_future(self._thread.submit(self._read))

    def append(self, lines: Sequence[str], *, sync: bool) -> None:
        """Append ``lines``; ``sync`` makes them durable."""
        self._submit(lambda: self._append(lines, sync=sync))

    def replace(self, lines: Sequence[str]) -> None:
        """Replace the whole file, atomically."""
        self._submit(lambda: self._replace(lines))

    async def close(self) -> None:
        """Write what was asked for, make it durable, close."""
        await asyncio.wrap_future(self._thread.submit(self._close))
        self._thread.shutdown(wait=False)

    def _submit(self, write: Callable[[], None]) -> None:
        if self._pending >= PENDING_MAX:
            self._failed("the disk is too slow for the snapshot file")
            return
        self._pending += 1
        loop = asyncio.get_running_loop()

        def done(future: Future[None]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._written, future)

        self._thread.submit(write).add_done_callback(done)

    def _written(self, future: Future[None]) -> None:
        self._pending -= 1
        if (error := future.exception()) is not None:
            self._failed(f"cannot write snapshot {self._path}: {error}")

    # In the thread.

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - READ_BYTES_MAX))
                return file.read(READ_BYTES_MAX)
        except FileNotFoundError:
            return b""

    def _append(self, lines: Sequence[str], *, sync: bool) -> None:
        try:
            if self._descriptor is None:
                self._descriptor = self._open()
            _write(self._descriptor, _joined(lines))
            if sync:
                os.fsync(self._descriptor)
        except OSError:
            self._forget_descriptor()
            raise

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            _write(descriptor, b"\n")
        return descriptor

    def _replace(self, lines: Sequence[str]) -> None:
        self._forget_descriptor()
        new = self._path.with_name(self._path.name + ".compact")
        with new.open("wb") as file:
            file.write(_joined(lines))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        sync_directory(self._path.parent)

    def _forget_descriptor(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def _close(self) -> None:
        if self._descriptor is not None:
            os.fsync(self._descriptor)
        self._forget_descriptor()


def _joined(lines: Sequence[str]) -> bytes:
    """The lines as bytes. A name with a line end in it would forge other lines: it is left out."""
    return b"".join(
        line.encode(errors="replace") + b"\n" for line in lines if not {"\n", "\0"} & set(line)
    )


def _write(descriptor: int, content: bytes) -> None:
    written = os.write(descriptor, content)
    if written != len(content):
        raise OSError(f"short write: {written} of {len(content)} bytes")
