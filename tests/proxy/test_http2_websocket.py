"""WebSockets over HTTP/2: extended CONNECT, both in and out. Source: RFC 8441."""

import pytest

from proxy.http import Fault
from tests.proxy.http2_speech import (
    DATA,
    GET,
    HEADERS,
    RST_STREAM,
    SETTINGS,
    frame,
    number,
    request,
    settings,
)
from tests.proxy.http2_world import ClientWorld, ServerWorld, World, answer, status


def test_a_websocket_is_given_nothing_before_it_is_accepted():
    world = ServerWorld()
    connect = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), *GET[1:]]
    world.say(request(1, *connect, end=False) + frame(DATA, 0, 1, b"early"))
    (asked,) = world.site.asked
    before = list(asked.calls)

    asked.answer.switch(answer(101, (b"Sec-WebSocket-Accept", b"x")))
    asked.answer.body(b"hello")
    asked.answer.end([])
    frames = world.heard()
    world.say(frame(DATA, 1, 1, b"late"))

    assert (b"websocket", b"GET", []) == (asked.request.upgrade, asked.request.method, before)
    assert [HEADERS, DATA] == [kind for kind, _, _, _ in frames]
    assert [b"early", b"late", ("end", [])] == asked.calls
    assert {} == world.server.end.streams


def test_a_websocket_goes_through_both():
    world = World().greet()

    sent, heard = world.ask(upgrade=b"websocket", headers=[(b"sec-websocket-key", b"x")])
    world.carry()
    (asked,) = world.site.asked
    asked.answer.switch(answer(101))
    asked.answer.body(b"hello")
    world.carry()
    sent.body(b"world")
    asked.answer.end([])
    world.carry()
    sent.body(b"!")
    sent.end([])
    world.carry()

    assert ["switched", b"hello", ("end", [])] == heard.calls
    assert b"sec-websocket-accept" == heard.heads[0].headers[0][0]
    assert [b"world", b"!", ("end", [])] == asked.calls
    assert 100 == world.client.room


def test_a_websocket_waits_until_the_instance_says_that_it_takes_some():
    world = ClientWorld()
    sent, heard = world.ask(upgrade=b"websocket")
    gone, _ = world.ask(upgrade=b"websocket")
    gone.reset(Fault.CLIENT)
    before = world.heard()

    frames = world.say(settings(connect=1))

    assert [] == before
    assert [SETTINGS, HEADERS] == [kind for kind, _, _, _ in frames]
    assert (1, []) == (sent.id, heard.calls)


def test_a_websocket_fails_where_the_instance_takes_none():
    world = ClientWorld()
    _, heard = world.ask(upgrade=b"websocket")

    world.say(settings())

    assert [Fault.PROTOCOL] == heard.calls


def test_a_websocket_may_be_answered_with_an_error():
    world = ClientWorld(settings(connect=1))
    _, heard = world.ask(upgrade=b"websocket")
    world.heard()

    world.say(status(1, 403) + frame(DATA, 1, 1, b"no"))

    assert [("head", 403, False), b"no", ("end", [])] == heard.calls
    assert 100 == world.client.room


@pytest.mark.parametrize("ending", [frame(DATA, 1, 1), frame(RST_STREAM, 0, 1, number(8)), b""])
def test_a_websocket_that_was_refused_leaves_nothing(ending):
    world = ServerWorld()
    connect = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), *GET[1:]]
    world.say(request(1, *connect, end=False) + frame(DATA, 0, 1, b"early"))
    (asked,) = world.site.asked

    asked.answer.head(answer(403), end=False)
    asked.answer.body(b"no")
    asked.answer.end([])
    frames = world.heard()
    if ending:
        world.say(ending)

    assert [HEADERS, DATA, RST_STREAM] == [kind for kind, _, _, _ in frames]
    assert [] == asked.calls
    assert {} == world.server.end.streams == world.server._streams


def test_a_websocket_that_the_instance_refuses_is_refused_through_both():
    world = World().greet()
    sent, heard = world.ask(upgrade=b"websocket")
    world.carry()

    world.site.asked[0].answer.head(answer(403), end=True)
    world.carry()

    assert [("head", 403, True)] == heard.calls
    assert {} == world.client.link.end.streams == world.server.end.streams
    assert 100 == world.client.room
    assert 0 < sent.bytes_sent
