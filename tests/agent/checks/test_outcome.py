import pytest

from agent.checks.definition import CheckType
from agent.checks.outcome import Outcome, Thresholds, by_exit_code, critical, passing
from catalog.rows.check import CRITICAL, PASSING, WARNING


def settle(thresholds, statuses):
    return [thresholds.settle(Outcome(status, "")) for status in statuses]


def test_first_finding_is_reported_whatever_the_thresholds():
    definition = CheckType(success_before_passing=3, failures_before_critical=3)

    assert Thresholds(definition).settle(passing("")) == PASSING
    assert Thresholds(definition).settle(critical("")) == CRITICAL


def test_alternating_findings_never_change_the_status():
    thresholds = Thresholds(CheckType(success_before_passing=3, failures_before_critical=3))
    thresholds.settle(passing(""))

    reported = settle(thresholds, [CRITICAL, PASSING] * 5)

    assert {None} == set(reported)


def test_third_failure_in_a_row_is_critical_and_third_success_passing():
    thresholds = Thresholds(CheckType(success_before_passing=3, failures_before_critical=3))
    thresholds.settle(passing(""))

    assert settle(thresholds, [CRITICAL] * 3) == [None, None, CRITICAL]
    assert settle(thresholds, [PASSING] * 3) == [None, None, PASSING]


def test_warning_counts_as_a_success():
    thresholds = Thresholds(CheckType(success_before_passing=2, failures_before_critical=2))
    thresholds.settle(critical(""))

    assert settle(thresholds, [PASSING, WARNING]) == [None, WARNING]
    assert settle(thresholds, [CRITICAL, WARNING, CRITICAL]) == [None, None, None]


def test_failures_before_warning_warns_until_critical():
    thresholds = Thresholds(CheckType(failures_before_warning=2, failures_before_critical=4))
    thresholds.settle(passing(""))

    assert settle(thresholds, [CRITICAL] * 4) == [None, WARNING, WARNING, CRITICAL]


@pytest.mark.parametrize("threshold", [0, 1])
def test_zero_and_one_apply_at_once(threshold):
    thresholds = Thresholds(
        CheckType(success_before_passing=threshold, failures_before_critical=threshold)
    )

    assert settle(thresholds, [PASSING, CRITICAL, PASSING]) == [PASSING, CRITICAL, PASSING]


def test_outcome_at_once_skips_the_thresholds():
    thresholds = Thresholds(CheckType(failures_before_critical=3))
    thresholds.settle(passing(""))

    assert thresholds.settle(Outcome(CRITICAL, "", at_once=True)) == CRITICAL


@pytest.mark.parametrize(
    ("exit_code", "expected"), [(0, PASSING), (1, WARNING), (2, CRITICAL), (-9, CRITICAL)]
)
def test_exit_codes_follow_the_plug_in_convention(exit_code, expected):
    assert expected == by_exit_code(exit_code, "").status
