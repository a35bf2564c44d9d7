"""Unix sockets that only their owner can reach, at paths of any length.

The kernel takes 107 bytes of a path; a data directory may be deeper. So a socket is named through
a descriptor of its directory, ``/proc/self/fd/N/name`` (Linux).
"""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

BACKLOG: Final = 64
DIRECTORY_MODE: Final = 0o700
SOCKET_MODE: Final = 0o600
_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred: process, user, group


def listen_unix(path: Path, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """Listen at ``path``, instead of who did before; its directory is made, for us alone.

    Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=DIRECTORY_MODE)
    path.parent.chmod(DIRECTORY_MODE)
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, kind)
    try:
        with _short(path) as name:
            listening.bind(name)
        path.chmod(SOCKET_MODE)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def connect_unix(path: Path, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """Connect to who listens at ``path``; does not wait. Raises OSError."""
    connected = socket.socket(socket.AF_UNIX, kind)
    try:
        with _short(path) as name:
            connected.setblocking(False)
            connected.connect(name)
    except OSError:
        connected.close()
        raise
    return connected


def peer_of(connected: socket.socket) -> tuple[int, int]:
    """Who is at the other end: process and user, by the kernel's word."""
    raw = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, _group = _CREDENTIALS.unpack(raw)
    return process, user


def is_allowed(user: int) -> bool:
    """Whether a peer may talk to us: our own user, or root."""
    return user in (os.geteuid(), 0)


@contextmanager
def _short(path: Path) -> Iterator[str]:
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
