import pytest

from proxy.api import Outlier
from proxy.core.outlier import Health, may_eject

OUTLIER = Outlier(failures_max=3, ejection_s=30.0, ejection_s_max=70.0, interval_s=10.0)


def test_so_many_failures_in_a_row_are_enough() -> None:
    health = Health()

    assert [False, False, True] == [health.failed(OUTLIER) for _ in range(3)]


def test_success_begins_the_row_anew() -> None:
    health = Health()
    health.failed(OUTLIER)
    health.failed(OUTLIER)
    health.succeeded()

    assert [False, False, True] == [health.failed(OUTLIER) for _ in range(3)]


def test_no_number_of_failures_is_enough_for_zero() -> None:
    health = Health()

    assert not any(health.failed(Outlier(failures_max=0)) for _ in range(100))


def test_ejected_endpoint_comes_back_after_its_time() -> None:
    health = Health()

    health.eject(OUTLIER, 100.0)

    assert [True, True, False] == [health.is_ejected(now) for now in (100.0, 129.9, 130.0)]
    assert 0 == health.failures


def test_ejections_grow_longer_up_to_the_maximum() -> None:
    health = Health()
    times_s = []
    now_s = 0.0
    for _ in range(4):
        health.eject(OUTLIER, now_s)
        times_s.append(health.ejected_until_s - now_s)
        now_s = health.ejected_until_s

    assert [30.0, 60.0, 70.0, 70.0] == times_s


def test_ejections_are_forgotten_one_each_quiet_interval() -> None:
    health = Health()
    health.eject(OUTLIER, 0.0)
    health.eject(OUTLIER, 30.0)  # until 90

    health.eject(OUTLIER, 101.0)

    assert 101.0 + 60.0 == health.ejected_until_s


def test_longest_ejection_is_never_below_the_first() -> None:
    health = Health()

    health.eject(Outlier(ejection_s=30.0, ejection_s_max=1.0), 0.0)

    assert 30.0 == health.ejected_until_s


def test_restored_endpoint_is_back_at_once() -> None:
    health = Health()
    health.eject(OUTLIER, 0.0)

    health.restore()

    assert not health.is_ejected(0.0)


@pytest.mark.parametrize(
    ("percent", "total", "expected"),
    [(10.0, 1, 1), (0.0, 5, 1), (10.0, 19, 1), (10.0, 20, 2), (50.0, 5, 2), (100.0, 5, 5)],
)
def test_at_most_a_share_is_ejected_but_never_less_than_one(
    percent: float, total: int, expected: int
) -> None:
    outlier = Outlier(ejected_percent_max=percent)

    assert expected == sum(may_eject(outlier, ejected, total, 0.0) for ejected in range(total))


def test_enforcement_is_drawn() -> None:
    outlier = Outlier(enforcing_percent=50.0)

    assert [True, False] == [may_eject(outlier, 0, 9, draw) for draw in (0.49, 0.5)]
    assert not may_eject(Outlier(enforcing_percent=0.0), 0, 9, 0.0)
