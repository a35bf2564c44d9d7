import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.trace_context import (
    B3,
    B3_SPAN,
    B3_TRACE,
    TRACEPARENT,
    TraceContext,
    new_id,
    read,
    written,
)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
W3C = f"00-{TRACE}-{SPAN}-01".encode()


@pytest.mark.parametrize(
    ("headers", "sampled"),
    [
        ([(b"Traceparent", W3C)], True),
        ([(b"traceparent", W3C[:-1] + b"0")], False),
        ([(b"traceparent", b"01" + W3C[2:] + b"-what-the-future-brings")], True),
        ([(b"b3", f"{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90".encode())], True),
        ([(b"b3", f"{TRACE}-{SPAN}".encode())], None),
        ([(b"b3", f"{TRACE}-{SPAN}-d".encode())], True),
        ([(b"X-B3-TraceId", TRACE.encode()), (b"X-B3-SpanId", SPAN.encode())], None),
        (
            [
                (b"x-b3-traceid", TRACE.encode()),
                (b"x-b3-spanid", SPAN.encode()),
                (b"x-b3-sampled", b"0"),
            ],
            False,
        ),
    ],
)
def test_every_form_is_read(headers: list[tuple[bytes, bytes]], sampled: bool | None) -> None:
    context = read(headers)

    assert context is not None
    assert (TRACE, SPAN, sampled) == (context.trace_id, context.span_id, context.is_sampled)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"traceparent", W3C), (b"traceparent", W3C)],
        [(b"traceparent", b"ff" + W3C[2:])],
        [(b"traceparent", W3C + b"-more")],
        [(b"traceparent", f"00-{'0' * 32}-{SPAN}-01".encode())],
        [(b"traceparent", f"00-{TRACE}-{'0' * 16}-01".encode())],
        [(b"b3", b"0")],
        [(b"x-b3-traceid", TRACE.encode())],
    ],
)
def test_what_cannot_be_read_is_none(headers: list[tuple[bytes, bytes]]) -> None:
    assert read(headers) is None


def test_a_short_trace_id_is_filled_up() -> None:
    context = read([(b"b3", f"{TRACE[:16]}-{SPAN}-1".encode())])

    assert context is not None
    assert "0" * 16 + TRACE[:16] == context.trace_id


@given(
    forms=st.sets(st.sampled_from([TRACEPARENT, B3, B3_TRACE])),
    sampled=st.booleans(),
    trace=st.integers(1, 2**128 - 1),
    span=st.integers(1, 2**64 - 1),
)
def test_what_is_written_is_read_again(
    forms: set[bytes], sampled: bool, trace: int, span: int
) -> None:
    context = TraceContext(
        trace_id=new_id(128, drawn=trace),
        span_id=new_id(64, drawn=span),
        is_sampled=sampled,
        forms=frozenset(forms),
    )

    headers = written([(b"Host", b"x"), (b"traceparent", W3C)], context, SPAN)

    again = read(headers)
    assert again is not None
    assert (context.trace_id, context.span_id, sampled) == (
        again.trace_id,
        again.span_id,
        again.is_sampled,
    )
    assert frozenset(forms) | {TRACEPARENT} == again.forms
    assert (b"Host", b"x") in headers
    assert (B3_SPAN in dict(headers)) == (B3_TRACE in forms)


def test_an_id_is_never_the_one_that_means_none() -> None:
    assert "0000000000000001" == new_id(64, drawn=0)
