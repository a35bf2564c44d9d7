import pytest
from typing_extensions import override

from proxy.http import Answer, Fault, Headers, RequestHead, ResponseHead
from proxy.local_reply import Reply, fault_reply, send


class Given(Answer):
    """Keeps an answer."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.content = b""
        self.ends = 0

    @override
    def head(self, head: ResponseHead, *, end: bool) -> None:
        self.status, self.headers = head.status, dict(head.headers)
        self.ends += end

    @override
    def body(self, chunk: bytes) -> None:
        self.content += chunk

    @override
    def end(self, trailers: Headers) -> None:
        self.ends += 1

    @override
    def informational(self, head: ResponseHead) -> None:
        raise AssertionError

    @override
    def switch(self, head: ResponseHead) -> None:
        raise AssertionError

    @override
    def reset(self, fault: object) -> None:
        raise AssertionError

    @override
    def pause(self) -> None:
        raise AssertionError

    @override
    def resume(self) -> None:
        raise AssertionError


def given(
    reply: Reply, *, method: bytes = b"GET", headers: Headers | None = None, is_grpc: bool = False
) -> Given:
    answer = Given()
    head = RequestHead(
        method=method, scheme=b"http", authority=b"a", target=b"/", headers=headers or []
    )
    send(reply, answer, head, is_grpc=is_grpc)
    assert 1 == answer.ends
    return answer


REPLY = Reply(status=503, flag="x", body="nö 100%", headers=((b"a", b"b"),))


def test_a_reply_is_plain_text():
    answer = given(REPLY)
    assert (503, "nö 100%".encode()) == (answer.status, answer.content)
    assert {b"content-length": b"8", b"content-type": b"text/plain", b"a": b"b"} == answer.headers


def test_head_gets_no_body_and_neither_does_nothing():
    assert (b"", b"8") == (
        given(REPLY, method=b"HEAD").content,
        given(REPLY, method=b"HEAD").headers[b"content-length"],
    )
    empty = given(Reply(status=307, flag="x", body=""))
    assert {b"content-length": b"0"} == empty.headers


@pytest.mark.parametrize(
    ("status", "code"), [(403, b"7"), (404, b"12"), (429, b"14"), (503, b"14"), (504, b"4")]
)
def test_grpc_gets_a_status(status: int, code: bytes):
    reply = Reply(status=status, flag="x", body="nö 100%")
    for answer in (
        given(reply, is_grpc=True),
        given(reply, headers=[(b"Content-Type", b"application/grpc+proto")]),
    ):
        assert (200, b"") == (answer.status, answer.content)
        assert code == answer.headers[b"grpc-status"]
        assert b"n%C3%B6 100%25" == answer.headers[b"grpc-message"]


@pytest.mark.parametrize(
    "fault", [each for each in Fault if each not in {Fault.CLIENT, Fault.DENIED}]
)
def test_each_fault_has_an_answer(fault: Fault):
    reply = fault_reply(fault, "")
    assert reply.status in (502, 503, 504)
    assert reply.detail == reply.body
    assert "because" == fault_reply(fault, "because").detail
