"""Numbers of config entries that must lie in a range."""

from collections.abc import Callable
from typing import Final

import msgspec

from catalog.duration import format_duration
from catalog.errors import Invalid

PERCENT_MAX: Final = 100
"""All of them."""


class Range(msgspec.Struct, frozen=True):
    """A field's value and its bounds; None is not given and fits always."""

    name: str
    value: float | None
    minimum: float = 0
    maximum: float | None = None
    shown: Callable[[float], str] = "{:.10g}".format


def percent(name: str, value: float | None) -> Range:
    """A share of 0 to 100."""
    return Range(name, value, maximum=PERCENT_MAX)


def duration(name: str, value: int) -> Range:
    """A time that is not negative; nanoseconds."""
    return Range(name, value, shown=lambda number: format_duration(int(number)))


def validate_ranges(prefix: str, *ranges: Range) -> None:
    """Raise Invalid for the first value outside of its bounds; ``prefix`` starts the text."""
    for each in ranges:
        if each.value is None:
            continue
        low, high = each.value < each.minimum, each.maximum
        if low or (high is not None and each.value > high):
            bounds = (
                f"must be >= {each.minimum}"
                if high is None
                else f"must be between {each.minimum} and {high}"
            )
            message = f"{prefix}{each.name} {bounds}, not {each.shown(each.value)}"
            raise Invalid(message)
