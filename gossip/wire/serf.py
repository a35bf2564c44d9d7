"""Serf's messages, carried in memberlist's user messages and in a push/pull's user state.

A type byte and a msgpack map; a relay is followed by another message. ``encode_cluster`` and
``decode_cluster`` serve packets and streams, ``encode_state`` and ``decode_state`` the user state.
Source: Serf's message table; the names in the maps are Serf's own, in declared order.
Limits: names as in ``gossip.core.types``; an event is at most ``EVENT_BYTES_MAX``.
What cannot be understood in one filter of a query stays raw (``UnknownFilter``), so that the
query is still passed on unchanged.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from typing import Any, Final, TypeVar, assert_never

from gossip.core.types import (
    EVENT_RING_SLOTS,
    ClusterMessage,
    ClusterState,
    EventBody,
    EventSlot,
    Filter,
    JoinIntent,
    LamportTime,
    LeaveIntent,
    NodeFilter,
    Query,
    QueryFlag,
    QueryResponse,
    Relay,
    TagFilter,
    UnknownFilter,
    UserEvent,
)
from gossip.wire.errors import Reason, WireError
from gossip.wire.extent import extent
from gossip.wire.layout import (
    INT64_MAX,
    UINT8_MAX,
    UINT32_MAX,
    UINT64_MAX,
    address,
    flag,
    items,
    mapping,
    name,
    pack,
    raw,
    struct,
    subject,
    text,
    unpack,
    unpack_struct,
    unsigned,
)

T = TypeVar("T")


class SerfType(IntEnum):
    """The first byte of a Serf message or of an internal query's payload."""

    LEAVE = 0
    JOIN = 1
    PUSH_PULL = 2
    USER_EVENT = 3
    QUERY = 4
    QUERY_RESPONSE = 5
    CONFLICT_RESPONSE = 6
    KEY_REQUEST = 7
    KEY_RESPONSE = 8
    RELAY = 9


EVENT_BYTES_MAX: Final = 9 * 1024  # name and payload: the hard cap that Serf puts on its own limit
STATE_DEPTH_MAX: Final = 8  # state > events > slot > events > event is 5
STATE_ITEMS_MAX: Final = 4 * 1024 * 1024
"""Two items a member (its name and time): room for a million members, and for full event rings."""

LEAVE_KEYS: Final = (b"LTime", b"Node", b"Prune")
JOIN_KEYS: Final = (b"LTime", b"Node")
EVENT_KEYS: Final = (b"LTime", b"Name", b"Payload", b"CC")
QUERY_KEYS: Final = (
    b"LTime",
    b"ID",
    b"Addr",
    b"Port",
    b"SourceNode",
    b"Filters",
    b"Flags",
    b"RelayFactor",
    b"Timeout",
    b"Name",
    b"Payload",
)
RESPONSE_KEYS: Final = (b"LTime", b"ID", b"From", b"Flags", b"Payload")
RELAY_KEYS: Final = (b"DestAddr", b"DestName")
RELAY_ADDRESS_KEYS: Final = (b"IP", b"Port", b"Zone")
STATE_KEYS: Final = (
    b"LTime",
    b"StatusLTimes",
    b"LeftMembers",
    b"EventLTime",
    b"Events",
    b"QueryLTime",
)
SLOT_KEYS: Final = (b"LTime", b"Events")
SLOT_EVENT_KEYS: Final = (b"Name", b"Payload")
TAG_FILTER_KEYS: Final = (b"Tag", b"Expr")


def encode_cluster(message: ClusterMessage) -> bytes:
    """Give Serf's type byte and body (what follows the byte 08 of a user message)."""
    match message:
        case UserEvent():
            return b"\x03" + pack(
                {
                    "CC": message.coalesce,
                    "LTime": message.time,
                    "Name": message.name,
                    "Payload": message.payload or None,
                }
            )
        case JoinIntent():
            return b"\x01" + pack({"LTime": message.time, "Node": message.node})
        case LeaveIntent():
            return b"\x00" + pack(
                {"LTime": message.time, "Node": message.node, "Prune": message.prune}
            )
        case Query():
            return b"\x04" + pack(_query_fields(message))
        case QueryResponse():
            return b"\x05" + pack(_response_fields(message))
        case Relay():
            return b"\x09" + pack(_relay_fields(message)) + encode_cluster(message.message)
        case ClusterState():
            return encode_state(message)
        case _:
            assert_never(message)


