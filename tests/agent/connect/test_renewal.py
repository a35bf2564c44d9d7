from random import Random

from hypothesis import given
from hypothesis import strategies as st

from agent.connect import renewal

LIVES = st.floats(1.0, 1e9)
NUMBERS = st.integers()


@given(LIVES, NUMBERS)
def test_a_leaf_is_renewed_between_60_and_90_percent_of_its_life(life_s, seed):
    due_s = renewal.leaf_due_s(1000.0, 1000.0 + life_s, Random(seed))

    assert 0.6 - 1e-6 <= (due_s - 1000.0) / life_s <= 0.9 + 1e-6


@given(LIVES, st.floats(3.0, 1000.0))
def test_every_leaf_of_a_root_ends_before_the_root_does(leaf_life_s, leaf_lives):
    """The last leaf is signed just before the next root takes over."""
    root_end_s = leaf_lives * leaf_life_s

    due_s = renewal.root_due_s(0.0, root_end_s, leaf_life_s)

    assert 0 < due_s
    assert due_s + leaf_life_s <= root_end_s


def test_a_root_of_ten_years_is_followed_a_year_before_its_end():
    assert renewal.root_due_s(0.0, 3650.0, 3.0) == 3285.0
    assert renewal.root_due_s(0.0, 3650.0, 365.0) == 3650.0 - 3 * 365.0


def test_an_intermediate_is_renewed_half_way():
    assert renewal.intermediate_due_s(100.0, 300.0) == 200.0


def test_three_quarters_of_a_life_without_renewal_are_alarming():
    assert not renewal.is_alarming(0.0, 100.0, 75.0)
    assert renewal.is_alarming(0.0, 100.0, 76.0)


def test_pauses_grow_and_end_growing():
    rng = Random(1)

    assert [renewal.retry_in_s(failures) for failures in (1, 2, 3, 50)] == [5.0, 10.0, 20.0, 300.0]
    assert max(renewal.busy_retry_in_s(1, rng) for _ in range(100)) > 25.0
    assert 30.0 < max(renewal.busy_retry_in_s(2, rng) for _ in range(100)) <= 60.0
    assert max(renewal.busy_retry_in_s(1000, rng) for _ in range(100)) <= 300.0
