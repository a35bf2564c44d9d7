"""The server's codec, byte for byte. Real clients are in test_http2_clients.py."""

import pytest

from proxy.core.http2_frames import Code
from proxy.http import Answer, Fault, RequestHead
from proxy.http2_server import DRAIN_PING, DRAINING_ANSWER_S, IDLE_TIMEOUT_S, SETTINGS_TIMEOUT_S
from tests.proxy.http2_speech import (
    ACK,
    DATA,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    PING,
    POST,
    PREFACE,
    RST_STREAM,
    WINDOW_UPDATE,
    frame,
    number,
    parted,
    request,
    settings,
)
from tests.proxy.http2_world import ServerWorld, Site, World, answer

NEVER_LAST = number(2**31 - 1)


def kinds(frames: list[tuple[int, int, int, bytes]]) -> list[int]:
    return [kind for kind, _, _, _ in frames]


def test_a_request_becomes_an_exchange():
    world = ServerWorld()

    world.say(
        request(1, *POST, (b"a", b"b"), end=False)
        + frame(DATA, 0, 1, b"abc")
        + request(1, (b"t", b"1"))
    )

    (asked,) = world.site.asked
    assert (b"POST", b"web", b"/", True) == (
        asked.request.method,
        asked.request.authority,
        asked.request.target,
        asked.request.has_body,
    )
    assert [b"abc", ("end", [(b"t", b"1")])] == asked.calls


def test_an_answer_goes_out_in_one_write_at_the_end_of_the_turn():
    world = ServerWorld()
    world.say(request(1))
    to = world.site.asked[0].answer

    to.informational(answer(103))
    to.head(answer(200, (b"X-A", b"b"), (b"Connection", b"close")), end=False)
    to.body(b"abc")
    to.end([(b"T", b"1")])
    before = world.server_wire.written
    frames = world.heard()

    assert b"" == before
    assert [HEADERS, HEADERS, DATA, HEADERS] == kinds(frames)
    assert END_STREAM & frames[-1][1]


def test_an_exchange_may_answer_within_its_opening():
    def at_once(head: RequestHead, to: Answer) -> None:
        to.head(answer(), end=False)
        to.body(b"abc")
        to.end([])

    world = ServerWorld(Site(at_once))

    frames = world.say(request(1) + request(3, *POST, end=False) + frame(DATA, 1, 3, b"abc"))

    assert {1, 3} == {stream_id for kind, _, stream_id, _ in frames if kind == DATA}
    assert [[], []] == [asked.calls for asked in world.site.asked]


def test_an_exchange_that_fills_the_window_within_its_opening_is_paused_after_it():
    def at_once(head: RequestHead, to: Answer) -> None:
        to.head(answer(), end=False)
        to.body(bytes(200_000))

    world = ServerWorld(Site(at_once))

    world.say(request(1))

    assert ["paused"] == [call for call in world.site.asked[0].calls if call != ("end", [])]


def test_100_goes_only_to_who_waits_for_it():
    world = ServerWorld()
    world.say(request(1) + request(3, *POST, (b"expect", b"100-continue"), end=False))

    for asked in world.site.asked:
        asked.answer.informational(answer(100))

    assert [3] == [stream_id for _, _, stream_id, _ in world.heard()]


def test_an_answer_to_head_has_no_body():
    world = ServerWorld()
    world.say(request(1, (b":method", b"HEAD"), *GET[1:]))
    to = world.site.asked[0].answer

    to.head(answer(200, (b"content-length", b"3")), end=False)
    to.body(b"abc")
    to.end([])

    assert [b""] == [payload for kind, _, _, payload in world.heard() if kind == DATA]


def test_a_slow_client_pauses_the_answer():
    world = ServerWorld()
    world.say(settings(window=10) + request(1))
    (asked,) = world.site.asked
    asked.answer.head(answer(), end=False)

    asked.answer.body(bytes(100_000))
    asked.answer.body(bytes(10))
    paused = list(asked.calls)
    world.say(frame(WINDOW_UPDATE, 0, 1, number(2**20)) + frame(WINDOW_UPDATE, 0, 0, number(2**20)))

    assert ["paused"] == paused
    assert ["paused", "resumed"] == asked.calls


