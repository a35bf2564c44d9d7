import pytest

from proxy.api import RetryPolicy
from proxy.core.retry import Outcome
from proxy.exchange_retries import Retries, outcome_of
from proxy.http import Fault, ResponseHead
from proxy.serving import Record
from tests.proxy.http_world import FACTS, World

POLICY = RetryPolicy(on=("5xx",), count=5, back_off_s=1.0, back_off_max_s=10.0)
BAD = Outcome(status=503)


def record() -> Record:
    return Record(started_s=0.0, facts=FACTS, endpoint="n0/web")


def test_a_retry_takes_of_the_budget_and_its_end_gives_back():
    web, told = World().web, record()
    retries = Retries(web, POLICY, b"GET")
    assert retries.take(BAD, told)
    assert 1 == web.budget.open
    assert {"n0/web"} == retries.tried
    assert retries.take(BAD, told)
    assert 1 == web.budget.open
    retries.end()
    retries.end()
    assert 0 == web.budget.open
    assert ["retried"] == told.flags


def test_a_stale_connection_takes_nothing_and_avoids_nobody():
    web, told = World().web, record()
    retries = Retries(web, None, b"GET")
    stale = Outcome(fault=Fault.STALE, bytes_sent=9)
    assert retries.take(stale, told)
    assert (0, frozenset(), 0.0) == (web.budget.open, retries.tried, retries.pause_s(stale, 0.5))
    assert not retries.take(stale, told)


def test_a_connection_that_could_not_be_made_takes_nothing_and_is_avoided():
    web, told = World().web, record()
    retries = Retries(web, None, b"POST")
    assert retries.take(Outcome(fault=Fault.CONNECT), told)
    assert (0, {"n0/web"}) == (web.budget.open, retries.tried)


def test_pauses_grow():
    retries = Retries(World().web, POLICY, b"GET")
    pauses = []
    for _ in range(3):
        assert retries.take(BAD, record())
        pauses.append(retries.pause_s(BAD, 0.5))
    assert [0.5, 1.5, 3.5] == pauses


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (200, [], None),
        (200, [(b"Grpc-Status", b"0")], Outcome(status=200, bytes_sent=1, grpc_status=b"0")),
        (503, [], Outcome(status=503, bytes_sent=1)),
        (
            429,
            [(b"x-envoy-ratelimited", b"true")],
            Outcome(status=429, bytes_sent=1, rate_limited=True),
        ),
    ],
)
def test_an_answer_is_an_outcome_if_it_may_be_a_failure(
    status: int, headers: list[tuple[bytes, bytes]], expected: Outcome | None
):
    head = ResponseHead(status=status, headers=headers)
    assert expected == outcome_of(head, bytes_sent=1, is_replayable=True)
