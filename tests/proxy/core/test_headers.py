import uuid
from random import Random

import pytest

from proxy.api import HeaderEdits
from proxy.core.headers import Hop, edited, forwarded, request_id
from proxy.http import Headers


def hop(**more: object) -> Hop:
    fields = {"address": b"10.0.0.9", "scheme": b"http", "is_edge": True} | more
    return Hop(**fields)  # type: ignore[arg-type]


def values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for each, value in headers if each.lower() == name]


def through(headers: Headers, at: Hop) -> Headers:
    return forwarded(headers, at, lambda: 0.25)


def test_a_request_without_anything_gets_all():
    headers = through([(b"Accept", b"*/*")], hop())
    assert (b"Accept", b"*/*") == headers[0]
    assert [b"10.0.0.9"] == values(headers, b"x-forwarded-for")
    assert [b"http"] == values(headers, b"x-forwarded-proto")
    assert 36 == len(values(headers, b"x-request-id")[0])
    assert [] == values(headers, b"x-forwarded-client-cert")


@pytest.mark.parametrize(
    ("came", "is_edge", "goes"),
    [
        ([], True, [b"10.0.0.9"]),
        ([], False, [b"10.0.0.9"]),
        ([b"1.1.1.1"], True, [b"1.1.1.1,10.0.0.9"]),
        ([b"1.1.1.1", b"2.2.2.2"], True, [b"1.1.1.1,2.2.2.2,10.0.0.9"]),
        ([b"1.1.1.1"], False, [b"1.1.1.1"]),
    ],
)
def test_a_client_is_added_once(came: list[bytes], is_edge: bool, goes: list[bytes]):
    headers = through([(b"X-Forwarded-For", each) for each in came], hop(is_edge=is_edge))
    assert goes == values(headers, b"x-forwarded-for")


def test_a_unix_socket_has_no_address():
    assert [] == values(through([], hop(address=b"")), b"x-forwarded-for")
    kept = through([(b"X-Forwarded-For", b"1.1.1.1")], hop(address=b""))
    assert [b"1.1.1.1"] == values(kept, b"x-forwarded-for")


def test_what_came_of_scheme_and_id_stays():
    headers: Headers = [(b"X-Request-Id", b"mine"), (b"x-forwarded-proto", b"https")]
    through(headers, hop())
    assert [b"mine"] == values(headers, b"x-request-id")
    assert [b"https"] == values(headers, b"x-forwarded-proto")


@pytest.mark.parametrize(
    ("came", "cert", "drops", "goes"),
    [
        (b"", b"", False, []),
        (b"URI=a", b"", False, [b"URI=a"]),
        (b"", b"URI=b", False, [b"URI=b"]),
        (b"URI=a", b"URI=b", False, [b"URI=a,URI=b"]),
        (b"URI=a", b"URI=b", True, [b"URI=b"]),
        (b"URI=a", b"", True, []),
    ],
)
def test_the_client_certificate_is_appended_or_what_came_is_dropped(
    came: bytes, cert: bytes, drops: bool, goes: list[bytes]
):
    headers = [(b"X-Forwarded-Client-Cert", came)] if came else []
    headers = through(headers, hop(client_cert=cert, drops_client_cert=drops))
    assert goes == values(headers, b"x-forwarded-client-cert")


def test_ids_are_random_uuids():
    random = Random(1).random
    ids = [request_id(random).decode() for _ in range(100)]
    assert 100 == len(set(ids))
    assert {4} == {uuid.UUID(each).version for each in ids}
    assert ids == [str(uuid.UUID(each)) for each in ids]


def test_edits_remove_then_set_then_add():
    headers = [(b"A", b"1"), (b"b", b"2"), (b"C", b"3")]
    edits = HeaderEdits(add=(("a", "x"), ("D", "é")), set=(("B", "y"),), remove=("c",))
    expected = [(b"A", b"1"), (b"B", b"y"), (b"a", b"x"), (b"D", "é".encode())]
    assert expected == edited(headers, edits)
    assert 3 == len(headers)
    assert headers is edited(headers, HeaderEdits())


def test_edits_cannot_change_the_framing_or_the_host():
    headers = [(b"Content-Length", b"1")]
    edits = HeaderEdits(
        add=(("Host", "x"), ("Transfer-Encoding", "chunked")),
        set=(("content-length", "9"), ("Connection", "close")),
        remove=("Content-Length",),
    )
    assert headers == edited(headers, edits)


def test_an_edit_that_would_be_another_header_is_not_made():
    edits = HeaderEdits(add=(("X", "a\r\nY: b"), ("Z z", "c"), ("W", "d")))
    assert [(b"W", b"d")] == edited([], edits)
