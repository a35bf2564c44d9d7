"""The msgpack of the wire: old-spec raw strings written, every form of a value read.

Written: maps with alphabetical keys, text and bytes both as raw (fixraw, raw16, raw32; never
str8 or bin), the smallest integers, float64. Read: also str8 and bin, a struct as an array of its
fields in their declared order, integers of any width, unknown keys (ignored), missing keys and
nil (the zero value). Text that is not UTF-8 is read with replacement characters.
Source: the msgpack specification before bin and str8, as go-msgpack writes it.
Limits: ``ITEMS_MAX`` children of one array or map, so that a declared count allocates little;
msgpack itself nests at most 1024 deep. For streams ``Extent`` checks a whole value, with its
depth and its number of items, before anything is built of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgpack

from gossip.core.types import NAME_BYTES_MAX, Address
from gossip.wire.errors import Reason, WireError

Fields: TypeAlias = Mapping[bytes, Any]
"""A struct as read: its values by key."""

UINT8_MAX: Final = 2**8 - 1
UINT16_MAX: Final = 2**16 - 1
UINT32_MAX: Final = 2**32 - 1
UINT64_MAX: Final = 2**64 - 1
INT64_MAX: Final = 2**63 - 1

ITEMS_MAX: Final = 1024
"""Children of one array or map in a packet; the largest real one is the event ring of 512."""

_packer = msgpack.Packer(use_bin_type=False, unicode_errors="replace")


def pack(value: Any) -> bytes:
    """Write ``value``; the caller orders the keys of structs."""
    packed: bytes = _packer.pack(value)
    return packed


def unpack(packed: bytes | memoryview, *, items_max: int = ITEMS_MAX) -> Any:
    """Read the value at the front; what follows it is ignored, as go-msgpack does.

    Raises WireError MALFORMED.
    """
    try:
        return msgpack.unpackb(
            packed, raw=True, max_array_len=items_max, max_map_len=items_max, max_ext_len=0
        )
    except msgpack.ExtraData as extra:
        return extra.unpacked
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise WireError(Reason.MALFORMED, f"msgpack: {error}") from None


def unpack_struct(
    packed: bytes | memoryview, keys: Sequence[bytes], *, items_max: int = ITEMS_MAX
) -> Fields:
    """Read a struct whose fields are declared in the order of ``keys``; nil has no fields."""
    return struct(unpack(packed, items_max=items_max), keys)


def struct(value: Any, keys: Sequence[bytes]) -> Fields:
    """Give the fields of a struct that was read as a map, an array or nil."""
    if type(value) is dict:
        return value
    if type(value) is list:
        return dict(zip(keys, value, strict=False))
    if value is None:
        return {}
    raise WireError(Reason.MALFORMED, f"a struct cannot be {type(value).__name__}")


def unsigned(value: Any, maximum: int) -> int:
    """Read 0..``maximum``; nil is 0."""
    if type(value) is int and 0 <= value <= maximum:
        return value
    if value is None:
        return 0
    raise WireError(Reason.MALFORMED, f"an integer of 0..{maximum} cannot be {_shown(value)}")


def flag(value: Any) -> bool:
    """Read a boolean; nil is false."""
    if type(value) is bool:
        return value
    if value is None:
        return False
    raise WireError(Reason.MALFORMED, f"a boolean cannot be {_shown(value)}")


def real(value: Any) -> float:
    """Read a number; nil is 0. NaN and infinities are numbers here."""
    if type(value) is float:
        return value
    if value is None:
        return 0.0
    if type(value) is int:
        return float(value)
    raise WireError(Reason.MALFORMED, f"a number cannot be {_shown(value)}")


def raw(value: Any) -> bytes:
    """Read bytes, also when they were sent as an array of numbers; nil is empty."""
    if type(value) is bytes:
        return value
    if value is None:
        return b""
    if type(value) is list:
        return bytes([unsigned(item, UINT8_MAX) for item in value])
    raise WireError(Reason.MALFORMED, f"bytes cannot be {_shown(value)}")


def text(value: Any) -> str:
    """Read text; nil is empty."""
    if type(value) is bytes:
        return value.decode("utf-8", "replace")
    if value is None:
        return ""
    raise WireError(Reason.MALFORMED, f"text cannot be {_shown(value)}")


def name(value: Any) -> str:
    """Read a node's name, which may be empty. Raises WireError OVERSIZED over NAME_BYTES_MAX."""
    read = text(value)
    if len(read) * 4 > NAME_BYTES_MAX and len(read.encode()) > NAME_BYTES_MAX:
        raise WireError(Reason.OVERSIZED, f"a name is longer than {NAME_BYTES_MAX} bytes")
    return read


def subject(value: Any) -> str:
    """Read the name of the node that a message is about: 1..NAME_BYTES_MAX bytes."""
    read = name(value)
    if not read:
        raise WireError(Reason.MALFORMED, "the name of a node is empty")
    return read


def items(value: Any) -> list[Any]:
    """Read an array; nil is empty."""
    if type(value) is list:
        return value
    if value is None:
        return []
    raise WireError(Reason.MALFORMED, f"an array cannot be {_shown(value)}")


def mapping(value: Any) -> dict[Any, Any]:
    """Read a map; nil is empty."""
    if type(value) is dict:
        return value
    if value is None:
        return {}
    raise WireError(Reason.MALFORMED, f"a map cannot be {_shown(value)}")


def address(ip: Any, port: Any) -> Address:
    """Read an address of 4 or 16 bytes and a port (0 allowed)."""
    read = raw(ip)
    if len(read) not in {4, 16}:
        raise WireError(Reason.MALFORMED, f"an address has {len(read)} bytes, not 4 or 16")
    return Address(read, unsigned(port, UINT16_MAX))


def _shown(value: Any) -> str:
    return str(value) if type(value) is int else type(value).__name__
