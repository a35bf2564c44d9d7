"""What real clients and servers send, and what attackers do, through a whole proxy."""

import pytest

from proxy.api import HttpOptions, RouteMatch
from tests.proxy.http_world import World, chain_of, route_of

GET = b"GET /a HTTP/1.1\r\nHost: web\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: web\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def sent(world: World) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """What an instance got: request line, headers by lower-case name, body."""
    head, _, body = world.instance().take().partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    return line, {f.partition(b": ")[0].lower(): f.partition(b": ")[2] for f in fields}, body


def status(text: bytes) -> int:
    assert text.startswith(b"HTTP/1.1 "), text
    return int(text[9:12])


def test_host_path_names_and_their_order_arrive_unchanged():
    world = World()
    world.ask(
        b"GET /a%2Fb//c/?d=%20/../e HTTP/1.1\r\nHost: WeB.example:8080\r\nUser-Agent: curl/8\r\n"
        b"ACCEPT: */*\r\nx-request-id: 1\r\nX-Forwarded-For: 1.1.1.1\r\n"
        b"x-forwarded-proto: http\r\nLast: yes\r\n\r\n"
    )
    assert (
        b"GET /a%2Fb//c/?d=%20/../e HTTP/1.1\r\nHost: WeB.example:8080\r\nUser-Agent: curl/8\r\n"
        b"ACCEPT: */*\r\nx-request-id: 1\r\nX-Forwarded-For: 1.1.1.1\r\n"
        b"x-forwarded-proto: http\r\nLast: yes\r\n\r\n"
    ) == world.instance().take()


def test_hop_by_hop_headers_stay_here():
    world = World()
    client = world.ask(
        b"GET /a HTTP/1.1\r\nHost: web\r\nConnection: keep-alive, X-Mine\r\nX-Mine: 1\r\n"
        b"Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nUpgrade: TLS/1.2\r\n\r\n"
    )
    _, headers, _ = sent(world)
    assert {b"host", b"x-forwarded-for", b"x-forwarded-proto", b"x-request-id"} == set(headers)
    world.answer(
        b"HTTP/1.1 200 OK\r\nConnection: X-His, close\r\nX-His: 1\r\nKeep-Alive: 5\r\n"
        b"Content-Length: 0\r\nServer: his\r\n\r\n"
    )
    assert b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nServer: his\r\n\r\n" == client.take()
    assert not client.is_closed
    assert world.instance().is_closed


def test_an_upgrade_to_tls_is_ignored():
    world = World()
    client = world.ask(
        b"GET / HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: TLS/1.2\r\n\r\n"
    )
    assert b"upgrade" not in sent(world)[1]
    world.answer(OK)
    assert OK == client.take()


def test_pipelined_requests_are_answered_in_their_order():
    world = World()
    client = world.ask(GET.replace(b"/a", b"/1") + GET.replace(b"/a", b"/2"))
    assert b"GET /1 HTTP/1.1" == sent(world)[0]
    assert b"" == world.instance().take()
    world.answer(OK.replace(b"hi", b"11"))
    assert b"GET /2 HTTP/1.1" == sent(world)[0]
    world.answer(OK.replace(b"hi", b"22"))
    assert OK.replace(b"hi", b"11") + OK.replace(b"hi", b"22") == client.take()


def test_many_pipelined_refusals_do_not_grow_the_stack():
    world = World(chain=chain_of(route_of(match=RouteMatch(path_exact="/x"))))
    client = world.ask(GET * 2000)
    assert 2000 == client.take().count(b"HTTP/1.1 404")


@pytest.mark.parametrize(
    ("request_", "closes"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\nHost: web\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\nHost: web\r\nConnection: keep-alive\r\n\r\n", False),
    ],
)
def test_old_clients_are_served(request_: bytes, closes: bool):
    world = World()
    client = world.ask(request_)
    line, headers, _ = sent(world)
    assert b"GET / HTTP/1.1" == line
    assert (b"web" if b"Host" in request_ else b"") == headers[b"host"]
    world.answer(OK)
    answer = client.take()
    assert 200 == status(answer)
    assert closes == client.is_closed
    assert (b"Connection: close" if closes else b"Connection: keep-alive") in answer


def test_an_old_client_gets_a_body_without_chunks_that_ends_with_the_connection():
    world = World()
    client = world.ask(b"GET / HTTP/1.0\r\n\r\n")
    world.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
    assert b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhi" == client.take()
    assert client.is_closed


def test_chunks_and_trailers_pass_both_ways_and_a_trailer_cannot_be_a_length():
    world = World()
    client = world.ask(
        b"POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        b"2\r\nhi\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\n"
    )
    _, headers, body = sent(world)
    assert b"chunked" == headers[b"transfer-encoding"]
    assert b"2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n" == body
    answer = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\nX-Sum: 2\r\n\r\n"
    )
    world.answer(answer.replace(b"X-Sum: 2", b"X-Sum: 2\r\nContent-Length: 3"))
    assert answer == client.take()
    assert not client.is_closed


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"),
        (b"HEAD", b"HTTP/1.1 200 OK\r\n\r\n"),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nETag: x\r\n\r\n"),
    ],
)
def test_answers_without_a_body_pass_and_the_connections_are_kept(method: bytes, answer: bytes):
    world = World()
    client = world.ask(GET.replace(b"GET", method))
    world.answer(answer)
    assert answer == client.take()
    client.receive(GET)
    assert 1 == len(world.web.wires)


def test_an_answer_without_a_length_ends_with_its_connection():
    world = World()
    client = world.ask(GET)
    world.answer(b"HTTP/1.1 200 OK\r\n\r\nhi")
    assert b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n" == client.take()
    world.instance().end()
    assert b"0\r\n\r\n" == client.take()
    assert not client.is_closed
    assert world.instance().is_closed


def test_an_answer_without_a_length_that_is_reset_is_cut_short():
    world = World()
    client = world.ask(GET)
    world.answer(b"HTTP/1.1 200 OK\r\n\r\nhi")
    world.instance().lose()
    assert not client.take().endswith(b"0\r\n\r\n")
    assert client.is_closed
    assert ["reset"] == world.records[0].flags


def test_the_instance_says_whether_to_continue():
    world = World()
    client = world.ask(
        b"PUT / HTTP/1.1\r\nHost: web\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    )
    assert b"100-continue" == sent(world)[1][b"expect"]
    assert b"" == client.take()
    world.answer(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert b"HTTP/1.1 100 Continue\r\n\r\n" == client.take()
    client.receive(b"hi")
    assert b"hi" == world.instance().take()
    world.answer(OK)
    assert OK == client.take()
    assert not client.is_closed


@pytest.mark.parametrize("code", [417, 413, 307])
def test_an_early_final_answer_reaches_a_client_that_waits(code: int):
    world = World()
    client = world.ask(
        b"PUT / HTTP/1.1\r\nHost: web\r\nContent-Length: 10000000\r\nExpect: 100-continue\r\n\r\n"
    )
    world.answer(b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\nno" % code)
    answer = client.take()
    assert code == status(answer)
    assert answer.endswith(b"Connection: close\r\n\r\nno")
    assert client.is_eof
    assert not client.is_closed
    client.end()
    assert client.is_closed
    assert world.instance().is_closed
    assert [] == [flag for flag in world.records[0].flags if flag != "client-gone"]


def test_an_early_final_answer_reaches_a_client_that_goes_on_sending():
    world = World()
    client = world.ask(b"PUT / HTTP/1.1\r\nHost: web\r\nContent-Length: 100000000\r\n\r\nab")
    world.answer(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")
    assert 413 == status(client.take())
    client.receive(b"c" * 1_000_000)
    assert not client.is_aborted
    for _ in range(20):
        client.receive(b"c" * 1_000_000)
    assert client.is_closed
    assert 1 == len(world.records)


def test_a_refusal_of_a_short_request_that_came_whole_keeps_the_connection():
    world = World(chain=chain_of(route_of("none")))
    client = world.ask(b"POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 2\r\n\r\nhi" + GET)
    assert 2 == client.take().count(b"HTTP/1.1 503 ")
    assert not client.is_closed


def test_other_early_answers_pass():
    world = World()
    client = world.ask(GET)
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    world.answer(early + early + OK)
    assert early + early + OK == client.take()


def test_an_old_client_gets_no_early_answers():
    world = World()
    client = world.ask(b"GET / HTTP/1.0\r\n\r\n")
    world.answer(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)
    assert 200 == status(client.take())


def test_a_large_cookie_and_many_headers_pass():
    world = World()
    cookie = b"c" * 65_536
    many = b"".join(b"X-%d: v\r\n" % number for number in range(200))
    client = world.ask(b"GET / HTTP/1.1\r\nHost: web\r\nCookie: %b\r\n%b\r\n" % (cookie, many))
    _, headers, _ = sent(world)
    assert cookie == headers[b"cookie"]
    assert b"x-199" in headers
    world.answer(b"HTTP/1.1 200 OK\r\nSet-Cookie: %b\r\nContent-Length: 0\r\n\r\n" % cookie)
    assert cookie in client.take()


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: web\r\nCookie: " + b"c" * 300,
        b"GET / HTTP/1.1\r\nHost: web\r\nCookie: " + b"c" * 300 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: web\r\n" + b"A: b\r\n" * 20 + b"\r\n",
    ],
)
def test_too_much_of_a_head_is_431(head: bytes):
    world = World(chain=chain_of(http=HttpOptions(header_bytes_max=200, header_count_max=10)))
    client = world.ask(head)
    assert 431 == status(client.take())
    assert client.is_eof
    assert [] == world.web.wires
    assert [(431, ["refused"])] == [(each.status, each.flags) for each in world.records]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_refused_and_nothing_after_it_is_read(text: bytes, code: int):
    world = World()
    client = world.ask(text + GET.replace(b"/a", b"/smuggled"))
    answer = client.take()
    assert code == status(answer)
    assert not any(b"smuggled" in wire.written for wire in world.web.wires) or b"%00" in text
    assert client.is_eof or b"%00" in text


def test_a_chunk_that_is_none_ends_the_connection_and_the_request():
    world = World()
    client = world.ask(
        b"POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"
    )
    client.receive(b"zz\r\n")
    assert 400 == status(client.take())
    assert client.is_eof
    assert world.instance().is_closed


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 3\n\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000,
    ],
)
def test_an_answer_that_is_none_is_a_502(answer: bytes):
    world = World()
    client = world.ask(GET)
    world.answer(answer)
    assert 502 == status(client.take())
    assert world.instance().is_closed
    assert ["protocol-error"] == world.records[0].flags


def test_what_an_instance_says_beyond_its_answer_is_no_answer_to_another_request():
    world = World()
    client = world.ask(GET)
    world.answer(OK + OK.replace(b"hi", b"no"))
    assert OK == client.take()
    assert world.instance().is_closed
    client.receive(GET)
    assert b"" == client.take()


def test_an_answer_that_comes_unasked_closes_its_connection():
    world = World()
    client = world.ask(GET)
    world.answer(OK)
    world.instance().receive(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert world.instance().is_closed
    client.receive(GET)
    world.advance()
    assert 2 == len(world.web.wires)


def test_an_absolute_target_is_taken_apart():
    world = World()
    world.ask(b"GET http://other:81/b?c HTTP/1.1\r\nHost: web\r\n\r\n")
    line, headers, _ = sent(world)
    assert (b"GET /b?c HTTP/1.1", b"other:81") == (line, headers[b"host"])


def test_options_of_the_whole_server_pass():
    world = World()
    world.ask(b"OPTIONS * HTTP/1.1\r\nHost: web\r\n\r\n")
    assert b"OPTIONS * HTTP/1.1" == sent(world)[0]


def test_a_request_may_come_a_byte_at_a_time_and_so_may_its_answer():
    world = World()
    client = world.connect()
    chunked = b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"
    for byte in POST + chunked + b"\r\n":
        client.receive(bytes((byte,)))
        world.advance()
    assert world.instance().take().endswith(b"0\r\n\r\n")
    for byte in b"HTTP/1.1 200 OK\r\n" + chunked + b"X: y\r\n\r\n":
        world.answer(bytes((byte,)))
    assert client.take().endswith(b"0\r\nX: y\r\n\r\n")
    assert [200] == [each.status for each in world.records]
