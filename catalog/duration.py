"""Durations as Consul writes them: integer nanoseconds with Go's text form.

Source: Go's ``time.ParseDuration`` and ``Duration.String`` (https://pkg.go.dev/time#Duration).
Range: a signed 64-bit count of nanoseconds, about ±292 years.
"""

import re
from decimal import Decimal
from typing import Annotated, Final

import msgspec

_UNITS_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_TERM: Final = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_NUMBER: Final = re.compile(r"\d+\.?\d*|\.\d+", re.ASCII)
_NS_MAX: Final = 2**63 - 1

NANOSECOND: Final = 1
MICROSECOND: Final = 1_000
MILLISECOND: Final = 1_000_000
SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE


Duration = Annotated[int, msgspec.Meta(extra={"duration": True})]
"""Nanoseconds; a field of this type is written as text in JSON, where a plain int is a number."""


def parse_duration(text: str) -> int:
    """Nanoseconds of ``"1h5m"``, ``"1.5s"``, ``"-3ms"`` or ``"0"``.

    Raises ValueError with Go's wording: ``time: invalid duration "x"``,
    ``time: missing unit in duration "5"`` or ``time: unknown unit "x" in duration "5x"``.
    """
    body = text[1:] if text[:1] in {"+", "-"} else text
    if body == "0":
        return 0
    if not body:
        raise ValueError(f'time: invalid duration "{text}"')
    total = Decimal(0)
    position = 0
    while position < len(body):
        term = _TERM.match(body, position)
        if term is None:
            raise ValueError(_why_not_a_term(text, body, position))
        total += Decimal(term[1]) * _UNITS_NS[term[2]]
        position = term.end()
    nanoseconds = int(total)
    if nanoseconds > _NS_MAX:
        raise ValueError(f'time: invalid duration "{text}"')
    return -nanoseconds if text[0] == "-" else nanoseconds


def _why_not_a_term(text: str, body: str, position: int) -> str:
    number = _NUMBER.match(body, position)
    if number is None:
        return f'time: invalid duration "{text}"'
    unit = re.match(r"[^\d.]*", body[number.end() :])
    if unit is None or not unit[0]:
        return f'time: missing unit in duration "{text}"'
    return f'time: unknown unit "{unit[0]}" in duration "{text}"'


def format_duration(nanoseconds: int) -> str:
    """Write ``"1h5m0s"``, ``"1.5s"``, ``"200ms"`` or ``"0s"``, as Go does."""
    if nanoseconds == 0:
        return "0s"
    sign, span = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if span < SECOND:
        for unit, size in (("ms", MILLISECOND), ("µs", MICROSECOND), ("ns", 1)):
            if span >= size:
                return f"{sign}{_fraction(span, size)}{unit}"
    hours, rest = divmod(span, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    text = f"{_fraction(rest, SECOND)}s"
    if span >= MINUTE:
        text = f"{minutes}m{text}"
    if span >= HOUR:
        text = f"{hours}h{text}"
    return sign + text


def _fraction(span: int, size: int) -> str:
    whole, rest = divmod(span, size)
    if not rest:
        return str(whole)
    return f"{whole}.{str(rest).zfill(len(str(size)) - 1).rstrip('0')}"
