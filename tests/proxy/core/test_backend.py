import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.api import Endpoint
from proxy.core.backend import (
    FAILURE_LATENCY_S,
    LATENCY_DECAY_S,
    LATENCY_PRIOR_S,
    Backend,
    weight_of,
)


def backend_of(rtt_s: float = 0.0, weight: int = 1) -> Backend:
    return Backend(Endpoint(id="n/web", rtt_s=rtt_s, weight=weight), 0.0)


def test_newcomer_has_the_latency_of_its_distance_or_a_prior() -> None:
    assert 0.2 == backend_of(rtt_s=0.2).latency_s(0.0)
    assert LATENCY_PRIOR_S == backend_of().latency_s(0.0)


def test_slower_answer_counts_at_once_and_faster_ones_by_and_by() -> None:
    backend = backend_of(rtt_s=0.1)

    backend.observe(0.5, 0.0, failed=False)
    peak = backend.latency_s(0.0)
    backend.observe(0.1, 1.0, failed=False)

    assert 0.5 == peak
    assert 0.45 < backend.latency_s(1.0) < 0.5


def test_latency_is_worn_down_by_time() -> None:
    assert pytest.approx(0.1 / 2.71828, rel=1e-4) == backend_of(rtt_s=0.1).latency_s(
        LATENCY_DECAY_S
    )


def test_failing_fast_counts_as_slow() -> None:
    backend = backend_of()

    backend.observe(0.001, 0.0, failed=True)

    assert FAILURE_LATENCY_S == backend.latency_s(0.0)


def test_cost_grows_with_open_requests_and_falls_with_weight() -> None:
    backend, heavy = backend_of(rtt_s=0.1), backend_of(rtt_s=0.1, weight=2)
    backend.active = heavy.active = 3

    assert (pytest.approx(0.4), pytest.approx(0.2)) == (backend.cost(0.0), heavy.cost(0.0))


@pytest.mark.parametrize(("weight", "expected"), [(-1, 1), (0, 1), (5, 5), (1000, 128)])
def test_weights_are_in_range(weight: int, expected: int) -> None:
    assert expected == weight_of(Endpoint(id="x", weight=weight))


def test_change_keeps_what_is_known() -> None:
    backend = backend_of(rtt_s=0.1)
    backend.active = 2
    backend.observe(0.5, 0.0, failed=False)

    backend.change(Endpoint(id="n/web", weight=7))

    assert (7, 2, 0.5) == (backend.weight, backend.active, backend.latency_s(0.0))


@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 100), st.booleans()), min_size=1, max_size=20)
)
def test_latency_stays_between_what_was_seen(
    samples: list[tuple[float, float, bool]],
) -> None:
    backend = backend_of()
    now_s = 0.0
    for latency_s, pause_s, failed in samples:
        now_s += pause_s
        backend.observe(latency_s, now_s, failed=failed)

    highest = max(max(sample, FAILURE_LATENCY_S) for sample, _, _ in samples)
    assert 0 <= backend.latency_s(now_s) <= highest * 1.000001
