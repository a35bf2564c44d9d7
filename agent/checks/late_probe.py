"""A probe whose libraries are imported at its first run, away from the event loop's thread.

HTTP takes 12 MiB and HTTP/2 takes 3 MiB, and many agents have no such check.
"""

from collections.abc import Callable

from agent.checks.outcome import Outcome, Probe
from agent.late_import import import_late


class LateProbe:
    """Stands for the probe that ``make`` imports and makes."""

    def __init__(self, make: Callable[[], Probe]) -> None:
        self._make = make
        self._probe: Probe | None = None

    async def run(self) -> Outcome:
        """What the probe finds; its timeout begins when it is made. Raises as import_late."""
        if self._probe is None:
            self._probe = await import_late(self._make)
        return await self._probe.run()
