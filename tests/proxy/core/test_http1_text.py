import pytest

from proxy.core.http1_head import read_request, read_response
from proxy.core.http1_text import (
    informational_text,
    refusal_text,
    request_text,
    response_text,
    switch_text,
)
from proxy.http import Headers, RequestHead, ResponseHead


def request(method: bytes = b"GET", **more: object) -> RequestHead:
    fields = {"scheme": b"http", "authority": b"web:80", "target": b"/a", "headers": []} | more
    return RequestHead(method=method, **fields)  # type: ignore[arg-type]


def response(status: int = 200, headers: Headers | None = None) -> ResponseHead:
    return ResponseHead(status=status, headers=headers or [])


def test_host_comes_first_and_the_rest_in_its_order():
    headers = [(b"B", b"1"), (b"a", b"2")]
    text = request_text(request(headers=headers)).text
    assert b"GET /a HTTP/1.1\r\nHost: web:80\r\nB: 1\r\na: 2\r\n\r\n" == text


@pytest.mark.parametrize(
    ("head", "framing", "is_chunked"),
    [
        (request(b"GET"), b"", False),
        (request(b"POST"), b"Content-Length: 0\r\n", False),
        (request(b"POST", has_body=True), b"Transfer-Encoding: chunked\r\n", True),
        (
            request(b"POST", has_body=True, headers=[(b"Content-Length", b"3")]),
            b"Content-Length: 3\r\n",
            False,
        ),
        (
            request(b"GET", upgrade=b"websocket"),
            b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
            False,
        ),
    ],
)
def test_a_request_says_how_its_body_is_framed(head: RequestHead, framing: bytes, is_chunked: bool):
    message = request_text(head)
    assert message.text.endswith(b"web:80\r\n" + framing + b"\r\n")
    assert is_chunked == message.is_chunked


def test_what_is_written_is_read_again():
    head = request(b"PUT", headers=[(b"X", b"y")], has_body=True)
    text = request_text(head).text
    line = read_request(text.removesuffix(b"\r\n\r\n"), scheme=b"http", count_max=9)
    assert head == line.head


@pytest.mark.parametrize(
    ("head", "asked", "end", "framing"),
    [
        (response(), request(), False, b"Transfer-Encoding: chunked\r\n"),
        (response(), request(), True, b"Content-Length: 0\r\n"),
        (response(headers=[(b"Content-Length", b"2")]), request(), False, b"Content-Length: 2\r\n"),
        (response(204), request(), True, b""),
        (response(304), request(), True, b""),
        (response(), request(b"HEAD"), True, b""),
        (response(), request(version="1.0"), False, b"Connection: close\r\n"),
        (
            response(),
            request(version="1.0"),
            True,
            b"Content-Length: 0\r\nConnection: keep-alive\r\n",
        ),
    ],
)
def test_an_answer_says_how_its_body_is_framed(
    head: ResponseHead, asked: RequestHead, end: bool, framing: bytes
):
    text = response_text(head, request=asked, end=end, closes=False).text
    assert framing + b"\r\n" == text.partition(b"\r\n")[2]


def test_the_phrase_is_passed_on_or_the_usual_one():
    asked = request()
    own = ResponseHead(status=200, headers=[], reason=b"Fine")
    for head, line in ((own, b"200 Fine"), (response(404), b"404 Not Found"), (response(599), b"")):
        text = response_text(head, request=asked, end=True, closes=False).text
        assert text.startswith(b"HTTP/1.1 " + (line or b"599 "))


def test_other_heads():
    early = ResponseHead(status=103, headers=[(b"Link", b"x")])
    assert b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" == informational_text(early)
    switch = switch_text(response(200, [(b"Sec-A", b"b")]), b"websocket")
    assert switch.startswith(b"HTTP/1.1 101 Switching Protocols\r\nSec-A: b\r\nConnection: Upgr")
    refusal = refusal_text(431, "too much")
    line = read_response(refusal.partition(b"\r\n\r\n")[0], method=b"GET", count_max=9)
    assert (431, 8, False) == (line.head.status, line.length, line.is_kept)
