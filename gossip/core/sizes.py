"""How many bytes a message takes in a packet, without encoding it.

Queues fill packets by size; the wire layer encodes later, once. The rules are those of the
msgpack form that memberlist writes: maps keyed by field names, smallest integers, strings and
bytes as *raw* (no str8, no bin), nil for absent bytes, float64. Each size is exact.
"""

from typing import Final, assert_never

from gossip.core.types import (
    Ack,
    Address,
    Alive,
    ClusterMessage,
    ClusterState,
    Dead,
    Filter,
    IndirectPing,
    JoinIntent,
    LeaveIntent,
    Nack,
    NodeFilter,
    PacketMessage,
    Ping,
    Query,
    QueryResponse,
    Relay,
    Suspect,
    TagFilter,
    UnknownFilter,
    UserEvent,
    UserMessage,
)

TYPE_BYTES: Final = 1  # each message starts with its type
FLOAT_BYTES: Final = 9  # always float64
VERSIONS_BYTES: Final = 7  # six bytes, raw


def message_bytes(message: PacketMessage) -> int:
    """Bytes of a membership message, type byte included."""
    match message:
        case Ping():
            return _ping_bytes(message, _keys("SeqNo", "Node"))
        case IndirectPing(target=target, nack=_):
            target_bytes = _raw(len(target.ip)) + integer_bytes(target.port)
            return _ping_bytes(message, _keys("SeqNo", "Node", "Target", "Port", "Nack")) + (
                target_bytes + 1
            )
        case Ack(sequence=sequence, coordinate=coordinate):
            payload = 1 if coordinate is None else _raw(_coordinate_bytes(len(coordinate.vec)))
            return TYPE_BYTES + _keys("SeqNo", "Payload") + integer_bytes(sequence) + payload
        case Nack(sequence=sequence):
            return TYPE_BYTES + _keys("SeqNo") + integer_bytes(sequence)
        case Suspect() | Dead():
            return (
                TYPE_BYTES
                + _keys("Incarnation", "Node", "From")
                + integer_bytes(message.incarnation)
                + _text(message.node)
                + _text(message.accuser)
            )
        case Alive():
            return (
                TYPE_BYTES
                + _keys("Incarnation", "Node", "Addr", "Port", "Meta", "Vsn")
                + integer_bytes(message.incarnation)
                + _text(message.node)
                + _address(message.address)
                + _raw(len(message.meta))
                + VERSIONS_BYTES
            )
        case UserMessage(message=inner):
            return TYPE_BYTES + cluster_bytes(inner)
        case _:
            assert_never(message)


def cluster_bytes(message: ClusterMessage) -> int:
    """Bytes of a cluster message that fits a packet, its own type byte included."""
    match message:
        case LeaveIntent(time=time, node=node):
            return (
                TYPE_BYTES + _keys("LTime", "Node", "Prune") + integer_bytes(time) + _text(node) + 1
            )
        case JoinIntent(time=time, node=node):
            return TYPE_BYTES + _keys("LTime", "Node") + integer_bytes(time) + _text(node)
        case UserEvent(time=time, name=name, payload=payload):
            keys = _keys("LTime", "Name", "Payload", "CC")
            return TYPE_BYTES + keys + integer_bytes(time) + _text(name) + _raw(len(payload)) + 1
        case Query():
            return _query_bytes(message)
        case QueryResponse():
            return _response_bytes(message)
        case Relay(target=target, target_node=node, message=inner):
            zone = _keys("IP", "Port", "Zone") + 1
            head = _keys("DestAddr", "DestName") + zone + _address(target) + _text(node)
            return TYPE_BYTES + head + _response_bytes(inner)
        case ClusterState():
            raise AssertionError("a push/pull's state does not travel in packets")
        case _:
            assert_never(message)


def integer_bytes(value: int) -> int:
    """Bytes of an integer >= 0 in its smallest form."""
    if value < 0x80:
        return 1
    if value < 0x100:
        return 2
    if value < 0x10000:
        return 3
    return 5 if value < 0x1_0000_0000 else 9


def _ping_bytes(message: Ping | IndirectPing, keys: int) -> int:
    size = TYPE_BYTES + keys + integer_bytes(message.sequence) + _text(message.node)
    if message.source is not None:
        size += _fields("SourceAddr", "SourcePort") + _address(message.source)
    if message.source_node:
        size += _fields("SourceNode") + _text(message.source_node)
    return size


def _query_bytes(query: Query) -> int:
    keys = _keys(
        "LTime", "ID", "Addr", "Port", "SourceNode", "Filters", "Flags", "RelayFactor", "Timeout",
        "Name", "Payload",
    )  # fmt: skip
    filters = [_filter_bytes(item) for item in query.filters]
    return (
        TYPE_BYTES
        + keys
        + integer_bytes(query.time)
        + integer_bytes(query.id)
        + _address(query.source)
        + _text(query.source_node)
        + _array(len(filters))
        + sum(_raw(size) for size in filters)
        + integer_bytes(query.flags)
        + integer_bytes(query.relay_factor)
        + integer_bytes(query.timeout_ns)
        + _text(query.name)
        + _raw(len(query.payload))
    )


def _response_bytes(response: QueryResponse) -> int:
    return (
        TYPE_BYTES
        + _keys("LTime", "ID", "From", "Flags", "Payload")
        + integer_bytes(response.time)
        + integer_bytes(response.id)
        + _text(response.sender)
        + integer_bytes(response.flags)
        + _raw(len(response.payload))
    )


def _filter_bytes(item: Filter) -> int:
    match item:
        case NodeFilter(names=names):
            return TYPE_BYTES + _array(len(names)) + sum(map(_text, names))
        case TagFilter(tag=tag, expression=expression):
            return TYPE_BYTES + _keys("Tag", "Expr") + _text(tag) + _text(expression)
        case UnknownFilter(raw=raw):
            return len(raw)
        case _:
            assert_never(item)


def _coordinate_bytes(dimensions: int) -> int:
    keys = _keys("Vec", "Error", "Adjustment", "Height")
    return 1 + keys + _array(dimensions) + (dimensions + 3) * FLOAT_BYTES


def _address(address: Address) -> int:
    return _raw(len(address.ip)) + integer_bytes(address.port)


def _text(text: str) -> int:
    return _raw(len(text) if text.isascii() else len(text.encode(errors="replace")))


def _raw(length: int) -> int:
    if length < 32:
        return 1 + length
    return (3 if length < 0x10000 else 5) + length


def _array(count: int) -> int:
    return 1 if count < 16 else 3


def _keys(*names: str) -> int:
    """A map head and its keys; every map of the protocol has fewer than 16."""
    return 1 + _fields(*names)


def _fields(*names: str) -> int:
    return len(names) + sum(map(len, names))
