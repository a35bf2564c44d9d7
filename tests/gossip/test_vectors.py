"""Bytes captured from real agents, read and written again.

``wire/vectors.json`` holds them with what they mean and where they come from. Bytes that a real
agent wrote must come out the same when written again; bytes of probes, which order keys freely,
must keep their meaning.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from gossip.core.types import (
    Ack,
    Address,
    Alive,
    ClusterState,
    ConflictVote,
    Coordinate,
    Dead,
    ErrorReply,
    EventBody,
    EventSlot,
    IndirectPing,
    JoinIntent,
    KeyRequest,
    KeyResponse,
    LeaveIntent,
    Member,
    Nack,
    NodeFilter,
    NodeState,
    Ping,
    PushPull,
    Query,
    QueryFlag,
    QueryResponse,
    Relay,
    State,
    Status,
    Suspect,
    TagFilter,
    UserEvent,
    UserMessage,
    Versions,
)
from gossip.wire import lzw
from gossip.wire.envelope import Wrapping, open_packet, seal_packets
from gossip.wire.keyring import Keyring
from gossip.wire.messages import decode_coordinate, decode_packet, encode_coordinate, encode_packet
from gossip.wire.payloads import WirePayloads
from gossip.wire.stream import StreamReader, seal_stream

VECTORS = json.loads((Path(__file__).parent / "wire" / "vectors.json").read_text())
LAYERS = {"label", "encrypted", "crc", "compress"}


def named(names: tuple[str, ...], *, captured: bool = False) -> Any:
    """Parametrize with the vectors of these names, or only with those of real agents."""
    chosen = [
        pytest.param(vector, id=vector["name"])
        for vector in VECTORS
        if vector["name"] in names and (not captured or vector["origin"].startswith("captured"))
    ]
    assert chosen
    return pytest.mark.parametrize("vector", chosen)


def is_stream(vector: dict[str, Any]) -> bool:
    return vector["name"].startswith(("tcp_", "label_tcp", "consul_lan_pushpull"))


PACKETS = tuple(
    vector["name"]
    for vector in VECTORS
    if vector["hex"]
    and not is_stream(vector)
    and not vector["name"].startswith(("lzw_", "coordinate_payload"))
)
LZW = tuple(vector["name"] for vector in VECTORS if vector["name"].startswith("lzw_"))
STREAMS = tuple(vector["name"] for vector in VECTORS if vector["hex"] and is_stream(vector))


def layers(decoded: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The wrappings of a decoded vector by kind."""
    found = {}
    while "inner" in decoded and (decoded.get("msg") in LAYERS or "label" in decoded):
        found[decoded.get("msg", "label")] = decoded
        decoded = decoded["inner"]
    return found


def leaves(decoded: dict[str, Any]) -> list[dict[str, Any]]:
    """The bare messages inside a decoded vector."""
    while decoded.get("msg") in LAYERS or "label" in decoded:
        decoded = decoded["inner"]
    if decoded["msg"] == "compound":
        return [leaf for part in decoded["parts"] for leaf in leaves(part)]
    return [decoded]


def wrapping_of(vector: dict[str, Any]) -> Wrapping:
    around = layers(vector["decoded"])
    return Wrapping(
        keyring=Keyring(bytes.fromhex(vector["key"])) if "key" in vector else Keyring(),
        label=around.get("label", {}).get("label", "").encode(),
        compression="compress" in around,
    )


def nonce_of(vector: dict[str, Any]) -> bytes:
    return bytes.fromhex(layers(vector["decoded"]).get("encrypted", {}).get("nonce", "00" * 12))


def shown(value: Any) -> bytes:
    """The bytes of a value that the vectors show as text, as hex, or as nothing."""
    if value is None:
        return b""
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value.encode()


def source(body: dict[str, Any]) -> dict[str, Any]:
    if "SourceAddr" not in body:
        return {}
    return {
        "source": Address(shown(body["SourceAddr"]), body["SourcePort"]),
        "source_node": body["SourceNode"],
    }


def expected_message(leaf: dict[str, Any]) -> Any:
    """The message that a leaf of the vectors describes."""
    body = leaf.get("body", {})
    match leaf["msg"]:
        case "ping":
            return Ping(body["SeqNo"], body["Node"], **source(body))
        case "indirect":
            target = Address(shown(body["Target"]), body["Port"])
            return IndirectPing(
                body["SeqNo"], target, body["Node"], nack=body["Nack"], **source(body)
            )
        case "ack":
            return Ack(body["SeqNo"], coordinate(leaf["coordinate"]) if body["Payload"] else None)
        case "nack":
            return Nack(body["SeqNo"])
        case "suspect":
            return Suspect(body["Incarnation"], body["Node"], body["From"])
        case "dead":
            return Dead(body["Incarnation"], body["Node"], body["From"])
        case "alive":
            return Alive(
                body["Incarnation"],
                body["Node"],
                Address(shown(body["Addr"]), body["Port"]),
                shown(body["Meta"]),
                Versions(*shown(body["Vsn"])),
            )
        case "user":
            return UserMessage(expected_cluster(leaf["inner"]))
        case "err":
            return ErrorReply(body["Error"])
        case "pushpull":
            return PushPull(
                tuple(node(shape) for shape in leaf["nodes"]),
                leaf["header"]["Join"],
                state(leaf["user_state"]["body"]),
            )
    raise AssertionError(leaf["msg"])


