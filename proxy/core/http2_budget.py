"""How much of what costs us and gives nothing a peer may send: tokens that come back with time."""

from typing import Final

BURST_MAX: Final = 1000  # at once: ten times the streams of a connection, as when all time out
REFILL_PER_S_MAX: Final = 100.0  # what a busy and honest peer stays below for long


class Budget:
    """Tokens for frames without use, or for resets."""

    __slots__ = ("_at_s", "_left")

    def __init__(self) -> None:
        self._left = float(BURST_MAX)
        self._at_s = 0.0

    def spend(self, cost: float, now_s: float) -> bool:
        """Take tokens; false if there are not enough. ``now_s`` is monotonic."""
        passed_s = max(0.0, now_s - self._at_s)
        self._at_s = now_s
        self._left = min(BURST_MAX, self._left + passed_s * REFILL_PER_S_MAX) - cost
        return self._left >= 0

    def earn(self, tokens: float) -> None:
        """Give tokens for something useful."""
        self._left = min(BURST_MAX, self._left + tokens)
