import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.api import RetryBudget, RetryPolicy
from proxy.core.retry import IDEMPOTENT, Budget, Outcome, back_off_s, retry_reason
from proxy.http import Fault

EVERYTHING = RetryPolicy(
    on=("5xx", "gateway-error", "reset", "connect-failure", "retriable-4xx", "refused-stream"),
    status_codes=(200,),
    count=3,
)
METHODS = st.sampled_from([b"GET", b"HEAD", b"PUT", b"DELETE", b"POST", b"PATCH", b"LOCK"])
OUTCOMES = st.builds(
    Outcome,
    status=st.sampled_from([0, 200, 409, 500, 503]),
    fault=st.none() | st.sampled_from(Fault),
    bytes_sent=st.sampled_from([0, 1]),
    is_replayable=st.booleans(),
)


def failed(fault: Fault, bytes_sent: int = 100) -> Outcome:
    return Outcome(fault=fault, bytes_sent=bytes_sent)


# Safety (px-03: retries must not repeat a POST).


@given(METHODS, OUTCOMES, st.sampled_from([None, EVERYTHING]), st.integers(0, 5))
def test_what_may_have_had_an_effect_is_never_repeated(
    method: bytes, outcome: Outcome, policy: RetryPolicy | None, retries: int
) -> None:
    was_untouched = outcome.fault in {Fault.CONNECT, Fault.REFUSED} or (
        outcome.fault is not None and outcome.bytes_sent == 0
    )

    if retry_reason(policy, method, outcome, retries) is not None:
        assert method in IDEMPOTENT or was_untouched
        assert outcome.is_replayable
        assert outcome.fault not in {Fault.CLIENT, Fault.OVERFLOW}
        assert retries < (policy.count if policy else 1)


@pytest.mark.parametrize("policy", [None, EVERYTHING])
@pytest.mark.parametrize("method", [b"POST", b"PATCH", b"UNKNOWN", b"get"])
def test_post_on_a_stale_connection_is_repeated_only_if_nothing_was_sent(
    policy: RetryPolicy | None, method: bytes
) -> None:
    assert retry_reason(policy, method, failed(Fault.STALE, bytes_sent=1), 0) is None
    assert retry_reason(policy, method, failed(Fault.STALE, bytes_sent=0), 0)
    assert retry_reason(policy, method, failed(Fault.CONNECT, bytes_sent=0), 0)
    assert retry_reason(policy, method, failed(Fault.REFUSED), 0)


@pytest.mark.parametrize("status", [409, 500, 503])
def test_answered_post_is_not_repeated(status: int) -> None:
    assert retry_reason(EVERYTHING, b"POST", Outcome(status=status, bytes_sent=9), 0) is None


# Without a policy.


@pytest.mark.parametrize("fault", [Fault.CONNECT, Fault.STALE, Fault.REFUSED])
def test_dead_connection_is_tried_once_more_without_a_policy(fault: Fault) -> None:
    assert fault.value == retry_reason(None, b"GET", failed(fault), 0)
    assert retry_reason(None, b"GET", failed(fault), 1) is None
    assert fault.value == retry_reason(RetryPolicy(on=("5xx",), count=0), b"GET", failed(fault), 0)


@pytest.mark.parametrize(
    "outcome",
    [failed(Fault.RESET), failed(Fault.TIMEOUT), failed(Fault.PROTOCOL), Outcome(status=503)],
)
def test_other_failures_are_not_repeated_without_a_policy(outcome: Outcome) -> None:
    assert retry_reason(None, b"GET", outcome, 0) is None


# The policy's words.


@pytest.mark.parametrize(
    ("word", "matching", "other"),
    [
        ("5xx", Outcome(status=500), Outcome(status=499)),
        ("5xx", failed(Fault.TIMEOUT), Outcome(status=200)),
        ("gateway-error", Outcome(status=502), Outcome(status=500)),
        ("gateway-error", failed(Fault.RESET), Outcome(status=505)),
        ("reset", failed(Fault.RESET), Outcome(status=503)),
        ("connect-failure", failed(Fault.CONNECT), failed(Fault.RESET)),
        ("refused-stream", failed(Fault.REFUSED), failed(Fault.RESET)),
        ("retriable-4xx", Outcome(status=409), Outcome(status=400)),
        ("envoy-ratelimited", Outcome(status=429, rate_limited=True), Outcome(status=429)),
        ("cancelled", Outcome(status=200, grpc_status=b"1"), Outcome(status=200)),
        ("deadline-exceeded", Outcome(grpc_status=b"4"), Outcome(grpc_status=b"1")),
        ("resource-exhausted", Outcome(grpc_status=b"8"), Outcome(grpc_status=b"0")),
        ("internal", Outcome(grpc_status=b"13"), Outcome(grpc_status=b"14")),
        ("unavailable", Outcome(grpc_status=b"14"), Outcome(grpc_status=b"13")),
    ],
)
def test_word_matches_its_outcomes(word: str, matching: Outcome, other: Outcome) -> None:
    policy = RetryPolicy(on=("unknown", word))

    assert word == retry_reason(policy, b"GET", matching, 0)
    assert retry_reason(policy, b"GET", other, 0) is None


