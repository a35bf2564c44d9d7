"""Listening sockets, and how their addresses and those of peers are written."""

import os
import socket
import stat
from typing import Final

from proxy.api import Listener

BACKLOG_MAX: Final = 4096  # connections that wait to be accepted; the kernel's usual limit

KEEPALIVE_IDLE_S: Final = 60  # then a silent peer is asked whether it is still there,
KEEPALIVE_INTERVAL_S: Final = 10  # and asked again,
KEEPALIVE_PROBES_MAX: Final = 6  # so often; a host that vanished is noticed within two minutes

_KEEPALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES_MAX),
)


def bind(listener: Listener) -> socket.socket:
    """A listening, non-blocking socket for a listener. Raises OSError.

    The file of a Unix socket that nobody listens at is taken over; any other file is left alone.
    """
    sock = _unix(listener) if listener.path else _internet(listener)
    try:
        sock.listen(BACKLOG_MAX)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def set_up(sock: socket.socket) -> None:
    """Make an accepted or a dialled socket one of ours: small writes go at once, dead peers end."""
    sock.setblocking(False)
    if sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for level, option, value in _KEEPALIVE:
        sock.setsockopt(level, option, value)


def place_of_peer(address: object) -> str:
    """``1.2.3.4:5``, ``[::1]:5``, or the path of a Unix socket (``unix`` if it has none)."""
    match address:
        case (str(host), int(port), *_):
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        case str(path) if path:
            return path
        case _:
            return "unix"


def _internet(listener: Listener) -> socket.socket:
    host = listener.address or "0.0.0.0"  # noqa: S104 - what an empty address means in Consul
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        # An older worker's connections may still be there; two listeners may not.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, listener.port))
    except OSError:
        sock.close()
        raise
    return sock


def _unix(listener: Listener) -> socket.socket:
    _remove_stale(listener.path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~listener.mode)  # at no moment is it open to more than it says
    try:
        sock.bind(listener.path)
        os.chmod(listener.path, listener.mode)
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(before)
    return sock


def _remove_stale(path: str) -> None:
    try:
        is_socket = stat.S_ISSOCK(os.lstat(path).st_mode)
    except FileNotFoundError:
        return
    if is_socket and not _is_listening(path):
        os.unlink(path)


def _is_listening(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        except OSError:
            return True  # it is busy, or not ours to ask
        return True
