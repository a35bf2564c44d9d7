"""One real node alone with a test: what it is told, what it asks its driver for, and when."""

import json
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from gossip.core.config import Config, lan
from gossip.core.effects import Effect, SendPacket
from gossip.core.inputs import Event, PacketReceived, Start, StreamRequested, Woke
from gossip.core.node import GossipNode
from gossip.core.policy import OpenPolicy
from gossip.core.schedule import Timer
from gossip.core.surroundings import Surroundings
from gossip.core.types import (
    Address,
    Alive,
    ClusterMessage,
    Incarnation,
    PacketMessage,
    Payloads,
    PushPull,
    UserMessage,
    Versions,
)
from gossip.wire.payloads import WirePayloads

T = TypeVar("T")

VERSIONS = Versions(1, 5, 2, 2, 5, 5)
PAYLOADS: Payloads = WirePayloads()
META = PAYLOADS.encode_tags({"role": "web"})
VECTORS = Path(__file__).parents[1] / "wire" / "vectors.json"


def vector(name: str) -> Any:
    """A table of numbers that memberlist and Serf compute."""
    return next(v["decoded"] for v in json.loads(VECTORS.read_text()) if v["name"] == name)


def address(last: int, port: int = 7946) -> Address:
    return Address(bytes([10, 0, 0, last]), port)


def config(name: str = "a", **changes: object) -> Config:
    return lan(name, address(1), **changes)


def alive(
    name: str, last: int, incarnation: int = 1, *, meta: bytes = META, versions: Versions = VERSIONS
) -> Alive:
    return Alive(Incarnation(incarnation), name, address(last), meta, versions)


def surroundings(now: float = 0.0, **changes: object) -> Surroundings:
    return Surroundings(config(**changes), Random(1), PAYLOADS, now)


class Solo:
    """Node ``a`` at 10.0.0.1; time starts at 0."""

    def __init__(self, *, policy=None, history=None, start: bool = True, **changes: object) -> None:
        self.now = 0.0
        self.effects: list[Effect] = []
        self.node = GossipNode(
            config(**changes),
            Random(1),
            self.now,
            payloads=PAYLOADS,
            policy=policy or OpenPolicy(),
            history=history,
        )
        if start:
            self.step(Start())

    def step(self, event: Event) -> list[Effect]:
        """The effects of one event."""
        effects = self.node.step(event, self.now)
        self.effects += effects
        return effects

    def hear(self, *messages: PacketMessage, sender: Address | None = None) -> list[Effect]:
        """The effects of messages of one packet."""
        effects: list[Effect] = []
        for message in messages:
            effects += self.step(PacketReceived(message, sender or address(99)))
        return effects

    def hear_cluster(self, *messages: ClusterMessage) -> list[Effect]:
        """The effects of messages of the cluster layer."""
        return self.hear(*map(UserMessage, messages))

    def meet(self, *names: str) -> None:
        """Learn of alive members: the n-th at 10.0.0.(n + 2)."""
        for last, name in enumerate(names, 2):
            self.hear(alive(name, last))

    def merge(self, table: PushPull, stream: int = 5) -> list[Effect]:
        """The effects of a peer's push/pull."""
        return self.step(StreamRequested(stream, table))

    def advance(self, seconds: float) -> list[Effect]:
        """The effects of time passing, timer by timer."""
        end = self.now + seconds
        effects: list[Effect] = []
        while (deadline := self.node.next_deadline) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            effects += self.step(Woke())
        self.now = end
        return effects

    def drain(self) -> None:
        """Forget what is queued for broadcast."""
        for queue in self.node._queues.values():
            queue.prune(0)

    def status(self, name: str) -> str:
        """A member's status, or an empty text."""
        found = [m.status.name for m in self.node.members if m.name == name]
        return found[0] if found else ""

    def state(self, name: str) -> tuple[str, int]:
        """Membership's state and incarnation of a node."""
        node = self.node.nodes.get(name)
        return (node.state.name, node.incarnation) if node is not None else ("", 0)

    def fire(self, timer: Timer) -> bool:
        """Whether ``timer`` is set."""
        return self.node._around.schedule.is_set(timer)


def only(effects: list[Effect], kind: type[T]) -> list[T]:
    """The effects of one type."""
    return [effect for effect in effects if isinstance(effect, kind)]


def sent(effects: list[Effect], kind: type[T]) -> list[tuple[Address, T]]:
    """(target, message) of each sent message of one type, cluster messages unwrapped."""
    found = []
    for packet in only(effects, SendPacket):
        for message in packet.messages:
            inner = message.message if isinstance(message, UserMessage) else message
            if isinstance(inner, kind):
                found.append((packet.to, inner))
    return found


def said(effects: list[Effect], kind: type[T]) -> list[T]:
    """Each sent message of one type once, in order."""
    unique: list[T] = []
    for _, message in sent(effects, kind):
        if message not in unique:
            unique.append(message)
    return unique
