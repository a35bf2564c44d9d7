"""Keeps one connection to a peer, for one channel: dial, wait until it ends, dial again.

Waits grow from BACKOFF_MIN_S to half an election timeout and not beyond, so that a server that
returns hears of its leader before it stands for election. ``wake`` ends a wait: the peer was heard
of another way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol

import msgspec

from raft.connection import Connection, Dialled, Owner
from raft.wire import Channel

BACKOFF_MIN_S: Final = 0.02  # a peer that restarts is away for longer
BACKOFF_DOUBLINGS_MAX: Final = 16  # the cap is reached long before; keeps the power small


class Dial(Protocol):
    """Connects to ``host:port`` and gives the connection to the protocol, with TLS or without.

    Raises OSError, or ValueError for what is no address.
    """

    def __call__(self, address: str, factory: Callable[[], Connection], /) -> Awaitable[object]:
        """Return once the protocol has its connection."""


def uncounted(name: str) -> None:
    """Count nothing."""


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the composing layer gives.

    ``dial`` connects; ``random``: uniform in [0, 1); ``start_task`` owns and names a task;
    ``count`` adds one to a counter by its name (``raft.transport.*``).
    """

    dial: Dial
    random: Callable[[], float]
    start_task: Callable[[str, Coroutine[Any, Any, Any]], asyncio.Task[Any]]
    count: Callable[[str], None] = uncounted


class PeerLink:
    """``connection`` is the present attempt, usable or not."""

    def __init__(
        self, owner: Owner, surroundings: Surroundings, peer_id: str, channel: Channel, address: str
    ) -> None:
        self._owner = owner
        self._surroundings = surroundings
        self._peer_id = peer_id
        self._channel = channel
        self._address = address
        self._failures = 0
        self._wake = asyncio.Event()
        self.connection = Dialled(owner, peer_id, channel)
        name = f"raft {channel.name.lower()} connection to {peer_id}"
        self._task = surroundings.start_task(name, self._run())

    def wake(self) -> None:
        """Do not wait any longer: the peer is there."""
        self._failures = 0
        self._wake.set()

    def stop(self, reason: str) -> None:
        """End the connection and make no other."""
        self._task.cancel()
        self.connection.end(reason)

    async def stopped(self) -> None:
        """Wait until the socket is closed, after ``stop``."""
        await asyncio.wait([self._task])
        await self.connection.gone.wait()

    async def _run(self) -> None:
        while True:
            await self._live()
            await self._pause()
            self.connection = Dialled(self._owner, self._peer_id, self._channel)

    async def _live(self) -> None:
        connection, times = self.connection, self._owner.times
        try:
            async with asyncio.timeout(times.connect_s):
                await self._dial(connection)
                await connection.ready.wait()
        except (OSError, ValueError) as error:  # a TimeoutError is an OSError, without a text
            self._surroundings.count("raft.transport.dial_failed")
            connection.end(str(error) or f"no connection in {times.connect_s:g} s")
            return
        try:
            async with asyncio.timeout(times.stable_s):
                await connection.ended.wait()
        except TimeoutError:
            self._failures = 0
            await connection.ended.wait()

    async def _dial(self, connection: Connection) -> None:
        try:
            await self._surroundings.dial(self._address, lambda: connection)
        except BaseException:  # a cancellation too
            connection.undialled()
            raise

    async def _pause(self) -> None:
        doublings = min(self._failures, BACKOFF_DOUBLINGS_MAX)
        wait_s = min(BACKOFF_MIN_S * 2**doublings, self._owner.times.backoff_max_s)
        self._failures += 1
        self._wake.clear()
        try:
            # Servers that lost each other at once should not all dial at once.
            async with asyncio.timeout(wait_s * (0.5 + self._surroundings.random() / 2)):
                await self._wake.wait()
        except TimeoutError:
            return
