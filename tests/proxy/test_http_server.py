import pytest

from proxy.api import FilterChain, Intention, Policy, ProxyConfig
from proxy.connection import Facts, Peer
from proxy.core.http2 import ClientEnd, Limits
from proxy.core.http2_events import Broken
from proxy.http1_server import IDLE_TIMEOUT_S
from proxy.http_server import PREFACE
from tests.proxy.http_world import World, chain_of
from tests.proxy.test_http1_client import request

WEBSOCKET = b"GET /ws HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
GET = b"GET /a HTTP/1.1\r\nHost: web\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
HTTP2 = PREFACE + b"\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
SETTINGS = b"\x04"  # the type of the frame that HTTP/2 begins with
PEER = Facts(
    listener="public",
    remote="10.0.0.9:1",
    peer=Peer(uri="spiffe://td/svc/api", service="api", trust_domain="td", serial="0a:1b"),
)


def test_a_connection_that_begins_with_the_preface_is_http2():
    for cut in (len(HTTP2), 1, 3, 15):
        world = World()
        client = world.connect()
        client.receive(HTTP2[:cut])
        client.receive(HTTP2[cut:]) if HTTP2[cut:] else None
        world.advance()
        assert SETTINGS == client.written[3:4]


def test_a_request_that_begins_like_the_preface_is_http1():
    world = World()
    client = world.connect()
    client.receive(b"P")
    client.receive(b"RI /a HTTP/1.1\r\nHost: web\r\n\r\n")
    world.advance()
    assert world.instance().written.startswith(b"PRI /a HTTP/1.1\r\n")


@pytest.mark.parametrize(("alpn", "is_http2"), [("h2", True), ("http/1.1", False)])
def test_what_was_agreed_on_decides(alpn: str, is_http2: bool):
    world = World()
    client = world.connect(alpn=alpn)
    client.receive(HTTP2 if is_http2 else GET)
    world.advance()
    assert is_http2 == (SETTINGS == client.written[3:4])


def test_a_connection_is_counted_while_it_is_open():
    world = World()
    client = world.connect()
    assert 1 == world.recorder.open
    client.lose()
    assert 0 == world.recorder.open
    assert [] == world.due


def test_a_connection_too_many_is_not_let_in():
    world = World()
    world.has_room = False
    client = world.connect()
    assert client.is_aborted
    client.handler.data_received(GET)
    assert (0, b"") == (world.recorder.open, client.written)


def test_a_connection_that_never_says_anything_is_closed():
    world = World()
    client = world.connect()
    world.advance(IDLE_TIMEOUT_S + 1.0)
    assert client.is_closed


def test_a_revoked_certificate_ends_open_connections_and_lets_no_others_in():
    world = World()
    client = world.ask(GET, PEER)
    world.change(proxy=ProxyConfig(id="web-proxy", service="web", revoked=("01", "0a:1b")))
    assert client.is_aborted
    assert world.instance().is_aborted
    assert world.connect(PEER).is_aborted
    assert not world.connect().is_aborted


def test_another_revoked_certificate_changes_nothing():
    world = World()
    client = world.ask(GET, PEER)
    world.change(proxy=ProxyConfig(id="web-proxy", service="web", revoked=("01",)))
    world.answer(OK)
    assert OK == client.take()


def test_draining_ends_connections_after_what_is_open():
    world = World()
    busy, idle = world.ask(GET), world.connect()
    world.drain()
    world.answer(OK)
    world.advance(2.0)
    assert b"\r\nConnection: close\r\n" in busy.take()
    assert busy.is_closed
    assert idle.is_closed
    assert b"" == idle.written


def test_a_request_that_was_on_its_way_when_draining_began_is_answered():
    world = World()
    client = world.connect()
    world.drain()
    client.receive(GET)
    world.advance()
    world.answer(OK)
    assert client.take().startswith(b"HTTP/1.1 200 ")


def guarded(*allowed: str) -> FilterChain:
    intentions = [Intention(source=name, precedence=9, allow=True) for name in allowed]
    policy = Policy(destination="web", intentions=tuple(intentions), trust_domains=("td",))
    return chain_of(policy=policy)


def test_a_websocket_of_who_lost_access_is_cut_and_an_idle_connection_is_not():
    world = World(chain=guarded("api"))
    client, idle = world.ask(WEBSOCKET, PEER), world.connect(PEER)
    world.answer(SWITCHED)

    world.change(chain=guarded("api", "other"))
    assert not client.is_closed
    world.change(chain=guarded("other"))

    assert (True, False) == (client.is_aborted, idle.is_closed)
    assert world.instance().is_closed
    assert ["denied"] == world.records[-1].flags
    assert 0 == world.web.active


def test_streams_of_who_lost_access_are_cut():
    world = World(chain=guarded("api"))
    client = world.connect(PEER, alpn="h2")
    end = ClientEnd(Limits())
    end.begin()
    stream_id, _ = end.open(request(), end=True)
    client.receive(end.take())
    world.advance()

    world.change(chain=guarded())
    world.advance()

    events = end.receive(client.take(), 0.0)
    assert [stream_id] == [each.stream_id for each in events if isinstance(each, Broken)]
    assert not client.is_closed
    assert 0 == world.web.active
