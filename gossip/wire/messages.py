"""memberlist's packet messages: a type byte and a msgpack map.

``encode_packet`` and ``decode_packet`` are inverse for every ``PacketMessage``; reading accepts
more than is written (see ``layout``). The names in the maps are memberlist's own, in the order
its structs declare them, which is the order of fields when a struct comes as an array.
Source: memberlist's message table. Types 6, 7, 9, 10, 12, 13 and 244 are wrappings or belong to
streams: see ``envelope`` and ``stream``.
Limits: names and ``meta`` as in ``gossip.core.types``; an alive message has six version bytes.
"""

import struct as binary
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final, assert_never

from gossip.core.types import (
    META_BYTES_MAX,
    Ack,
    Address,
    Alive,
    Coordinate,
    Dead,
    Incarnation,
    IndirectPing,
    Nack,
    PacketMessage,
    Ping,
    Suspect,
    UserMessage,
    Versions,
)
from gossip.wire.errors import Reason, WireError
from gossip.wire.layout import (
    UINT32_MAX,
    Fields,
    address,
    flag,
    items,
    name,
    pack,
    raw,
    real,
    subject,
    unpack_struct,
    unsigned,
)
from gossip.wire.serf import decode_cluster, encode_cluster


class Type(IntEnum):
    """The first byte of a message."""

    PING = 0
    INDIRECT_PING = 1
    ACK = 2
    SUSPECT = 3
    ALIVE = 4
    DEAD = 5
    PUSH_PULL = 6
    COMPOUND = 7
    USER = 8
    COMPRESS = 9
    ENCRYPT = 10
    NACK = 11
    CRC = 12
    ERROR = 13
    LABEL = 244


PACKET_TYPES: Final = frozenset(
    {
        Type.PING,
        Type.INDIRECT_PING,
        Type.ACK,
        Type.SUSPECT,
        Type.ALIVE,
        Type.DEAD,
        Type.USER,
        Type.NACK,
    }
)
"""What a packet may hold once it is unwrapped."""

VERSION_BYTES: Final = 6
COORDINATE_VERSION: Final = 1
DIMENSIONS_MAX: Final = 64
"""Real coordinates have 8; the rules refuse other counts, this only bounds what they are given."""

PING_KEYS: Final = (b"SeqNo", b"Node", b"SourceAddr", b"SourcePort", b"SourceNode")
INDIRECT_PING_KEYS: Final = (
    b"SeqNo",
    b"Target",
    b"Port",
    b"Node",
    b"Nack",
    b"SourceAddr",
    b"SourcePort",
    b"SourceNode",
)
ACK_KEYS: Final = (b"SeqNo", b"Payload")
NACK_KEYS: Final = (b"SeqNo",)
ACCUSATION_KEYS: Final = (b"Incarnation", b"Node", b"From")
ALIVE_KEYS: Final = (b"Incarnation", b"Node", b"Addr", b"Port", b"Meta", b"Vsn")
COORDINATE_KEYS: Final = (b"Vec", b"Error", b"Adjustment", b"Height")


def encode_packet(message: PacketMessage) -> bytes:
    """Give the bare message: type byte and body."""
    match message:
        case Ping():
            return b"\x00" + pack(_ping_fields(message))
        case Ack():
            payload = None
            if message.coordinate is not None:
                payload = encode_coordinate(message.coordinate)
            return b"\x02" + pack({"Payload": payload, "SeqNo": message.sequence})
        case Suspect():
            return b"\x03" + pack(_accusation_fields(message))
        case Alive():
            return b"\x04" + pack(_alive_fields(message))
        case Dead():
            return b"\x05" + pack(_accusation_fields(message))
        case IndirectPing():
            return b"\x01" + pack(_indirect_ping_fields(message))
        case Nack():
            return b"\x0b" + pack({"SeqNo": message.sequence})
        case UserMessage():
            return b"\x08" + encode_cluster(message.message)
        case _:
            assert_never(message)


def decode_packet(packed: bytes) -> PacketMessage:
    """Read a bare message. Raises WireError: EMPTY, UNSUPPORTED type, MALFORMED, OVERSIZED."""
    if not packed:
        raise WireError(Reason.EMPTY, "a message has no type byte")
    decode = _DECODERS.get(packed[0])
    if decode is None:
        raise WireError(Reason.UNSUPPORTED, f"message type {packed[0]} in a packet")
    return decode(packed[1:])


def versions(value: Any) -> Versions | None:
    """Read the six version bytes; ``None`` when there are fewer. Later bytes are ignored."""
    read = raw(value)
    return Versions(*read[:VERSION_BYTES]) if len(read) >= VERSION_BYTES else None


def metadata(value: Any) -> bytes:
    """Read a node's ``meta``. Raises WireError OVERSIZED over META_BYTES_MAX."""
    read = raw(value)
    if len(read) > META_BYTES_MAX:
        raise WireError(Reason.OVERSIZED, f"meta has {len(read)} bytes, over {META_BYTES_MAX}")
    return read


def encode_coordinate(coordinate: Coordinate) -> bytes:
    """Give the payload of an ack: the byte 01 and the coordinate's map, in seconds."""
    return b"\x01" + pack(
        {
            "Adjustment": coordinate.adjustment,
            "Error": coordinate.error,
            "Height": coordinate.height,
            "Vec": coordinate.vec,
        }
    )


