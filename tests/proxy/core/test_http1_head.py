import re

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.core.http1_head import (
    BLOCKS_MAX,
    CHUNKED,
    NAMES_MAX,
    UNTIL_CLOSE,
    HeadError,
    RequestLine,
    StatusLine,
    _lowered,
    _read_block,
    could_be_request,
    could_be_response,
    read_request,
    read_response,
    read_trailers,
)

LINE = b"GET /a HTTP/1.1\r\nHost: web"


def request(head: bytes, *, count_max: int = 100) -> RequestLine:
    return read_request(head, scheme=b"http", count_max=count_max)


def response(head: bytes, *, method: bytes = b"GET") -> StatusLine:
    return read_response(head, method=method, count_max=100)


def refusal(head: bytes) -> int:
    with pytest.raises(HeadError) as raised:
        request(head)
    return raised.value.status


def test_names_keep_their_order_and_case_and_values_lose_the_space_around_them():
    line = request(LINE + b"\r\nAccept:*/*\r\nX-A: \t b \t\r\nx-a: c  d\r\nEmpty:\r\nX_Y: z")
    assert [
        (b"Accept", b"*/*"),
        (b"X-A", b"b"),
        (b"x-a", b"c  d"),
        (b"Empty", b""),
        (b"X_Y", b"z"),
    ] == line.head.headers
    assert b"web" == line.head.authority
    assert not line.head.has_body
    assert line.is_kept


@pytest.mark.parametrize("target", [b"/a%2Fb//c?d=/e%00&f?", b"/", b"/\xc3\xa9", b"/a;b=c/../d"])
def test_the_target_keeps_its_bytes(target: bytes):
    assert target == request(b"GET %b HTTP/1.1\r\nHost: web" % target).head.target


@pytest.mark.parametrize(
    ("target", "authority", "path"),
    [
        (b"http://other:81/a?b", b"other:81", b"/a?b"),
        (b"HTTPS://other", b"other", b"/"),
        (b"http://other?b=/c", b"other", b"/?b=/c"),
    ],
)
def test_an_absolute_target_names_the_host_whatever_the_header_says(
    target: bytes, authority: bytes, path: bytes
):
    head = request(b"GET %b HTTP/1.1\r\nHost: web" % target).head
    assert (authority, path) == (head.authority, head.target)


