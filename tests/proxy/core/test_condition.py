import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.api import HeaderMatch
from proxy.core.condition import header_test, pattern
from proxy.core.request import RequestFacts
from proxy.http import RequestHead


def facts_of(*values: bytes) -> RequestFacts:
    head = RequestHead(
        method=b"GET",
        scheme=b"http",
        authority=b"web:80",
        target=b"/a",
        headers=[(b"X-Role", value) for value in values],
    )
    return RequestFacts(head)


@pytest.mark.parametrize(
    ("match", "value", "expected"),
    [
        (HeaderMatch(name="X-role", exact="admin"), b"admin", True),
        (HeaderMatch(name="x-role", exact="admin"), b"Admin", False),
        (HeaderMatch(name="x-role", exact="Admin", ignore_case=True), b"aDMIN", True),
        (HeaderMatch(name="x-role", prefix="ad"), b"admin", True),
        (HeaderMatch(name="x-role", prefix="AD", ignore_case=True), b"admin", True),
        (HeaderMatch(name="x-role", suffix="min"), b"admin", True),
        (HeaderMatch(name="x-role", suffix="ad"), b"admin", False),
        (HeaderMatch(name="x-role", contains="dmi"), b"admin", True),
        (HeaderMatch(name="x-role", contains="DMI", ignore_case=True), b"admin", True),
        (HeaderMatch(name="x-role", regex="ad|admin"), b"admin", True),
        (HeaderMatch(name="x-role", regex="dmi"), b"admin", False),
        (HeaderMatch(name="x-role", regex="ADMIN", ignore_case=True), b"admin", True),
        (HeaderMatch(name="x-role", exact="é"), "é".encode(), True),
        (HeaderMatch(name="x-role", present=True), b"", True),
        (HeaderMatch(name="x-role"), b"", True),
        (HeaderMatch(name="x-role"), b"x", False),
    ],
)
def test_header_is_compared(match: HeaderMatch, value: bytes, expected: bool) -> None:
    inverted = HeaderMatch(
        **{name: getattr(match, name) for name in match.__struct_fields__} | {"invert": True}
    )

    assert expected == header_test(match)(facts_of(value))
    assert expected != header_test(inverted)(facts_of(value))


def test_missing_header_meets_no_comparison() -> None:
    assert not header_test(HeaderMatch(name="x-role", exact="a"))(facts_of())
    assert not header_test(HeaderMatch(name="x-role", exact="a", invert=True))(facts_of())


def test_missing_header_may_count_as_another_value() -> None:
    match = HeaderMatch(name="x-role", exact="a", invert=True)

    assert header_test(match, when_unclear=True)(facts_of())
    assert not header_test(HeaderMatch(name="x-role", exact="a"), when_unclear=True)(facts_of())


def test_absence_can_be_asked_for() -> None:
    absent = header_test(HeaderMatch(name="x-role", present=True, invert=True))

    assert absent(facts_of())
    assert not absent(facts_of(b"a"))


def test_repeated_headers_are_one_value() -> None:
    assert header_test(HeaderMatch(name="x-role", exact="a,b"))(facts_of(b"a", b"b"))


def test_saying_a_header_twice_does_not_get_around_a_denial() -> None:
    denied = header_test(HeaderMatch(name="x-role", exact="admin"), when_unclear=True)

    assert denied(facts_of(b"admin", b"user"))
    assert denied(facts_of(b"user", b"admin"))
    assert not denied(facts_of(b"user", b"user"))


def test_authority_is_a_header() -> None:
    assert header_test(HeaderMatch(name=":authority", exact="web:80"))(facts_of())


def test_a_dot_takes_whatever_there_is() -> None:
    assert matches("/a.*", b"/a\xff\n")


def matches(expression: str, value: bytes, *, ignore_case: bool = False) -> bool:
    compiled = pattern(expression, ignore_case=ignore_case)
    assert compiled is not None
    return compiled(value)


def test_pattern_takes_re2_and_the_whole_text() -> None:
    assert matches(r"/v\d+/.*", b"/v12/x")
    assert not matches("/v1", b"/v1/x")
    assert matches("/É", "/é".encode(), ignore_case=True)


@pytest.mark.parametrize("text", ["(", r"(a)\1", "(?=a)"])
def test_what_is_no_pattern_is_told(text: str) -> None:
    assert pattern(text) is None


@pytest.mark.parametrize("invert", [True, False])
@pytest.mark.parametrize("unclear", [True, False])
def test_header_without_a_pattern_is_unclear(unclear: bool, invert: bool) -> None:
    match = HeaderMatch(name="x-role", regex="(", invert=invert)

    assert unclear == header_test(match, when_unclear=unclear)(facts_of(b"("))


@given(st.binary())
def test_any_bytes_can_be_matched(value: bytes) -> None:
    assert matches(r"(?s)\C*", value)
    assert not matches("never", value) or value == b"never"
