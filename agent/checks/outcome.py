"""What one run of a check finds, and how successive findings become a status.

Source: Consul API, success_before_passing, failures_before_warning, failures_before_critical.
"""

from typing import Protocol

import msgspec

from agent.checks.definition import CheckType
from catalog.rows.check import CRITICAL, PASSING, WARNING


class Outcome(msgspec.Struct, frozen=True):
    """The finding of one run. ``at_once`` skips the thresholds (a script that timed out)."""

    status: str
    output: str
    at_once: bool = False


class Probe(Protocol):
    """One kind of check, ready to run. A run ends within the check's timeout and never raises
    for what the world does: that is a critical outcome.
    """

    async def run(self) -> Outcome:
        """Look once."""
        ...


def passing(output: str) -> Outcome:
    """What was looked at is well."""
    return Outcome(PASSING, output)


def critical(output: str) -> Outcome:
    """What was looked at is not well, for the reason in ``output``."""
    return Outcome(CRITICAL, output)


def by_exit_code(exit_code: int, output: str) -> Outcome:
    """The monitoring plug-in convention: 0 passing, 1 warning, anything else critical."""
    match exit_code:
        case 0:
            return Outcome(PASSING, output)
        case 1:
            return Outcome(WARNING, output)
        case _:
            return Outcome(CRITICAL, output)


class Thresholds:
    """How many findings of one kind in a row it takes to change the status.

    A warning counts as a success. Both counters start at their threshold, so that the first
    finding is reported at once; afterwards each kind resets the counter of the other.
    """

    def __init__(self, definition: CheckType) -> None:
        self._success_min = definition.success_before_passing
        self._critical_min = definition.failures_before_critical
        self._warning_min = definition.failures_before_warning or self._critical_min
        self._successes = self._success_min
        self._failures = self._critical_min

    def settle(self, outcome: Outcome) -> str | None:
        """The status to report now, or None while the count is too low."""
        if outcome.at_once:
            return outcome.status
        if outcome.status in {PASSING, WARNING}:
            self._successes += 1
            self._failures = 0
            return outcome.status if self._successes >= self._success_min else None
        self._failures += 1
        self._successes = 0
        if self._failures >= self._critical_min:
            return outcome.status
        return WARNING if self._failures >= self._warning_min else None
