import hyperframe.frame
import pytest
from hyperframe.frame import Frame

from proxy.core import http2_frames as frames
from proxy.core.http2_frames import Code, ConnectionFault, Setting
from tests.proxy.http2_speech import PADDED, parted


def parsed(spoken: bytes) -> Frame:
    """What the library reads of one frame."""
    found, length = Frame.parse_frame_header(memoryview(spoken[:9]))
    assert length == len(spoken) - 9
    found.parse_body(memoryview(spoken[9:]))
    return found


def test_settings_are_what_the_library_reads():
    spoken = frames.settings({Setting.INITIAL_WINDOW_SIZE: 7, Setting.ENABLE_PUSH: 0})

    found = parsed(spoken)

    assert {4: 7, 2: 0} == found.settings
    assert [(4, 7), (2, 0)] == frames.read_settings(spoken[9:])
    assert "ACK" in parsed(frames.settings_ack()).flags


def test_ping_reset_and_window_are_what_the_library_reads():
    ping, ack = parsed(frames.ping(b"12345678", ack=False)), parsed(frames.ping(bytes(8), ack=True))
    reset, window = parsed(frames.reset_stream(5, Code.CANCEL)), parsed(frames.window_update(3, 9))

    assert (b"12345678", False, True) == (ping.opaque_data, "ACK" in ping.flags, "ACK" in ack.flags)
    assert (5, 8) == (reset.stream_id, reset.error_code)
    assert (3, 9) == (window.stream_id, window.window_increment)


def test_go_away_is_what_the_library_reads():
    spoken = frames.go_away(7, Code.ENHANCE_YOUR_CALM, b"why")

    found = parsed(spoken)

    assert (7, 11, b"why") == (found.last_stream_id, found.error_code, found.additional_data)
    assert (7, 11) == frames.read_go_away(spoken[9:])


def test_a_block_that_does_not_fit_a_frame_is_continued():
    block = bytes(range(25))

    found = parted(frames.headers(3, block, 10, end=True))

    assert [(1, 1), (9, 0), (9, 4)] == [(kind, flags) for kind, flags, _, _ in found]
    assert block == b"".join(payload for _, _, _, payload in found)
    assert parsed(frames.headers(3, block, 25, end=False)).flags == {"END_HEADERS"}


def test_padding_is_what_the_library_makes():
    padded = hyperframe.frame.DataFrame(1, b"abc", pad_length=7, flags=["PADDED"]).serialize()

    assert b"abc" == frames.without_padding(padded[9:], PADDED)
    assert b"abc" == frames.without_padding(b"abc", 0)


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x05abcd"])
def test_padding_longer_than_its_frame_is_a_fault(payload: bytes):
    with pytest.raises(ConnectionFault):
        frames.without_padding(payload, PADDED)


def test_payloads_of_a_wrong_size_are_faults():
    for read in (
        lambda: frames.read_number(b"123", "x"),
        lambda: frames.read_go_away(b"1234567"),
        lambda: frames.read_settings(b"12345"),
    ):
        with pytest.raises(ConnectionFault) as fault:
            read()
        assert Code.FRAME_SIZE_ERROR == fault.value.code
