"""Listening sockets on their way from an older worker to a newer one.

The older one listens at a Unix socket, the newer one connects. Each packet names some listeners
(msgpack) and carries their sockets beside it (SCM_RIGHTS); one that names none is the last. Each is
answered by one byte, so that no more than one is on its way. Both workers then hold the same
sockets: a connection that waits in one is accepted by either, and none is lost.
Limits: below, each by name.
"""

import asyncio
import contextlib
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from proxy.unix_socket import connect_unix, is_allowed, listen_unix, peer_of

ListenerKey = tuple[str, str, str]
"""A proxy's id, a listener's name, and the place it was told to listen at."""

WAIT_S: Final = 10.0  # for the other worker to come and to answer; it is on this host and idle
RETRY_S: Final = 0.02  # the newer one may be told before the older one listens
SOCKETS_PER_PACKET_MAX: Final = 64  # the kernel takes 253; names must fit a packet beside them
PACKET_BYTES_MAX: Final = 128 * 1024  # below the kernel's usual buffer of a socket, 208 KiB
ACKNOWLEDGEMENT: Final = b"\x06"


class HandOverError(Exception):
    """The sockets did not arrive; whoever had them still has them."""


async def give(path: Path, sockets: Mapping[ListenerKey, socket.socket]) -> None:
    """Wait for the newer worker at ``path`` and send it the sockets. Raises HandOverError."""
    try:
        listening = listen_unix(path, socket.SOCK_SEQPACKET)
        with listening:
            async with asyncio.timeout(WAIT_S):
                connected = await _accept(listening)
                with connected:
                    await _send(connected, sockets)
    except (OSError, TimeoutError) as error:
        raise HandOverError(f"hand-over at {path}: {str(error) or 'nobody came in time'}") from None
    finally:
        _remove(path)


async def take(path: Path) -> dict[ListenerKey, socket.socket]:
    """Receive the sockets from the older worker at ``path``. Raises HandOverError."""
    sockets: dict[ListenerKey, socket.socket] = {}
    try:
        async with asyncio.timeout(WAIT_S):
            with await _connect(path) as connected:
                while taken := await _receive(connected):
                    sockets.update(taken)
    except (OSError, TimeoutError, msgspec.DecodeError, HandOverError) as error:
        for held in sockets.values():
            held.close()
        raise HandOverError(f"hand-over at {path}: {str(error) or 'no answer in time'}") from None
    return sockets


async def _send(connected: socket.socket, sockets: Mapping[ListenerKey, socket.socket]) -> None:
    left = sorted(sockets)
    is_last = False
    while not is_last:
        # One that was closed meanwhile, because its listener is gone, is left out.
        left = [key for key in left if sockets[key].fileno() >= 0]
        batch, left = left[:SOCKETS_PER_PACKET_MAX], left[SOCKETS_PER_PACKET_MAX:]
        is_last = not batch
        numbers = [sockets[key].fileno() for key in batch]
        socket.send_fds(connected, [msgspec.msgpack.encode(batch)], numbers)
        await _readable(connected)
        if connected.recv(1) != ACKNOWLEDGEMENT:
            raise OSError("the newer worker went away")


async def _receive(connected: socket.socket) -> dict[ListenerKey, socket.socket]:
    await _readable(connected)
    packet, numbers, _, _ = socket.recv_fds(connected, PACKET_BYTES_MAX, SOCKETS_PER_PACKET_MAX)
    taken = [socket.socket(fileno=number) for number in numbers]
    keys = msgspec.msgpack.decode(packet, type=list[ListenerKey]) if packet else None
    if keys is None or len(keys) != len(taken):
        for held in taken:
            held.close()
        raise HandOverError("the older worker went away")
    for held in taken:
        held.set_inheritable(False)
    connected.send(ACKNOWLEDGEMENT)
    return dict(zip(keys, taken, strict=True))


async def _accept(listening: socket.socket) -> socket.socket:
    while True:
        await _readable(listening)
        connected, _ = listening.accept()
        connected.setblocking(False)
        if is_allowed(peer_of(connected)[1]):
            return connected
        connected.close()


async def _connect(path: Path) -> socket.socket:
    while True:
        try:
            return connect_unix(path, socket.SOCK_SEQPACKET)
        except (FileNotFoundError, ConnectionRefusedError):
            await asyncio.sleep(RETRY_S)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


async def _readable(waited: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def set_ready() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(waited, set_ready)
    try:
        await ready
    finally:
        loop.remove_reader(waited)
