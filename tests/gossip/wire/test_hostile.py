"""Hostile bytes against the whole receive path: one class of error, bounded time and memory."""

import json
import random
import struct
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.wire import lzw
from gossip.wire.envelope import Wrapping, open_packet
from gossip.wire.errors import WireError
from gossip.wire.keyring import Keyring
from gossip.wire.layout import pack
from gossip.wire.messages import decode_packet
from gossip.wire.stream import StreamReader

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())
KEY = bytes(range(16))
PLAIN = Wrapping(Keyring())
FUZZ_S = 0.5  # a share of time for mutations that no strategy thinks of
PACKET_S_MAX = 0.5  # an ample bound for one hostile packet; the worst takes some 20 ms
MEBIBYTE = 1024 * 1024
TELLING = [b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc0", b"\x91", b"\x80"]
CLEAR_CODES = b"\x00\x01\x02\x04\x08\x10\x20\x40\x80"  # eight codes of nine bits


def plain_packets():
    """The captured packets, and the plain content of the encrypted ones."""
    for vector in VECTORS:
        packet = bytes.fromhex(vector["hex"])
        if vector["name"].startswith("udp_") and packet:
            if "key" in vector:
                keyring = Keyring(bytes.fromhex(vector["key"]))
                packet = keyring.decrypt(packet, associated=b"")
            yield packet


def plain_streams():
    for vector in VECTORS:
        if vector["name"].startswith(("tcp_", "consul_lan")) and "key" not in vector:
            yield bytes.fromhex(vector["hex"])


PACKETS = list(plain_packets())
STREAMS = list(plain_streams())


def receive_packet(packet, wrapping=PLAIN):
    """What a driver does with a datagram; anything but WireError is a failure."""
    try:
        messages = open_packet(packet, wrapping).messages
    except WireError:
        return
    for message in messages:
        try:
            decode_packet(message)
        except WireError:
            continue


def receive_stream(stream, wrapping=PLAIN):
    try:
        StreamReader(wrapping, from_dialer=True).feed(stream)
    except WireError:
        return


def mutated(sample, rng):
    """``sample`` with a few bytes changed, cut, doubled or swapped for telling ones."""
    broken = bytearray(sample)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(broken)) if broken else 0
        match rng.randrange(5):
            case 0:
                broken[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                del broken[place : place + rng.randint(1, 9)]
            case 2:
                broken[place:place] = broken[place : place + rng.randint(1, 40)]
            case 3:
                del broken[place:]
            case _:
                telling = [
                    b"\xdd\xff\xff\xff\xff",
                    b"\xdb\xff\xff\xff\xff",
                    b"\xc0",
                    b"\x91",
                    b"\x80",
                ]
                broken[place : place + 1] = rng.choice(telling)
    return bytes(broken)


@given(st.sampled_from(PACKETS), st.randoms(use_true_random=False))
def test_mutated_packets_never_raise_anything_else(sample, rng):
    receive_packet(mutated(sample, rng))


@given(st.sampled_from(STREAMS), st.randoms(use_true_random=False))
def test_mutated_streams_never_raise_anything_else(sample, rng):
    receive_stream(mutated(sample, rng))


@given(st.sampled_from(PACKETS + STREAMS), st.randoms(use_true_random=False), st.booleans())
def test_mutations_below_encryption_and_compression_never_raise_anything_else(sample, rng, crypt):
    broken = mutated(sample, rng)
    packet = b"\x09" + pack({"Algo": 0, "Buf": lzw.compress(broken)})
    wrapping = Wrapping(Keyring(KEY)) if crypt else PLAIN
    if crypt:
        packet = Keyring(KEY).encrypt(packet, nonce=bytes(12), associated=b"")
    receive_packet(packet, wrapping)


def test_fuzzing_for_a_while_finds_nothing_slow_and_nothing_else_raised():
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    slowest_s = 0.0
    end = time.process_time() + FUZZ_S
    while (started := time.process_time()) < end:
        receive_packet(mutated(rng.choice(PACKETS), rng))
        receive_stream(mutated(rng.choice(STREAMS), rng))
        receive_packet(rng.randbytes(rng.randrange(100)))
        slowest_s = max(slowest_s, time.process_time() - started)

    assert slowest_s < PACKET_S_MAX


def compress(plain):
    return b"\x09" + pack({"Algo": 0, "Buf": lzw.compress(plain)})


def compound(parts):
    lengths = struct.pack(f">BB{len(parts)}H", 7, len(parts), *map(len, parts))
    return lengths + b"".join(parts)


HOSTILE = {
    "deep arrays": b"\x00" + b"\x91" * 65_000,
    "deep arrays that claim much": b"\x00" + b"\xdc\x04\x00" * 21_000,
    "many empty maps": b"\x04\x81\xa1x\xdc\x04\x00" + b"\x80" * 65_000,
    "compound of compounds": compound([compound([compound([b"\x00\x80"] * 20)] * 10)] * 20),
    "compound of nothing": compound([b""] * 255),
    "LZW bomb": compress(b"\x00" + bytes(4 * MEBIBYTE)),
    "LZW bombs": compound([compress(bytes(20_000))] * 200),
    "LZW clear codes": b"\x09" + pack({"Algo": 0, "Buf": CLEAR_CODES * 7000}),
}


@pytest.mark.parametrize("packet", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_packet_costs_little_time_and_memory(packet):
    assert len(packet) <= 65_536
    started = time.process_time()
    receive_packet(packet)
    taken_s = time.process_time() - started

    tracemalloc.start()
    receive_packet(packet)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert taken_s < PACKET_S_MAX
    assert peak_bytes < 32 * MEBIBYTE
