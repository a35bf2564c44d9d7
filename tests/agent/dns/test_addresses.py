"""Addresses as text and as bytes."""

import pytest

from agent.dns.addresses import address_bytes, subnet_text
from agent.dns.wire import ClientSubnet


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", b"\x0a\0\0\1"),
        ("fd00::1", b"\xfd" + bytes(14) + b"\1"),
        ("[fd00::1]", b"\xfd" + bytes(14) + b"\1"),
        ("::ffff:10.0.0.1", b"\x0a\0\0\1"),
        ("host.example", None),
        ("", None),
        ("10.0.0.256", None),
    ],
)
def test_address_bytes(text: str, expected: bytes | None) -> None:
    assert expected == address_bytes(text)


def test_subnet_text_fills_up_the_prefix() -> None:
    assert subnet_text(ClientSubnet(1, 16, b"\x0a\x01")) == "10.1.0.0"
    assert subnet_text(ClientSubnet(2, 32, b"\x20\x01\x0d\xb8")) == "2001:db8::"
