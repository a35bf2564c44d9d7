"""What a snapshot's state consists of: records and bytes by table.

The layout is that of ``catalog.snapshot``: four bytes of length, a tag, the row. Only the frames
are read, so a snapshot of any size and of tables not known here can be described.
"""

from typing import Final

import msgspec

from catalog.tables import SCHEMA

_FRAME_BYTES: Final = 5
_HEADER_TAG: Final = 0
_INDEX_TAG: Final = 255
_UNIT: Final = 1024


class Share(msgspec.Struct, frozen=True):
    """One table's part of the state."""

    name: str
    count: int
    size_bytes: int


def shares(state: bytes) -> list[Share]:
    """Each table's share, largest first; empty when the layout is another program's."""
    names = {table.tag: table.name for table in SCHEMA} | {_INDEX_TAG: "index"}
    sizes: dict[int, list[int]] = {}
    position = 0
    while position < len(state):
        frame = state[position : position + _FRAME_BYTES]
        size_bytes = _FRAME_BYTES + int.from_bytes(frame[:4], "big")
        is_first = position == 0
        position += size_bytes
        if len(frame) < _FRAME_BYTES or position > len(state):
            return []
        if (frame[4] == _HEADER_TAG) != is_first:
            return []
        if not is_first:
            sizes.setdefault(frame[4], []).append(size_bytes)
    found = [
        Share(names.get(tag, f"tag {tag}"), len(each), sum(each)) for tag, each in sizes.items()
    ]
    return sorted(found, key=lambda share: (-share.size_bytes, share.name))


def shown_size(size_bytes: int) -> str:
    """``12B``, ``1.8KB``, ``3MB``: at most one decimal, none when it is zero."""
    size, unit = float(size_bytes), "B"
    for larger in ("KB", "MB", "GB"):
        if size < _UNIT:
            break
        size, unit = size / _UNIT, larger
    return f"{size:.1f}".removesuffix(".0") + unit
