"""The calls by which the log touches the disk: one seam, so that tests can fail each of them.

Nothing is retried here. After a failed write or sync the kernel may have dropped the pages and
report success the next time, so the caller must never sync that file again.
"""

import os
from pathlib import Path


class Files:
    """The real file system. Every method raises ``OSError``."""

    def write_at(self, descriptor: int, content: bytes | memoryview, offset: int) -> None:
        """Write all of ``content``; a short write is an error, never continued."""
        written = os.pwrite(descriptor, content, offset)
        if written != len(content):
            message = f"short write: {written} of {len(content)} bytes"
            raise OSError(message)

    def sync_content(self, descriptor: int) -> None:
        """Wait until the file's content is on disk (its size did not change)."""
        os.fdatasync(descriptor)

    def sync(self, descriptor: int) -> None:
        """Wait until the file with its size is on disk."""
        os.fsync(descriptor)

    def sync_directory(self, directory: Path) -> None:
        """Wait until the names in ``directory`` are on disk."""
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file or directory its final name; durable after ``sync_directory``."""
        source.rename(target)

    def free_bytes(self, directory: Path) -> int:
        """What this process may still write on the directory's file system."""
        room = os.statvfs(directory)
        return room.f_bavail * room.f_frsize

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()