def decode_cluster(packed: bytes) -> ClusterMessage:
    """Read a user message's content.

    Raises WireError: EMPTY, UNSUPPORTED type, MALFORMED, OVERSIZED. A ``ClusterState`` is not
    read here: it only comes as the user state of a push/pull.
    """
    if not packed:
        raise WireError(Reason.EMPTY, "a user message is empty")
    decode = _DECODERS.get(packed[0])
    if decode is None:
        raise WireError(Reason.UNSUPPORTED, f"serf message type {packed[0]}")
    return decode(packed[1:])


def encode_state(state: ClusterState) -> bytes:
    """Give the user state of a push/pull; every filled slot stands at its place in the ring."""
    ring: list[dict[str, Any] | None] | None = None
    if state.events:
        ring = [None] * EVENT_RING_SLOTS
        for slot in state.events:
            ring[slot.time % EVENT_RING_SLOTS] = {
                "Events": [
                    {"Name": event.name, "Payload": event.payload or None} for event in slot.events
                ],
                "LTime": slot.time,
            }
    return b"\x02" + pack(
        {
            "EventLTime": state.event_time,
            "Events": ring,
            "LTime": state.time,
            "LeftMembers": state.left_members,
            "QueryLTime": state.query_time,
            "StatusLTimes": state.status_times,
        }
    )


def decode_state(packed: bytes) -> ClusterState:
    """Read the user state of a push/pull. Raises WireError as ``decode_cluster`` does.

    A name or event slot that breaks a limit is left out: real agents take such names from the
    network and pass them on, and one of them must not end every merge.
    """
    if not packed or packed[0] != SerfType.PUSH_PULL:
        raise WireError(Reason.UNSUPPORTED, "the user state is not Serf's push/pull")
    body = memoryview(packed)[1:]
    extent(body, depth_max=STATE_DEPTH_MAX, items_max=STATE_ITEMS_MAX)
    fields = unpack_struct(body, STATE_KEYS, items_max=STATE_ITEMS_MAX)
    slots = [slot for slot in items(fields.get(b"Events")) if slot is not None]
    return ClusterState(
        time=_time(fields.get(b"LTime")),
        status_times=dict(_readable(_status_time, mapping(fields.get(b"StatusLTimes")).items())),
        left_members=tuple(_readable(subject, items(fields.get(b"LeftMembers")))),
        event_time=_time(fields.get(b"EventLTime")),
        events=tuple(_readable(_slot, slots)),
        query_time=_time(fields.get(b"QueryLTime")),
    )


def _readable(read: Callable[[Any], T], values: Iterable[Any]) -> Iterator[T]:
    for value in values:
        try:
            yield read(value)
        except WireError:
            continue


def _status_time(entry: tuple[Any, Any]) -> tuple[str, LamportTime]:
    return subject(entry[0]), _time(entry[1])


def _slot(value: Any) -> EventSlot:
    fields = struct(value, SLOT_KEYS)
    events = [struct(event, SLOT_EVENT_KEYS) for event in items(fields.get(b"Events"))]
    return EventSlot(
        time=_time(fields.get(b"LTime")),
        events=tuple(
            [EventBody(*_event(event.get(b"Name"), event.get(b"Payload"))) for event in events]
        ),
    )


def _time(value: Any) -> LamportTime:
    return LamportTime(unsigned(value, UINT64_MAX))


def _event(event_name: Any, event_payload: Any) -> tuple[str, bytes]:
    title, payload = text(event_name), raw(event_payload)
    if len(title.encode()) + len(payload) > EVENT_BYTES_MAX:
        raise WireError(Reason.OVERSIZED, f"an event is larger than {EVENT_BYTES_MAX} bytes")
    return title, payload


def _query_fields(query: Query) -> dict[str, Any]:
    return {
        "Addr": query.source.ip,
        "Filters": [_encode_filter(condition) for condition in query.filters] or None,
        "Flags": int(query.flags),
        "ID": query.id,
        "LTime": query.time,
        "Name": query.name,
        "Payload": query.payload or None,
        "Port": query.source.port,
        "RelayFactor": query.relay_factor,
        "SourceNode": query.source_node,
        "Timeout": query.timeout_ns,
    }


def _response_fields(response: QueryResponse) -> dict[str, Any]:
    return {
        "Flags": int(response.flags),
        "From": response.sender,
        "ID": response.id,
        "LTime": response.time,
        "Payload": response.payload or None,
    }


