import pytest

from proxy.api import HttpOptions
from proxy.core.path import Refusal
from proxy.core.request import RequestFacts
from proxy.core.screen import screen
from proxy.http import RequestHead


def head_of(target: bytes = b"/") -> RequestHead:
    return RequestHead(
        method=b"GET",
        scheme=b"http",
        authority=b"web",
        target=target,
        headers=[(b"x_user", b"root"), (b"x-user", b"me")],
    )


def test_facts_have_the_normalised_target() -> None:
    facts = screen(head_of(b"/a/../b?c"), HttpOptions())

    assert isinstance(facts, RequestFacts)
    assert b"/b?c" == facts.target


def test_malformed_target_is_refused() -> None:
    assert Refusal(400, "the request target is malformed") == screen(head_of(b"x"), HttpOptions())


@pytest.mark.parametrize("action", ["", "ALLOW"])
def test_underscores_are_let_through_by_default(action: str) -> None:
    head = head_of()

    screen(head, HttpOptions(headers_with_underscores=action))

    assert 2 == len(head.headers)


def test_headers_with_underscores_are_dropped_if_asked_for() -> None:
    head = head_of()

    facts = screen(head, HttpOptions(headers_with_underscores="DROP_HEADER"))

    assert isinstance(facts, RequestFacts)
    assert [(b"x-user", b"me")] == head.headers == facts.headers


def test_headers_with_underscores_are_refused_if_asked_for() -> None:
    refused = screen(head_of(), HttpOptions(headers_with_underscores="REJECT_REQUEST"))

    assert Refusal(400, "a header's name has an underscore") == refused
