"""One timer of the event loop, moved to wherever the next deadline is."""

import asyncio
from collections.abc import Callable
from typing import Final

DELAY_S_MIN: Final = 0.001
"""The loop's own resolution; a shorter delay would only fire early, and again."""


class Alarm:
    """Calls ``ring`` once at the deadline that was set last."""

    def __init__(self, ring: Callable[[], None], monotonic_s: Callable[[], float]) -> None:
        self._ring = ring
        self._monotonic_s = monotonic_s
        self._deadline: float | None = None
        self._handle: asyncio.TimerHandle | None = None

    def set(self, deadline: float | None) -> None:
        """Ring at ``deadline`` (of ``monotonic_s``) and at no other time; None: do not ring."""
        if deadline == self._deadline:
            return
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._deadline = deadline
        if deadline is not None:
            delay_s = max(DELAY_S_MIN, deadline - self._monotonic_s())
            self._handle = asyncio.get_running_loop().call_later(delay_s, self._fire)

    def _fire(self) -> None:
        self._deadline = self._handle = None
        self._ring()
