import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.http2_frames import Code, ConnectionFault
from proxy.core.http2_hpack import REMEMBERED_MAX, TABLE_BYTES_MAX, Decoder, Encoder

NAMES = [
    b":path",
    b":method",
    b"accept",
    b"cookie",
    b"x-request-id",
    b"x-a",
    b"x-b",
    b"content-type",
]
VALUES = st.sampled_from([b"", b"GET", b"/", b"*/*", b"a" * 200, b"b" * 900]) | st.binary(
    max_size=40
)
LISTS = st.lists(st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=12), max_size=20)


@given(LISTS)
def test_the_library_reads_what_we_encode(lists):
    encoder, library = Encoder(), hpack.Decoder()

    for fields in lists:
        assert fields == [
            tuple(field) for field in library.decode(encoder.encode(fields), raw=True)
        ]


@given(LISTS, st.booleans())
def test_we_read_what_the_library_encodes(lists, huffman):
    decoder, library = Decoder(10**6), hpack.Encoder()

    for fields in lists:
        assert fields == decoder.decode(library.encode(fields, huffman=huffman)).fields


@given(LISTS, st.lists(st.integers(0, 5000), min_size=20, max_size=20))
def test_a_table_follows_the_peers_size(lists, sizes):
    encoder, library = Encoder(), hpack.Decoder()

    for fields, size in zip(lists, sizes, strict=False):
        library.max_allowed_table_size = size
        encoder.resize(size)
        assert fields == [
            tuple(field) for field in library.decode(encoder.encode(fields), raw=True)
        ]


@given(LISTS, st.lists(st.integers(0, TABLE_BYTES_MAX), min_size=20, max_size=20))
def test_we_follow_what_the_peer_does_with_its_table(lists, sizes):
    decoder, library = Decoder(10**6), hpack.Encoder()

    for fields, size in zip(lists, sizes, strict=False):
        library.header_table_size = size
        assert fields == decoder.decode(library.encode(fields)).fields


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes_are_fields_or_a_fault(blocks):
    decoder = Decoder(2000)

    for block in blocks:
        try:
            decoded = decoder.decode(block)
        except ConnectionFault:
            return
        assert decoded.list_bytes <= 2000


def test_sizes_between_two_blocks_are_told_with_the_smallest_first():
    encoder, library = Encoder(), hpack.Decoder()
    library.decode(encoder.encode([(b"a", b"b")]), raw=True)

    encoder.resize(0)
    encoder.resize(4096)

    assert b"\x20\x3f\xe1\x1f" == encoder.encode([])
    assert b"\x40" == encoder.encode([(b"a", b"b")])[:1]


def test_what_varies_is_not_put_in_the_table():
    encoder = Encoder()
    fields = [(b":path", b"/1"), (b"x-request-id", b"7"), (b"user-agent", b"me")]

    first, second = encoder.encode(fields), encoder.encode(fields)

    assert [b"/1" in second, b"7" in second, b"me" in second] == [True, True, False]
    assert len(second) < len(first)


@pytest.mark.parametrize("name", [b"authorization", b"cookie", b"set-cookie"])
def test_secrets_are_marked_as_never_indexed(name):
    block = Encoder().encode([(name, b"secret")])

    assert 0x10 == block[0] & 0xF0
    assert isinstance(hpack.Decoder().decode(block, raw=True)[0], hpack.NeverIndexedHeaderTuple)


def test_a_block_that_leaves_the_table_alone_is_remembered_until_it_changes():
    encoder, decoder = Encoder(), Decoder(1000)
    fields = [(b":method", b"GET"), (b"x-a", b"1")]
    decoder.decode(encoder.encode(fields))
    block = encoder.encode(fields)

    first, second = decoder.decode(block), decoder.decode(block)
    decoder.decode(encoder.encode([(b"x-b", b"2")]))
    third = decoder.decode(encoder.encode(fields))

    assert first is second
    assert first is not third
    assert fields == third.fields


def test_no_more_blocks_are_remembered_than_allowed():
    decoder = Decoder(1000)

    for number in range(3 * REMEMBERED_MAX):
        block = b"\x00\x01a\x03%03d" % number
        assert [(b"a", b"%03d" % number)] == decoder.decode(block).fields
        assert decoder.decode(block) is decoder.decode(block)
    assert len(decoder._remembered) <= REMEMBERED_MAX


def test_a_list_that_is_too_large_when_decoded_is_a_fault():
    with pytest.raises(ConnectionFault) as fault:
        Decoder(100).decode(b"\x40\x01a\x20" + b"b" * 32 + b"\xbe" * 3)

    assert Code.ENHANCE_YOUR_CALM == fault.value.code
