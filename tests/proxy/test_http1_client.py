import pytest
from typing_extensions import override

from proxy.http import ClientConnection, Fault, Headers, RequestHead, Response, ResponseHead
from proxy.http1_client import Http1Client
from tests.proxy.http_world import Wire, World

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Owner:
    def __init__(self) -> None:
        self.told: list[str] = []

    def made(self, connection: ClientConnection) -> None:
        self.told.append("made")

    def freed(self, connection: ClientConnection) -> None:
        self.told.append("freed")

    def ended(self, connection: ClientConnection) -> None:
        self.told.append("ended")


class Heard(Response):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    @override
    def informational(self, head: ResponseHead) -> None:
        self.told.append(head.status)

    @override
    def head(self, head: ResponseHead, *, end: bool) -> None:
        self.told.append((head.status, end))

    @override
    def body(self, chunk: bytes) -> None:
        self.told.append(chunk)

    @override
    def end(self, trailers: Headers) -> None:
        self.told.append(trailers)

    @override
    def switched(self, head: ResponseHead) -> None:
        self.told.append("switched")

    @override
    def reset(self, fault: Fault) -> None:
        self.told.append(fault)

    @override
    def request_paused(self) -> None:
        self.told.append("paused")

    @override
    def request_resumed(self) -> None:
        self.told.append("resumed")


def request(method: bytes = b"GET", *, has_body: bool = False) -> RequestHead:
    return RequestHead(
        method=method,
        scheme=b"http",
        authority=b"web",
        target=b"/",
        headers=[],
        has_body=has_body,
    )


def make() -> tuple[World, Owner, Http1Client, Wire]:
    world, owner = World(), Owner()
    client = Http1Client(owner, world.call_later)
    return world, owner, client, Wire(client)


def test_a_connection_serves_one_request_after_the_other():
    _, owner, client, wire = make()
    for _ in range(2):
        heard = Heard()
        assert 1 == client.room
        client.open(request(), heard)
        assert 0 == client.room
        wire.receive(OK)
        assert [(200, False), b"hi", []] == heard.told
    assert ["made", "freed", "freed"] == owner.told
    assert not wire.is_closed


@pytest.mark.parametrize(
    "answer",
    [
        OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        OK.replace(b"1.1", b"1.0"),
        OK + b"x",
    ],
)
def test_a_connection_that_is_not_in_order_is_not_used_again(answer: bytes):
    _, owner, client, wire = make()
    heard = Heard()
    client.open(request(), heard)
    wire.receive(answer)
    assert [(200, False), b"hi", []] == heard.told
    assert 0 == client.room
    assert wire.is_closed
    assert "freed" not in owner.told


def test_an_answer_before_the_request_is_complete_ends_the_connection():
    _, owner, client, wire = make()
    heard = Heard()
    sent = client.open(request(b"POST", has_body=True), heard)
    sent.body(b"a")
    wire.receive(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")
    assert [(413, True)] == heard.told
    assert wire.is_closed
    assert ["made", "ended", "ended"][:2] == owner.told[:2]


def test_a_kept_connection_that_is_closed_under_a_request_is_stale():
    _, _, client, wire = make()
    heard = Heard()
    client.open(request(), Heard())
    wire.receive(OK)
    client.open(request(), heard)
    wire.lose()
    assert [Fault.STALE] == heard.told


@pytest.mark.parametrize(
    "before", [b"", b"H", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nhi", OK[:-1]]
)
def test_what_breaks_off_otherwise_is_reset(before: bytes):
    _, _, client, wire = make()
    if before:
        client.open(request(), Heard())
        wire.receive(OK)
    heard = Heard()
    client.open(request(), heard)
    if before:
        wire.receive(before)
    wire.lose()
    assert Fault.RESET is heard.told[-1]


def test_nothing_was_sent_while_a_head_waits_for_its_body():
    world, _, client, wire = make()
    sent = client.open(request(b"POST", has_body=True), Heard())
    assert (0, b"") == (sent.bytes_sent, wire.written)
    sent.body(b"ab")
    assert 2 <= sent.bytes_sent
    assert 1 == wire.writes
    world.advance()
    assert 1 == wire.writes


def test_a_head_whose_body_does_not_come_goes_out_alone():
    world, _, client, wire = make()
    client.open(request(b"POST", has_body=True), Heard())
    world.advance()
    assert wire.written.endswith(b"\r\n\r\n")
    assert 0 < client.bytes_sent


def test_giving_up_ends_the_connection_silently():
    _, owner, client, wire = make()
    heard = Heard()
    client.open(request(), heard).reset(Fault.CLIENT)
    assert wire.is_aborted
    assert [] == heard.told
    assert "ended" in owner.told


def test_a_connection_that_is_closed_while_busy_ends_after_its_request():
    _, _, client, wire = make()
    heard = Heard()
    client.open(request(), heard)
    client.close()
    assert not wire.is_closed
    wire.receive(OK)
    assert [(200, False), b"hi", []] == heard.told
    assert wire.is_closed


def test_reading_can_be_held_back_and_is_free_for_the_next_request():
    _, _, client, wire = make()
    heard = Heard()
    sent = client.open(request(), heard)
    wire.receive(OK[:-1])
    sent.pause()
    wire.receive(OK[-1:])
    assert (200, False) == heard.told[0]
    assert [] not in heard.told
    sent.resume()
    assert [] == heard.told[-1]
    assert not wire.is_paused


def test_room_on_the_connection_is_told():
    _, _, client, wire = make()
    heard = Heard()
    client.open(request(b"POST", has_body=True), heard)
    wire.handler.pause_writing()
    wire.handler.resume_writing()
    assert ["paused", "resumed"] == heard.told


class HeardWhole(Heard):
    """Tells an answer that came at once from one in parts."""

    @override
    def whole(self, head: ResponseHead, body: bytes) -> None:
        self.told.append((head.status, body))


def test_an_answer_that_is_all_here_is_told_at_once() -> None:
    _, _, client, wire = make()
    heard = HeardWhole()
    client.open(request(), heard)

    wire.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

    assert [(200, b"hi")] == heard.told
    assert client.room == 1


def test_an_answer_with_more_behind_it_is_told_in_parts() -> None:
    _, _, client, wire = make()
    heard = HeardWhole()
    client.open(request(), heard)

    wire.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!")

    assert [(200, False), b"hi", []] == heard.told
    assert client.room == 0
