"""One run: a pool starts, suffers a random minute, heals, and must agree with the truth again.

Everything is drawn from the seed: size, weather, who is killed, restarted, paused, cut off or
leaves, and when. ``run`` returns what went wrong.
"""

from random import Random
from typing import Final

import msgspec

from gossip.core.config import consul_lan, lan, local
from gossip.core.inputs import Join, JoinTarget, Leave, SendEvent
from tests.sim.gossip.checkers import (
    IncarnationChecker,
    disagreements,
    events_seen,
    repeated_events,
    suspicions,
)
from tests.sim.gossip.network import Conditions
from tests.sim.gossip.world import World

NODES_MIN: Final = 10
NODES_MAX: Final = 30
RETRY_S: Final = 35.0  # three targets had their time
JOIN_S_MAX: Final = 80.0  # a lost join, its retry, and a push/pull
TROUBLE_S: Final = 40.0
RESTART_S_MAX: Final = 20.0
CUT_S_MAX: Final = 60.0  # longer than a dead node stays in the table
HEAL_S_MAX: Final = 600.0  # reconnects are tried every 30 s with a small chance
AFTER_S: Final = 25.0  # enough for events to spread and for a late mistake to show
CHECK_S: Final = 1.0
FAULTS_MIN: Final = 4
FAULTS_MAX: Final = 9


class Report(msgspec.Struct):
    """What a run did and what was wrong."""

    seed: int
    node_count: int = 0
    healed_after_s: float = 0.0
    step_count: int = 0
    wrong: list[str] = []
    story: list[str] = []


def run(seed: int) -> Report:
    """Play the run of ``seed``."""
    return _Run(seed).play()


