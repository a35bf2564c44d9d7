import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.wire import lzw
from gossip.wire.errors import Reason, WireError

CLEAR, END = 256, 257


def packed(codes_and_widths):
    """A stream of (code, width) pairs, for streams that our writer would not write."""
    value = bits = 0
    for code, width in codes_and_widths:
        value |= code << bits
        bits += width
    return value.to_bytes((bits + 7) // 8, "little")


def unrepeating(codes):
    """Bytes of which the writer makes exactly ``codes`` codes: no pair of bytes comes twice."""
    plain = bytearray()
    for first in range(256):  # de Bruijn's sequence of pairs, by Lyndon words
        plain.append(first)
        for second in range(first + 1, 256):
            plain += bytes((first, second))
    return bytes(plain[:codes])


@given(st.binary(max_size=2000))
def test_what_is_compressed_comes_back(plain):
    assert plain == lzw.decompress(lzw.compress(plain), bytes_max=len(plain))


@given(st.lists(st.sampled_from([b"a", b"ab", b"\xc0\xc0\xc0", b"node"]), max_size=3000))
def test_repetitions_come_back_smaller(words):
    plain = b"".join(words)

    stream = lzw.compress(plain)

    assert plain == lzw.decompress(stream, bytes_max=len(plain))
    assert len(plain) < 100 or len(stream) < len(plain)


@pytest.mark.parametrize("codes", [254, 255, 256, 766, 767, 768, 1790, 1791, 1792])
def test_the_width_grows_in_step(codes):
    plain = unrepeating(codes)

    assert plain == lzw.decompress(lzw.compress(plain), bytes_max=codes)


@pytest.mark.parametrize("codes", [3836, 3837, 3838, 3839, 3840, 7675, 7676, 7677, 20000])
def test_the_writer_starts_over_when_the_table_is_full(codes):
    plain = unrepeating(codes)

    assert plain == lzw.decompress(lzw.compress(plain), bytes_max=codes)


def test_the_writer_clears_before_it_would_assign_4095():
    # 3838 codes assign up to 4095: the last of them is followed by a clear of 12 bits.
    bits = 9 + 255 * 9 + 512 * 10 + 1024 * 11 + 2047 * 12 + 12 + 9

    assert (bits + 7) // 8 == len(lzw.compress(unrepeating(3838)))


def test_a_reader_with_a_full_table_goes_on_without_adding():
    # Another writer may go on in 12 bits instead of clearing.
    widths = [9] * 255 + [10] * 512 + [11] * 1024 + [12] * 3000
    plain = bytes(index * 7 % 251 for index in range(len(widths)))
    stream = packed([(CLEAR, 9), *zip(plain, widths, strict=True), (END, 12)])

    assert plain == lzw.decompress(stream, bytes_max=len(plain))


def test_the_last_code_4095_can_be_used():
    widths = [9] * 255 + [10] * 512 + [11] * 1024 + [12] * 2047 + [12]
    plain = [index * 7 % 251 for index in range(len(widths))]
    stream = packed([(CLEAR, 9), *zip(plain, widths, strict=True), (4095, 12), (END, 12)])

    expected = bytes([*plain, plain[-2], plain[-1]])
    assert expected == lzw.decompress(stream, bytes_max=len(expected))


def test_clear_codes_may_come_at_any_time_and_repeatedly():
    stream = packed([(CLEAR, 9), (97, 9), (CLEAR, 9), (CLEAR, 9), (98, 9), (258, 9), (END, 9)])

    assert lzw.decompress(stream, bytes_max=10) == b"abbb"


def test_a_stream_may_start_without_a_clear_code():
    assert lzw.decompress(packed([(97, 9), (END, 9)]), bytes_max=10) == b"a"


def test_what_follows_the_end_code_is_ignored():
    assert lzw.decompress(lzw.compress(b"a") + b"\xff" * 20, bytes_max=10) == b"a"


@pytest.mark.parametrize(
    "codes", [[CLEAR, 258, END], [CLEAR, 97, 259, END], [CLEAR, 97, 98, CLEAR, 258, END], [511]]
)
def test_a_code_that_was_never_assigned_is_malformed(codes):
    with pytest.raises(WireError) as refused:
        lzw.decompress(packed([(code, 9) for code in codes]), bytes_max=100)

    assert Reason.MALFORMED is refused.value.reason


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_a_stream_without_its_end_is_truncated(cut):
    with pytest.raises(WireError) as refused:
        lzw.decompress(lzw.compress(b"ab")[:cut], bytes_max=100)

    assert Reason.TRUNCATED is refused.value.reason


def test_the_output_stops_at_the_cap():
    stream = lzw.compress(bytes(101))

    assert bytes(101) == lzw.decompress(stream, bytes_max=101)
    with pytest.raises(WireError) as refused:
        lzw.decompress(stream, bytes_max=100)
    assert Reason.OVERSIZED is refused.value.reason


def test_a_bomb_is_refused_without_its_memory():
    bomb = lzw.compress(bytes(2 * 1024 * 1024))
    assert len(bomb) < 6000

    tracemalloc.start()
    with pytest.raises(WireError):
        lzw.decompress(bomb, bytes_max=64 * 1024)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 512 * 1024


@given(st.binary(max_size=600))
def test_random_bytes_give_bytes_or_an_error(stream):
    try:
        plain = lzw.decompress(stream, bytes_max=1000)
    except WireError:
        return
    assert len(plain) <= 1000


def test_mutated_streams_give_bytes_or_an_error():
    rng = random.Random(7)
    stream = lzw.compress(bytes(rng.choices(b"abcd", k=5000)))
    for _ in range(200):
        broken = bytearray(stream)
        broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        try:
            plain = lzw.decompress(bytes(broken), bytes_max=10_000)
        except WireError:
            continue
        assert len(plain) <= 10_000
