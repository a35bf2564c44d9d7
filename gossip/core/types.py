"""The vocabulary of gossip: addresses, members, and every message that crosses the network.

Two layers share one port. *Membership* messages (memberlist's) are bare; *cluster* messages
(Serf's) travel inside ``UserMessage`` and, in a push/pull, as its ``state``. The core sees only
these values; ``gossip.wire`` turns them into bytes and back, and never hands over a value that
breaks a limit of this file. Times are seconds, timeouts in messages nanoseconds (int).
What stays bytes: ``meta`` (``Payloads.encode_tags``), and the payloads of events, queries and
responses; a payload of an internal query is read with ``Payloads.decode``.
Source: the message tables of memberlist and Serf (field names there are Go's, ``LTime``...).
"""

from enum import IntEnum, IntFlag
from typing import Final, NamedTuple, NewType, Protocol, TypeAlias, TypeVar

import msgspec

LamportTime = NewType("LamportTime", int)
Incarnation = NewType("Incarnation", int)

META_BYTES_MAX: Final = 512  # memberlist's MetaMaxSize: the alive message must fit one packet
NAME_BYTES_MAX: Final = 512  # names ride in every message; real ones are host names (<= 255)
EVENT_RING_SLOTS: Final = 512  # Serf's event and query buffers; part of the push/pull layout
UINT32_MASK: Final = 0xFFFFFFFF  # sequence numbers and incarnations are u32 on the wire

_MAPPED_PREFIX: Final = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, RFC 4291 §2.5.5.2

T = TypeVar("T")


class Rng(Protocol):
    """The part of ``random.Random`` that the rules use."""

    def random(self) -> float:
        """A float in [0, 1)."""
        ...

    def randrange(self, stop: int, /) -> int:
        """An int in [0, stop)."""
        ...

    def shuffle(self, x: list[T], /) -> None:
        """Reorder ``x`` in place."""
        ...


class Address(NamedTuple):
    """Where a member listens, UDP and TCP alike. ``ip`` is 4 or 16 bytes in network order."""

    ip: bytes
    port: int


def normalized_ip(ip: bytes) -> bytes:
    """The one form of an address: an IPv4-mapped IPv6 address becomes its 4 bytes.

    Agents bound to 0.0.0.0 announce the 16-byte form, others the 4-byte form of one address.
    """
    return ip[12:] if len(ip) == 16 and ip.startswith(_MAPPED_PREFIX) else ip


class Versions(NamedTuple):
    """The six version bytes of a member, in their order on the wire."""

    protocol_min: int
    protocol_max: int
    protocol: int
    delegate_min: int
    delegate_max: int
    delegate: int


NO_VERSIONS: Final = Versions(0, 0, 0, 0, 0, 0)  # what a missing or short Vsn decodes to


class State(IntEnum):
    """What membership (memberlist) holds of a node."""

    ALIVE = 0
    SUSPECT = 1
    DEAD = 2
    LEFT = 3


class Status(IntEnum):
    """What the cluster layer (Serf) shows of a member."""

    NONE = 0
    ALIVE = 1
    LEAVING = 2
    LEFT = 3
    FAILED = 4


class Member(msgspec.Struct, frozen=True):
    """One member as shown to the application; ``status_time`` orders its intents."""

    name: str
    address: Address
    tags: dict[str, str]
    status: Status
    versions: Versions
    status_time: LamportTime = LamportTime(0)


class Coordinate(msgspec.Struct, frozen=True):
    """A Vivaldi network coordinate; every part in seconds, ``vec`` has 8 dimensions."""

    vec: tuple[float, ...]
    error: float
    adjustment: float
    height: float


# --- membership messages -----------------------------------------------------------------------


class Ping(msgspec.Struct, frozen=True):
    """0: are you there? Answered at ``source`` when given, else where the packet came from."""

    sequence: int
    node: str = ""
    source: Address | None = None
    source_node: str = ""


class IndirectPing(msgspec.Struct, frozen=True):
    """1: ping ``target`` for me; ``nack`` asks for word at half time when it stays silent."""

    sequence: int
    target: Address
    node: str
    nack: bool
    source: Address | None = None
    source_node: str = ""


class Ack(msgspec.Struct, frozen=True):
    """2: the answer to a ping. Only direct UDP acks carry a coordinate.

    The wire form of the payload is the byte 01 and the coordinate's map; any other payload
    decodes to ``None``.
    """

    sequence: int
    coordinate: Coordinate | None = None


class Suspect(msgspec.Struct, frozen=True):
    """3: ``accuser`` (``From``) could not reach ``node``."""

    incarnation: Incarnation
    node: str
    accuser: str


class Alive(msgspec.Struct, frozen=True):
    """4: ``node`` is alive and describes itself. Port 0 means "your own port"."""

    incarnation: Incarnation
    node: str
    address: Address
    meta: bytes
    versions: Versions


class Dead(msgspec.Struct, frozen=True):
    """5: ``node`` is dead; it left by itself when ``accuser == node``."""

    incarnation: Incarnation
    node: str
    accuser: str


class NodeState(msgspec.Struct, frozen=True):
    """One node of a push/pull. Dead and left nodes may carry ``NO_VERSIONS``."""

    name: str
    address: Address
    meta: bytes
    incarnation: Incarnation
    state: State
    versions: Versions


class PushPull(msgspec.Struct, frozen=True):
    """6: the whole table, both ways over one stream; ``state`` is the cluster layer's part."""

    nodes: tuple[NodeState, ...]
    join: bool
    state: "ClusterState | None" = None


