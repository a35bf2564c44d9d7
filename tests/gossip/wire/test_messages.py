import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.sizes import message_bytes
from gossip.core.types import (
    Ack,
    Address,
    Alive,
    Coordinate,
    Dead,
    IndirectPing,
    Nack,
    Ping,
    Suspect,
    Versions,
)
from gossip.wire.errors import Reason, WireError
from gossip.wire.messages import decode_coordinate, decode_packet, encode_packet
from tests.gossip.wire.strategies import packet_messages

HERE = Address(bytes([10, 0, 0, 1]), 8301)
VERSIONS = Versions(1, 5, 2, 2, 5, 4)


def alive_fields(**changes):
    fields = {
        "Incarnation": 3,
        "Node": "a",
        "Addr": HERE.ip,
        "Port": HERE.port,
        "Meta": b"\xff\x80",
        "Vsn": bytes(VERSIONS),
    }
    return fields | changes


ALIVE = Alive(3, "a", HERE, b"\xff\x80", VERSIONS)


def refusal(packed):
    with pytest.raises(WireError) as refused:
        decode_packet(packed)
    return refused.value.reason


@given(packet_messages)
def test_every_message_comes_back(message):
    assert message == decode_packet(encode_packet(message))


@given(packet_messages)
def test_the_size_that_the_queues_reckon_with_is_exact(message):
    assert message_bytes(message) == len(encode_packet(message))


@given(packet_messages)
def test_bin_and_str8_are_never_written(message):
    unpacker = msgpack.Unpacker(raw=True)
    unpacker.feed(encode_packet(message))  # type bytes are small integers to msgpack

    again = b"".join(msgpack.packb(value, use_bin_type=False) for value in unpacker)

    assert encode_packet(message) == again


@pytest.mark.parametrize(
    ("message", "packed"),
    [
        (Ping(7, "b"), b"\x00\x82\xa4Node\xa1b\xa5SeqNo\x07"),
        (Ack(7), b"\x02\x82\xa7Payload\xc0\xa5SeqNo\x07"),
        (Nack(300), b"\x0b\x81\xa5SeqNo\xcd\x01\x2c"),
        (Suspect(1, "b", "a"), b"\x03\x83\xa4From\xa1a\xabIncarnation\x01\xa4Node\xa1b"),
        (Dead(1, "b", "b"), b"\x05\x83\xa4From\xa1b\xabIncarnation\x01\xa4Node\xa1b"),
        (
            ALIVE,
            b"\x04\x86\xa4Addr\xa4\x0a\x00\x00\x01\xabIncarnation\x03\xa4Meta\xa2\xff\x80"
            b"\xa4Node\xa1a\xa4Port\xcd\x20\x6d\xa3Vsn\xa6\x01\x05\x02\x02\x05\x04",
        ),
    ],
)
def test_keys_are_sorted_and_text_is_raw(message, packed):
    assert packed == encode_packet(message)


def test_a_text_of_32_bytes_is_raw16():
    packed = encode_packet(Ping(1, "n" * 36))

    assert b"\xda\x00\x24" + b"n" * 36 in packed


def test_source_fields_are_left_out_when_empty():
    assert b"Source" not in encode_packet(Ping(1, "a"))


@pytest.mark.parametrize(
    "body",
    [
        msgpack.packb(alive_fields(), use_bin_type=True),  # bin8 and fixstr
        msgpack.packb(alive_fields(Vsn=list(VERSIONS)), use_bin_type=False),
        msgpack.packb([3, "a", HERE.ip, HERE.port, b"\xff\x80", bytes(VERSIONS)]),  # an array
        msgpack.packb(alive_fields(Extra={"a": [1, 2.5, None]}), use_bin_type=False),
        msgpack.packb(alive_fields(), use_bin_type=False) + b"trailing",
        msgpack.packb(alive_fields(Vsn=bytes(VERSIONS) + b"\x09"), use_bin_type=False),
        msgpack.packb(alive_fields(), use_bin_type=False).replace(
            b"\x0bIncarnation\x03", b"\x0bIncarnation\xd2\x00\x00\x00\x03"
        ),
        b"\x86"
        + msgpack.packb(alive_fields(), use_bin_type=False)[1:].replace(b"\xa1a", b"\xd9\x01a"),
    ],
    ids=["bin", "array Vsn", "array", "unknown key", "trailing", "long Vsn", "int32", "str8"],
)
def test_other_forms_of_a_message_are_read(body):
    assert decode_packet(b"\x04" + body) == ALIVE


def test_missing_keys_and_nil_are_zero():
    assert Ping(0) == decode_packet(b"\x00\x80")
    assert Ping(0) == decode_packet(b"\x00\xc0")
    assert Ping(0) == decode_packet(b"\x00\x82\xa5SeqNo\xc0\xa4Node\xc0")