def test_a_carrier_that_has_enough_pauses_the_answer():
    world = ServerWorld()
    world.say(request(1) + frame(WINDOW_UPDATE, 0, 0, number(2**24)))
    (asked,) = world.site.asked
    asked.answer.head(answer(), end=False)
    world.heard()

    world.server.pause_writing()
    asked.answer.body(bytes(70_000))
    while_paused = world.heard()
    world.server.resume_writing()

    assert [] == while_paused
    assert 70_000 == sum(len(payload) for kind, _, _, payload in world.heard() if kind == DATA)
    assert ["paused", "resumed"] == asked.calls


def test_a_large_answer_is_written_in_parts_so_that_the_carrier_can_object():
    world = ServerWorld()
    world.say(request(1) + frame(WINDOW_UPDATE, 0, 0, number(2**24)))
    to = world.site.asked[0].answer
    to.head(answer(), end=False)

    for _ in range(5):
        to.body(bytes(65_000))

    assert len(world.server_wire.written) > 262_144


def test_a_paused_exchange_is_given_nothing_and_opens_no_window():
    world = ServerWorld()
    world.say(request(1, *POST, end=False))
    (asked,) = world.site.asked
    asked.answer.pause()

    frames = world.say(frame(DATA, 0, 1, bytes(60_000)) * 10 + frame(DATA, 1, 1))
    before = list(asked.calls)
    asked.answer.resume()

    assert ([], []) == (frames, before)
    assert 600_000 == sum(len(part) for part in asked.calls[:-1])
    assert ("end", []) == asked.calls[-1]


def test_an_exchange_may_pause_again_while_it_is_given_what_waited():
    world = ServerWorld()
    world.say(request(1, *POST, end=False))
    (asked,) = world.site.asked
    asked.answer.pause()
    world.say(frame(DATA, 0, 1, b"a") + frame(DATA, 0, 1, b"b"))
    take = asked.body
    asked.body = lambda chunk: (take(chunk), asked.answer.pause())

    asked.answer.resume()

    assert [b"a"] == asked.calls


def test_a_client_that_resets_ends_its_exchange():
    world = ServerWorld()
    world.say(request(1, *POST, end=False) + request(3))
    world.site.asked[0].answer.pause()

    world.say(frame(DATA, 0, 1, b"abc") + frame(RST_STREAM, 0, 1, number(Code.CANCEL)))
    world.site.asked[0].answer.resume()

    assert [[Fault.CLIENT], []] == [asked.calls for asked in world.site.asked]


def test_a_client_that_breaks_a_streams_rule_is_told_apart():
    world = ServerWorld()
    world.say(request(1, *POST, end=False))

    frames = world.say(frame(WINDOW_UPDATE, 0, 1, number(0)))

    assert [(RST_STREAM, 0, 1, number(Code.PROTOCOL_ERROR))] == frames
    assert [Fault.PROTOCOL] == world.site.asked[0].calls


def test_a_malformed_request_is_counted_and_opens_nothing():
    world = ServerWorld()

    world.say(request(1, *GET[1:]))

    assert [(400, "malformed: :method")] == world.site.refusals
    assert [] == world.site.asked


def test_headers_that_are_too_large_are_answered():
    world = ServerWorld(header_count_max=6)

    frames = world.say(request(1, *GET, *[(b"a", b"b")] * 3) + request(3, *POST, end=False))

    assert [431] == [status for status, _ in world.site.refusals]
    assert [(HEADERS, 1)] == [(kind, stream_id) for kind, _, stream_id, _ in frames]
    assert [b"POST"] == [asked.request.method for asked in world.site.asked]


def test_more_streams_than_we_allow_are_refused_untouched():
    world = ServerWorld()

    frames = world.say(b"".join(request(stream_id) for stream_id in range(1, 203, 2)))

    assert [(RST_STREAM, 0, 201, number(Code.REFUSED_STREAM))] == frames
    assert 100 == len(world.site.asked)


def test_a_lost_connection_ends_its_exchanges():
    world = ServerWorld()
    world.say(request(1) + request(3))

    world.server.connection_lost(None)

    assert [[Fault.CLIENT], [Fault.CLIENT]] == [asked.calls for asked in world.site.asked]