def test_status_codes_are_words_too() -> None:
    policy = RetryPolicy(status_codes=(418,))

    assert "retriable-status-codes" == retry_reason(policy, b"GET", Outcome(status=418), 0)
    assert retry_reason(policy, b"GET", Outcome(status=500), 0) is None


def test_retries_are_counted() -> None:
    policy = RetryPolicy(on=("5xx",), count=2)

    reasons = [retry_reason(policy, b"GET", Outcome(status=500), made) for made in range(3)]

    assert ["5xx", "5xx", None] == reasons


# When.


def test_back_off_doubles_up_to_the_maximum() -> None:
    policy = RetryPolicy(back_off_s=0.1, back_off_max_s=0.5)

    longest = [back_off_s(policy, retries, 1.0) for retries in (0, 1, 2, 1000)]

    assert [0.1, pytest.approx(0.3), 0.5, 0.5] == longest


@given(st.integers(0, 100), st.floats(0, 1, exclude_max=True))
def test_back_off_is_spread_from_nothing_up(retries: int, random: float) -> None:
    policy = RetryPolicy()

    assert 0 <= back_off_s(policy, retries, random) <= policy.back_off_max_s


def test_retry_without_a_policy_is_made_at_once() -> None:
    assert 0.0 == back_off_s(None, 0, 0.9)


# The budget.


def test_budget_is_a_share_of_the_active_requests() -> None:
    budget = Budget(RetryBudget(percent=20.0, per_second_min=0.0), 0.0)

    assert [True, True, False] == [budget.take(10, 0.0) for _ in range(3)]
    budget.give_back()
    assert budget.take(10, 0.0)


def test_budget_has_a_minimum_per_second() -> None:
    budget = Budget(RetryBudget(percent=20.0, per_second_min=2.0), 0.0)

    assert [True, True, False] == [budget.take(1, 0.0) for _ in range(3)]
    assert [True, True, False] == [budget.take(0, 1.0) for _ in range(3)]


def test_budget_holds_over_back_off_until_given_back() -> None:
    budget = Budget(RetryBudget(percent=10.0, per_second_min=0.0), 0.0)
    budget.take(10, 0.0)

    assert not budget.take(10, 1000.0)


def test_open_retries_outlast_a_change_of_the_budget() -> None:
    budget = Budget(RetryBudget(percent=100.0, per_second_min=0.0), 0.0)
    budget.take(2, 0.0)

    budget.change(RetryBudget(percent=50.0, per_second_min=0.0), 0.0)

    assert not budget.take(2, 0.0)
    assert 1 == budget.open


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 50)), max_size=200))
def test_budget_is_never_overdrawn(steps: list[tuple[bool, int]]) -> None:
    budget = Budget(RetryBudget(percent=20.0, per_second_min=3.0), 0.0)
    extra = 0
    for takes, active in steps:
        if takes and budget.take(active, 0.0):
            extra += budget.open > active * 0.2
        elif budget.open:
            budget.give_back()

    assert extra <= 3


@pytest.mark.parametrize(
    ("word", "outcome", "expected"),
    [
        ("unavailable", Outcome(grpc_status=b"14", bytes_sent=9), "unavailable"),
        ("unavailable", Outcome(grpc_status=b"14", bytes_sent=9, is_replayable=False), None),
        ("5xx", Outcome(status=503, bytes_sent=9), None),
        ("reset", Outcome(fault=Fault.RESET, bytes_sent=9), None),
    ],
)
def test_a_call_of_grpc_is_repeated_if_the_policy_names_its_status(
    word: str, outcome: Outcome, expected: str | None
) -> None:
    assert expected == retry_reason(RetryPolicy(on=(word,)), b"POST", outcome, 0)