def _relay_fields(relay: Relay) -> dict[str, Any]:
    return {
        "DestAddr": {"IP": relay.target.ip, "Port": relay.target.port, "Zone": ""},
        "DestName": relay.target_node,
    }


def _encode_filter(condition: Filter) -> bytes:
    match condition:
        case NodeFilter():
            return b"\x00" + pack(condition.names)
        case TagFilter():
            return b"\x01" + pack({"Expr": condition.expression, "Tag": condition.tag})
        case UnknownFilter():
            return condition.raw
        case _:
            assert_never(condition)


def _decode_filter(packed: bytes) -> Filter:
    """Read what is written canonically; anything else stays as it came and never matches."""
    try:
        match packed[:1]:
            case b"\x00":
                nodes = [name(node) for node in items(unpack(packed[1:]))]
                condition: Filter = NodeFilter(tuple(nodes))
            case b"\x01":
                fields = unpack_struct(packed[1:], TAG_FILTER_KEYS)
                condition = TagFilter(text(fields.get(b"Tag")), text(fields.get(b"Expr")))
            case _:
                return UnknownFilter(packed)
    except WireError:
        return UnknownFilter(packed)
    return condition


def _decode_leave(packed: bytes) -> LeaveIntent:
    fields = unpack_struct(packed, LEAVE_KEYS)
    return LeaveIntent(
        time=_time(fields.get(b"LTime")),
        node=subject(fields.get(b"Node")),
        prune=flag(fields.get(b"Prune")),
    )


def _decode_join(packed: bytes) -> JoinIntent:
    fields = unpack_struct(packed, JOIN_KEYS)
    return JoinIntent(time=_time(fields.get(b"LTime")), node=subject(fields.get(b"Node")))


def _decode_event(packed: bytes) -> UserEvent:
    fields = unpack_struct(packed, EVENT_KEYS)
    title, payload = _event(fields.get(b"Name"), fields.get(b"Payload"))
    return UserEvent(
        time=_time(fields.get(b"LTime")),
        name=title,
        payload=payload,
        coalesce=flag(fields.get(b"CC")),
    )


def _decode_query(packed: bytes) -> Query:
    fields = unpack_struct(packed, QUERY_KEYS)
    return Query(
        time=_time(fields.get(b"LTime")),
        id=unsigned(fields.get(b"ID"), UINT32_MAX),
        source=address(fields.get(b"Addr"), fields.get(b"Port")),
        source_node=name(fields.get(b"SourceNode")),
        filters=tuple([_decode_filter(raw(part)) for part in items(fields.get(b"Filters"))]),
        flags=QueryFlag(unsigned(fields.get(b"Flags"), UINT32_MAX)),
        relay_factor=unsigned(fields.get(b"RelayFactor"), UINT8_MAX),
        timeout_ns=unsigned(fields.get(b"Timeout"), INT64_MAX),
        name=text(fields.get(b"Name")),
        payload=raw(fields.get(b"Payload")),
    )


def _decode_response(packed: bytes) -> QueryResponse:
    fields = unpack_struct(packed, RESPONSE_KEYS)
    return QueryResponse(
        time=_time(fields.get(b"LTime")),
        id=unsigned(fields.get(b"ID"), UINT32_MAX),
        sender=name(fields.get(b"From")),
        flags=QueryFlag(unsigned(fields.get(b"Flags"), UINT32_MAX)),
        payload=raw(fields.get(b"Payload")),
    )


def _decode_relay(packed: bytes) -> Relay:
    header_bytes = extent(packed, depth_max=STATE_DEPTH_MAX, items_max=UINT8_MAX)
    fields = unpack_struct(packed[:header_bytes], RELAY_KEYS)
    target = struct(fields.get(b"DestAddr"), RELAY_ADDRESS_KEYS)
    inner = packed[header_bytes:]
    if not inner or inner[0] != SerfType.QUERY_RESPONSE:
        raise WireError(Reason.UNSUPPORTED, "a relay passes on query responses only")
    return Relay(
        target=address(target.get(b"IP"), target.get(b"Port")),
        target_node=name(fields.get(b"DestName")),
        message=_decode_response(inner[1:]),
    )


_DECODERS: Final[dict[int, Callable[[bytes], ClusterMessage]]] = {
    SerfType.LEAVE: _decode_leave,
    SerfType.JOIN: _decode_join,
    SerfType.USER_EVENT: _decode_event,
    SerfType.QUERY: _decode_query,
    SerfType.QUERY_RESPONSE: _decode_response,
    SerfType.RELAY: _decode_relay,
}
