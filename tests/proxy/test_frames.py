from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.frames import FrameError, frame, reader_of_agent, reader_of_worker
from proxy.messages import FRAME_BYTES_MAX, Applied, Drain, Remove, ToAgent


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    """The stream cut at some of its places."""
    places = sorted({cut % (len(stream) + 1) for cut in cuts} | {0, len(stream)})
    return [stream[a:b] for a, b in pairwise(places)]


@given(
    faults=st.lists(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4)),
    cuts=st.lists(st.integers(0, 10_000), max_size=20),
)
def test_messages_are_read_whatever_pieces_they_come_in(
    faults: list[dict[str, str]], cuts: list[int]
) -> None:
    sent = [Applied(id=f"p{n}", version=n, faults=fault) for n, fault in enumerate(faults)]
    reader = reader_of_worker()

    received: list[ToAgent] = []
    for piece in pieces(b"".join(map(frame, sent)), cuts):
        received += reader.feed(piece)

    assert sent == received


@given(noise=st.binary(max_size=200))
def test_noise_is_refused_or_waited_for_and_nothing_worse(noise: bytes) -> None:
    reader = reader_of_agent()
    with suppress(FrameError):
        list(reader.feed(noise))


def test_a_frame_that_says_it_is_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(FrameError, match="over"):
        list(reader_of_agent().feed((FRAME_BYTES_MAX + 1).to_bytes(4)))


def test_a_message_that_is_too_long_is_not_sent() -> None:
    with pytest.raises(FrameError, match="over"):
        frame(Remove(id="x" * (FRAME_BYTES_MAX + 1)))


def test_a_message_of_the_other_direction_is_refused() -> None:
    with pytest.raises(FrameError, match="no message"):
        list(reader_of_worker().feed(frame(Drain(drain_s=1.0))))
