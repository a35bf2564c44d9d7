"""The client's codec: what an instance says is written by hand, or by the server's codec."""

import pytest

from proxy.core.http2_frames import STREAM_ID_LIMIT, Code
from proxy.http import Fault
from proxy.http2_client import KEEP_ALIVE_PING, KeepAlive
from tests.proxy.http2_speech import (
    ACK,
    DATA,
    GOAWAY,
    PING,
    RST_STREAM,
    WINDOW_UPDATE,
    frame,
    number,
    settings,
)
from tests.proxy.http2_world import ClientWorld, World, answer, status


def test_a_request_goes_out_and_its_answer_comes_back():
    world = World().greet()

    sent, heard = world.ask(method=b"POST", has_body=True)
    sent.body(b"abc")
    sent.end([(b"t", b"1")])
    world.carry()
    (asked,) = world.site.asked
    asked.answer.informational(answer(103))
    asked.answer.head(answer(), end=False)
    asked.answer.body(b"hello")
    asked.answer.end([(b"grpc-status", b"0")])
    world.carry()

    assert [b"abc", ("end", [(b"t", b"1")])] == asked.calls
    said = ["informational", ("head", 200, False), b"hello", ("end", [(b"grpc-status", b"0")])]
    assert said == heard.calls
    assert ["made", "freed", "freed"] == world.owner.said
    assert 100 == world.client.room


def test_room_is_what_the_instance_allows_less_what_is_open():
    world = ClientWorld(settings(streams=2))

    rooms = [world.client.room]
    for _ in range(2):
        world.ask()
        rooms.append(world.client.room)
    world.say(status(1, end=True))

    assert [2, 1, 0] == rooms
    assert 1 == world.client.room
    assert ["freed"] == world.owner.said


def test_the_bytes_of_a_request_are_counted():
    world = ClientWorld(settings())

    sent, _ = world.ask(method=b"POST", has_body=True)
    head_bytes = sent.bytes_sent
    sent.body(b"abc")

    assert head_bytes > 9
    assert head_bytes + 3 == sent.bytes_sent


def test_a_slow_instance_pauses_the_request():
    world = ClientWorld(settings(window=10))
    sent, heard = world.ask(method=b"POST", has_body=True)

    sent.body(bytes(70_000))
    sent.body(bytes(70_000))
    paused = list(heard.calls)
    world.say(frame(WINDOW_UPDATE, 0, 1, number(2**20)) + frame(WINDOW_UPDATE, 0, 0, number(2**20)))
    sent.end([])

    assert ["paused"] == paused
    assert ["paused", "resumed"] == heard.calls


def test_a_slow_taker_pauses_the_answer():
    world = ClientWorld(settings())
    sent, heard = world.ask()
    world.heard()
    sent.pause()

    frames = world.say(status(1) + frame(DATA, 0, 1, bytes(60_000)) * 10 + frame(DATA, 1, 1))
    before = list(heard.calls)
    world.client.connection_lost(None)
    sent.resume()

    assert ([], []) == (frames, before)
    assert ("head", 200, False) == heard.calls[0]
    assert 600_000 == sum(len(part) for part in heard.calls[1:-1])
    assert ("end", []) == heard.calls[-1]


def test_an_untouched_request_is_refused():
    world = ClientWorld(settings())
    _, heard = world.ask()

    world.say(frame(RST_STREAM, 0, 1, number(Code.REFUSED_STREAM)))

    assert [Fault.REFUSED] == heard.calls


def test_a_reset_answer_is_reset():
    world = ClientWorld(settings())
    _, heard = world.ask()

    world.say(status(1) + frame(RST_STREAM, 0, 1, number(Code.INTERNAL_ERROR)))

    assert [("head", 200, False), Fault.RESET] == heard.calls


def test_a_malformed_answer_is_told_apart():
    world = ClientWorld(settings())
    _, heard = world.ask()
    world.heard()

    frames = world.say(status(1, 101))

    assert [(RST_STREAM, 0, 1, number(Code.PROTOCOL_ERROR))] == frames
    assert [Fault.PROTOCOL] == heard.calls


def test_giving_up_resets_the_stream():
    world = ClientWorld(settings())
    sent, heard = world.ask()
    world.heard()

    sent.reset(Fault.TIMEOUT)
    frames = world.heard()
    world.say(status(1) + frame(DATA, 1, 1, b"late"))

    assert [(RST_STREAM, 0, 1, number(Code.CANCEL))] == frames
    assert [] == heard.calls


def test_an_answer_before_the_requests_end_makes_the_rest_useless():
    world = ClientWorld(settings())
    sent, heard = world.ask(method=b"POST", has_body=True)
    world.heard()

    frames = world.say(status(1, 403, end=True))
    sent.body(b"abc")
    sent.end([])
    world.say(frame(RST_STREAM, 0, 1, number(Code.NO_ERROR)))

    assert [(RST_STREAM, 0, 1, number(Code.CANCEL))] == frames
    assert [("head", 403, True)] == heard.calls
    assert 100 == world.client.room