def test_a_broken_rule_of_the_connection_ends_all():
    world = ServerWorld()

    frames = world.say(request(1) + frame(PING, 0, 1, bytes(8)))

    assert [GOAWAY] == kinds(frames)
    assert world.server_wire.is_closed
    assert [Fault.PROTOCOL] == world.site.asked[0].calls
    assert [(400, "PING of a stream")] == world.site.refusals


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.REFUSED, Code.INTERNAL_ERROR),
        (Fault.RESET, Code.INTERNAL_ERROR),
        (Fault.OVERFLOW, Code.ENHANCE_YOUR_CALM),
    ],
)
def test_an_answer_that_is_cut_short_resets_its_stream(fault, code):
    world = ServerWorld()
    world.say(request(1))
    (asked,) = world.site.asked
    asked.answer.head(answer(), end=False)

    asked.answer.reset(fault)

    assert (RST_STREAM, 0, 1, number(code)) == world.heard()[-1]
    assert [] == asked.calls


def test_a_request_that_nobody_touched_may_be_sent_again():
    world = ServerWorld()
    world.say(request(1))

    world.site.asked[0].answer.reset(Fault.REFUSED)

    assert [(RST_STREAM, 0, 1, number(Code.REFUSED_STREAM))] == world.heard()


def test_an_early_answer_ends_the_exchange_and_the_request():
    world = ServerWorld()
    world.say(request(1, *POST, end=False))
    (asked,) = world.site.asked

    asked.answer.head(answer(403), end=True)
    frames = world.heard()
    world.say(frame(DATA, 1, 1, b"abc"))

    assert (RST_STREAM, 0, 1, number(Code.NO_ERROR)) == frames[-1]
    assert [] == asked.calls


def test_draining_lets_what_is_open_end_and_then_closes():
    world = ServerWorld()
    world.say(request(1))
    world.serving.is_draining = True

    world.server.changed()
    world.server.changed()
    warned = world.heard()
    late = world.say(request(3))
    gone = world.say(frame(PING, ACK, 0, DRAIN_PING)) + world.say(request(5))
    open_still = not world.server_wire.is_closed
    for asked in world.site.asked:
        asked.answer.head(answer(), end=True)
    world.heard()

    assert [(GOAWAY, 0, 0, NEVER_LAST + number(0)), (PING, 0, 0, DRAIN_PING)] == warned
    assert [] == late
    assert [
        (GOAWAY, 0, 0, number(3) + number(0)),
        (RST_STREAM, 0, 5, number(Code.REFUSED_STREAM)),
    ] == gone
    assert open_still
    assert world.server_wire.is_closed


def test_a_connection_that_comes_while_draining_is_sent_away_at_once():
    world = World()
    world.serving.is_draining = True
    world.server.connection_made(world.server_wire)

    world.server.data_received(PREFACE + settings())

    assert [GOAWAY, PING] == kinds(parted(world.server_wire.take()))[-2:]


def test_draining_does_not_wait_for_a_client_that_does_not_answer():
    world = ServerWorld()
    world.serving.is_draining = True
    world.server.changed()

    world.clock.advance(DRAINING_ANSWER_S)

    assert world.server_wire.is_closed


def test_a_client_that_goes_away_is_let_go_when_all_is_answered():
    world = ServerWorld()
    world.say(request(1) + frame(GOAWAY, 0, 0, bytes(8)))
    before = world.server_wire.is_closed

    world.site.asked[0].answer.head(answer(), end=True)
    world.heard()

    assert (False, True) == (before, world.server_wire.is_closed)


def test_an_idle_connection_is_ended():
    world = ServerWorld()
    world.say(request(1))
    world.clock.advance(2 * IDLE_TIMEOUT_S)
    while_open = world.server_wire.written
    world.site.asked[0].answer.head(answer(), end=True)
    world.heard()

    world.clock.advance(IDLE_TIMEOUT_S)
    warned = kinds(parted(world.server_wire.take()))
    world.clock.advance(DRAINING_ANSWER_S)

    assert b"" == while_open
    assert [GOAWAY, PING] == warned
    assert world.server_wire.is_closed


def test_who_says_no_hello_is_closed():
    world = World()
    world.server.connection_made(world.server_wire)

    world.server.data_received(PREFACE)
    world.clock.advance(SETTINGS_TIMEOUT_S)

    assert world.server_wire.is_closed


def test_a_half_closed_connection_is_closed():
    assert not ServerWorld().server.eof_received()
