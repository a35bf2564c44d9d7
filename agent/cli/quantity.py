"""Times and amounts, short enough for a column."""

from typing import Final

_UNITS: Final = ("", "K", "M", "G", "T")
_AGES: Final = (("d", 86_400), ("h", 3_600), ("m", 60))


def duration(milliseconds: float) -> str:
    """``0.42ms``, ``17ms``, ``1.5s``."""
    if milliseconds < 10:
        return f"{milliseconds:.2g}ms"
    return f"{milliseconds:.0f}ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f}s"


def age(seconds: float) -> str:
    """``90s``, ``15m``, ``3h``, ``12d``."""
    for unit, unit_s in _AGES:
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f}{unit}"
    return f"{seconds:.0f}s"


def amount(count: float) -> str:
    """Bytes with a unit of 1024: ``812``, ``1.2K``."""
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            break
        count /= 1024
    return f"{count:.0f}{unit}" if not unit or count >= 10 else f"{count:.1f}{unit}"
