"""How long a suspect may still refute: the more members accuse it, the shorter.

Source: Lifeguard, arXiv:1707.00788, LHA-Suspicion; memberlist's numbers (log10 cut to three
decimals, milliseconds rounded down).
"""

import math
from typing import Final

NODE_SCALE_STEPS: Final = 1000  # memberlist keeps three decimals of the logarithm


class Suspicion:
    """One running suspicion. ``first`` accused first and is no confirmation of itself."""

    __slots__ = ("_accusers", "_max_s", "_min_s", "_started", "confirmations_max", "incarnation")

    def __init__(
        self, *, first: str, incarnation: int, confirmations_max: int, min_s: float, max_s: float,
        now: float,
    ) -> None:  # fmt: skip
        self.incarnation = incarnation
        self.confirmations_max = confirmations_max
        self._min_s = min_s
        self._max_s = max_s if confirmations_max > 0 else min_s
        self._started = now
        self._accusers = {first}

    def confirm(self, accuser: str) -> bool:
        """Count an accuser; False when it is known or enough have confirmed."""
        if len(self._accusers) > self.confirmations_max or accuser in self._accusers:
            return False
        self._accusers.add(accuser)
        return True

    def deadline(self) -> float:
        """When the suspect is declared dead."""
        count = len(self._accusers) - 1
        timeout_s = suspicion_timeout_s(count, self.confirmations_max, self._min_s, self._max_s)
        return self._started + timeout_s


def suspicion_timeout_s(
    confirmations: int, confirmations_max: int, min_s: float, max_s: float
) -> float:
    """Seconds from the start of a suspicion to its end, in [``min_s``, ``max_s``]."""
    if confirmations_max < 1:
        return min_s
    fraction = math.log(confirmations + 1) / math.log(confirmations_max + 1)
    timeout_ms = math.floor(1000 * (max_s - fraction * (max_s - min_s)))
    return max(min_s, timeout_ms / 1000)


def suspicion_min_s(suspicion_mult: int, node_count: int, probe_interval_s: float) -> float:
    """The shortest suspicion for a pool of ``node_count``."""
    scale = max(1.0, math.log10(max(1, node_count)))
    return (
        suspicion_mult * math.floor(scale * NODE_SCALE_STEPS) / NODE_SCALE_STEPS * probe_interval_s
    )


def confirmations_max(suspicion_mult: int, node_count: int) -> int:
    """How many confirmations are waited for; none when too few others could give them."""
    wanted = suspicion_mult - 2
    return 0 if node_count - 2 < wanted else wanted
