"""How well this node itself seems to be: a score that slows its probing when it is not.

0 is healthy. Missed nacks and the need to refute raise the score, good probes lower it.
Source: Lifeguard, arXiv:1707.00788, Local Health Multiplier.
"""


class Awareness:
    """A score in [0, ``score_max``]."""

    __slots__ = ("score", "score_max")

    def __init__(self, multiplier_max: int) -> None:
        self.score = 0
        self.score_max = max(0, multiplier_max - 1)

    def add(self, delta: int) -> None:
        """Move the score by ``delta``, within its bounds."""
        self.score = min(self.score_max, max(0, self.score + delta))

    def scaled_s(self, interval_s: float) -> float:
        """``interval_s`` stretched by the score."""
        return interval_s * (self.score + 1)
