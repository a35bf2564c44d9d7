"""A token bucket: so many calls a second, and bursts up to a size."""


class TokenBucket:
    """``rate`` tokens a second (negative: no limit), at most ``burst`` of them saved up."""

    def __init__(self, rate: float, burst: int, now_s: float) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled_s = now_s

    def take(self, now_s: float) -> bool:
        """Take a token; False when there is none."""
        if self._rate < 0:
            return True
        gained = (now_s - self._filled_s) * self._rate
        self._tokens = min(self._burst, self._tokens + gained)
        self._filled_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
