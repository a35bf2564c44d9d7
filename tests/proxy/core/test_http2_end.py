"""What both ends do alike. `tests.proxy.odd_http2` has what ends a stream or a connection."""

from proxy.core.http2 import Limits, ServerEnd
from proxy.core.http2_budget import HELD_FRAMES_MAX
from proxy.core.http2_end import CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES
from proxy.core.http2_events import BodyPart, Broken, Ended, Failed, GoingAway, Ponged, Writable
from proxy.core.http2_frames import Code
from proxy.core.http2_outbox import QUEUE_BYTES_MAX
from tests.proxy.http2_speech import (
    ACK,
    DATA,
    GOAWAY,
    PADDED,
    PING,
    POST,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    greeted,
    heard,
    number,
    parted,
    request,
    settings,
)

OK = [(b":status", b"200")]


def test_a_greeting_is_answered():
    end = greeted()

    heard(end, settings(window=5) + frame(PING, 0, 0, b"12345678"))

    assert [(SETTINGS, ACK, 0, b""), (PING, ACK, 0, b"12345678")] == parted(end.take())


def test_settings_come_first():
    end = ServerEnd(Limits())

    events = heard(end, PREFACE + frame(PING, 0, 0, bytes(8)))

    assert [Failed(Code.PROTOCOL_ERROR, "SETTINGS does not come first")] == events


def test_windows_are_given_back_only_for_what_was_consumed():
    end = greeted()
    heard(end, request(1, *POST, end=False) + frame(DATA, 0, 1, bytes(60_000)) * 9)
    assert b"" == end.take()

    end.consume(1, STREAM_WINDOW_BYTES // 2 - 1)
    before = end.take()
    end.consume(1, 1)

    assert b"" == before
    assert [(WINDOW_UPDATE, 0, 1, number(STREAM_WINDOW_BYTES // 2))] == parted(end.take())


def test_the_connections_window_is_given_back_for_streams_that_are_gone():
    end = greeted()

    end.consume(1, CONNECTION_WINDOW_BYTES // 2)

    assert [(WINDOW_UPDATE, 0, 0, number(CONNECTION_WINDOW_BYTES // 2))] == parted(end.take())


def test_what_comes_for_a_stream_that_was_cut_is_passed_over_and_given_back():
    end = greeted()
    heard(end, request(1, *POST, end=False))
    end.reset(1, Code.CANCEL)
    end.take()

    events = []
    for _ in range(CONNECTION_WINDOW_BYTES // 2 // 65_536):
        events += heard(end, frame(DATA, 0, 1, bytes(65_536)))

    assert [] == events
    assert [(WINDOW_UPDATE, 0, 0, number(CONNECTION_WINDOW_BYTES // 2))] == parted(end.take())


def test_padding_counts_for_the_window_and_not_for_the_body():
    end = greeted()

    events = heard(end, request(1, *POST, end=False) + frame(DATA, PADDED | 1, 1, b"\x03abccc"))

    assert [BodyPart(1, b"ab", 6), Ended(1, [])] == events[1:]


def test_a_writer_that_is_full_is_told_when_there_is_room():
    end = greeted(window=0)
    heard(end, request(1))
    end.answer(1, OK, end=False)

    has_room = end.data(1, bytes(QUEUE_BYTES_MAX))
    some = heard(end, frame(WINDOW_UPDATE, 0, 1, number(100)))
    rest = heard(end, frame(WINDOW_UPDATE, 0, 1, number(QUEUE_BYTES_MAX)))

    assert not has_room
    assert ([], [Writable(1)]) == (some, rest)


def test_a_window_that_settings_open_lets_go_what_waits():
    end = greeted(window=0)
    heard(end, request(1))
    end.answer(1, OK, end=False)
    end.data(1, b"abc")
    end.end(1, [])
    end.take()

    heard(end, settings(window=10))

    assert (DATA, 1, 1, b"abc") in parted(end.take())
    assert {} == end.streams


def test_what_is_held_goes_when_released():
    end = greeted()
    heard(end, request(1))
    end.answer(1, OK, end=False)
    end.take()

    end.hold()
    end.data(1, b"abc")
    held = end.take()
    events = end.release()

    assert (b"", []) == (held, events)
    assert [(DATA, 0, 1, b"abc")] == parted(end.take())


def test_a_peer_that_does_not_read_cannot_make_us_answer_without_end():
    end = greeted()
    end.hold()

    events = []
    for second in range(HELD_FRAMES_MAX // 50 + 2):
        events += heard(end, frame(PING, 0, 0, bytes(8)) * 50, now_s=float(second))

    assert Failed(Code.ENHANCE_YOUR_CALM, "too many frames without use") == events[-1]


def test_a_reset_ends_a_stream_and_what_waits_of_it():
    end = greeted(window=0)
    heard(end, request(1))
    end.answer(1, OK, end=False)
    end.data(1, b"abc")
    end.take()

    events = heard(end, frame(RST_STREAM, 0, 1, number(8)) + settings(window=100))
    end.data(1, b"abc")
    end.end(1, [])

    assert Broken(1, Code.CANCEL) == events[0]
    assert [SETTINGS] == [f[0] for f in parted(end.take())]


def test_an_answer_before_the_requests_end_lets_the_rest_of_it_go():
    end = greeted()
    heard(end, request(1, *POST, end=False))

    end.answer(1, OK, end=True)

    assert (RST_STREAM, 0, 1, number(Code.NO_ERROR)) == parted(end.take())[-1]
    assert {} == end.streams


def test_streams_go_on_after_both_sides_said_goaway():
    end = greeted()
    heard(end, request(1, *POST, end=False))
    end.go_away()

    events = heard(end, frame(GOAWAY, 0, 0, bytes(8)) + frame(DATA, 1, 1, b"abc"))
    end.answer(1, OK, end=True)

    assert [GoingAway(0, 0), BodyPart(1, b"abc", 3), Ended(1, [])] == events
    assert {} == end.streams


def test_a_ping_of_ours_comes_back():
    end = greeted()
    end.ping(b"12345678")

    assert [Ponged(b"12345678")] == heard(end, frame(PING, ACK, 0, b"12345678"))


def test_what_came_before_a_fault_stands():
    end = greeted()

    events = heard(end, request(1) + frame(PING, 0, 0, b"short"))

    assert ["Requested", "Failed"] == [type(event).__name__ for event in events]
    assert [(GOAWAY, 0, 0, number(1) + number(Code.FRAME_SIZE_ERROR))] == parted(end.take())
    assert [] == heard(end, request(3))


def test_many_windows_may_be_widened_while_much_is_sent():
    end = greeted(window=2**20)
    heard(end, request(1))
    end.answer(1, OK, end=False)

    for _ in range(2000):
        end.data(1, b"a")
        events = heard(end, frame(WINDOW_UPDATE, 0, 1, number(1)) * 2)

    assert [] == events


def test_a_busy_peer_may_cancel_much_for_long():
    end = greeted()

    for index in range(1500):
        stream_id = 4 * index + 1
        heard(end, request(stream_id) + request(stream_id + 2))
        end.answer(stream_id, OK, end=True)
        events = heard(end, frame(RST_STREAM, 0, stream_id + 2, number(8)))

    assert [Broken(stream_id + 2, Code.CANCEL)] == events
