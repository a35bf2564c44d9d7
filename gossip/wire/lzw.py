"""LZW with least-significant-bit-first packing and 8-bit literals, as memberlist compresses.

Layout: codes of 9 to 12 bits. 0-255 literals, 256 clear, 257 end, 258-4095 strings. The stream
starts with a clear code and ends with the end code, padded to a byte. The width grows when the
next code to assign reaches 512, 1024 and 2048, in step on both sides. A writer clears before it
would assign 4095; a reader whose table is full goes on without adding.
Source: Go's ``compress/lzw`` (https://pkg.go.dev/compress/lzw).
Limits: the output never passes the caller's cap. One code costs at most 3838 bytes, so a reader
works and allocates in proportion to input plus cap.
Speed: about 0.1 µs a byte and more; give large streams to a thread.
"""

from typing import Final

from gossip.wire.errors import Reason, WireError

_CLEAR: Final = 256
_END: Final = 257
_WIDTH_MIN: Final = 9
_WIDTH_MAX: Final = 12  # bits, as GIF and Go
_CODE_MAX: Final = (1 << _WIDTH_MAX) - 1  # the table is full here

_FLUSH_BITS: Final = 256
"""Codes gather in one integer up to this size: few conversions, and still cheap shifts."""

_LITERALS: Final = tuple(bytes((value,)) for value in range(256))


def compress(plain: bytes) -> bytes:
    """Compress ``plain`` exactly as Go's writer does; an empty input gives ``00 03 02``."""
    packed = bytearray()
    pending = pending_bits = 0
    width, last_assigned = _WIDTH_MIN, _END
    for code in _codes(plain):
        pending |= code << pending_bits
        pending_bits += width
        if code == _CLEAR:
            width, last_assigned = _WIDTH_MIN, _END
        else:
            last_assigned += 1
            if last_assigned >> width:
                width += 1
        if pending_bits >= _FLUSH_BITS:
            whole = pending_bits >> 3
            packed += (pending & ((1 << (whole << 3)) - 1)).to_bytes(whole, "little")
            pending >>= whole << 3
            pending_bits &= 7
    return bytes(packed + pending.to_bytes((pending_bits + 7) >> 3, "little"))


def _codes(plain: bytes) -> list[int]:
    """Give the codes of ``plain``: a clear, the longest known string each time, the end."""
    codes = [_CLEAR]
    if not plain:
        return [*codes, _END]
    strings: dict[int, int] = {}  # (code << 8 | next byte) -> code of the longer string
    last_assigned = _END
    code = plain[0]
    for value in plain[1:]:
        longer = strings.get(code << 8 | value)
        if longer is not None:
            code = longer
            continue
        codes.append(code)
        last_assigned += 1
        if last_assigned == _CODE_MAX:
            codes.append(_CLEAR)
            last_assigned = _END
            strings.clear()
        else:
            strings[code << 8 | value] = last_assigned
        code = value
    codes.append(code)
    if last_assigned + 1 == _CODE_MAX:
        codes.append(_CLEAR)
    codes.append(_END)
    return codes


def decompress(packed: bytes, *, bytes_max: int) -> bytes:
    """Give the plain bytes; what follows the end code is ignored, as Go's reader does.

    Raises WireError: OVERSIZED past ``bytes_max``, MALFORMED on a code that was never assigned,
    TRUNCATED without an end code.
    """
    plain = bytearray()
    strings: list[bytes] = [*_LITERALS, b"", b""]
    previous = b""  # the string before this one; empty after a clear
    width = _WIDTH_MIN
    pending = pending_bits = 0
    seen = 0  # codes since the last clear: the writer's count decides the width
    for value in packed:
        pending |= value << pending_bits
        pending_bits += 8
        if pending_bits < width:
            continue
        code = pending & ((1 << width) - 1)
        pending >>= width
        pending_bits -= width
        if code == _CLEAR:
            del strings[_END + 1 :]
            previous, width, seen = b"", _WIDTH_MIN, 0
            continue
        if code == _END:
            return bytes(plain)
        if code < len(strings):
            entry = strings[code]
        elif code == len(strings) and previous and code <= _CODE_MAX:
            entry = previous + previous[:1]
        else:
            raise WireError(Reason.MALFORMED, f"LZW code {code} was never assigned")
        if len(plain) + len(entry) > bytes_max:
            raise WireError(Reason.OVERSIZED, f"decompressed size is over {bytes_max} bytes")
        plain += entry
        if previous and len(strings) <= _CODE_MAX:
            strings.append(previous + entry[:1])
        previous = entry
        seen += 1
        if width < _WIDTH_MAX and (_END + seen) >> width:
            width += 1
    raise WireError(Reason.TRUNCATED, "LZW stream has no end code")
