"""The one timer of the log: rings at the deadline of the rules, and not before messages were heard.

Deadlines mostly move away, so a timer that is set already and comes early is left alone; it finds
nothing to do and is set again. One that comes late means that the process was paused: what waits in
the sockets may say that nobody is missing, so it is looked at first.
"""

import asyncio
from collections.abc import Callable
from typing import Final

LATE_S: Final = 0.05  # far more than a busy turn of the loop takes
DRAIN_S: Final = 0.001  # one look at the sockets


class Alarm:
    """Calls ``ring`` at or before the newest deadline; ``now`` is the clock that they are in."""

    def __init__(self, ring: Callable[[], None], now: Callable[[], float]) -> None:
        self._call_back = ring
        self._now = now
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0

    def arm(self, deadline: float | None) -> None:
        """Ring at ``deadline`` at the latest; None: there is nothing to wait for."""
        if deadline is None:
            return
        if self._timer is not None:
            if self._deadline <= deadline:
                return
            self._timer.cancel()
        self._deadline = deadline
        delay_s = max(0.0, deadline - self._now())
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._is_due)

    def cancel(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _is_due(self) -> None:
        if self._now() - self._deadline > LATE_S:
            self._timer = asyncio.get_running_loop().call_later(DRAIN_S, self._ring)
        else:
            self._ring()

    def _ring(self) -> None:
        self._timer = None
        self._call_back()
