import gc
import struct
from zlib import crc32

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.types import Address, Ping, Suspect
from gossip.wire import lzw
from gossip.wire.envelope import (
    DECOMPRESSED_BYTES_MAX,
    Wrapping,
    compressed,
    open_packet,
    packet_overhead_bytes,
    seal_packets,
)
from gossip.wire.errors import Reason, WireError
from gossip.wire.keyring import Keyring
from gossip.wire.messages import decode_packet, encode_packet

KEY, OTHER_KEY = bytes(16), bytes(range(16))
PLAIN = Wrapping(Keyring(), compression=False)
PING = encode_packet(Ping(7, "b"))
SUSPECT = encode_packet(Suspect(1, "b", "a"))
LARGE_PING = encode_packet(
    Ping(7, "b" * 200, Address(bytes(4), 8301), "a" * 200)
)  # shrinks when it is compressed

wrappings = st.builds(
    Wrapping,
    st.sampled_from([Keyring(), Keyring(KEY), Keyring(OTHER_KEY, KEY)]),
    label=st.sampled_from([b"", b"blue", b"l" * 255]),
    compression=st.booleans(),
    packet_bytes_max=st.sampled_from([1400, 9000]),
)
messages = st.binary(max_size=600).map(lambda body: b"\x08" + body)


def nonce():
    return bytes(12)


def compound(*parts, count=None, lengths=None):
    lengths = [len(part) for part in parts] if lengths is None else lengths
    count = len(parts) if count is None else count
    return struct.pack(f">BB{len(lengths)}H", 7, count, *lengths) + b"".join(parts)


def refusal(packet, wrapping=PLAIN):
    with pytest.raises(WireError) as refused:
        open_packet(packet, wrapping)
    return refused.value.reason


@given(st.lists(messages, max_size=30), wrappings, st.booleans())
def test_sealed_messages_come_back_in_order_within_the_packet_size(sent, wrapping, checksum):
    packets = seal_packets(sent, wrapping, nonce, checksum=checksum)

    opened = [open_packet(packet, wrapping) for packet in packets]
    assert sent == [message for one in opened for message in one.messages]
    assert all(not one.faults for one in opened)
    assert all(len(packet) <= wrapping.packet_bytes_max for packet in packets)


def test_one_message_is_sent_bare():
    assert seal_packets([PING], PLAIN, nonce, checksum=False) == [PING]


def test_several_messages_are_a_compound():
    assert seal_packets([PING, SUSPECT], PLAIN, nonce, checksum=False) == [compound(PING, SUSPECT)]


def test_more_than_255_messages_take_several_packets():
    wrapping = Wrapping(Keyring(), compression=False, packet_bytes_max=10_000)

    packets = seal_packets([b"\x08a"] * 300, wrapping, nonce, checksum=False)

    assert [len(open_packet(packet, PLAIN).messages) for packet in packets] == [255, 45]


def test_a_message_over_the_packet_size_is_refused_and_never_cut():
    wrapping = Wrapping(Keyring(), packet_bytes_max=100_000)

    for size, around in ((1400, PLAIN), (70_000, wrapping)):
        with pytest.raises(WireError) as refused:
            seal_packets([PING, bytes(size)], around, nonce, checksum=False)
        assert refused.value.reason is Reason.OVERSIZED


def test_the_overhead_is_what_the_layers_add():
    wrapping = Wrapping(Keyring(KEY), label=b"blue", compression=False)
    [packet] = seal_packets([PING], wrapping, nonce, checksum=True)

    assert packet_overhead_bytes(wrapping) == len(packet) - len(PING) == 2 + 4 + 29 + 5


def test_the_layers_are_label_encryption_checksum_compression():
    wrapping = Wrapping(Keyring(KEY), label=b"blue")
    [packet] = seal_packets([LARGE_PING], wrapping, nonce, checksum=True)

    assert packet.startswith(b"\xf4\x04blue\x01" + bytes(12))
    checked = Keyring(KEY).decrypt(packet[6:], associated=b"blue")
    assert checked == b"\x0c" + struct.pack(">I", crc32(checked[5:])) + checked[5:]
    assert checked[5:] == compressed(LARGE_PING)


