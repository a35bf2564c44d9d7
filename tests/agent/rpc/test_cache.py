"""What ``?cached`` reports."""

import pytest

from agent.rpc import cache
from agent.rpc.cache import SeenReads
from agent.rpc.endpoints.catalog import ListServices, ServiceNodes
from catalog.errors import BadRequest

HIT = {"X-Cache": "HIT", "Age": "0"}
MISS = {"X-Cache": "MISS"}


def test_a_question_is_a_hit_the_second_time_whatever_its_wait():
    seen = SeenReads()

    assert seen.headers(ServiceNodes(service="web"), "") == MISS
    assert seen.headers(ServiceNodes(service="web", min_index=7, wait_ns=1), "") == HIT


def test_other_questions_are_misses():
    seen = SeenReads()
    for question in (
        ServiceNodes(service="web"),
        ServiceNodes(service="web", tags=("a",)),
        ServiceNodes(service="web", meta={"a": "b"}),
        ServiceNodes(service="db"),
        ListServices(),
    ):
        assert seen.headers(question, "") == MISS


@pytest.mark.parametrize(
    ("cache_control", "expected"),
    [
        ("max-age=0", MISS),
        ("max-age=30, stale-if-error=60", HIT),
        ("must-revalidate", MISS),
        ("no-store", HIT),
    ],
)
def test_cache_control_may_ask_for_a_fresh_answer(cache_control, expected):
    seen = SeenReads()
    seen.headers(ListServices(), "")

    assert seen.headers(ListServices(), cache_control) == expected


@pytest.mark.parametrize("cache_control", ["max-age=", "max-age=x", "stale-if-error=-1"])
def test_a_bad_cache_control_is_refused(cache_control):
    with pytest.raises(BadRequest, match="Invalid Cache-Control header"):
        SeenReads().headers(ListServices(), cache_control)


def test_the_least_recently_asked_question_is_forgotten(monkeypatch):
    monkeypatch.setattr(cache, "READS_MAX", 2)
    seen = SeenReads()
    for name in ("a", "b", "a", "c"):
        seen.headers(ServiceNodes(service=name), "")

    assert seen.headers(ServiceNodes(service="a"), "") == HIT
    assert seen.headers(ServiceNodes(service="b"), "") == MISS
    assert len(seen._seen) == 2


def test_a_long_question_takes_no_more_room_than_a_short_one():
    seen = SeenReads()
    seen.headers(ServiceNodes(service="a" * 100_000), "")

    (key,) = seen._seen
    assert len(key) == 16
