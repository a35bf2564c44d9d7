"""How much at once, and how much a second. Source: Envoy's circuit breakers and rate limits."""

from typing import Final

OPEN_MAX: Final = 1024
"""Of a cluster's connections, pending dials and requests where nothing is said: Envoy's default."""


class OpenLimit:
    """Counts what is open against a limit; ``maximum`` may change at any time.

    None is `OPEN_MAX`, 0 lets nothing through.
    """

    __slots__ = ("maximum", "open")

    def __init__(self, maximum: int | None) -> None:
        self.open = 0
        self.maximum = OPEN_MAX
        self.change(maximum)

    def change(self, maximum: int | None) -> None:
        """Hold to another limit; what is open stays."""
        self.maximum = OPEN_MAX if maximum is None else maximum

    def take(self) -> bool:
        """Open one more if there is room."""
        if self.open >= self.maximum:
            return False
        self.open += 1
        return True

    def give_back(self) -> None:
        """One was closed."""
        assert self.open > 0, "what is given back was taken"
        self.open -= 1


class TokenBucket:
    """``per_second`` tokens flow in, at most ``burst`` are kept; it begins full."""

    __slots__ = ("_at_s", "_tokens", "burst", "per_second")

    def __init__(self, per_second: float, burst: float, now_s: float) -> None:
        self.per_second = per_second
        self.burst = max(burst, 1.0) if per_second > 0 else burst  # below 1 nothing ever passes
        self._tokens = self.burst
        self._at_s = now_s

    def take(self, now_s: float) -> bool:
        """Take a token if there is a whole one."""
        if now_s > self._at_s:
            self._tokens = min(self.burst, self._tokens + (now_s - self._at_s) * self.per_second)
            self._at_s = now_s
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
