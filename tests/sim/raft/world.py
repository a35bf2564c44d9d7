"""A cluster in one process on virtual time: a heap of events and one seed.

Nothing here depends on wall time, hash seeds or the order of sets: the same seed gives the same
run, event for event, and ``trace`` is its proof. Checks run after every event; the first broken
one ends the run as a ``Violation`` that names the rule.
"""

import heapq
from collections.abc import Callable
from pathlib import Path
from random import Random

from raft.core.types import Message
from tests.sim.raft.checkers import Checkers
from tests.sim.raft.network import CALM, Network
from tests.sim.raft.profile import Profile
from tests.sim.raft.server import SimServer


class World:
    """The servers, the network between them, and what was promised. ``run_until`` passes time."""

    def __init__(
        self, profile: Profile, *, is_traced: bool = False, directory: Path | None = None
    ) -> None:
        """``directory``: keep the logs there, by the real code; None: as a model in memory."""
        self.directory = directory
        self.profile = profile
        self.rng = Random(profile.seed)
        self.now_s = 0.0
        self.event_count = 0
        self.is_calm = False
        self._past_ends_s = float("inf")
        self.trace: list[str] | None = [] if is_traced else None
        self.network = Network(Random(self.rng.getrandbits(32)), profile.weather)
        self.checkers = Checkers()
        names = [f"s{i}" for i in range(profile.voter_count + profile.spare_count)]
        self.servers = {name: SimServer(self, name, Random(self.rng.random())) for name in names}
        self.voters_at_start = names[: profile.voter_count]
        self._heap: list[tuple[float, int, Callable[[], object]]] = []
        self._count = 0

    # --- time ---

    def after(self, delay_s: float, action: Callable[[], object]) -> None:
        """Do ``action`` when this much time has passed."""
        self._count += 1
        heapq.heappush(self._heap, (self.now_s + delay_s, self._count, action))

    def run_until(self, end_s: float) -> None:
        """Let time pass."""
        heap = self._heap
        while heap and heap[0][0] <= end_s:
            self.now_s, _, action = heapq.heappop(heap)
            self.event_count += 1
            action()
        self.now_s = end_s

    def run_while(self, is_waiting: Callable[[], bool], limit_s: float, every_s: float) -> bool:
        """Let time pass until the condition ends; False when ``limit_s`` passed first."""
        end_s = self.now_s + limit_s
        while is_waiting():
            if self.now_s >= end_s:
                return False
            self.run_until(min(end_s, self.now_s + every_s))
        return True

    def stamp(self) -> int:
        """A number for this moment, higher than all before: the order of calls and returns."""
        self._count += 1
        return self._count

    # --- messages ---

    def send(self, source: str, target: str, message: Message) -> None:
        """Put a message on its way."""
        server, was_calm = self.servers[target], self.is_calm

        def arrive() -> None:
            # Long after the heal nothing comes from before it: old heartbeats would be heard.
            if was_calm or self.now_s < self._past_ends_s:
                server.receive(source, message)

        for delay_s in self.network.delays_s(source, target):
            self.after(delay_s, arrive)

    def calm(self) -> None:
        """Heal everything: links, disks, processes."""
        self.tell("calm")
        self.is_calm = True
        self._past_ends_s = self.now_s + self.profile.settings.election_timeout_s
        self.network.heal()
        self.network.weather = CALM
        for server in self.servers.values():
            server.heal()

    # --- looking ---

    @property
    def live(self) -> list[SimServer]:
        """The servers whose process runs, stopped or not."""
        return [server for server in self.servers.values() if server.core is not None]

    def leader(self) -> SimServer | None:
        """The leader of the highest term among the running processes."""
        leaders = [server for server in self.live if server.is_leader]
        return max(leaders, key=lambda server: server.running.term, default=None)

    def tell(self, *words: object) -> None:
        """Add a line to the trace."""
        if self.trace is not None:
            self.trace.append(f"{self.now_s:10.6f} {' '.join(map(str, words))}")
