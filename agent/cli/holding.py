"""What a lock and a semaphore have in common: waits, deadlines, and how a loss is noticed."""

import threading
from collections.abc import Callable
from typing import Final, Protocol

from agent.cli.client import Query
from agent.cli.failure import ApiError, TransportError
from agent.clock import monotonic_s

WAIT_S: Final = 15.0  # one blocking query of a waiting contender
LOCK_DELAY_RETRY_S: Final = 5.0  # between tries while the servers enforce a lock-delay
MONITOR_RETRY_S: Final = 1.0  # between checks of a held lock while the servers are unwell
_SERVER_FAULT: Final = 500


class Holding(Protocol):
    """A place among a limited number of holders."""

    def acquire(self, deadline: "Deadline") -> bool:
        """Wait for the place; False when the deadline passed first. Raises Failure."""

    def await_loss(self) -> None:
        """Return when the place is no longer ours. Raises Failure."""

    def release(self) -> None:
        """Give the place back. Raises Failure."""

    def tidy(self) -> bool:
        """Remove what nobody uses any more; False when others still use it."""


class Deadline:
    """A moment to give up; ``limit_s`` 0 never comes."""

    def __init__(self, limit_s: float) -> None:
        self._ends_s = monotonic_s() + limit_s if limit_s else None

    def remaining_s(self, wanted_s: float) -> float:
        """Return ``wanted_s`` or what is left, whichever is less; 0 when it has passed."""
        if self._ends_s is None:
            return wanted_s
        return max(0.0, min(wanted_s, self._ends_s - monotonic_s()))

    def passed(self) -> bool:
        """Whether the moment has come."""
        return self.remaining_s(1.0) <= 0

    def sleep(self, wanted_s: float) -> None:
        """Wait, but not beyond the deadline."""
        threading.Event().wait(self.remaining_s(wanted_s))


def waiting(index: int, deadline: Deadline) -> Query:
    """Return the query of a blocking read; it is never longer than the deadline allows."""
    wait_ms = max(1, round(deadline.remaining_s(WAIT_S) * 1000))
    return [("index", str(index)), ("wait", f"{wait_ms}ms")] if index else []


def watch_until(is_lost: Callable[[int], int | None], retries_max: int) -> None:
    """Call ``is_lost`` with the last index until it returns None.

    ``is_lost`` does one consistent blocking read and returns its index while all is well.
    Server faults and broken connections are borne ``retries_max`` times in a row.
    """
    index, failures = 0, 0
    while True:
        try:
            found = is_lost(index)
        except (ApiError, TransportError) as error:
            if isinstance(error, ApiError) and error.status < _SERVER_FAULT:
                raise
            failures += 1
            if failures > retries_max:
                raise
            threading.Event().wait(MONITOR_RETRY_S)
            continue
        if found is None:
            return
        index, failures = found, 0
