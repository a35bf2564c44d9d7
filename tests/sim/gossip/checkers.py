"""What must hold in every run. Each checker returns what is wrong, as text; nothing is good."""

from collections import Counter

from gossip.core.effects import Change, EventReceived, MembersChanged
from gossip.core.table import Node
from gossip.core.types import State, Status
from tests.sim.gossip.world import SimNode, World


def disagreements(world: World) -> list[str]:
    """Where a live node's member list differs from the truth, or from the others'."""
    truth = {node.name: _true_statuses(node) for node in world.nodes}
    seen_as: dict[str, set[Status]] = {name: set() for name in truth}
    wrong = []
    for node in world.live:
        assert node.core is not None
        seen = {member.name: member.status for member in node.core.members}
        for name, wanted in truth.items():
            status = seen.get(name, Status.NONE)
            seen_as[name].add(status)
            if status not in wanted:
                wrong.append(f"{node.name} sees {name} as {status.name}")
    wrong += [
        f"{name} is seen as both left and failed"
        for name, statuses in seen_as.items()
        if {Status.LEFT, Status.FAILED} <= statuses
    ]
    return wrong


def _true_statuses(node: SimNode) -> set[Status]:
    if node.has_left:
        # Who starts later never hears of it; a goodbye behind a cut may be heard by nobody.
        unheard = {Status.FAILED} if node.left_while_cut else set()
        return {Status.LEFT, Status.NONE} | unheard
    if node.is_up:
        return {Status.ALIVE}
    return {Status.FAILED, Status.NONE}


def suspicions(world: World) -> list[str]:
    """Where a live node is under suspicion: agreement may yet end."""
    live = {node.name for node in world.live}
    return [
        f"{observer.name} suspects {node.name}"
        for observer in world.live
        if observer.core is not None
        for node in observer.core.nodes
        if node.state is State.SUSPECT and node.name in live
    ]


class IncarnationChecker:
    """What a node holds of another never goes back, while it lives and has not forgotten it."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, int, str], tuple[Node, int]] = {}

    def look(self, world: World) -> list[str]:
        """Compare with the last look; a node forgotten and met again is another entry."""
        seen = {
            (observer.name, observer.life, node.name): (node, int(node.incarnation))
            for observer in world.live
            if observer.core is not None
            for node in observer.core.nodes
        }
        wrong = [
            f"{key}: incarnation {self._before[key][1]} -> {incarnation}"
            for key, (node, incarnation) in seen.items()
            if key in self._before
            and self._before[key][0] is node
            and incarnation < self._before[key][1]
        ]
        self._before = seen
        return wrong


def repeated_events(world: World) -> list[str]:
    """User events that an application saw more than once in one life."""
    return [
        f"{node.name} saw {event} {count} times"
        for node in world.nodes
        for life in range(1, node.life + 1)
        for event, count in events_seen(node, life).items()
        if count > 1
    ]


def events_seen(node: SimNode, life: int) -> Counter[tuple[str, bytes]]:
    """How often each event (name, payload) was delivered to a life of a node."""
    seen: Counter[tuple[str, bytes]] = Counter()
    for noticed in node.noticed:
        if isinstance(noticed.effect, EventReceived) and noticed.life == life:
            seen[noticed.effect.event.name, noticed.effect.event.payload] += 1
    return seen


def times_of(world: World, change: Change, name: str, since_s: float = 0.0) -> list[float]:
    """When each node (first) saw ``change`` of ``name``."""
    times = []
    for node in world.live:
        for noticed in node.noticed:
            effect = noticed.effect
            if (
                isinstance(effect, MembersChanged)
                and effect.change is change
                and noticed.at_s >= since_s
                and any(member.name == name for member in effect.members)
            ):
                times.append(noticed.at_s)
                break
    return sorted(times)
