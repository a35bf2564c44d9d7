from gossip.core.types import normalized_ip

FOUR = bytes([10, 0, 0, 1])
MAPPED = bytes(10) + b"\xff\xff" + FOUR
SIX = bytes([0x20, 1, 0x0D, 0xB8]) + bytes(11) + b"\x01"


def test_mapped_address_is_the_same_as_its_four_bytes():
    """RFC 4291 §2.5.5.2; agents bound to 0.0.0.0 announce the mapped form."""
    assert FOUR == normalized_ip(MAPPED)


def test_other_addresses_stay_as_they_are():
    assert [FOUR, SIX] == [normalized_ip(ip) for ip in (FOUR, SIX)]