def test_keys_are_case_sensitive():
    assert Ping(0) == decode_packet(b"\x00\x81\xa5seqno\x07")


def test_the_source_of_a_ping_counts_only_when_complete():
    body = msgpack.packb({"SourceAddr": HERE.ip, "SourceNode": "a"}, use_bin_type=False)

    assert Ping(0, source_node="a") == decode_packet(b"\x00" + body)


def test_text_that_is_not_utf8_gets_replacement_characters():
    assert Suspect(0, "a\N{REPLACEMENT CHARACTER}", "") == decode_packet(
        b"\x03\x81\xa4Node\xa2a\xff"
    )


def test_an_ack_with_a_foreign_payload_is_an_ack_without_coordinate():
    assert Ack(7) == decode_packet(b"\x02\x82\xa7Payload\xa3abc\xa5SeqNo\x07")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x01",
        b"\x01\x81\xa5Error\xa1x",
        b"\x02\x80",
        b"\x01\x81",
        b"\x01\x05",
        b"\x01\xdd\xff\xff\xff\xff",
    ],
)
def test_a_broken_coordinate_is_none(payload):
    assert decode_coordinate(payload) is None


def test_a_coordinate_of_integers_is_read():
    payload = b"\x01" + msgpack.packb({"Vec": [1, 2], "Error": 1, "Height": 0, "Adjustment": 0})

    assert Coordinate((1.0, 2.0), 1.0, 0.0, 0.0) == decode_coordinate(payload)


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"\x08", Reason.EMPTY),
        (b"\x06\x80", Reason.UNSUPPORTED),
        (b"\x63\x80", Reason.UNSUPPORTED),
        (b"\x08\x63\x80", Reason.UNSUPPORTED),
        (b"\x08\x02\x80", Reason.UNSUPPORTED),
        (b"\x00", Reason.MALFORMED),
        (b"\x00\x05", Reason.MALFORMED),
        (b"\x00\x82\xa5SeqNo", Reason.MALFORMED),
        (b"\x00\x81\xa5SeqNo\xff", Reason.MALFORMED),
        (b"\x00\x81\xa5SeqNo\xcf\x00\x00\x00\x01\x00\x00\x00\x00", Reason.MALFORMED),
        (b"\x00\x81\xa5SeqNo\xc3", Reason.MALFORMED),
        (b"\x00\x81\x90\x01", Reason.MALFORMED),
        (b"\x03\x80", Reason.MALFORMED),
        (b"\x03\x81\xa4Node\xda\x02\x01" + b"n" * 513, Reason.OVERSIZED),
        (b"\x01\x81\xa6Target\xa3abc", Reason.MALFORMED),
        (b"\x00\xdd\xff\xff\xff\xff", Reason.MALFORMED),
        (b"\x00" + b"\x91" * 5000, Reason.MALFORMED),
    ],
)
def test_broken_messages_are_refused_with_their_reason(packed, reason):
    assert reason is refusal(packed)


@pytest.mark.parametrize("length", range(6))
def test_an_alive_with_a_short_version_array_is_malformed(length):
    fields = alive_fields(Vsn=bytes(length))

    assert Reason.MALFORMED is refusal(b"\x04" + msgpack.packb(fields, use_bin_type=False))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Addr": b"\x01\x02\x03"}, Reason.MALFORMED),
        ({"Addr": None}, Reason.MALFORMED),
        ({"Node": ""}, Reason.MALFORMED),
        ({"Node": 5}, Reason.MALFORMED),
        ({"Port": 65536}, Reason.MALFORMED),
        ({"Port": 1.5}, Reason.MALFORMED),
        ({"Incarnation": -1}, Reason.MALFORMED),
        ({"Meta": bytes(513)}, Reason.OVERSIZED),
        ({"Vsn": [1, 5, 2, 2, 5, 256]}, Reason.MALFORMED),
        ({"Vsn": 7}, Reason.MALFORMED),
    ],
)
def test_an_alive_out_of_range_is_refused(changes, reason):
    fields = alive_fields(**changes)

    assert reason is refusal(b"\x04" + msgpack.packb(fields, use_bin_type=False))


@given(st.binary(max_size=300))
def test_random_bytes_are_a_message_or_an_error(packed):
    try:
        message = decode_packet(packed)
    except WireError:
        return
    assert message is not None


@given(packet_messages, st.data())
def test_a_cut_message_is_never_anything_but_an_error_or_a_message(message, data):
    packed = encode_packet(message)
    cut = packed[: data.draw(st.integers(0, len(packed) - 1))]

    with pytest.raises(WireError):
        decode_packet(cut)


def test_a_nack_flag_is_read():
    message = IndirectPing(1, HERE, "b", nack=True, source=HERE, source_node="a")

    assert message == decode_packet(encode_packet(message))
