import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.request import RequestFacts, host_of
from proxy.http import Headers, RequestHead


def facts_of(
    target: bytes = b"/", headers: Headers | None = None, authority: bytes = b"web"
) -> RequestFacts:
    return RequestFacts(
        RequestHead(
            method=b"GET",
            scheme=b"https",
            authority=authority,
            target=target,
            headers=headers or [],
        )
    )


def test_target_is_taken_apart() -> None:
    facts = facts_of(b"/a/b?c=d?e")

    assert (b"/a/b", b"c=d?e", b"/a/b?c=d?e") == (facts.path, facts.query, facts.target)


def test_given_target_is_used_and_the_raw_one_kept() -> None:
    head = RequestHead(method=b"GET", scheme=b"http", authority=b"", target=b"/x/..", headers=[])

    facts = RequestFacts(head, b"/")

    assert (b"/", b"/x/..") == (facts.path, facts.raw_target)


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        (b"Web.Example", "web.example"),
        (b"web:8080", "web"),
        (b"web.", "web"),
        (b"web.:80", "web"),
        (b"[::1]:80", "[::1]"),
        (b"[::1]", "[::1]"),
        (b"", ""),
        (b"\xff", "ÿ"),
    ],
)
def test_host_has_no_port(authority: bytes, host: str) -> None:
    assert host == host_of(authority)


def test_header_is_found_in_any_case_and_repeated_ones_are_joined() -> None:
    facts = facts_of(headers=[(b"X-A", b"1"), (b"x-b", b"2"), (b"x-a", b"3")])

    assert (b"1,3", b"2", None) == (
        facts.header(b"x-a"),
        facts.header(b"x-b"),
        facts.header(b"x-c"),
    )


def test_each_value_of_a_field_can_be_had() -> None:
    head = RequestHead(
        method=b"GET",
        scheme=b"http",
        authority=b"web",
        target=b"/",
        headers=[(b"X", b"1"), (b"y", b"2"), (b"x", b"3")],
    )

    assert [b"1", b"3"] == RequestFacts(head).values(b"x")


def test_parts_of_the_head_are_headers_too() -> None:
    facts = facts_of(b"/a?b", authority=b"web:80")

    found = [
        facts.header(name) for name in (b":method", b":path", b":scheme", b":authority", b"host")
    ]

    assert [b"GET", b"/a?b", b"https", b"web:80", b"web:80"] == found


def test_cookies_are_read_from_all_fields_and_the_first_counts() -> None:
    facts = facts_of(headers=[(b"Cookie", b'a=1; b="2"'), (b"cookie", b"c=x=y;a=3; odd")])

    assert (b"1", b"2", b"x=y", None) == tuple(
        facts.cookie(name) for name in (b"a", b"b", b"c", b"odd")
    )


def test_parameters_are_decoded_and_the_first_counts() -> None:
    facts = facts_of(b"/?a=%41+b&a=2&flag&%62=1&&")

    assert (b"A b", b"", b"1", None) == tuple(
        facts.parameter(name) for name in (b"a", b"flag", b"b", b"c")
    )


def test_no_cookie_and_no_query_are_no_values() -> None:
    facts = facts_of()

    assert (None, None) == (facts.cookie(b"a"), facts.parameter(b""))


def test_headers_are_those_of_the_head() -> None:
    assert [(b"A", b"1")] == facts_of(headers=[(b"A", b"1")]).headers


@given(st.binary(), st.lists(st.tuples(st.binary(), st.binary())), st.binary())
def test_any_bytes_are_read_without_an_error(
    target: bytes, headers: Headers, authority: bytes
) -> None:
    facts = facts_of(target, headers, authority)

    facts.header(b"x")
    facts.cookie(b"x")
    facts.parameter(b"x")
    assert facts.path in facts.readings
