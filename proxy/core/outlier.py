"""Endpoints that fail in a row are set aside for a while. Source: Envoy, outlier detection.

Nothing is set aside for slowness or rates, as Consul configures neither. With all of them set aside
there is nobody to send to: the panic threshold is 0.
"""

from math import floor
from typing import Final

from proxy.api import Outlier

HOSTS_EJECTED_MIN: Final = 1
"""However small the percentage is: otherwise nothing is ever set aside of a few hosts."""


class Health:
    """What is known of one endpoint. Its ejections grow longer, and are forgotten one each interval
    that it stays in.
    """

    __slots__ = ("_ejections", "ejected_until_s", "failures")

    def __init__(self) -> None:
        self.failures = 0
        self.ejected_until_s = 0.0
        self._ejections = 0

    def is_ejected(self, now_s: float) -> bool:
        """Whether it is set aside."""
        return now_s < self.ejected_until_s

    def succeeded(self) -> None:
        """A request ended well."""
        self.failures = 0

    def failed(self, outlier: Outlier) -> bool:
        """A request failed; true if that makes enough of them in a row. 0 is never enough."""
        self.failures += 1
        return 0 < outlier.failures_max <= self.failures

    def eject(self, outlier: Outlier, now_s: float) -> None:
        """Set aside from now on: each time longer, up to the maximum."""
        if self._ejections:
            quiet_s = max(0.0, now_s - self.ejected_until_s)
            forgotten = floor(quiet_s / outlier.interval_s) if outlier.interval_s > 0 else 0
            self._ejections = max(0, self._ejections - forgotten)
        self._ejections += 1
        longest_s = max(outlier.ejection_s, outlier.ejection_s_max)
        self.ejected_until_s = now_s + min(outlier.ejection_s * self._ejections, longest_s)
        self.failures = 0

    def restore(self) -> None:
        """Take it back at once: detection was switched off."""
        self.ejected_until_s = 0.0


def may_eject(outlier: Outlier, ejected: int, total: int, random: float) -> bool:
    """Whether one more of ``total`` may be set aside; ``random`` in [0, 1) draws enforcement."""
    most = max(HOSTS_EJECTED_MIN, floor(total * outlier.ejected_percent_max / 100.0))
    return ejected < most and random * 100.0 < outlier.enforcing_percent
