"""The simulated network: what happens to a message on its way. One seed decides.

Nothing is promised: a message may be lost, come twice, overtake others, or come so late that its
receiver, or its sender, has been started again since.
"""

from collections.abc import Iterable
from random import Random
from typing import Final

import msgspec

LATE_S_MAX: Final = 6.0  # many election timeouts: a message of another age


class Weather(msgspec.Struct, frozen=True, kw_only=True):
    """Chances in [0, 1], delays in seconds; most messages take little more than the minimum."""

    loss: float = 0.0
    duplication: float = 0.0
    late: float = 0.0
    delay_s_min: float = 0.0005
    delay_s_mean: float = 0.002  # above the minimum, exponential


CALM: Final = Weather()


class Network:
    """Links between servers, by name; each direction can be cut or slowed on its own."""

    def __init__(self, rng: Random, weather: Weather) -> None:
        self.weather = weather
        self._rng = rng
        self._cut: set[tuple[str, str]] = set()
        self._slow: dict[tuple[str, str], float] = {}

    def cut(self, sources: Iterable[str], targets: Iterable[str]) -> None:
        """Nothing gets from ``sources`` to ``targets`` any more."""
        targets = list(targets)
        self._cut |= {(a, b) for a in sources for b in targets if a != b}

    def slow(self, source: str, target: str, delay_s: float) -> None:
        """The link takes this much longer."""
        self._slow[source, target] = delay_s

    def heal(self) -> None:
        """Every link works as the weather lets it."""
        self._cut.clear()
        self._slow.clear()

    def is_open(self, source: str, target: str) -> bool:
        """Whether anything gets from ``source`` to ``target``."""
        return (source, target) not in self._cut

    def delays_s(self, source: str, target: str) -> list[float]:
        """When each copy of a message arrives, from now; empty when it is lost."""
        random, weather = self._rng.random, self.weather
        if (source, target) in self._cut or (weather.loss and random() < weather.loss):
            return []
        copies = 2 if weather.duplication and random() < weather.duplication else 1
        return [self._delay_s(source, target) for _ in range(copies)]

    def _delay_s(self, source: str, target: str) -> float:
        weather = self.weather
        delay_s = weather.delay_s_min + self._rng.expovariate(1 / weather.delay_s_mean)
        if self._slow:
            delay_s += self._slow.get((source, target), 0.0)
        if weather.late and self._rng.random() < weather.late:
            delay_s += self._rng.uniform(0, LATE_S_MAX)
        return delay_s
