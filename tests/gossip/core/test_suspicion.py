import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.suspicion import (
    Suspicion,
    confirmations_max,
    suspicion_min_s,
    suspicion_timeout_s,
)
from tests.gossip.core.solo import vector

INTERVALS_S = {4: 1.0, 6: 5.0, 3: 1.0}


@pytest.mark.parametrize(("mult", "count", "seconds"), vector("table_suspicion_min_seconds"))
def test_minimum_grows_with_the_logarithm_of_the_pool_cut_to_three_decimals(mult, count, seconds):
    assert seconds == pytest.approx(suspicion_min_s(mult, count, INTERVALS_S[mult]), abs=1e-9)


@pytest.mark.parametrize("row", vector("table_remaining_suspicion_ms"))
def test_confirmations_shorten_the_timeout_as_in_lifeguard(row):
    """Lifeguard, arXiv:1707.00788, LHA-Suspicion."""
    confirmations, wanted, elapsed_ms, min_ms, max_ms, remaining_ms = row

    timeout_s = suspicion_timeout_s(confirmations, wanted, min_ms / 1000, max_ms / 1000)

    assert remaining_ms == pytest.approx(timeout_s * 1000 - elapsed_ms, abs=1e-6)


@given(st.integers(0, 10), st.integers(0, 10), st.floats(0.1, 100), st.floats(1, 6))
def test_timeout_stays_between_its_bounds(confirmations, wanted, min_s, factor):
    timeout_s = suspicion_timeout_s(confirmations, wanted, min_s, min_s * factor)

    assert min_s <= timeout_s <= max(min_s, min_s * factor)


def test_no_confirmations_are_awaited_when_too_few_others_could_give_them():
    assert [0, 0, 2, 2] == [confirmations_max(4, count) for count in (2, 3, 4, 20)]


def suspicion(wanted: int) -> Suspicion:
    return Suspicion(
        first="b", incarnation=1, confirmations_max=wanted, min_s=4.0, max_s=24.0, now=100.0
    )


def test_first_accuser_confirms_nothing():
    one = suspicion(2)

    assert not one.confirm("b")
    assert 124.0 == one.deadline()


def test_each_other_accuser_counts_once_and_only_as_many_as_wanted():
    one = suspicion(2)

    assert [True, False, True, False] == [one.confirm(name) for name in "ccde"]
    assert 104.0 == one.deadline()


def test_without_wanted_confirmations_the_minimum_holds_from_the_start():
    assert 104.0 == suspicion(0).deadline()