def decode_coordinate(payload: bytes) -> Coordinate | None:
    """Read an ack's payload; ``None`` when it is empty, cut, or of another version.

    A broken payload never spoils the ack: that the node is alive is the news.
    """
    if len(payload) < 2 or payload[0] != COORDINATE_VERSION:
        return None
    try:
        fields = unpack_struct(payload[1:], COORDINATE_KEYS, items_max=DIMENSIONS_MAX)
        return Coordinate(
            vec=tuple([real(part) for part in items(fields.get(b"Vec"))]),
            error=real(fields.get(b"Error")),
            adjustment=real(fields.get(b"Adjustment")),
            height=real(fields.get(b"Height")),
        )
    except WireError:
        return None


def _source_fields(source: Address | None, source_node: str) -> dict[str, bytes | int | str]:
    """The optional fields at the end of both pings, left out when empty; keys sorted."""
    fields: dict[str, bytes | int | str] = {}
    if source is not None:
        fields["SourceAddr"] = source.ip
    if source_node:
        fields["SourceNode"] = source_node
    if source is not None and source.port:
        fields["SourcePort"] = source.port
    return fields


def _ping_fields(ping: Ping) -> dict[str, bytes | int | str]:
    return {
        "Node": ping.node,
        "SeqNo": ping.sequence,
        **_source_fields(ping.source, ping.source_node),
    }


def _indirect_ping_fields(ping: IndirectPing) -> dict[str, bytes | int | str]:
    return {
        "Nack": ping.nack,
        "Node": ping.node,
        "Port": ping.target.port,
        "SeqNo": ping.sequence,
        **_source_fields(ping.source, ping.source_node),
        "Target": ping.target.ip,
    }


def _accusation_fields(message: Suspect | Dead) -> dict[str, int | str]:
    return {
        "From": message.accuser,
        "Incarnation": message.incarnation,
        "Node": message.node,
    }


def _alive_fields(alive: Alive) -> dict[str, bytes | int | str]:
    return {
        "Addr": alive.address.ip,
        "Incarnation": alive.incarnation,
        "Meta": alive.meta,
        "Node": alive.node,
        "Port": alive.address.port,
        "Vsn": binary.pack("6B", *alive.versions),
    }


def _source(fields: Fields) -> Address | None:
    """The reply address, which counts only when both of its parts are given."""
    ip, port = fields.get(b"SourceAddr"), fields.get(b"SourcePort")
    return address(ip, port) if ip and port else None


def decode_ping(packed: bytes | memoryview) -> Ping:
    """Read the body of a ping, from a packet or a stream."""
    fields = unpack_struct(packed, PING_KEYS)
    return Ping(
        sequence=unsigned(fields.get(b"SeqNo"), UINT32_MAX),
        node=name(fields.get(b"Node")),
        source=_source(fields),
        source_node=name(fields.get(b"SourceNode")),
    )


def _decode_indirect_ping(packed: bytes) -> IndirectPing:
    fields = unpack_struct(packed, INDIRECT_PING_KEYS)
    return IndirectPing(
        sequence=unsigned(fields.get(b"SeqNo"), UINT32_MAX),
        target=address(fields.get(b"Target"), fields.get(b"Port")),
        node=name(fields.get(b"Node")),
        nack=flag(fields.get(b"Nack")),
        source=_source(fields),
        source_node=name(fields.get(b"SourceNode")),
    )


def decode_ack(packed: bytes | memoryview) -> Ack:
    """Read the body of an ack, from a packet or a stream."""
    fields = unpack_struct(packed, ACK_KEYS)
    return Ack(
        sequence=unsigned(fields.get(b"SeqNo"), UINT32_MAX),
        coordinate=decode_coordinate(raw(fields.get(b"Payload"))),
    )


def _decode_nack(packed: bytes) -> Nack:
    fields = unpack_struct(packed, NACK_KEYS)
    return Nack(unsigned(fields.get(b"SeqNo"), UINT32_MAX))


def _accusation(packed: bytes) -> tuple[Incarnation, str, str]:
    fields = unpack_struct(packed, ACCUSATION_KEYS)
    incarnation = unsigned(fields.get(b"Incarnation"), UINT32_MAX)
    return Incarnation(incarnation), subject(fields.get(b"Node")), name(fields.get(b"From"))


def _decode_suspect(packed: bytes) -> Suspect:
    return Suspect(*_accusation(packed))


def _decode_dead(packed: bytes) -> Dead:
    return Dead(*_accusation(packed))


def _decode_alive(packed: bytes) -> Alive:
    fields = unpack_struct(packed, ALIVE_KEYS)
    announced = versions(fields.get(b"Vsn"))
    if announced is None:
        # Taken over, such a node would make every later merge fail as "protocol version 0".
        raise WireError(Reason.MALFORMED, "alive message with fewer than 6 version bytes")
    return Alive(
        incarnation=Incarnation(unsigned(fields.get(b"Incarnation"), UINT32_MAX)),
        node=subject(fields.get(b"Node")),
        address=address(fields.get(b"Addr"), fields.get(b"Port")),
        meta=metadata(fields.get(b"Meta")),
        versions=announced,
    )


def _decode_user(packed: bytes) -> UserMessage:
    return UserMessage(decode_cluster(packed))


_DECODERS: Final[dict[int, Callable[[bytes], PacketMessage]]] = {
    Type.PING: decode_ping,
    Type.INDIRECT_PING: _decode_indirect_ping,
    Type.ACK: decode_ack,
    Type.SUSPECT: _decode_suspect,
    Type.ALIVE: _decode_alive,
    Type.DEAD: _decode_dead,
    Type.USER: _decode_user,
    Type.NACK: _decode_nack,
}
assert set(_DECODERS) == PACKET_TYPES