def test_compression_is_used_only_when_it_shrinks():
    wrapping = Wrapping(Keyring())
    random_bytes = b"\x08" + bytes((index * 89 + index // 3) % 256 for index in range(200))

    assert seal_packets([random_bytes], wrapping, nonce, checksum=False) == [random_bytes]
    [packet] = seal_packets([LARGE_PING], wrapping, nonce, checksum=False)
    assert len(packet) < len(LARGE_PING)


def test_outgoing_packets_stay_plain_without_verify_outgoing():
    wrapping = Wrapping(Keyring(KEY), verify_outgoing=False)

    assert seal_packets([PING], wrapping, nonce, checksum=False) == [PING]


def test_plain_packets_pass_without_verify_incoming_and_are_dropped_with_it():
    assert open_packet(PING, Wrapping(Keyring(KEY), verify_incoming=False)).messages == (PING,)
    assert refusal(PING, Wrapping(Keyring(KEY))) is Reason.TRUNCATED
    assert refusal(LARGE_PING, Wrapping(Keyring(KEY))) is Reason.UNDECRYPTABLE


@pytest.mark.parametrize("checksum", [False, True])
def test_a_packet_of_another_key_is_refused(checksum):
    [packet] = seal_packets([PING], Wrapping(Keyring(OTHER_KEY)), nonce, checksum=checksum)

    assert refusal(packet, Wrapping(Keyring(KEY))) is Reason.UNDECRYPTABLE


def test_without_a_key_an_encrypted_packet_is_a_malformed_indirect_ping():
    [packet] = seal_packets([PING], Wrapping(Keyring(KEY)), nonce, checksum=False)

    [message] = open_packet(packet, PLAIN).messages

    with pytest.raises(WireError) as refused:
        decode_packet(message)
    assert refused.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("packet", "ours", "reason"),
    [
        (PING, b"blue", Reason.LABEL),
        (b"\xf4\x03red" + PING, b"blue", Reason.LABEL),
        (b"\xf4\x04blue" + PING, b"", Reason.LABEL),
        (b"\xf4\x00" + PING, b"", Reason.LABEL),
        (b"\xf4", b"", Reason.TRUNCATED),
        (b"\xf4\x04blu", b"blue", Reason.TRUNCATED),
        (b"\xf4\x04blue", b"blue", Reason.EMPTY),
    ],
)
def test_a_label_that_is_not_ours_is_refused(packet, ours, reason):
    assert refusal(packet, Wrapping(Keyring(), label=ours)) is reason


def test_without_the_label_check_the_header_must_be_absent_and_ours_is_assumed():
    wrapping = Wrapping(Keyring(KEY), label=b"blue", skip_inbound_label_check=True)
    [packet] = seal_packets([PING], wrapping, nonce, checksum=False)

    assert open_packet(packet[6:], wrapping).messages == (PING,)
    assert refusal(packet, wrapping) is Reason.LABEL


@pytest.mark.parametrize("packet", [b"\x0c", b"\x0c\x00", b"\x0c\x00\x00\x00\x00"])
def test_a_checksum_header_without_a_message_is_truncated(packet):
    assert refusal(packet) is Reason.TRUNCATED


def test_a_checksum_that_does_not_match_is_refused():
    [packet] = seal_packets([PING], PLAIN, nonce, checksum=True)

    assert refusal(packet[:-1] + b"\x00") is Reason.CHECKSUM


def test_a_checksum_counts_only_as_the_outermost_layer():
    [packet] = seal_packets([PING], PLAIN, nonce, checksum=True)

    assert refusal(compressed(packet)) is Reason.UNSUPPORTED
    assert refusal(compound(packet)) is Reason.UNSUPPORTED
    assert refusal(b"\x0c" + struct.pack(">I", crc32(packet)) + packet) is Reason.UNSUPPORTED


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"", Reason.EMPTY),
        (bytes(65537), Reason.OVERSIZED),
        (b"\x07", Reason.TRUNCATED),
        (b"\x07\x05\x00", Reason.TRUNCATED),
        (b"\x07\x00", Reason.TRUNCATED),
        (b"\x06\x80", Reason.UNSUPPORTED),
        (b"\x0a\x00\x00\x00\x00", Reason.UNSUPPORTED),
        (b"\xff", Reason.UNSUPPORTED),
        (b"\x09", Reason.MALFORMED),
        (b"\x09garbage", Reason.MALFORMED),
        (b"\x09\x80", Reason.TRUNCATED),
        (compressed(b""), Reason.EMPTY),
        (compressed(PING)[:-3], Reason.MALFORMED),
        (b"\x09" + msgpack.packb({"Algo": 1, "Buf": b""}), Reason.UNSUPPORTED),
        (compound(b"\x06\x80", b""), Reason.UNSUPPORTED),
    ],
)
def test_broken_packets_are_refused_with_their_reason(packet, reason):
    assert refusal(packet) is reason