class Nack(msgspec.Struct, frozen=True):
    """11: the helper is alive but has not heard from the target yet."""

    sequence: int


class ErrorReply(msgspec.Struct, frozen=True):
    """13: the answer to a stream that cannot be served, shown to the operator."""

    text: str


class UserMessage(msgspec.Struct, frozen=True):
    """8: a message of the cluster layer."""

    message: "ClusterMessage"


# --- cluster messages --------------------------------------------------------------------------


class QueryFlag(IntFlag):
    """``ACK`` asks for (query) or is (response) an ack; ``NO_BROADCAST`` stops rebroadcast."""

    NONE = 0
    ACK = 1
    NO_BROADCAST = 2


class LeaveIntent(msgspec.Struct, frozen=True):
    """0: ``node`` is leaving, or is removed by an operator; ``prune`` erases it as well."""

    time: LamportTime
    node: str
    prune: bool = False


class JoinIntent(msgspec.Struct, frozen=True):
    """1: ``node`` is (again) a member."""

    time: LamportTime
    node: str


class EventBody(NamedTuple):
    """One event within a slot of the push/pull's event ring."""

    name: str
    payload: bytes


class EventSlot(msgspec.Struct, frozen=True):
    """The events of one Lamport time, as kept in the ring and sent in a push/pull."""

    time: LamportTime
    events: tuple[EventBody, ...]


class ClusterState(msgspec.Struct, frozen=True):
    """2: the cluster layer's part of a push/pull.

    ``events`` holds only the filled slots; on the wire each stands at ``time % 512`` of an array
    of 512 (or nil for the whole array when there are none).
    """

    time: LamportTime
    status_times: dict[str, LamportTime]
    left_members: tuple[str, ...]
    event_time: LamportTime
    events: tuple[EventSlot, ...]
    query_time: LamportTime


class UserEvent(msgspec.Struct, frozen=True):
    """3: an event of the application; identity is (time, name, payload)."""

    time: LamportTime
    name: str
    payload: bytes
    coalesce: bool


class NodeFilter(msgspec.Struct, frozen=True):
    """Filter type 0: only these nodes answer."""

    names: tuple[str, ...]


class TagFilter(msgspec.Struct, frozen=True):
    """Filter type 1: only nodes whose value of ``tag`` the RE2 ``expression`` is found in."""

    tag: str
    expression: str


class UnknownFilter(msgspec.Struct, frozen=True):
    """A filter this version cannot read, kept as received (type byte included): never matches."""

    raw: bytes


Filter: TypeAlias = NodeFilter | TagFilter | UnknownFilter


class Query(msgspec.Struct, frozen=True):
    """4: a question to the cluster; identity is (time, id). Responses go to ``source``."""

    time: LamportTime
    id: int
    source: Address
    source_node: str
    filters: tuple[Filter, ...]
    flags: QueryFlag
    relay_factor: int
    timeout_ns: int
    name: str
    payload: bytes


class QueryResponse(msgspec.Struct, frozen=True):
    """5: an answer, or with ``QueryFlag.ACK`` an acknowledgement, from node ``sender``."""

    time: LamportTime
    id: int
    sender: str
    flags: QueryFlag
    payload: bytes


class Relay(msgspec.Struct, frozen=True):
    """9: pass ``message`` on to ``target`` (``DestAddr``, ``DestName``)."""

    target: Address
    target_node: str
    message: QueryResponse


# --- payloads of internal queries --------------------------------------------------------------


class ConflictVote(msgspec.Struct, frozen=True):
    """6: what the voter knows of the disputed name; ``None`` when it knows nobody."""

    member: Member | None


class KeyRequest(msgspec.Struct, frozen=True):
    """7: the raw key to install, use or remove; empty when keys are listed."""

    key: bytes = b""


class KeyResponse(msgspec.Struct, frozen=True):
    """8: how a key request went on one node; keys are base64 text, primary first."""

    result: bool
    message: str = ""
    keys: tuple[str, ...] = ()
    primary_key: str = ""


Message: TypeAlias = (
    Ping | IndirectPing | Ack | Suspect | Alive | Dead | UserMessage | Nack | PushPull | ErrorReply
)
ClusterMessage: TypeAlias = (
    LeaveIntent | JoinIntent | UserEvent | Query | QueryResponse | Relay | ClusterState
)
PacketMessage: TypeAlias = Ping | IndirectPing | Ack | Suspect | Alive | Dead | UserMessage | Nack
StreamMessage: TypeAlias = Ping | Ack | PushPull | UserMessage | ErrorReply
Payload: TypeAlias = ConflictVote | KeyRequest | KeyResponse


class Payloads(Protocol):
    """Bytes inside messages, where only the rules know what they mean. Implemented by wire."""

    def encode_tags(self, tags: dict[str, str]) -> bytes:
        """The ``meta`` of these tags: ff and a map."""
        ...

    def decode_tags(self, meta: bytes) -> dict[str, str]:
        """Tags of a ``meta``; without the ff prefix all of it is the value of ``role``.

        Never raises: a ``meta`` that cannot be read gives no tags.
        """
        ...

    def encode(self, payload: Payload) -> bytes:
        """Type byte and body."""
        ...

    def decode(self, payload: bytes) -> Payload | None:
        """The payload, or ``None`` when it is none of the three types or is cut."""
        ...
