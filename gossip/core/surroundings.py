"""What every mechanism of one node stands on: numbers, chance, time, timers and the way out."""

from gossip.core.config import Config
from gossip.core.effects import Effect, Warn
from gossip.core.schedule import Schedule
from gossip.core.types import Payloads, Rng


class Surroundings:
    """Shared by the mechanisms of one node; ``now`` is the time of the step being taken."""

    __slots__ = ("_stream", "config", "effects", "now", "payloads", "rng", "schedule")

    def __init__(self, config: Config, rng: Rng, payloads: Payloads, now: float) -> None:
        self.config = config
        self.rng = rng
        self.payloads = payloads
        self.schedule = Schedule()
        self.now = now
        self.effects: list[Effect] = []
        self._stream = 0

    def next_stream(self) -> int:
        """A name for a stream we open."""
        self._stream += 1
        return self._stream

    def emit(self, effect: Effect) -> None:
        """Ask the driver for ``effect`` at the end of this step."""
        self.effects.append(effect)

    def warn(self, what: str, *, node: str = "", detail: str = "") -> None:
        """Note for the log that something was refused or dropped."""
        self.effects.append(Warn(what, node, detail))

    def take_effects(self) -> list[Effect]:
        """The effects of this step, in order."""
        effects, self.effects = self.effects, []
        return effects