class _Run:
    def __init__(self, seed: int) -> None:
        self.rng = rng = Random(seed)
        self.count = rng.randint(NODES_MIN, NODES_MAX)
        conditions = Conditions(
            loss=rng.choice([0.0, 0.01, 0.05, 0.1]),
            stream_loss=rng.choice([0.0, 0.05]),
            duplication=rng.choice([0.0, 0.02]),
            delay_s_max=rng.choice([0.001, 0.02, 0.1]),
            slow=rng.choice([0.0, 0.02]),
        )
        self.profile = profile = rng.choice([lan, lan, consul_lan, local])
        self.world = World(rng.getrandbits(32), self.count, conditions, profile)
        self.incarnations = IncarnationChecker()
        self.report = Report(seed, self.count)

    def play(self) -> Report:
        report, world = self.report, self.world
        self.tell(f"{self.count} nodes, {self.profile.__name__}, {world.network.conditions}")
        world.start(0)
        starts = sorted(self.rng.uniform(0, 2) for _ in range(1, self.count))
        for index, at_s in enumerate(starts, 1):
            world.at(at_s, lambda i=index: self.start(i, self.seeds(i)))
        self.run_until(3.0)
        self.wait("the pool never formed", JOIN_S_MAX)
        self.send_events("calm")
        trouble_at_s = world.now_s
        for _ in range(self.rng.randint(FAULTS_MIN, FAULTS_MAX)):
            at_s = world.now_s + self.rng.uniform(0, TROUBLE_S)
            world.at(at_s, self.fault)
        self.run_until(trouble_at_s + TROUBLE_S + RESTART_S_MAX)
        self.heal()
        healed_at_s = world.now_s
        self.wait("no agreement after the heal", HEAL_S_MAX)
        report.healed_after_s = world.now_s - healed_at_s
        self.send_events("healed")
        self.run_until(world.now_s + AFTER_S)
        report.wrong += [f"later: {text}" for text in disagreements(world)[:5]]
        report.wrong += repeated_events(world)[:5]
        self.check_events()
        report.step_count = world.step_count
        return report

    def seeds(self, index: int) -> tuple[int, ...]:
        """Up to three nodes that started before ``index``."""
        return tuple(self.rng.sample(range(index), min(3, index)))

    def run_until(self, end_s: float) -> None:
        while self.world.now_s < end_s:
            self.world.run_until(min(end_s, self.world.now_s + CHECK_S))
            self.report.wrong += self.incarnations.look(self.world)

    def wait(self, complaint: str, limit_s: float) -> None:
        end_s = self.world.now_s + limit_s
        while wrong := disagreements(self.world) or suspicions(self.world):
            if self.world.now_s >= end_s:
                self.report.wrong.append(f"{complaint}: {wrong[:5]}")
                return
            self.run_until(self.world.now_s + CHECK_S)

    def send_events(self, word: str) -> None:
        """One event from each of three nodes; who was there then must see each once."""
        for node in self.rng.sample(self.world.live, min(3, len(self.world.live))):
            if not node.is_paused:
                self.world.command(node.index, SendEvent(9, word, node.name.encode()))

    def check_events(self) -> None:
        """The last events reached every live node."""
        sent = {
            (name, payload)
            for node in self.world.live
            for name, payload in events_seen(node, node.life)
            if name == "healed"
        }
        for node in self.world.live:
            missing = sent - events_seen(node, node.life).keys()
            if missing:
                self.report.wrong.append(f"{node.name} never saw {missing}")

    # --- faults ---

    def fault(self) -> None:
        """One random thing goes wrong; at least half of the pool stays up."""
        candidates = [node.index for node in self.world.live if not node.is_paused]
        if len(candidates) <= self.count // 2:
            return
        faults = [self.kill, self.restart, self.pause, self.cut_one_way, self.cut, self.leave]
        self.rng.choice(faults)(self.rng.choice(candidates))

    def kill(self, index: int) -> None:
        self.tell(f"kill {index}")
        self.world.kill(index)

    def restart(self, index: int) -> None:
        self.tell(f"restart {index}")
        self.world.kill(index)
        again_at_s = self.world.now_s + self.rng.uniform(0, RESTART_S_MAX)
        self.world.at(again_at_s, lambda: self.start_again(index))

    def start_again(self, index: int) -> None:
        live = [node.index for node in self.world.live]
        self.start(index, tuple(self.rng.sample(live, min(3, len(live)))))

    def start(self, index: int, others: tuple[int, ...]) -> None:
        if not self.world.nodes[index].is_up:
            self.tell(f"start {index}")
            self.world.start(index, others)
            self.world.at(self.world.now_s + RETRY_S, lambda: self.join_again(index))

    def join_again(self, index: int) -> None:
        """What an operator does when every stream of a join was lost."""
        node = self.world.nodes[index]
        if node.core is not None and not node.is_paused and len(node.core.members) == 1:
            others = [other for other in self.world.live if other is not node]
            targets = tuple(JoinTarget(other.address) for other in others[:3])
            self.world.command(index, Join(1, targets))

    def pause(self, index: int) -> None:
        length_s = self.rng.uniform(0.5, 20)
        self.tell(f"pause {index} for {length_s:.1f} s")
        self.world.pause(index)
        self.world.at(self.world.now_s + length_s, lambda: self.resume(index))

    def resume(self, index: int) -> None:
        if self.world.nodes[index].is_paused:
            self.tell(f"resume {index}")
            self.world.resume(index)

    def leave(self, index: int) -> None:
        self.tell(f"leave {index}")
        self.world.nodes[index].has_left = True
        self.world.nodes[index].left_while_cut = not self.world.network.is_whole
        self.world.command(index, Leave(2))
        self.world.at(self.world.now_s + 15, lambda: self.world.kill(index))

    def cut_one_way(self, index: int) -> None:
        others = set(range(self.count)) - {index}
        self.cut_links({index}, others, both=False)

    def cut(self, _index: int) -> None:
        some = set(self.rng.sample(range(self.count), self.rng.randint(1, self.count // 2)))
        self.cut_links(some, set(range(self.count)) - some, both=self.rng.random() < 0.7)

    def cut_links(self, some: set[int], others: set[int], *, both: bool) -> None:
        length_s = self.rng.uniform(2, CUT_S_MAX)
        if self.rng.random() < 0.5:
            some, others = others, some
        self.tell(f"cut {sorted(some)} from {sorted(others)}, both={both}, {length_s:.1f} s")
        ways = [(some, others), (others, some)] if both else [(some, others)]
        for node in self.world.nodes:
            node.left_while_cut |= node.has_left and node.is_up  # its goodbye is under way
        for sources, targets in ways:
            self.world.network.cut(sources, targets)
            self.world.at(
                self.world.now_s + length_s,
                lambda a=sources, b=targets: self.world.network.mend(a, b),
            )

    def heal(self) -> None:
        self.tell("heal")
        self.world.network.heal()
        for node in self.world.nodes:
            self.resume(node.index)

    def tell(self, text: str) -> None:
        self.report.story.append(f"{self.world.now_s:8.3f} {text}")