def test_goaway_refuses_what_is_above_its_last_stream_and_lets_the_rest_end():
    world = ClientWorld(settings())
    (_, first), (_, second) = world.ask(), world.ask()
    world.heard()

    world.say(frame(GOAWAY, 0, 0, number(1) + number(0)))
    after = (list(first.calls), list(second.calls), world.client.room, world.client_wire.is_closed)
    world.say(status(1, end=True))

    assert ([], [Fault.REFUSED], 0, False) == after
    assert [("head", 200, True)] == first.calls
    assert world.client_wire.is_closed
    assert ["ended"] == world.owner.said


def test_a_drained_server_ends_what_is_open_and_closes():
    world = World().greet()
    _, heard = world.ask()
    world.carry()
    world.serving.is_draining = True

    world.server.changed()
    world.carry()
    room = world.client.room
    world.site.asked[0].answer.head(answer(), end=True)
    world.carry()

    assert 0 == room
    assert [("head", 200, True)] == heard.calls
    assert world.server_wire.is_closed
    assert world.client_wire.is_closed


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (b"", Fault.STALE),
        (status(3), Fault.RESET),
    ],
)
def test_a_lost_connection_is_stale_only_before_a_byte_of_the_answer(said, fault):
    world = ClientWorld(settings())
    world.ask()
    world.say(status(1, end=True))
    _, heard = world.ask()

    world.client.data_received(said or settings())
    world.client.connection_lost(ConnectionResetError())

    assert fault == heard.calls[-1]
    assert 0 == world.client.room


def test_a_first_connection_that_is_lost_is_reset():
    world = ClientWorld(settings())
    _, heard = world.ask()

    world.client.connection_lost(None)

    assert [Fault.RESET] == heard.calls


def test_a_broken_rule_of_the_connection_ends_all():
    world = ClientWorld(settings())
    _, heard = world.ask()
    world.heard()

    frames = world.say(frame(PING, 0, 1, bytes(8)))

    assert [GOAWAY] == [kind for kind, _, _, _ in frames]
    assert [Fault.PROTOCOL] == heard.calls
    assert world.client_wire.is_closed


def test_closing_waits_for_what_is_open():
    world = ClientWorld(settings())
    _, heard = world.ask()

    world.client.close()
    world.heard()
    before = (world.client.room, world.client_wire.is_closed)
    world.say(status(1, end=True))

    assert (0, False) == before
    assert [("head", 200, True)] == heard.calls
    assert world.client_wire.is_closed


def test_the_last_stream_id_ends_the_connection():
    world = ClientWorld(settings())
    world.client.link.end.last_id = STREAM_ID_LIMIT - 2

    world.ask()
    room = world.client.room
    world.say(status(STREAM_ID_LIMIT, end=True))

    assert (0, ["ended"]) == (room, world.owner.said)
    assert world.client_wire.is_closed


def test_a_silent_instance_is_asked_and_given_up():
    world = ClientWorld(settings(), keep_alive=KeepAlive(interval_s=30, timeout_s=10))
    world.ask()
    world.heard()

    world.clock.advance(29)
    early = world.heard()
    world.clock.advance(1)
    asked = world.heard()
    world.clock.advance(10)

    assert [] == early
    assert [(PING, 0, 0, KEEP_ALIVE_PING)] == asked
    assert world.client_wire.is_aborted


def test_an_instance_that_answers_lives_on():
    world = ClientWorld(settings(), keep_alive=KeepAlive(interval_s=30, timeout_s=10))
    world.ask()
    world.heard()

    for _ in range(3):
        world.clock.advance(30)
        assert [PING] == [kind for kind, _, _, _ in world.heard()]
        world.say(frame(PING, ACK, 0, KEEP_ALIVE_PING))

    assert not world.client_wire.is_closed


def test_nobody_is_asked_while_nothing_is_open():
    world = ClientWorld(settings(), keep_alive=KeepAlive(interval_s=30))
    world.ask()
    world.say(status(1, end=True))
    world.heard()

    world.clock.advance(1000)

    assert [] == world.heard()


def test_keep_alive_can_be_off():
    world = ClientWorld(settings(), keep_alive=KeepAlive(interval_s=0))
    world.ask()
    world.heard()

    world.clock.advance(1000)

    assert [] == world.heard()


def test_a_carrier_that_has_enough_pauses_the_request():
    world = ClientWorld(settings(window=2**20), frame(WINDOW_UPDATE, 0, 0, number(2**20)))
    sent, heard = world.ask(method=b"POST", has_body=True)

    world.client.pause_writing()
    sent.body(bytes(70_000))
    world.client.resume_writing()

    assert ["paused", "resumed"] == heard.calls
    assert not world.client.eof_received()
