"""What goes out: everything ``GossipNode.step`` may ask of its driver. One closed union.

The driver carries effects out in order. Timers are no effects: it waits until
``GossipNode.next_deadline`` and steps with ``Woke``.
"""

from enum import Enum
from typing import TypeAlias

import msgspec

from gossip.core.types import (
    Address,
    Member,
    PacketMessage,
    Query,
    StreamMessage,
    UserEvent,
)


class SendPacket(msgspec.Struct, frozen=True):
    """One datagram: the messages share it as a compound when there are several.

    ``checksum`` says that the target understands the CRC layer.
    """

    to: Address
    messages: tuple[PacketMessage, ...]
    checksum: bool = False


class OpenStream(msgspec.Struct, frozen=True):
    """Connect, send, read one answer, close; report ``StreamAnswered`` before ``deadline``."""

    stream: int
    to: Address
    node: str
    message: StreamMessage
    deadline: float


class AnswerStream(msgspec.Struct, frozen=True):
    """Send the answer on an accepted connection (none: nothing) and close it."""

    stream: int
    message: StreamMessage | None


class Change(Enum):
    """What happened to a member."""

    JOIN = "member-join"
    LEAVE = "member-leave"
    FAILED = "member-failed"
    UPDATE = "member-update"
    REAP = "member-reap"


class MembersChanged(msgspec.Struct, frozen=True):
    """One or, when coalesced, several members changed in the same way."""

    change: Change
    members: tuple[Member, ...]


class EventReceived(msgspec.Struct, frozen=True):
    """A user event, delivered once per node."""

    event: UserEvent


class QueryReceived(msgspec.Struct, frozen=True):
    """A query that passed its filters; answer with ``Respond`` before ``deadline``."""

    query: Query
    deadline: float


class QueryAnswer(msgspec.Struct, frozen=True):
    """An ack (``payload`` None) or a response to our query, once a sender."""

    request: int
    sender: str
    payload: bytes | None


class QueryFinished(msgspec.Struct, frozen=True):
    """The query's time is over; no more answers come."""

    request: int
    ack_count: int
    response_count: int


class Completed(msgspec.Struct, frozen=True):
    """A command ended; ``error`` is empty when it worked. ``count``: joined targets."""

    request: int
    error: str = ""
    count: int = 0


class KeyringAnswer(msgspec.Struct, frozen=True):
    """What the members said to ``ChangeKeyring``; ``messages`` and ``error`` are for people.

    ``keys`` and ``primary_keys`` count the members that hold each key (base64 text).
    """

    request: int
    member_count: int
    response_count: int
    error_count: int
    messages: dict[str, str]
    keys: dict[str, int]
    primary_keys: dict[str, int]
    error: str = ""


class KeyringChanged(msgspec.Struct, frozen=True):
    """From now on use these keys (primary first) and write them to the keyring file."""

    keys: tuple[bytes, ...]


class ConflictSeen(msgspec.Struct, frozen=True):
    """Two addresses claim ``node``; the ``known`` one is kept."""

    node: str
    known: Address
    other: Address


class Stop(msgspec.Struct, frozen=True):
    """The pool voted against our name: shut down."""

    reason: str


class AppendSnapshot(msgspec.Struct, frozen=True):
    """Append these lines to the snapshot file; ``sync`` makes them durable first."""

    lines: tuple[str, ...]
    sync: bool = False


class ReplaceSnapshot(msgspec.Struct, frozen=True):
    """Replace the whole snapshot file, atomically."""

    lines: tuple[str, ...]


class Warn(msgspec.Struct, frozen=True):
    """For the log and a counter: ``what`` is one of a fixed set of phrases."""

    what: str
    node: str = ""
    detail: str = ""


Effect: TypeAlias = (
    SendPacket
    | OpenStream
    | AnswerStream
    | MembersChanged
    | EventReceived
    | QueryReceived
    | QueryAnswer
    | QueryFinished
    | Completed
    | KeyringAnswer
    | KeyringChanged
    | ConflictSeen
    | Stop
    | AppendSnapshot
    | ReplaceSnapshot
    | Warn
)
