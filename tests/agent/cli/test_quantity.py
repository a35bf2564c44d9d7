"""Claims about short times and amounts."""

import pytest

from agent.cli.quantity import age, amount, duration


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0.423, "0.42ms"), (9.9, "9.9ms"), (17.4, "17ms"), (999.0, "999ms"), (10_000.0, "10.0s")],
)
def test_durations_are_short(milliseconds, text):
    assert text == duration(milliseconds)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (119, "119s"), (900, "15m"), (10_800, "3h"), (10**6, "12d")]
)
def test_ages_have_the_greatest_unit_that_there_is_two_of(seconds, text):
    assert text == age(seconds)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0K"), (1024 * 20, "20K"), (5 * 1024**4, "5.0T")],
)
def test_amounts_have_a_unit(count, text):
    assert text == amount(count)
