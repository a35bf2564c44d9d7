"""IP addresses between their text and the bytes of A and AAAA records."""

import ipaddress
from functools import lru_cache
from typing import Final

from agent.dns.wire import ClientSubnet

ADDRESSES_REMEMBERED_MAX: Final = 8192  # the rows of a large service are read again and again


@lru_cache(ADDRESSES_REMEMBERED_MAX)
def address_bytes(text: str) -> bytes | None:
    """The 4 or 16 bytes of an address's text ("[2001:db8::9]" too), None if it is none."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.packed
    return address.packed


def subnet_text(subnet: ClientSubnet) -> str:
    """A client subnet's address, its missing bytes zero."""
    size = 4 if subnet.family == 1 else 16
    return str(ipaddress.ip_address(subnet.address.ljust(size, b"\0")))