@pytest.mark.parametrize(
    ("head", "is_kept"),
    [
        (b"GET / HTTP/1.1\r\nHost: a", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Close", False),
        (b"GET / HTTP/1.0", False),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive", True),
    ],
)
def test_the_version_and_connection_say_whether_another_request_may_follow(
    head: bytes, is_kept: bool
):
    assert is_kept == request(head).is_kept


def test_an_old_request_needs_no_host():
    assert b"" == request(b"GET / HTTP/1.0").head.authority
    assert b"a" == request(b"GET / HTTP/1.0\r\nHost: a").head.authority


def test_hop_by_hop_headers_and_what_connection_names_go_no_further():
    line = request(
        LINE + b"\r\nConnection: X-Mine, keep-alive\r\nConnection: x-other\r\nX-Mine: 1\r\n"
        b"X-OTHER: 2\r\nKeep-Alive: 5\r\nProxy-Connection: close\r\nTE: gzip\r\n"
        b"Upgrade: TLS/1.2\r\nX-Kept: 3"
    )
    assert [(b"X-Kept", b"3")] == line.head.headers
    assert b"" == line.head.upgrade


def test_the_names_of_trailers_go_on():
    fields = b"Trailer: X-Sum\r\nTransfer-Encoding: chunked"
    assert [(b"Trailer", b"X-Sum")] == request(LINE + b"\r\n" + fields).head.headers
    assert [] == read_trailers(b"Trailer: X-Sum", count_max=10)


def test_a_newer_minor_version_is_read_as_the_newest_that_is_known():
    line = request(b"GET / HTTP/1.2\r\nHost: a")
    assert ("1.1", True) == (line.head.version, line.is_kept)


def test_te_goes_on_if_it_asks_for_trailers():
    assert [(b"TE", b"trailers")] == request(LINE + b"\r\nTE: gzip, Trailers").head.headers


def test_connection_cannot_take_the_length_away():
    line = request(LINE + b"\r\nConnection: content-length\r\nContent-Length: 3")
    assert 3 == line.length
    assert [(b"Content-Length", b"3")] == line.head.headers


@pytest.mark.parametrize(
    ("fields", "upgrade"),
    [
        (b"Connection: Upgrade\r\nUpgrade: WebSocket", b"websocket"),
        (b"Connection: keep-alive, upgrade\r\nUpgrade: websocket", b"websocket"),
        (b"Upgrade: websocket", b""),
        (b"Connection: Upgrade\r\nUpgrade: h2c", b""),
        (b"Connection: Upgrade\r\nUpgrade: TLS/1.2", b""),
        (b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1", b""),
        (b"Connection: Upgrade\r\nUpgrade: h2c, websocket", b""),
    ],
)
def test_only_an_upgrade_to_websocket_is_passed_on(fields: bytes, upgrade: bytes):
    head = request(LINE + b"\r\n" + fields).head
    assert upgrade == head.upgrade
    assert all(name == b"Content-Length" for name, _ in head.headers)


def test_who_waits_for_100_is_known():
    waits = LINE + b"\r\nExpect: 100-Continue\r\nContent-Length: 1"
    assert request(waits).head.expects_continue
    assert (b"Expect", b"100-Continue") in request(waits).head.headers
    assert not request(LINE + b"\r\nExpect: 100-continue").head.expects_continue
    assert not request(waits.replace(b"1.1", b"1.0")).head.expects_continue


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        (b"Content-Length: 0", 0),
        (b"Content-Length: 12", 12),
        (b"Content-Length: 12\r\nContent-Length: 12", 12),
        (b"Transfer-Encoding: Chunked", CHUNKED),
        (b"X: y", 0),
    ],
)
def test_a_request_says_the_length_of_its_body(fields: bytes, length: int):
    line = request(LINE + b"\r\n" + fields)
    assert length == line.length
    assert (length != 0) == line.head.has_body
    assert sum(name == b"Content-Length" for name, _ in line.head.headers) <= 1


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (b"Content-Length: 1\r\nTransfer-Encoding: chunked", 400),
        (b"Content-Length: 1\r\nContent-Length: 2", 400),
        (b"Content-Length: 1, 1", 400),
        (b"Content-Length: +1", 400),
        (b"Content-Length: -1", 400),
        (b"Content-Length: 0x1", 400),
        (b"Content-Length:", 400),
        (b"Content-Length: 1 2", 400),
        (b"Content-Length: 1\xb2", 400),
        (b"Content-Length: " + b"9" * 19, 400),
        (b"Transfer-Encoding: gzip", 501),
        (b"Transfer-Encoding: gzip, chunked", 501),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 501),
        (b"Transfer-Encoding: xchunked", 501),
        (b"Transfer-Encoding:", 501),
        (b"Transfer-Encoding: \x0bchunked", 400),
        (b"Transfer-Encoding : chunked", 400),
        (b"X: a\r\n b", 400),
        (b"X: a\r\n\tb", 400),
        (b" X: a", 400),
        (b"X : a", 400),
        (b"X\t: a", 400),
        (b"X: a\nY: b", 400),
        (b"X: a\rY: b", 400),
        (b"X: a\x00b", 400),
        (b"X: a\x7fb", 400),
        (b"X(: a", 400),
        (b"X\xe9: a", 400),
        (b": a", 400),
        (b"no colon", 400),
        (b"Host: other", 400),
        (b"\r\nX: a", 400),
    ],
)
def test_what_two_servers_could_read_in_two_ways_is_refused(fields: bytes, status: int):
    assert status == refusal(LINE + b"\r\n" + fields)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1", 400),
        (b"GET /  HTTP/1.1\r\nHost: a", 400),
        (b"GET  / HTTP/1.1\r\nHost: a", 400),
        (b"GET / HTTP/1.1 \r\nHost: a", 400),
        (b" GET / HTTP/1.1\r\nHost: a", 400),
        (b"GET\t/ HTTP/1.1\r\nHost: a", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: a", 400),
        (b"GET /a#b HTTP/1.1\r\nHost: a", 400),
        (b"GET / HTTP/1.1\nHost: a", 400),
        (b"GET /", 400),
        (b"GET / http/1.1\r\nHost: a", 400),
        (b"GET / HTTP/2.0\r\nHost: a", 505),
        (b"GET / HTTP/0.9\r\nHost: a", 505),
        (b"GET / HTTP/1.12\r\nHost: a", 400),
        (b"GE(T / HTTP/1.1\r\nHost: a", 400),
        (b"GET a HTTP/1.1\r\nHost: a", 400),
        (b"GET * HTTP/1.1\r\nHost: a", 400),
        (b"GET ftp://a/ HTTP/1.1\r\nHost: a", 400),
        (b"GET http:///b HTTP/1.1\r\nHost: a", 400),
        (b"GET http://u@h@i/ HTTP/1.1\r\nHost: a", 400),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443", 501),
        (b"GET / HTTP/1.1\r\nHost: a b", 400),
        (b"GET / HTTP/1.1\r\nHost: a/b", 400),
        (b"GET / HTTP/1.1\r\nHost: u@a", 400),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked", 400),
        (b"", 400),
    ],
)
def test_a_request_line_that_is_none_is_refused(head: bytes, status: int):
    assert status == refusal(head)


