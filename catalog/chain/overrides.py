"""What a caller changes in its own view of a chain, and the hash that names the change.

The hash must equal the one of Consul, since proxies put it into the names of their clusters. It is
FNV-1 over the fields, as the Go library ``hashstructure`` (version 1) walks a struct.
"""

from typing import Final

import msgspec

from catalog.duration import Duration

_FNV_OFFSET: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3
_HASH_MAX: Final = 2**64 - 1  # Go hashes into 64 bits
_HASH_DIGITS: Final = 8


class Overrides(msgspec.Struct, frozen=True, kw_only=True):
    """Empty fields override nothing; the timeout is nanoseconds."""

    protocol: str = ""
    connect_timeout: Duration = 0
    mesh_gateway_mode: str = ""


def customization_hash(used: Overrides) -> str:
    """Eight hexadecimal digits for the overrides that changed something; empty if none did."""
    if used == Overrides():
        return ""
    mode = _struct("MeshGatewayConfig", {"Mode": _text(used.mesh_gateway_mode)})
    hashed = _struct(
        "",
        {
            "OverrideMeshGateway": mode,
            "OverrideProtocol": _text(used.protocol),
            "OverrideConnectTimeout": _number(used.connect_timeout),
        },
    )
    return f"{hashed:x}"[:_HASH_DIGITS]


def _fnv1(content: bytes) -> int:
    hashed = _FNV_OFFSET
    for byte in content:
        hashed = (hashed * _FNV_PRIME & _HASH_MAX) ^ byte
    return hashed


def _text(text: str) -> int:
    return _fnv1(text.encode())


def _number(number: int) -> int:
    return _fnv1(number.to_bytes(8, "little"))


def _struct(type_name: str, fields: dict[str, int]) -> int:
    # The order of the fields does not matter: each pair is hashed and all are xor-ed.
    hashed = _text(type_name)
    for name, value in fields.items():
        hashed ^= _fnv1(_text(name).to_bytes(8, "little") + value.to_bytes(8, "little"))
    return hashed
