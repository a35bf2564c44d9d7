"""Frames and bodies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rpc import wire
from tests.agent.rpc.frames import FRAMES


@given(st.lists(FRAMES, max_size=10), st.integers(1, 40))
def test_frames_survive_the_wire_in_any_portions(frames: list[wire.Frame], portion: int):
    encoded = b"".join(map(wire.encode, frames))
    reader = wire.FrameReader()

    read = [
        frame
        for start in range(0, len(encoded), portion)
        for frame in reader.feed(encoded[start : start + portion])
    ]

    assert frames == read


@given(st.binary(max_size=200))
def test_any_bytes_give_frames_or_a_bad_frame(received: bytes):
    try:
        frames = wire.FrameReader().feed(received)
    except wire.BadFrame:
        return
    assert sum(len(wire.encode(frame)) for frame in frames) <= max(len(received) * 4, 4)


def test_the_bytes_of_a_frame_never_change():
    expected = b"\x00\x00\x00\x0e\x94\x01\x07\xa7KVS.Get\xc4\x01\x01"

    assert expected == wire.encode(wire.Request(7, "KVS.Get", b"\x01"))


def test_a_frame_beyond_the_limit_is_refused_before_it_has_come():
    length = (wire.FRAME_BYTES_MAX + 1).to_bytes(4, "big")

    with pytest.raises(wire.BadFrame, match=f"frame of {wire.FRAME_BYTES_MAX + 1} bytes exceeds"):
        wire.FrameReader().feed(length)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc0",
        b"\x91\x63",  # an unknown tag
        b"\x93\x01\xa1x\xa1y",  # a request whose id is text
        b"\x92\x01\x01",  # a request that is too short
        b"\x91\x06\x00",  # more bytes than the value
        b"\x93\x01\x01\xa1\xff",  # text that is not UTF-8
    ],
)
def test_what_is_no_frame_is_refused(body: bytes):
    with pytest.raises(wire.BadFrame, match="not a frame"):
        wire.FrameReader().feed(len(body).to_bytes(4, "big") + body)


def test_a_body_is_cut_into_parts_and_put_together_again():
    body = bytes(range(256)) * 8192 + b"end"
    assert len(body) > 2 * wire.PART_BYTES

    *parts, last = wire.pieces(body)
    bodies = wire.Bodies()
    for piece in parts:
        bodies.add(wire.Part(1, piece))

    assert bodies.finish(1, last) == body
    assert [len(piece) for piece in parts] == [wire.PART_BYTES] * 2


def test_a_small_body_is_one_piece():
    assert list(wire.pieces(b"")) == [b""]
    assert list(wire.pieces(b"x")) == [b"x"]
    assert wire.Bodies().finish(1, b"x") == b"x"


def test_unfinished_bodies_are_bounded_together(monkeypatch):
    monkeypatch.setattr(wire, "BODY_BYTES_MAX", 10)
    bodies = wire.Bodies()
    bodies.add(wire.Part(1, bytes(5)))
    bodies.add(wire.Part(2, bytes(5)))

    with pytest.raises(wire.BadFrame, match="unfinished bodies exceed 10 bytes"):
        bodies.add(wire.Part(3, b"x"))


def test_forgotten_bodies_make_room(monkeypatch):
    monkeypatch.setattr(wire, "BODY_BYTES_MAX", 10)
    bodies = wire.Bodies()
    for number in range(100):
        bodies.add(wire.Part(number, bytes(10)))
        bodies.forget(number)
    bodies.forget(100)

    bodies.add(wire.Part(1, bytes(10)))
    assert bodies.finish(1, b"") == bytes(10)
