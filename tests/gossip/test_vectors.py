"""Bytes captured from real agents, read and written again.

``wire/vectors.json`` holds them with what they mean and where they come from. Bytes that a real
agent wrote must come out the same when written again; bytes of probes, which order keys freely,
must keep their meaning.
"""

from typing import Any

import pytest

from gossip.core.types import (
    Address,
    ConflictVote,
    KeyRequest,
    KeyResponse,
    Member,
    Query,
    QueryResponse,
    Status,
    UserMessage,
    Versions,
)
from gossip.wire import lzw
from gossip.wire.envelope import open_packet, seal_packets
from gossip.wire.messages import decode_coordinate, decode_packet, encode_coordinate, encode_packet
from gossip.wire.payloads import WirePayloads
from gossip.wire.stream import seal_stream
from tests.gossip.vectors import (
    LZW,
    PACKETS,
    STREAMS,
    VECTORS,
    coordinate,
    expected_message,
    layers,
    leaves,
    named,
    nonce_of,
    read_stream,
    shown,
    wrapping_of,
)


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
