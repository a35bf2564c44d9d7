"""Trace context in the headers of a request: taken up, begun, and passed on.

W3C's ``traceparent`` is believed first, then Zipkin's B3, in one header or in several. It is passed
on as it came, and as ``traceparent`` always; ``tracestate`` and baggage are not touched. A header
that cannot be read counts as none, as the standard asks.
Source: W3C Trace Context (https://www.w3.org/TR/trace-context/); B3
(https://github.com/openzipkin/b3-propagation).
"""

import re
from typing import Final

import msgspec

from proxy.http import Headers

TRACEPARENT: Final = b"traceparent"
B3: Final = b"b3"
B3_TRACE: Final = b"x-b3-traceid"
B3_SPAN: Final = b"x-b3-spanid"
B3_PARENT: Final = b"x-b3-parentspanid"
B3_SAMPLED: Final = b"x-b3-sampled"
B3_FLAGS: Final = b"x-b3-flags"
NAMES: Final = frozenset({TRACEPARENT, B3, B3_TRACE, B3_SPAN, B3_PARENT, B3_SAMPLED, B3_FLAGS})
SAMPLED: Final = 0x01
TRACE_BITS: Final = 128
SPAN_BITS: Final = 64

_TRACEPARENT: Final = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    rb"(?P<more>-.*)?"
)
_B3: Final = re.compile(
    rb"(?P<trace>[0-9a-f]{16}|[0-9a-f]{32})-(?P<span>[0-9a-f]{16})(-(?P<sampled>[01d])(-.*)?)?"
)
_HEX: Final = re.compile(rb"[0-9a-f]{16}|[0-9a-f]{32}")


class TraceContext(msgspec.Struct, frozen=True, kw_only=True):
    """Ids in lower-case hexadecimal. ``is_sampled`` None: whoever comes next may decide.

    ``forms``: which of the three ways it came in; empty for one that began here.
    """

    trace_id: str
    span_id: str = ""
    is_sampled: bool | None = None
    forms: frozenset[bytes] = frozenset()


def read(headers: Headers) -> TraceContext | None:
    """What a request says of its trace; None if nothing that can be used."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in NAMES:
            if lower in found:
                return None  # twice: neither is to be believed
            found[lower] = value.strip().lower()
    if not found:
        return None
    forms = frozenset(found.keys() & {TRACEPARENT, B3, B3_TRACE})
    return (
        _w3c(found.get(TRACEPARENT, b""), forms)
        or _b3(found.get(B3, b""), forms)
        or _b3_headers(found, forms)
    )


def _w3c(value: bytes, forms: frozenset[bytes]) -> TraceContext | None:
    match = _TRACEPARENT.fullmatch(value)
    if match is None or (match["more"] and value.startswith(b"00")):
        return None
    if not int(match["trace"], 16) or not int(match["span"], 16):
        return None
    return TraceContext(
        trace_id=match["trace"].decode(),
        span_id=match["span"].decode(),
        is_sampled=bool(int(match["flags"], 16) & SAMPLED),
        forms=forms,
    )


def _b3(value: bytes, forms: frozenset[bytes]) -> TraceContext | None:
    match = _B3.fullmatch(value)
    if match is None or not int(match["trace"], 16):
        return None
    sampled = match["sampled"]
    return TraceContext(
        trace_id=match["trace"].decode().rjust(TRACE_BITS // 4, "0"),
        span_id=match["span"].decode(),
        is_sampled=None if sampled is None else sampled != b"0",
        forms=forms,
    )


def _b3_headers(found: dict[bytes, bytes], forms: frozenset[bytes]) -> TraceContext | None:
    trace, span = found.get(B3_TRACE, b""), found.get(B3_SPAN, b"")
    if not _HEX.fullmatch(trace) or not int(trace, 16) or not re.fullmatch(rb"[0-9a-f]{16}", span):
        return None
    sampled: bool | None = None
    if found.get(B3_FLAGS) == b"1":
        sampled = True
    elif B3_SAMPLED in found:
        sampled = found[B3_SAMPLED] in {b"1", b"true"}
    return TraceContext(
        trace_id=trace.decode().rjust(TRACE_BITS // 4, "0"),
        span_id=span.decode(),
        is_sampled=sampled,
        forms=forms,
    )


def written(headers: Headers, context: TraceContext, parent_span_id: str) -> Headers:
    """Headers for the next hop: the context in the forms in which it came, and as W3C's."""
    kept = [pair for pair in headers if pair[0].lower() not in NAMES]
    trace, span = context.trace_id.encode(), context.span_id.encode()
    flag = b"1" if context.is_sampled else b"0"
    kept.append((TRACEPARENT, b"00-%b-%b-0%b" % (trace, span, flag)))
    if B3 in context.forms:
        parent = b"-" + parent_span_id.encode() if parent_span_id else b""
        kept.append((B3, b"%b-%b-%b%b" % (trace, span, flag, parent)))
    if B3_TRACE in context.forms:
        kept += [(B3_TRACE, trace), (B3_SPAN, span), (B3_SAMPLED, flag)]
        if parent_span_id:
            kept.append((B3_PARENT, parent_span_id.encode()))
    return kept


def new_id(bits: int, *, drawn: int) -> str:
    """An id of ``drawn``, which is uniform below 2^bits; never the zero that means none."""
    return format(drawn or 1, f"0{bits // 4}x")
