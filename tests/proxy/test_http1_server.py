import pytest
from typing_extensions import override

from proxy.deadlines import Deadlines
from proxy.http import Answer, Exchange, Exchanges, Fault, Headers, RequestHead, ResponseHead
from proxy.http1_server import (
    DRAINING_IDLE_S,
    HALF_CLOSED_S,
    HEAD_TIMEOUT_S,
    IDLE_TIMEOUT_S,
    LINGER_S,
    WAITING_BYTES_MAX,
    Http1Server,
)
from tests.proxy.http_world import Wire, World, chain_of

GET = b"GET /a HTTP/1.1\r\nHost: web\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 4\r\n\r\n"


class Told(Exchange):
    """Keeps what it is told."""

    def __init__(self, head: RequestHead, answer: Answer) -> None:
        self.request = head
        self.answer = answer
        self.told: list[object] = []

    @override
    def body(self, chunk: bytes) -> None:
        self.told.append(chunk)

    @override
    def end(self, trailers: Headers) -> None:
        self.told.append(trailers)

    @override
    def reset(self, fault: Fault) -> None:
        self.told.append(fault)

    @override
    def answer_paused(self) -> None:
        self.told.append("paused")

    @override
    def answer_resumed(self) -> None:
        self.told.append("resumed")


class Opened(Exchanges):
    def __init__(self) -> None:
        self.all: list[Told] = []
        self.refusals: list[int] = []

    @override
    def open(self, head: RequestHead, answer: Answer) -> Exchange:
        self.all.append(Told(head, answer))
        return self.all[-1]

    @override
    def refused(self, status: int, detail: str) -> None:
        self.refusals.append(status)


def make(world: World | None = None) -> tuple[World, Wire, Opened]:
    world = world or World()
    opened = Opened()
    server = Http1Server(world, opened, Deadlines(world.now_s, world.call_later))
    return world, Wire(server), opened


def respond(answer: Answer, body: bytes = b"hi") -> None:
    headers = [(b"Content-Length", b"%d" % len(body))]
    answer.head(ResponseHead(status=200, headers=headers), end=not body)
    if body:
        answer.body(body)
        answer.end([])


def test_a_body_is_told_in_parts_and_its_end_once():
    _, wire, opened = make()
    wire.receive(POST + b"ab")
    wire.receive(b"cd" + GET)
    assert [b"ab", b"cd", []] == opened.all[0].told
    respond(opened.all[0].answer)
    assert 2 == len(opened.all)
    assert not opened.all[1].request.has_body
    assert [] == opened.all[1].told


def test_the_scheme_is_of_the_connection():
    _, wire, opened = make()
    wire.receive(GET)
    assert b"http" == opened.all[0].request.scheme


def test_a_client_that_leaves_is_told_once():
    _, wire, opened = make()
    wire.receive(GET)
    wire.lose()
    assert [Fault.CLIENT] == opened.all[0].told


@pytest.mark.parametrize("sent", [GET[:-2], POST, POST + b"hi"])
def test_a_client_that_ends_within_a_request_has_left(sent: bytes):
    _, wire, opened = make()
    wire.receive(sent)
    wire.end()
    assert wire.is_closed
    assert all(each.told[-1:] == [Fault.CLIENT] for each in opened.all)


def test_a_client_that_ends_its_side_gets_what_it_asked_for():
    _, wire, opened = make()
    wire.receive(GET + GET)
    wire.end()
    respond(opened.all[0].answer)
    assert not wire.is_closed
    respond(opened.all[1].answer)
    first, _, second = wire.take().partition(b"hi")
    assert b"Connection: close" not in first
    assert second.endswith(b"Connection: close\r\n\r\nhi")
    assert wire.is_closed


def test_a_client_that_ends_its_side_with_half_a_request_is_told_so():
    _, wire, opened = make()
    wire.receive(GET + GET[:9])
    wire.end()
    respond(opened.all[0].answer)
    assert b"HTTP/1.1 400 " in wire.take()
    assert wire.is_eof


