"""The two sockets of a node, UDP and TCP on one port, as bytes and addresses.

Packets leave from the listening socket, so their source is where we can be reached. Connections
we open leave from any port. Source: memberlist's transport.
Limits: ``BURST_PACKETS_MAX`` packets are read before others get their turn; the kernel's receive
buffer holds the rest and drops what it cannot hold, as UDP may.
"""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from gossip.core.types import Address, normalized_ip
from gossip.wire.envelope import PACKET_READ_BYTES_MAX

RECEIVE_BUFFER_BYTES: Final = 2 * 1024 * 1024  # memberlist asks for as much and takes what it gets
RECEIVE_BUFFER_BYTES_MIN: Final = 64 * 1024  # below that the default is no worse
BURST_PACKETS_MAX: Final = 64  # some milliseconds of work
BACKLOG_CONNECTIONS_MAX: Final = 512  # a restarted pool joins at once; the kernel may hold fewer
PORT_TRIES_MAX: Final = 32  # a port that is free for TCP is nearly always free for UDP
CACHED_ADDRESSES_MAX: Final = 8192  # texts of peers' addresses; a miss costs a microsecond

_MAPPED: Final = "::ffff:"

TakePacket = Callable[[bytes, Address], None]


class Endpoints:
    """Both sockets. ``open``, ``receive`` and ``accept``, then ``close``."""

    def __init__(self) -> None:
        self._udp: socket.socket | None = None
        self._tcp: socket.socket | None = None
        self._is_ipv6 = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self, host: str, port: int) -> int:
        """Bind both sockets to the IP address ``host``; returns the port.

        Port 0 takes one that is free for both. Raises OSError.
        """
        self._is_ipv6 = ":" in host
        family = socket.AF_INET6 if self._is_ipv6 else socket.AF_INET
        tries = 1 if port else PORT_TRIES_MAX
        while True:
            tries -= 1
            try:
                self._tcp, self._udp = _bind_pair(family, host, port)
            except OSError as error:
                if error.errno == errno.EADDRINUSE and tries:
                    continue
                raise
            bound: int = self._udp.getsockname()[1]
            return bound

    def receive(self, take: TakePacket) -> None:
        """Hand every packet from now on to ``take``, on the loop."""
        assert self._udp is not None, "open first"
        udp, is_open = self._udp, self._is_open

        def readable() -> None:
            for _ in range(BURST_PACKETS_MAX):
                try:
                    packet, source = udp.recvfrom(PACKET_READ_BYTES_MAX)
                except OSError:
                    return  # nothing left, or a report about an earlier send
                take(packet, _address(source[0], source[1]))
                if not is_open():
                    return

        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(udp.fileno(), readable)

    def send(self, packet: bytes, to: Address) -> None:
        """Send one packet now. Raises OSError when the local socket refuses it."""
        if self._udp is None:
            raise OSError(errno.EBADF, "the node is shut down")
        self._udp.sendto(packet, (self._host(to), to.port))

    async def accept(self) -> socket.socket:
        """The next connection. Raises OSError, after which it may be called again."""
        assert self._tcp is not None, "open first"
        while True:
            try:
                # Not awaited: who is cancelled as a connection comes must not lose it unclosed.
                connection, _ = self._tcp.accept()
            except BlockingIOError:
                await _readable(self._tcp.fileno())
            else:
                connection.setblocking(False)
                return connection

    async def dial(self, to: Address) -> socket.socket:
        """A connection to ``to``. Raises OSError."""
        family = socket.AF_INET if len(to.ip) == 4 else socket.AF_INET6
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            where = (ip_text(to.ip), to.port)
            await asyncio.get_running_loop().sock_connect(connection, where)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close both; peers find out by probing. Idempotent."""
        udp, tcp = self._udp, self._tcp
        self._udp = self._tcp = None
        if udp is not None:
            if self._loop is not None:
                self._loop.remove_reader(udp.fileno())
            udp.close()
        if tcp is not None:
            tcp.close()

    def _is_open(self) -> bool:
        return self._udp is not None

    def _host(self, to: Address) -> str:
        """The address as our socket's family takes it."""
        return _MAPPED + ip_text(to.ip) if self._is_ipv6 and len(to.ip) == 4 else ip_text(to.ip)


@lru_cache(CACHED_ADDRESSES_MAX)
def ip_text(ip: bytes) -> str:
    """The 4 or 16 bytes as people write them."""
    return socket.inet_ntop(socket.AF_INET if len(ip) == 4 else socket.AF_INET6, ip)


@lru_cache(CACHED_ADDRESSES_MAX)
def _address(host: str, port: int) -> Address:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return Address(normalized_ip(socket.inet_pton(family, host.partition("%")[0])), port)


def _bind_pair(family: int, host: str, port: int) -> tuple[socket.socket, socket.socket]:
    with contextlib.ExitStack() as opened:
        tcp = opened.enter_context(socket.socket(family, socket.SOCK_STREAM))
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.setblocking(False)
        tcp.bind((host, port))
        udp = opened.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        udp.setblocking(False)
        udp.bind((host, tcp.getsockname()[1]))
        _enlarge(udp)
        tcp.listen(BACKLOG_CONNECTIONS_MAX)
        opened.pop_all()
    return tcp, udp


def _enlarge(udp: socket.socket) -> None:
    """Ask for a large receive buffer, and for half of it until the kernel agrees."""
    size = RECEIVE_BUFFER_BYTES
    while size >= RECEIVE_BUFFER_BYTES_MIN:
        with contextlib.suppress(OSError):
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
            return
        size //= 2


async def _readable(descriptor: int) -> None:
    """Wait until something can be read, or accepted."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