def test_options_may_ask_about_the_whole_server():
    assert b"*" == request(b"OPTIONS * HTTP/1.1\r\nHost: a").head.target


def test_too_many_headers_are_refused():
    fields = b"".join(b"\r\nX-%d: a" % number for number in range(99))
    assert 99 == len(request(LINE + fields).head.headers)
    assert 431 == refusal(LINE + fields + b"\r\nX: b")


def test_names_are_remembered_up_to_a_limit():
    for number in range(2 * NAMES_MAX):
        request(LINE + b"\r\nX-Name-%d: a" % number)
    assert len(_lowered) <= NAMES_MAX
    assert [(b"X-New", b"a")] == request(LINE + b"\r\nX-New: a").head.headers
    _lowered.clear()


@pytest.mark.parametrize(
    ("head", "method", "length", "is_kept"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3", b"GET", 3, True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3", b"HEAD", 0, True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", b"GET", CHUNKED, True),
        (b"HTTP/1.1 200 OK", b"GET", UNTIL_CLOSE, False),
        (b"HTTP/1.1 200 OK", b"HEAD", 0, True),
        (b"HTTP/1.1 204 No Content", b"GET", 0, True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9", b"GET", 0, True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 3", b"GET", 3, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive", b"GET", 3, True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close", b"GET", 3, False),
    ],
)
def test_an_answer_says_the_length_of_its_body(
    head: bytes, method: bytes, length: int, is_kept: bool
):
    line = response(head, method=method)
    assert (length, is_kept) == (line.length, line.is_kept)


def test_an_answer_keeps_its_phrase_and_the_length_that_head_and_304_give():
    line = response(b"HTTP/1.1 304 So what\r\nContent-Length: 9\r\nETag: x")
    assert b"So what" == line.head.reason
    assert [(b"Content-Length", b"9"), (b"ETag", b"x")] == line.head.headers
    assert [] == response(b"HTTP/1.1 204\r\nContent-Length: 0").head.headers


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/2 200 OK",
        b"ICY 200 OK",
        b"HTTP/1.1",
    ],
)
def test_an_answer_that_cannot_be_trusted_is_refused(head: bytes):
    with pytest.raises(HeadError):
        response(head)


