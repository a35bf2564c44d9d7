"""An endpoint at work: what is open at it, how fast it answers, and whether it is set aside.

The only mutable state that balancing and outlier detection have. Latency is a peak-sensitive moving
average: a slower answer counts at once, faster ones wear it down, and so does time, so that a slow
endpoint is tried again. Source: peak EWMA as in Finagle and Linkerd.
"""

from math import exp, inf
from typing import Final

from proxy.api import Endpoint
from proxy.core.outlier import Health

LATENCY_DECAY_S: Final = 10.0  # after it a latency counts for a third: Linkerd's default
LATENCY_PRIOR_S: Final = 0.03  # of what was never asked, so that newcomers are no magnets
FAILURE_LATENCY_S: Final = 1.0  # a failure counts as slow: failing fast must not attract requests
WEIGHT_MAX: Final = 128  # Consul's range of weights is 1 to 128


class Backend:
    """``active``: requests, or TCP connections, that are open. ``used``: since the last report.

    ``unreachable_s``: when a connection to it could not be made, last.
    """

    __slots__ = (
        "_latency_at_s",
        "_latency_s",
        "active",
        "endpoint",
        "health",
        "unreachable_s",
        "used",
        "weight",
    )

    def __init__(self, endpoint: Endpoint, now_s: float) -> None:
        self.endpoint = endpoint
        self.weight = weight_of(endpoint)
        self.active = 0
        self.used = False
        self.health = Health()
        self.unreachable_s = -inf
        self._latency_s = endpoint.rtt_s or LATENCY_PRIOR_S
        self._latency_at_s = now_s

    def change(self, endpoint: Endpoint) -> None:
        """Take the newest description of the same place."""
        self.endpoint = endpoint
        self.weight = weight_of(endpoint)

    def observe(self, latency_s: float, now_s: float, *, failed: bool) -> None:
        """An answer took so long."""
        sample = max(latency_s, FAILURE_LATENCY_S) if failed else latency_s
        elapsed_s = now_s - self._latency_at_s
        if sample >= self._latency_s:
            self._latency_s = sample
        else:
            kept = exp(-elapsed_s / LATENCY_DECAY_S)
            self._latency_s = self._latency_s * kept + sample * (1.0 - kept)
        self._latency_at_s = now_s

    def latency_s(self, now_s: float) -> float:
        """The average, worn down by the time that nothing was asked."""
        return self._latency_s * exp((self._latency_at_s - now_s) / LATENCY_DECAY_S)

    def cost(self, now_s: float) -> float:
        """How long one more request would take, roughly."""
        return self.latency_s(now_s) * (self.active + 1) / self.weight


def weight_of(endpoint: Endpoint) -> int:
    """A weight in Consul's range."""
    return min(max(endpoint.weight, 1), WEIGHT_MAX)
