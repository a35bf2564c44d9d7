"""The simulated network: what happens to a packet or a stream on its way. One seed decides."""

from random import Random

import msgspec


class Conditions(msgspec.Struct, frozen=True):
    """The weather. Chances in [0, 1], delays in seconds."""

    loss: float = 0.0
    stream_loss: float = 0.0
    duplication: float = 0.0
    delay_s_min: float = 0.0002
    delay_s_max: float = 0.002
    slow: float = 0.0  # chance that a packet is held up for slow_s_max at most
    slow_s_max: float = 0.3


class Network:
    """Links between nodes, by index; each direction can be cut on its own."""

    def __init__(self, rng: Random, conditions: Conditions) -> None:
        self.conditions = conditions
        self._rng = rng
        self._cut: set[tuple[int, int]] = set()

    def cut(self, sources: set[int], targets: set[int]) -> None:
        """Nothing gets from ``sources`` to ``targets`` any more."""
        self._cut |= {(a, b) for a in sources for b in targets if a != b}

    def mend(self, sources: set[int], targets: set[int]) -> None:
        """Links from ``sources`` to ``targets`` work again."""
        self._cut -= {(a, b) for a in sources for b in targets}

    def heal(self) -> None:
        """Every link works again."""
        self._cut.clear()

    @property
    def is_whole(self) -> bool:
        """Whether no link is cut."""
        return not self._cut

    def is_open(self, source: int, target: int) -> bool:
        """Whether anything gets from ``source`` to ``target``."""
        return (source, target) not in self._cut

    def packet_delays_s(self, source: int, target: int) -> list[float]:
        """When each copy of a packet arrives; none when it is lost."""
        if not self.is_open(source, target) or self._rng.random() < self.conditions.loss:
            return []
        copies = 1 + (self._rng.random() < self.conditions.duplication)
        return [self.delay_s() for _ in range(copies)]

    def stream_works(self, source: int, target: int) -> bool:
        """Whether a connection and its answer get through."""
        both = self.is_open(source, target) and self.is_open(target, source)
        return both and self._rng.random() >= self.conditions.stream_loss

    def delay_s(self) -> float:
        """One way's time."""
        weather = self.conditions
        span_s = weather.delay_s_max - weather.delay_s_min
        delay_s = weather.delay_s_min + self._rng.random() * span_s
        if weather.slow and self._rng.random() < weather.slow:
            delay_s += self._rng.random() * weather.slow_s_max
        return delay_s
