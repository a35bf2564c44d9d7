"""Times by which something must have happened, for things that mostly happen long before.

Each request has a few such times, and nearly all of them end unused; so a connection has one timer,
which is armed for the earliest time, never moved to a later one, and looks again when it fires.
"""

import math
from collections.abc import Callable
from typing import Final

NEVER: Final = math.inf
CallLater = Callable[[float, Callable[[], None]], Callable[[], None]]


class Timed:
    """What has a deadline: ``due_s``, monotonic. Changed through `Deadlines.set_due` only."""

    due_s: float = NEVER

    def expire(self, now_s: float) -> None:
        """The deadline is over; it was cleared."""
        raise NotImplementedError


class Deadlines:
    """The deadlines of one connection and of what is open on it."""

    __slots__ = ("_armed_s", "_call_later", "_cancel", "_now_s", "_watched")

    def __init__(self, now_s: Callable[[], float], call_later: CallLater) -> None:
        self._now_s = now_s
        self._call_later = call_later
        self._watched: dict[Timed, None] = {}
        self._armed_s = NEVER
        self._cancel: Callable[[], None] | None = None

    def set_due(self, timed: Timed, due_s: float) -> None:
        """Give ``timed`` another deadline; NEVER takes it away."""
        timed.due_s = due_s
        if due_s == NEVER:
            return
        self._watched[timed] = None
        if due_s < self._armed_s:
            self._disarm()
            self._arm(due_s)

    def drop(self, timed: Timed) -> None:
        """Forget it, for good or until it is set again."""
        timed.due_s = NEVER
        self._watched.pop(timed, None)

    def close(self) -> None:
        """Forget all."""
        self._watched.clear()
        self._disarm()

    def _arm(self, due_s: float) -> None:
        self._armed_s = due_s
        self._cancel = self._call_later(max(0.0, due_s - self._now_s()), self._fire)

    def _fire(self) -> None:
        self._armed_s, self._cancel = NEVER, None
        now_s = self._now_s()
        for timed in [timed for timed in self._watched if timed.due_s <= now_s]:
            self._expire(timed, now_s)
        next_s = min((timed.due_s for timed in self._watched), default=NEVER)
        if next_s < self._armed_s:
            self._disarm()
            self._arm(next_s)

    def _expire(self, timed: Timed, now_s: float) -> None:
        if timed.due_s <= now_s:  # an earlier one may have moved or dropped it
            self.drop(timed)
            timed.expire(now_s)

    def _disarm(self) -> None:
        if self._cancel is not None:
            self._cancel()
            self._cancel, self._armed_s = None, NEVER
