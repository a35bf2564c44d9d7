"""Websockets through a whole proxy: tunnels, and what only looks like one."""

from tests.proxy.http_world import World

GET = b"GET /a HTTP/1.1\r\nHost: web\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def status(text: bytes) -> int:
    assert text.startswith(b"HTTP/1.1 "), text
    return int(text[9:12])


UPGRADE = (
    b"GET /chat HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: abc\r\n\r\n"
)
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: def\r\n\r\n"
)


def test_a_websocket_becomes_a_tunnel_with_half_closes():
    world = World()
    client = world.ask(UPGRADE)
    assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in world.instance().take()
    world.answer(SWITCH + b"first")
    answer = client.take()
    assert 101 == status(answer)
    assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in answer
    assert answer.endswith(b"\r\n\r\nfirst")
    client.receive(b"up" * 1000)
    assert b"up" * 1000 == world.instance().take()
    client.end()
    assert world.instance().is_eof
    assert not client.is_closed
    world.answer(b"last")
    world.instance().end()
    assert b"last" == client.take()
    assert client.is_closed
    assert world.instance().is_closed
    assert [(101, [])] == [(each.status, each.flags) for each in world.records]
    assert 0 == world.web.active


def test_a_tunnel_may_be_ended_by_the_instance_first():
    world = World()
    client = world.ask(UPGRADE)
    world.answer(SWITCH)
    world.instance().end()
    assert client.is_eof
    client.receive(b"still")
    assert b"still" == world.instance().take()[-5:]
    client.end()
    assert client.is_closed
    assert world.instance().is_closed
    assert [(101, [])] == [(each.status, each.flags) for each in world.records]


def test_a_tunnel_that_breaks_breaks_on_both_sides():
    for end in (0, 1):
        world = World()
        client = world.ask(UPGRADE)
        world.answer(SWITCH)
        (client if end else world.instance()).lose()
        assert client.is_closed
        assert world.instance().is_closed
        assert 1 == len(world.records)


def test_what_a_client_sends_before_the_switch_waits():
    world = World()
    client = world.ask(UPGRADE + b"early")
    assert world.instance().take().endswith(b"\r\n\r\n")
    world.answer(SWITCH)
    assert b"early" == world.instance().take()
    assert 101 == status(client.take())


def test_an_upgrade_that_is_not_accepted_is_an_ordinary_answer():
    world = World()
    client = world.ask(UPGRADE)
    world.answer(OK)
    assert OK == client.take()
    client.receive(GET)
    assert b"GET /a HTTP/1.1" == world.instance().take().rpartition(b"GET")[1] + b" /a HTTP/1.1"


def test_what_came_for_a_tunnel_is_never_read_as_a_request():
    world = World()
    client = world.ask(UPGRADE + GET.replace(b"/a", b"/smuggled"))
    world.answer(OK)
    assert b"/smuggled" not in world.instance().take()
    assert b"Connection: close" in client.take()
    assert client.is_closed


def test_a_switch_that_nobody_asked_for_is_no_answer():
    world = World()
    client = world.ask(GET)
    world.answer(SWITCH)
    assert 502 == status(client.take())
    assert world.instance().is_closed
