"""How fast a pool of n nodes hears, and what it costs, beside what the papers promise.

The pool starts as if it had run for long: every node knows every other and nothing is queued.
Then: quiet seconds are counted, an event is sent, a node is killed.
"""

import math
from random import Random
from typing import Final

import msgspec

from gossip.core.effects import Change
from gossip.core.inputs import SendEvent, StreamRequested
from gossip.core.suspicion import suspicion_min_s
from gossip.core.types import PushPull, Status
from tests.sim.gossip.checkers import events_seen, times_of
from tests.sim.gossip.network import Conditions
from tests.sim.gossip.world import World

SETTLE_S: Final = 3.0  # the loops' random starts are over
QUIET_S: Final = 10.0
EVENT_S_MAX: Final = 30.0
DETECTION_S_MAX: Final = 120.0
STALL_S: Final = (0.3, 2.0)  # how long a slow process stands still
STALL_EVERY_S: Final = 6.0  # ... and how often, on average


class Figures(msgspec.Struct):
    """What was measured; times in seconds."""

    node_count: int
    event_median_s: float
    event_last_s: float
    event_formula_s: float
    event_reached: int
    detection_first_s: float
    detection_median_s: float
    detection_last_s: float
    detection_formula_s: float
    detection_seen_by: int
    packets_node_s: float
    bytes_node_s: float
    false_failures: int


def measure(node_count: int, seed: int, *, loss: float = 0.0, slow: float = 0.0) -> Figures:
    """Run the measurement; ``slow`` is the share of processes that stall now and then."""
    world = World(seed, node_count, Conditions(loss=loss, delay_s_max=0.005))
    acquaint(world)
    rng = Random(seed)
    slow_nodes = set(rng.sample(range(1, node_count), int(slow * node_count)))
    for index in slow_nodes:
        _stall_later(world, index, rng)
    world.run_until(SETTLE_S)

    before = [(node.packet_count, node.packet_bytes) for node in world.nodes]
    world.run_until(world.now_s + QUIET_S)
    packets = sum(n.packet_count - b[0] for n, b in zip(world.nodes, before, strict=True))
    size = sum(n.packet_bytes - b[1] for n, b in zip(world.nodes, before, strict=True))

    event_times = _spread_event(world)
    victim = next(i for i in range(node_count // 2, node_count) if i not in slow_nodes)
    killed_at_s = world.now_s
    world.kill(victim)
    name = world.nodes[victim].name
    world.run_while(
        lambda: len(times_of(world, Change.FAILED, name)) < node_count - 1, DETECTION_S_MAX, 0.5
    )
    seen = [at_s - killed_at_s for at_s in times_of(world, Change.FAILED, name)]
    config_interval_s, suspicion_mult, gossip_s = 1.0, 4, 0.2
    spread_s = dissemination_s(node_count, 3, gossip_s)
    return Figures(
        node_count=node_count,
        event_median_s=event_times[len(event_times) // 2],
        event_last_s=event_times[-1],
        event_formula_s=spread_s,
        event_reached=len(event_times) + 1,
        detection_first_s=seen[0],
        detection_median_s=seen[len(seen) // 2],
        detection_last_s=seen[-1],
        detection_formula_s=first_probe_s(node_count, config_interval_s)
        + config_interval_s
        + suspicion_min_s(suspicion_mult, node_count, config_interval_s),
        detection_seen_by=len(seen),
        packets_node_s=packets / node_count / QUIET_S,
        bytes_node_s=size / node_count / QUIET_S,
        false_failures=_false_failures(world, name),
    )


def dissemination_s(node_count: int, fan_out: int, interval_s: float) -> float:
    """Rounds until a rumour is everywhere: growth, then the tail. Pittel (1987), adapted."""
    rounds = math.log(node_count) / math.log(1 + fan_out) + math.log(node_count) / fan_out
    return rounds * interval_s


def first_probe_s(node_count: int, interval_s: float) -> float:
    """Expected wait until some node probes a dead one. SWIM §3.1, every node probing one."""
    chance = 1 - (1 - 1 / max(1, node_count - 1)) ** (node_count - 1)
    return interval_s / chance / 2


def acquaint(world: World) -> None:
    """Start all nodes and let each know all others, with empty queues."""
    for node in world.nodes:
        world.start(node.index)
    everybody = []
    for node in world.nodes:
        assert node.core is not None
        everybody += node.core.nodes.snapshot()
    for node in world.nodes:
        world.step(node, StreamRequested(0, PushPull(tuple(everybody), join=False)))
        assert node.core is not None
        for queue in node.core._queues.values():
            queue.prune(0)


def _spread_event(world: World) -> list[float]:
    """Seconds until each other node had one event, sorted."""
    sent_at_s = world.now_s
    world.command(0, SendEvent(1, "deploy", bytes(64)))
    key = ("deploy", bytes(64))
    world.run_while(
        lambda: any(key not in events_seen(n, n.life) for n in world.live), EVENT_S_MAX, 0.5
    )
    return sorted(
        next(noticed.at_s for noticed in node.noticed if getattr(noticed.effect, "event", None))
        - sent_at_s
        for node in world.nodes[1:]
        if events_seen(node, node.life)
    )


def _stall_later(world: World, index: int, rng: Random) -> None:
    def stall() -> None:
        world.pause(index)
        world.at(world.now_s + rng.uniform(*STALL_S), wake)

    def wake() -> None:
        world.resume(index)
        _stall_later(world, index, rng)

    world.at(world.now_s + rng.expovariate(1 / STALL_EVERY_S), stall)


def _false_failures(world: World, victim: str) -> int:
    """Members other than the victim that somebody holds as failed at the end."""
    wrong = {
        member.name
        for node in world.live
        if node.core is not None
        for member in node.core.members
        if member.status is Status.FAILED and member.name != victim
    }
    return len(wrong)
