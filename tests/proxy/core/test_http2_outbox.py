from hypothesis import given
from hypothesis import strategies as st

from proxy.core.http2_outbox import QUEUE_BYTES_MAX, Outbox, Stream
from tests.proxy.http2_speech import DATA, HEADERS, parted


def outbox(connection: int = 10**6) -> Outbox:
    made = Outbox()
    made.send_left = connection
    return made


def sent(box: Outbox) -> list[tuple[int, int, int]]:
    """(stream, bytes, flags) of the DATA frames that go out."""
    return [(f[2], len(f[3]), f[1]) for f in parted(box.take()) if f[0] == DATA]


def test_a_body_goes_out_as_far_as_the_windows_let_it():
    box, stream = outbox(), Stream(1, 10, 0)

    has_room = box.data(stream, b"0123456789abc")

    assert has_room
    assert [(1, 10, 0)] == sent(box)
    assert 3 == stream.queued_bytes


def test_the_end_goes_with_the_last_part_if_that_was_not_sent_yet():
    box, stream = outbox(), Stream(1, 100, 0)

    box.data(stream, b"abc")
    box.finish(stream, [])

    assert [(1, 3, 1)] == sent(box)
    assert stream.is_local_done


def test_the_end_goes_alone_if_the_last_part_was_sent():
    box, stream = outbox(), Stream(1, 100, 0)
    box.data(stream, b"abc")
    box.take()

    box.finish(stream, [])

    assert [(1, 0, 1)] == sent(box)


def test_the_end_goes_alone_if_another_streams_end_came_between():
    box, stream, other = outbox(), Stream(1, 100, 0), Stream(3, 100, 0)
    box.data(stream, b"abc")

    box.finish(other, [])
    box.finish(stream, [])

    assert [(1, 3, 0), (3, 0, 1), (1, 0, 1)] == sent(box)


def test_the_end_waits_behind_what_is_queued():
    box, stream = outbox(), Stream(1, 2, 0)
    box.data(stream, b"abcd")
    box.finish(stream, [])
    assert [(1, 2, 0)] == sent(box)
    assert not stream.is_local_done

    box.widen(stream, 9)

    assert [stream] == box.flush()
    assert [(1, 2, 1)] == sent(box)


def test_trailers_follow_the_body():
    box, stream = outbox(), Stream(1, 2, 0)
    box.data(stream, b"abcd")
    box.finish(stream, [(b"grpc-status", b"0")])
    box.widen(stream, 9)

    box.flush()

    assert [DATA, DATA, HEADERS] == [f[0] for f in parted(box.take())]


def test_a_writer_is_stopped_at_the_limit():
    box, stream = outbox(), Stream(1, 0, 0)

    rooms = [box.data(stream, bytes(QUEUE_BYTES_MAX // 2)) for _ in range(3)]

    assert [True, False, False] == rooms
    assert stream.is_full


def test_streams_take_turns_at_the_connections_window():
    box = outbox(0)
    streams = [Stream(number, 10**6, 0) for number in (1, 3)]
    for stream in streams:
        box.data(stream, bytes(40_000))

    box.widen(None, 60_000)
    box.flush()

    assert [1, 3, 1, 3] == [stream_id for stream_id, _, _ in sent(box)]
    assert 0 == box.send_left


def test_nothing_of_bodies_goes_out_while_held():
    box, stream = outbox(), Stream(1, 100, 0)
    box.is_held = True

    box.data(stream, b"abc")
    box.headers(stream, [(b"a", b"b")], end=False)
    assert [HEADERS] == [f[0] for f in parted(box.take())]
    box.is_held = False
    box.flush()

    assert [(1, 3, 0)] == sent(box)


def test_a_forgotten_stream_sends_nothing():
    box, stream = outbox(), Stream(1, 0, 0)
    box.data(stream, b"abc")

    box.forget(stream)
    box.widen(stream, 10)

    assert [] == box.flush()
    assert b"" == box.take()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["data", "window", "connection", "take", "hold"]), st.integers(1, 3000)
        ),
        max_size=60,
    )
)
def test_each_byte_goes_out_once_in_order_and_within_the_windows(steps):
    box, stream = outbox(500), Stream(1, 700, 0)
    box.frame_bytes_max = 400
    written, arrived, allowed, allowed_all = b"", b"", 700, 500
    for what, size in steps:
        if what == "data":
            chunk = bytes((len(written) + i) % 251 for i in range(size))
            written += chunk
            box.data(stream, chunk)
        elif what == "window":
            allowed += size
            box.widen(stream, size)
        elif what == "connection":
            allowed_all += size
            box.widen(None, size)
        elif what == "hold":
            box.is_held = not box.is_held
        box.flush()
        arrived += b"".join(payload for _, _, _, payload in parted(box.take()))
        assert len(arrived) <= min(allowed, allowed_all)
    box.is_held = False
    box.widen(stream, 10**6)
    box.widen(None, 10**6)
    box.finish(stream, [])
    box.flush()
    last = parted(box.take())

    assert written == arrived + b"".join(payload for _, _, _, payload in last)
    assert 1 == last[-1][1]
