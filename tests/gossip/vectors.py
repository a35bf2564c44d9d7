"""The captured bytes, and what they mean in the words of the core."""

import json
from pathlib import Path
from typing import Any

import pytest

from gossip.core.types import (
    Ack,
    Address,
    Alive,
    ClusterState,
    Coordinate,
    Dead,
    ErrorReply,
    EventBody,
    EventSlot,
    IndirectPing,
    JoinIntent,
    LeaveIntent,
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
    Suspect,
    TagFilter,
    UserEvent,
    UserMessage,
    Versions,
)
from gossip.wire.envelope import Wrapping
from gossip.wire.keyring import Keyring
from gossip.wire.stream import StreamReader

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