def coordinate(shape: dict[str, Any]) -> Coordinate:
    return Coordinate(tuple(shape["Vec"]), shape["Error"], shape["Adjustment"], shape["Height"])


def node(shape: dict[str, Any]) -> NodeState:
    return NodeState(
        shape["Name"],
        Address(shown(shape["Addr"]), shape["Port"]),
        shown(shape["Meta"]),
        shape["Incarnation"],
        State(shape["State"]),
        Versions(*shown(shape["Vsn"])),
    )


def state(body: dict[str, Any]) -> ClusterState:
    filled = (body["Events"] or {}).get("non_nil", [])
    slots = [slot[1] if isinstance(slot, list) else slot for slot in filled]
    return ClusterState(
        body["LTime"],
        body["StatusLTimes"],
        tuple(body["LeftMembers"]),
        body["EventLTime"],
        tuple(
            EventSlot(
                slot["LTime"],
                tuple(EventBody(one["Name"], shown(one["Payload"])) for one in slot["Events"]),
            )
            for slot in slots
        ),
        body["QueryLTime"],
    )


def expected_cluster(leaf: dict[str, Any]) -> Any:
    body = leaf.get("body", {})
    match leaf["serf"]:
        case "leave":
            return LeaveIntent(body["LTime"], body["Node"], body["Prune"])
        case "join":
            return JoinIntent(body["LTime"], body["Node"])
        case "userevent":
            return UserEvent(body["LTime"], body["Name"], shown(body["Payload"]), body["CC"])
        case "query":
            return query(body)
        case "queryresponse":
            return QueryResponse(
                body["LTime"],
                body["ID"],
                body["From"],
                QueryFlag(body["Flags"]),
                shown(body["Payload"]),
            )
        case "relay":
            to = leaf["header"]["DestAddr"]
            return Relay(
                Address(shown(to["IP"]), to["Port"]),
                leaf["header"]["DestName"],
                expected_cluster(leaf["inner"]),
            )
    raise AssertionError(leaf["serf"])


def query(body: dict[str, Any]) -> Query:
    filters = [shown(shape) for shape in body["Filters"] or []]
    known = {
        "0091a3707931": NodeFilter(("py1",)),
        "0182a445787072a45e702e2aa3546167a4726f6c65": TagFilter("role", "^p.*"),
    }
    return Query(
        body["LTime"],
        body["ID"],
        Address(shown(body["Addr"]), body["Port"]),
        body["SourceNode"],
        tuple(known[raw.hex()] for raw in filters),
        QueryFlag(body["Flags"]),
        body["RelayFactor"],
        body["Timeout"],
        body["Name"],
        shown(body["Payload"]),
    )


def read_stream(vector: dict[str, Any], stream: bytes, *, piece_bytes: int) -> Any:
    reader = StreamReader(wrapping_of(vector), from_dialer=True)
    for start in range(0, len(stream), piece_bytes):
        message = reader.feed(stream[start : start + piece_bytes])
        if message is not None:
            assert reader.faults == []
            assert start + piece_bytes >= len(stream), "read before its end"
            return message
    raise AssertionError("incomplete")


@named(PACKETS)
def test_packet_means_what_the_vector_says(vector):
    expected = [expected_message(leaf) for leaf in leaves(vector["decoded"])]

    opened = open_packet(bytes.fromhex(vector["hex"]), wrapping_of(vector))

    assert expected == [decode_packet(message) for message in opened.messages]
    assert opened.faults == ()


@named(PACKETS)
def test_packet_keeps_its_meaning_when_written_again(vector):
    wrapping = wrapping_of(vector)
    first = open_packet(bytes.fromhex(vector["hex"]), wrapping)
    messages = [decode_packet(message) for message in first.messages]

    packets = seal_packets(
        [encode_packet(message) for message in messages],
        wrapping,
        lambda: nonce_of(vector),
        checksum="crc" in layers(vector["decoded"]),
    )

    again = [open_packet(packet, wrapping) for packet in packets]
    assert messages == [decode_packet(part) for opened in again for part in opened.messages]


