"""Claims about the msgpack of the wire: strict on output, liberal on input."""

import pytest

from gossip.core.types import NAME_BYTES_MAX, Address
from gossip.wire import layout
from gossip.wire.errors import Reason, WireError


def refused(read, *arguments) -> Reason:
    with pytest.raises(WireError) as caught:
        read(*arguments)
    return caught.value.reason


def test_text_and_bytes_are_written_raw_and_never_in_newer_forms() -> None:
    assert layout.pack("a" * 36)[:3] == b"\xda\x00\x24"
    assert layout.pack(b"\x01") == b"\xa1\x01"


def test_newer_forms_are_read() -> None:
    assert layout.unpack(b"\xd9\x01a") == layout.unpack(b"\xc4\x01a") == b"a"


def test_what_follows_a_value_is_ignored() -> None:
    assert layout.unpack(b"\x01\xff\xff") == 1


def test_a_struct_is_read_from_a_map_an_array_or_nil() -> None:
    keys = (b"A", b"B")

    assert layout.struct({b"A": 1}, keys) == {b"A": 1}
    assert layout.struct([1, 2], keys) == {b"A": 1, b"B": 2}
    assert layout.struct(None, keys) == {}
    assert refused(layout.struct, 7, keys) is Reason.MALFORMED


def test_nil_is_the_zero_of_every_field() -> None:
    zeros = [layout.flag, layout.real, layout.raw, layout.text, layout.items, layout.mapping]

    assert [read(None) for read in zeros] == [False, 0.0, b"", "", [], {}]
    assert layout.unsigned(None, 5) == 0


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (layout.flag, 1),
        (layout.real, b"1"),
        (layout.raw, 1),
        (layout.raw, [256]),
        (layout.text, 1),
        (layout.items, {}),
        (layout.mapping, []),
        (layout.subject, b""),
    ],
)
def test_another_kind_is_malformed(read, value) -> None:
    assert refused(read, value) is Reason.MALFORMED


@pytest.mark.parametrize("value", [-1, 6, True, "1"])
def test_numbers_stay_in_their_range(value) -> None:
    assert refused(layout.unsigned, value, 5) is Reason.MALFORMED


def test_a_name_that_is_too_long_is_refused() -> None:
    assert layout.name(b"n" * NAME_BYTES_MAX)
    assert refused(layout.name, b"n" * (NAME_BYTES_MAX + 1)) is Reason.OVERSIZED


def test_text_that_is_not_utf8_is_read_with_replacements() -> None:
    assert layout.text(b"a\xff") == "a\ufffd"


def test_an_address_has_four_or_sixteen_bytes() -> None:
    assert layout.address(b"\x7f\x00\x00\x01", 7946) == Address(b"\x7f\x00\x00\x01", 7946)
    assert refused(layout.address, b"\x7f", 1) is Reason.MALFORMED


def test_too_many_items_are_refused_before_they_are_built() -> None:
    claimed = b"\xdd\xff\xff\xff\xff"

    assert refused(layout.unpack, claimed) is Reason.MALFORMED