def test_a_client_that_ended_its_side_has_left_if_its_answer_does_not_move():
    world, wire, opened = make()
    wire.receive(GET)
    wire.end()
    exchange = opened.all[0]
    exchange.answer.head(ResponseHead(status=200, headers=[]), end=False)
    for _ in range(3):
        world.advance(HALF_CLOSED_S / 2)
        exchange.answer.body(b"x")
    wire.handler.pause_writing()  # it reads, if slowly
    world.advance(3 * HALF_CLOSED_S)
    wire.handler.resume_writing()
    assert Fault.CLIENT not in exchange.told
    world.advance(2 * HALF_CLOSED_S)
    assert Fault.CLIENT == exchange.told[-1]
    assert wire.is_aborted


def test_a_client_that_leaves_between_requests_is_no_fault():
    _, wire, opened = make()
    wire.receive(GET)
    respond(opened.all[0].answer)
    wire.end()
    assert [] == opened.all[0].told


def test_an_answer_that_is_cut_short_is_noticed():
    for headers in ([], [(b"Content-Length", b"9")]):
        _, wire, opened = make()
        wire.receive(GET)
        answer = opened.all[0].answer
        answer.head(ResponseHead(status=200, headers=headers), end=False)
        answer.body(b"hi")
        answer.reset(Fault.RESET)
        assert wire.is_closed
        assert not wire.written.endswith(b"0\r\n\r\n")
        assert [] == opened.all[0].told


def test_an_idle_connection_is_closed_in_the_end():
    world, wire, opened = make()
    world.advance(IDLE_TIMEOUT_S - 1.0)
    wire.receive(GET)
    world.advance(2 * IDLE_TIMEOUT_S)  # an exchange has its own times
    respond(opened.all[0].answer)
    wire.take()
    world.advance(IDLE_TIMEOUT_S - 1.0)
    assert not wire.is_closed
    world.advance(2.0)
    assert wire.is_closed
    assert b"" == wire.written


def test_the_chain_may_set_another_idle_time():
    world, wire, _ = make(World(chain=chain_of(idle_timeout_s=5.0)))
    world.advance(5.1)
    assert wire.is_closed


def test_a_head_that_trickles_is_refused():
    world, wire, opened = make()
    for byte in GET[:20]:
        wire.receive(bytes((byte,)))
        world.advance(HEAD_TIMEOUT_S / 15)
    assert wire.written.startswith(b"HTTP/1.1 408 ")
    assert [408] == opened.refusals
    world.advance(LINGER_S + 1.0)
    assert wire.is_closed


def test_draining_closes_after_the_next_answer():
    world, wire, opened = make()
    wire.receive(GET)
    world.draining = True
    respond(opened.all[0].answer)
    assert b"\r\nConnection: close\r\n" in wire.written
    assert wire.is_closed


def test_draining_closes_an_idle_connection_soon():
    world, wire, opened = make()
    wire.receive(GET)
    respond(opened.all[0].answer)
    world.draining = True
    handler = wire.handler
    assert isinstance(handler, Http1Server)
    handler.changed()
    assert not wire.is_closed
    world.advance(DRAINING_IDLE_S + 0.1)
    assert wire.is_closed


def test_a_client_that_sends_ahead_is_held_back_and_then_goes_on():
    _, wire, opened = make()
    wire.receive(GET)
    count = WAITING_BYTES_MAX // len(GET) + 2
    wire.receive(GET * count)
    assert wire.is_paused
    for number in range(count + 1):
        respond(opened.all[number].answer)
    assert not wire.is_paused
    assert count + 1 == len(opened.all)


def test_an_exchange_can_hold_the_body_back():
    _, wire, opened = make()
    wire.receive(POST + b"a")
    opened.all[0].answer.pause()
    wire.receive(b"bcd")
    assert [b"a"] == opened.all[0].told
    opened.all[0].answer.resume()
    assert [b"a", b"bcd", []] == opened.all[0].told


def test_a_full_connection_is_told_to_the_exchange():
    _, wire, opened = make()
    wire.receive(GET)
    wire.handler.pause_writing()
    wire.handler.resume_writing()
    assert ["paused", "resumed"] == opened.all[0].told
