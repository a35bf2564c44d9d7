"""What comes in: the events that ``GossipNode.step`` takes. One file, one closed union.

A command carries ``request``, a number of the caller's choice; the answer is the effect
``Completed`` (or the answers of a query) with the same number.
"""

from typing import TypeAlias

import msgspec

from gossip.core.types import (
    Address,
    Filter,
    LamportTime,
    PacketMessage,
    StreamMessage,
)


class Start(msgspec.Struct, frozen=True):
    """Announce ourselves and start the loops.

    ``previous`` are members of the last run, tried in random order until one answers; how that
    went is ``Completed`` for ``request``.
    """

    request: int = 0
    previous: tuple["JoinTarget", ...] = ()


class PacketReceived(msgspec.Struct, frozen=True):
    """One message of a datagram; compounds are taken apart before."""

    message: PacketMessage
    sender: Address


class StreamRequested(msgspec.Struct, frozen=True):
    """A peer connected and sent this; ``stream`` names the connection for the answer."""

    stream: int
    message: StreamMessage


class StreamAnswered(msgspec.Struct, frozen=True):
    """How a stream opened by ``OpenStream`` went: a message, or ``error`` without one."""

    stream: int
    message: StreamMessage | None
    error: str = ""


class SendRefused(msgspec.Struct, frozen=True):
    """The local socket refused a packet with ping ``sequence``: no word about the target."""

    sequence: int


class Woke(msgspec.Struct, frozen=True):
    """``next_deadline`` has passed."""


class JoinTarget(msgspec.Struct, frozen=True):
    """One resolved address to join; ``name`` may be empty when it is not known."""

    address: Address
    name: str = ""


class Join(msgspec.Struct, frozen=True):
    """Push/pull with every target; succeeds when one did (``Completed.count``)."""

    request: int
    targets: tuple[JoinTarget, ...]
    ignore_old_events: bool = True


class Leave(msgspec.Struct, frozen=True):
    """Leave gracefully; ``Completed`` comes when the word is out. There is no way back."""

    request: int


class ForceLeave(msgspec.Struct, frozen=True):
    """Say for a failed node that it left; ``prune`` erases it from the member list."""

    request: int
    node: str
    prune: bool = False


class SendEvent(msgspec.Struct, frozen=True):
    """Tell everybody; ``coalesce`` lets receivers keep only the newest of a name."""

    request: int
    name: str
    payload: bytes
    coalesce: bool = False


class Ask(msgspec.Struct, frozen=True):
    """Start a query. ``timeout_s`` None is the pool's default, which grows with its size."""

    request: int
    name: str
    payload: bytes = b""
    filters: tuple[Filter, ...] = ()
    timeout_s: float | None = None
    want_ack: bool = False
    relay_factor: int = 0


class Respond(msgspec.Struct, frozen=True):
    """Answer the received query (``time``, ``id``) once."""

    request: int
    time: LamportTime
    id: int
    payload: bytes


class SetTags(msgspec.Struct, frozen=True):
    """Replace our tags; everybody hears of it."""

    request: int
    tags: dict[str, str]


class ChangeKeyring(msgspec.Struct, frozen=True):
    """Ask every member to ``install``, ``use``, ``remove`` a key or ``list`` them."""

    request: int
    action: str
    key: bytes = b""
    relay_factor: int = 0


Command: TypeAlias = Join | ForceLeave | SendEvent | Ask | Respond | SetTags | ChangeKeyring
Event: TypeAlias = (
    Start | PacketReceived | StreamRequested | StreamAnswered | SendRefused | Woke | Leave | Command
)
