"""Where a worker without a terminal writes: one file for its log, access logs on stdout, and what
Python says when it fails. It is begun anew when it is large; one older file is kept.

The file is the process's stdout and stderr themselves. Another worker may write to the same one:
an older one that drains, a newer one that takes its place.
"""

import contextlib
import os
import sys
from pathlib import Path
from typing import Final

OUTPUT_BYTES_MAX: Final = 10 * 1024 * 1024  # weeks of an ordinary worker without access logs
FILE_MODE: Final = 0o600  # access logs tell who asked for what
_STREAMS: Final = (1, 2)


class Output:
    """Opens ``path`` as stdout and stderr of the process. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open()

    def check(self) -> None:
        """Begin anew if the file is large, or if another worker or an operator did."""
        with contextlib.suppress(OSError):  # a full disk must not end what is served
            if self._is_ours() and os.fstat(_STREAMS[0]).st_size > OUTPUT_BYTES_MAX:
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            if not self._is_ours():
                self._open()

    def _is_ours(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(_STREAMS[0]))
        except FileNotFoundError:
            return False

    def _open(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        opened = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, FILE_MODE)
        for number in _STREAMS:
            os.dup2(opened, number)
        os.close(opened)