def test_a_bad_part_costs_only_that_part():
    opened = open_packet(compound(PING, b"\xff", b"", b"\x09\x80", SUSPECT), PLAIN)

    assert opened.messages == (PING, SUSPECT)
    assert [fault.reason for fault in opened.faults] == [
        Reason.UNSUPPORTED,
        Reason.EMPTY,
        Reason.TRUNCATED,
    ]


def test_the_whole_parts_of_a_cut_compound_are_kept():
    opened = open_packet(compound(PING, SUSPECT)[:-1], PLAIN)

    assert opened.messages == (PING,)
    assert [fault.reason for fault in opened.faults] == [Reason.TRUNCATED]


def test_layers_nest_to_a_limit():
    packet = compound(compressed(compound(compressed(PING))))

    assert open_packet(packet, PLAIN).messages == (PING,)
    assert refusal(compressed(packet)) is Reason.OVERSIZED


def test_the_parts_of_all_compounds_are_limited_in_sum():
    inner = compound(*[PING] * 255)
    opened = open_packet(compound(inner, inner, inner, inner, inner), PLAIN)

    assert len(opened.messages) == 3 * 255
    assert {fault.reason for fault in opened.faults} == {Reason.OVERSIZED}


def test_the_decompressed_bytes_of_a_packet_are_limited_in_sum():
    half = compressed(b"\x08" + bytes(DECOMPRESSED_BYTES_MAX // 2))

    opened = open_packet(compound(half, half), PLAIN)

    assert len(opened.messages) == 1
    assert [fault.reason for fault in opened.faults] == [Reason.OVERSIZED]


def test_a_packet_does_not_share_memory_with_its_receive_buffer():
    buffer = bytearray(compound(PING, SUSPECT))
    opened = open_packet(buffer, PLAIN)

    buffer[:] = bytes(len(buffer))

    assert opened.messages == (PING, SUSPECT)


@given(st.binary(max_size=200), wrappings)
def test_random_bytes_open_or_are_refused(packet, wrapping):
    for prefix in (b"", b"\x07\x02", b"\x09", b"\x0c", b"\xf4"):
        try:
            open_packet(prefix + packet, wrapping)
        except WireError:
            continue


@pytest.mark.parametrize(
    "packet",
    [
        b"\x7f junk",
        b"\x07\xff",
        b"\x09\x82\xa4Algo\x00\xa3Buf\xda",
        b"\x07\x02\x00\x02\x00\x02" + b"\x7f" * 4,
    ],
)
def test_a_refused_packet_is_freed_without_the_cyclic_collector(packet):
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(WireError):
            open_packet(packet, PLAIN)

        assert 0 == sum(isinstance(found, WireError) for found in gc.get_objects())
    finally:
        gc.enable()


def test_the_secret_keys_are_not_shown():
    assert repr(KEY) not in repr(Wrapping(Keyring(KEY)))


def test_compression_keeps_what_lzw_gives():
    assert msgpack.unpackb(compressed(PING)[1:], raw=True)[b"Buf"] == lzw.compress(PING)