@named(
    # The events of the one left out were rebroadcast as a probe had ordered their keys.
    tuple(name for name in PACKETS if name != "udp_crc_compound"),
    captured=True,
)
def test_packet_of_a_real_agent_is_written_with_the_same_bytes(vector):
    packet = bytes.fromhex(vector["hex"])
    wrapping = wrapping_of(vector)
    opened = open_packet(packet, wrapping)

    packets = seal_packets(
        [encode_packet(decode_packet(message)) for message in opened.messages],
        wrapping,
        lambda: nonce_of(vector),
        checksum="crc" in layers(vector["decoded"]),
    )

    assert [packet.hex()] == [sealed.hex() for sealed in packets]


@pytest.mark.parametrize("piece_bytes", [1, 7, 65536])
@named(STREAMS)
def test_stream_means_what_the_vector_says(vector, piece_bytes):
    [leaf] = leaves(vector["decoded"])

    message = read_stream(vector, bytes.fromhex(vector["hex"]), piece_bytes=piece_bytes)

    assert expected_message(leaf) == message


@named(STREAMS)
def test_stream_keeps_its_meaning_when_written_again(vector):
    message = read_stream(vector, bytes.fromhex(vector["hex"]), piece_bytes=65536)

    stream = seal_stream(message, wrapping_of(vector), lambda: nonce_of(vector), dialer=True)

    assert message == read_stream(vector, stream, piece_bytes=65536)


@named(("tcp_ack", "tcp_ping_fallback", "tcp_encrypted_err", "tcp_err_reply_probe"))
def test_stream_without_a_ring_is_written_with_the_same_bytes(vector):
    message = read_stream(vector, bytes.fromhex(vector["hex"]), piece_bytes=65536)

    stream = seal_stream(message, wrapping_of(vector), lambda: nonce_of(vector), dialer=True)

    assert vector["hex"] == stream.hex()


@named(LZW)
def test_lzw_gives_the_plain_bytes_and_the_same_stream(vector):
    plain = bytes.fromhex(vector["decoded"]["plain_hex"])

    assert plain == lzw.decompress(bytes.fromhex(vector["hex"]), bytes_max=len(plain))
    assert vector["hex"] == lzw.compress(plain).hex()


@named(("coordinate_payload",))
def test_coordinate_payload_reads_and_writes_the_same(vector):
    expected = coordinate(vector["decoded"]["coordinate"])

    assert expected == decode_coordinate(bytes.fromhex(vector["hex"]))
    assert vector["hex"] == encode_coordinate(expected).hex()


def response_payload(name: str) -> bytes:
    [vector] = [vector for vector in VECTORS if vector["name"] == name]
    opened = open_packet(bytes.fromhex(vector["hex"]), wrapping_of(vector))
    messages = [decode_packet(message) for message in opened.messages]
    inner = [message.message for message in messages if isinstance(message, UserMessage)]
    return next(one.payload for one in inner if isinstance(one, Query | QueryResponse))


def test_key_response_of_a_real_agent_reads_and_writes_the_same():
    payload = response_payload("udp_keyresponse_list")
    key = "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM="
    expected = KeyResponse(result=True, keys=(key,), primary_key=key)

    assert expected == WirePayloads().decode(payload)
    assert payload == WirePayloads().encode(expected)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("udp_query_list_keys", b""),
        ("udp_query_install_key", bytes(range(100, 132))),
        ("udp_query_remove_key", bytes(range(16))),
    ],
)
def test_key_request_of_a_real_agent_reads_and_writes_the_same(name, key):
    payload = response_payload(name)

    assert KeyRequest(key) == WirePayloads().decode(payload)
    assert payload == WirePayloads().encode(KeyRequest(key))


def test_conflict_vote_of_a_real_agent_reads_and_writes_the_same():
    payload = response_payload("udp_conflict_vote")
    expected = ConflictVote(
        Member(
            "py1",
            Address(bytes([127, 0, 0, 9]), 22904),
            {"role": "py"},
            Status.ALIVE,
            Versions(1, 5, 2, 2, 5, 5),
        )
    )

    assert expected == WirePayloads().decode(payload)
    assert payload == WirePayloads().encode(expected)


def tagged(value: Any) -> list[tuple[bytes, dict[str, str]]]:
    """Every (meta, tags) pair in a decoded vector."""
    pairs = []
    if isinstance(value, dict):
        if "tags" in value:
            meta = value["Meta"] if "Meta" in value else value["body"]["Meta"]
            pairs.append((shown(meta), value["tags"]))
        value = list(value.values())
    if isinstance(value, list):
        pairs += [pair for item in value for pair in tagged(item)]
    return pairs


def test_tags_of_real_agents_read_and_write_the_same():
    pairs = tagged([vector["decoded"] for vector in VECTORS])
    assert len(pairs) > 20

    for meta, tags in pairs:
        assert tags == WirePayloads().decode_tags(meta)
        assert meta == WirePayloads().encode_tags(tags)


def test_every_vector_with_bytes_is_used():
    used = {*PACKETS, *STREAMS, *LZW, "coordinate_payload"}

    assert used == {vector["name"] for vector in VECTORS if vector["hex"]}
    assert len(VECTORS) == 75
