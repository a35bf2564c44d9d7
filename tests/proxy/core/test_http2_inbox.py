import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.http2_frames import FRAME_BYTES_MAX, Code, ConnectionFault
from proxy.core.http2_inbox import CONTINUATIONS_MAX, Inbox
from tests.proxy.http2_speech import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    HEADERS,
    PADDED,
    PREFACE,
    PRIORITIZED,
    frame,
)


def opened(block_bytes_max: int = 1000) -> Inbox:
    return Inbox(block_bytes_max, is_client=True)


@given(
    st.lists(st.tuples(st.sampled_from([0, 3, 6, 77]), st.integers(0, 99), st.binary(max_size=70))),
    st.lists(st.integers(1, 40), min_size=1),
)
def test_frames_are_the_same_however_they_are_cut(spoken, cuts):
    expected = [(kind, 0, stream_id, payload) for kind, stream_id, payload in spoken]
    whole = PREFACE + b"".join(frame(*each) for each in expected)
    inbox = Inbox(1000, is_client=False)

    actual = []
    while whole:
        for cut in cuts:
            part, whole = whole[:cut], whole[cut:]
            if part:
                actual += inbox.frames(part)

    assert expected == actual


@pytest.mark.parametrize("spoken", [b"GET / HTTP/1.1\r\n", b"PRI * HTTP/1.1"])
def test_what_does_not_begin_with_the_preface_is_a_fault(spoken):
    with pytest.raises(ConnectionFault):
        list(Inbox(1000, is_client=False).frames(spoken))


def test_headers_come_whole_without_padding_and_priority():
    flags = PADDED | PRIORITIZED | 1
    spoken = frame(HEADERS, flags, 3, b"\x02" + bytes(5) + b"ab" + bytes(2))
    spoken += frame(CONTINUATION, 0, 3, b"cd") + frame(CONTINUATION, END_HEADERS, 3, b"ef")

    frames = list(opened().frames(spoken + frame(DATA, 0, 3)))

    assert [(HEADERS, flags, 3, b"abcdef"), (DATA, 0, 3, b"")] == frames


def test_a_frame_over_the_limit_is_refused_before_it_came():
    oversized = (FRAME_BYTES_MAX + 1).to_bytes(3, "big") + bytes(6)

    with pytest.raises(ConnectionFault) as fault:
        list(opened().frames(oversized))

    assert Code.FRAME_SIZE_ERROR == fault.value.code


def test_a_block_has_few_frames_and_bytes():
    many = frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 1) * (CONTINUATIONS_MAX + 1)
    long = frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 1, bytes(501)) * 2

    for spoken in (many, long):
        with pytest.raises(ConnectionFault) as fault:
            list(opened().frames(spoken))
        assert Code.ENHANCE_YOUR_CALM == fault.value.code