def test_trailers_that_change_the_message_are_dropped():
    block = b"X-Sum: 1\r\nContent-Length: 5\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: x"
    assert [(b"X-Sum", b"1")] == read_trailers(block, count_max=10)
    assert [] == read_trailers(b"", count_max=10)


@pytest.mark.parametrize(
    ("part", "could"),
    [
        (b"G", True),
        (b"GET /a HTTP/1.1\r\nHo", True),
        (b"GET /a HTTP/1.1\r", True),
        (b"GET /a HTTP/1.1\nHost: a\n\n", False),
        (b"\x16\x03\x01\x02\x00", False),
        (b"\x00", False),
    ],
)
def test_what_becomes_no_request_is_told_early(part: bytes, could: bool):
    assert could == could_be_request(part, 0)


@pytest.mark.parametrize(
    ("part", "could"), [(b"HT", True), (b"HTTP/1.1 200 O", True), (b"SSH-2.0", False)]
)
def test_what_becomes_no_answer_is_told_early(part: bytes, could: bool):
    assert could == could_be_response(part, 0)


PIECES = st.sampled_from(
    [
        b"GET", b"POST", b" ", b"  ", b"/", b"*", b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\n", b"\r",
        b"Host", b":", b"a", b"Content-Length", b"3", b"4", b"Transfer-Encoding", b"chunked",
        b"\t", b"\x00", b"Connection", b"close", b",", b"\x0b", b"\xff", b"X",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(pieces=st.lists(PIECES, max_size=12))
@example(pieces=[b"\r\n", b"Content-Length", b":", b"3"])
def test_what_is_read_another_reader_reads_in_the_same_way(pieces: list[bytes]):
    head = LINE + b"".join(pieces)
    try:
        line = request(head)
    except HeadError:
        return
    other = h11.Connection(h11.SERVER)
    other.receive_data(head + b"\r\n\r\n")
    event = other.next_event()
    assert isinstance(event, h11.Request)
    assert event.target == line.head.target
    length = next((int(v) for n, v in event.headers if n == b"content-length"), None)
    is_chunked = any(n == b"transfer-encoding" for n, _ in event.headers)
    assert (CHUNKED if is_chunked else length or 0) == line.length


@settings(max_examples=200, deadline=None)
@given(noise=st.binary(max_size=60))
def test_no_bytes_make_reading_fail_in_another_way(noise: bytes):
    for head in (noise, LINE + noise, LINE + b"\r\n" + noise):
        try:
            line = request(head)
        except HeadError:
            continue
        for name, value in line.head.headers:
            assert re.fullmatch(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", name)
            assert not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value)


def test_a_head_that_came_before_is_read_the_same_and_checked_with_what_is_last():
    block = LINE + b"\r\nAccept: */*\r\n"
    request(block + b"X-Id: 1").head.headers.append((b"x-added", b"1"))
    for last in (b"Host: other", b"Content-Length: 1\r\nX: 1\r\nContent-Length: 2"):
        assert [400, 400] == [refusal(block + last) for _ in range(2)]
    again = request(block + b"X-Id: 2")
    assert [(b"Accept", b"*/*"), (b"X-Id", b"2")] == again.head.headers
    for number in range(BLOCKS_MAX + 1):
        request(LINE + b"\r\nX: %d\r\nY: 1" % number)
    assert _read_block.cache_info().currsize <= BLOCKS_MAX


def test_answers_that_are_the_same_have_lists_of_their_own():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2"
    response(head).head.headers.append((b"x-added", b"1"))
    assert [(b"Content-Length", b"2")] == response(head).head.headers
    assert [2, 0] == [response(head, method=method).length for method in (b"GET", b"HEAD")]
