"""What the driver is given: settings, time, chance and tasks, and the one who listens.

The driver reads no clock and starts no task by itself, so a test or a simulation can own both.
"""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol

import msgspec

from gossip.core.effects import Change
from gossip.core.types import Address, Coordinate, Member, Query, Rng, UserEvent
from gossip.wire.envelope import NonceSource

StartTask = Callable[[str, Coroutine[Any, Any, Any]], asyncio.Task[Any]]
"""Owns a task, names it, and reports it when it fails."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How one node meets the network and the disk. The rules' own numbers are in ``Config``.

    ``bind_host``: a literal IP address to listen on, empty for the address that is announced.
    ``verify_incoming`` false takes plain packets although there are keys, ``verify_outgoing``
    false sends plain ones: both only while encryption is being introduced.
    A path of ``None`` keeps nothing on disk.
    """

    bind_host: str = ""
    label: bytes = b""
    compression: bool = True
    verify_incoming: bool = True
    verify_outgoing: bool = True
    keyring_path: Path | None = None
    snapshot_path: Path | None = None


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """Time, chance and tasks, given by whoever composes the process.

    ``monotonic_s``: seconds that never go back; ``nonce``: 12 bytes from the system's secure
    source, fresh at every call.
    """

    monotonic_s: Callable[[], float]
    rng: Rng
    nonce: NonceSource
    start_task: StartTask


class Listener(Protocol):
    """Hears what happens, on the loop thread and in order.

    A method must return at once: probes wait meanwhile. Longer work belongs into a task of the
    listener's. It may call the driver. What it raises is logged, and gossip goes on.
    """

    def members_changed(self, change: Change, members: tuple[Member, ...]) -> None:
        """These members joined, left, failed, changed their tags or were forgotten."""
        ...

    def event_received(self, event: UserEvent) -> None:
        """A user event, our own included; once each."""
        ...

    def query_received(self, query: Query, respond: Callable[[bytes], None]) -> None:
        """A query for us; ``respond`` may be called once, until its time is over."""
        ...

    def coordinate_updated(self, coordinate: Coordinate) -> None:
        """Our own network coordinate moved."""
        ...

    def keyring_changed(self, keys: tuple[bytes, ...]) -> None:
        """The keys, primary first. Secret: never log them."""
        ...

    def conflict_seen(self, node: str, known: Address, other: Address) -> None:
        """Two addresses claim the name ``node``; the known one is kept."""
        ...

    def stopped(self, reason: str) -> None:
        """The pool voted against our name. The node is deaf and mute now: shut it down."""
        ...


class SilentListener:
    """Hears everything and does nothing. Others may inherit what they do not care about."""

    def members_changed(self, _change: Change, _members: tuple[Member, ...], /) -> None:
        """Do nothing."""

    def event_received(self, _event: UserEvent, /) -> None:
        """Do nothing."""

    def query_received(self, _query: Query, _respond: Callable[[bytes], None], /) -> None:
        """Do nothing: the asker gets no response."""

    def coordinate_updated(self, _coordinate: Coordinate, /) -> None:
        """Do nothing."""

    def keyring_changed(self, _keys: tuple[bytes, ...], /) -> None:
        """Do nothing."""

    def conflict_seen(self, _node: str, _known: Address, _other: Address, /) -> None:
        """Do nothing."""

    def stopped(self, _reason: str, /) -> None:
        """Do nothing."""
