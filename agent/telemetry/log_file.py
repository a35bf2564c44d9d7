"""The log file: appended to, renamed when it is too old or too big, old ones removed.

``/var/log/consul/`` names a folder, in which the file is ``consul.log``. A full file
becomes ``consul-<nanoseconds>.log``. Source: Consul agent options, log_file and log_rotate_*.
"""

from pathlib import Path
from typing import IO, Final

import msgspec

from catalog.duration import HOUR, SECOND

DEFAULT_NAME: Final = "consul.log"
DEFAULT_ENDING: Final = ".log"
KEEP_ALL: Final = 0
KEEP_NONE: Final = -1


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """When a file is full: at an age in nanoseconds or a size; a zero size is no limit.

    ``files_max`` old files are kept: 0 all, -1 none.
    """

    duration_ns: int = 24 * HOUR
    bytes_max: int = 0
    files_max: int = KEEP_ALL


class LogFile:
    """An open log file. ``write`` raises OSError if the disk does not take the line."""

    def __init__(self, path: str, rotation: Rotation, *, now_s: float) -> None:
        self._path = file_path(path)
        self._rotation = rotation
        self._file = self._open(now_s)

    def write(self, line: str, *, now_s: float) -> None:
        """Append ``line`` and a line end, to a new file if this one is full."""
        content = line.encode("utf-8", "backslashreplace") + b"\n"
        if self._is_full(len(content), now_s):
            self._rotate(now_s)
        self._file.write(content)
        self._bytes += len(content)

    def close(self) -> None:
        """Close the file; nothing is written afterwards."""
        self._file.close()

    def _open(self, now_s: float) -> IO[bytes]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("ab", buffering=0)  # a crash must not keep its last words back
        self._bytes = file.tell()
        self._opened_s = now_s
        return file

    def _is_full(self, line_bytes: int, now_s: float) -> bool:
        rotation = self._rotation
        is_old = rotation.duration_ns > 0 and (
            now_s - self._opened_s >= rotation.duration_ns / SECOND
        )
        is_big = 0 < rotation.bytes_max < self._bytes + line_bytes
        return self._bytes > 0 and (is_old or is_big)

    def _rotate(self, now_s: float) -> None:
        self._file.close()
        if self._rotation.files_max == KEEP_NONE:
            self._path.unlink(missing_ok=True)
        else:
            self._path.replace(self._archive_path(now_s))
            self._prune()
        self._file = self._open(now_s)

    def _archive_path(self, now_s: float) -> Path:
        nanoseconds = int(now_s * SECOND)
        while True:
            path = self._path.with_stem(f"{self._path.stem}-{nanoseconds}")
            if not path.exists():
                return path
            nanoseconds += 1

    def _prune(self) -> None:
        if self._rotation.files_max <= 0:
            return
        start = f"{self._path.stem}-"
        archives = [
            path
            for path in self._path.parent.iterdir()
            if path.suffix == self._path.suffix
            and path.stem.startswith(start)
            and path.stem.removeprefix(start).isdigit()
        ]
        archives.sort(key=lambda path: int(path.stem.removeprefix(start)))
        for path in archives[: -self._rotation.files_max]:
            path.unlink(missing_ok=True)


def file_path(setting: str) -> Path:
    """The file that the setting ``log_file`` names."""
    path = Path(setting)
    if setting.endswith("/"):
        return path / DEFAULT_NAME
    return path if path.suffix else path.with_suffix(DEFAULT_ENDING)
