"""A whole gossip pool in one process on virtual time: a heap of events and one seed.

Nodes are real ``GossipNode``s; only the network and the clocks are simulated. Each node has its
own clock (offset and drift). A paused node neither reads nor fires timers; what arrives meanwhile
waits as in a socket buffer. The same seed gives the same run, event for event.
"""

import heapq
from collections.abc import Callable
from random import Random
from typing import Final

import msgspec

from gossip.core.config import Config, lan
from gossip.core.effects import (
    AnswerStream,
    Effect,
    OpenStream,
    SendPacket,
    Warn,
)
from gossip.core.inputs import (
    Event,
    Join,
    JoinTarget,
    PacketReceived,
    Start,
    StreamAnswered,
    StreamRequested,
    Woke,
)
from gossip.core.node import GossipNode
from gossip.core.policy import OpenPolicy
from gossip.core.sizes import message_bytes
from gossip.core.snapshot import Replay
from gossip.core.types import Address
from gossip.wire.payloads import WirePayloads
from tests.sim.gossip.network import Conditions, Network

HEADER_BYTES: Final = 28  # IPv4 and UDP
INBOX_MAX: Final = 2000  # packets a stopped process finds in its socket buffer
STEP_AFTER_S: Final = 1e-6  # a deadline is met a moment later, never before


class Noticed(msgspec.Struct, frozen=True):
    """An effect that the application of a node sees: in which life, and when in world time."""

    life: int
    at_s: float
    effect: Effect


class SimNode:
    """One process: a node, its clock, and what its application saw."""

    def __init__(self, index: int, offset_s: float, drift: float) -> None:
        self.index = index
        self.name = f"n{index}"
        self.address = Address(bytes([10, index >> 16, (index >> 8) & 255, index & 255]), 7946)
        self.offset_s = offset_s
        self.drift = drift
        self.core: GossipNode | None = None
        self.life = 0
        self.is_paused = False
        self.has_left = False
        self.left_while_cut = False
        self.inbox: list[Event] = []
        self.wake_at_s = float("inf")
        self.noticed: list[Noticed] = []
        self.packet_count = 0
        self.packet_bytes = 0

    @property
    def is_up(self) -> bool:
        return self.core is not None

    def local_s(self, world_s: float) -> float:
        return self.offset_s + world_s * self.drift

    def world_s(self, local_s: float) -> float:
        return (local_s - self.offset_s) / self.drift


class World:
    """The pool. ``run_until`` advances time; everything else happens at ``now_s``."""

    def __init__(
        self,
        seed: int,
        node_count: int,
        conditions: Conditions | None = None,
        make_config: Callable[..., Config] = lan,
        **config_changes: object,
    ) -> None:
        self.rng = Random(seed)
        self.seed = seed
        self.now_s = 0.0
        self.network = Network(Random(self.rng.random()), conditions or Conditions())
        self.nodes = [
            SimNode(i, self.rng.uniform(0, 1e6), self.rng.uniform(0.999, 1.001))
            for i in range(node_count)
        ]
        self.step_count = 0
        self._by_address = {node.address: node for node in self.nodes}
        self._make_config = make_config
        self._config_changes = config_changes
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._streams: dict[int, Callable[[AnswerStream], None]] = {}

    # --- what a scenario does ---

    def at(self, at_s: float, action: Callable[[], None]) -> None:
        """Do ``action`` at ``at_s``."""
        self._count += 1
        heapq.heappush(self._heap, (at_s, self._count, action))

    def start(
        self, index: int, join: tuple[int, ...] = (), *, history: Replay | None = None
    ) -> None:
        """Start a process (again), joining others."""
        node = self.nodes[index]
        node.life += 1
        node.is_paused, node.inbox, node.has_left = False, [], False
        node.wake_at_s = float("inf")
        config = self._make_config(node.name, node.address, **self._config_changes)
        node.core = GossipNode(
            config,
            Random(self.rng.random()),
            node.local_s(self.now_s),
            payloads=WirePayloads(),
            policy=OpenPolicy(),
            history=history,
        )
        self.step(node, Start())
        if join:
            targets = tuple(JoinTarget(self.nodes[other].address) for other in join)
            self.step(node, Join(1, targets))

    def kill(self, index: int) -> None:
        """End a process without a word."""
        self.nodes[index].core = None

    def pause(self, index: int) -> None:
        """Stop a process as SIGSTOP does."""
        self.nodes[index].is_paused = True

    def resume(self, index: int) -> None:
        """Let a stopped process go on with what waits in its buffers."""
        node = self.nodes[index]
        node.is_paused = False
        inbox, node.inbox = node.inbox, []
        for event in inbox:
            self.step(node, event)
        self._arm(node)

    def command(self, index: int, command: Event) -> None:
        """Give a command to a node."""
        self.step(self.nodes[index], command)

    def run_until(self, end_s: float) -> None:
        """Let time pass."""
        heap = self._heap
        while heap and heap[0][0] <= end_s:
            self.now_s, _, action = heapq.heappop(heap)
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

    @property
    def live(self) -> list[SimNode]:
        """The processes that run and have not left."""
        return [node for node in self.nodes if node.is_up and not node.has_left]

    # --- the machinery ---

    def step(self, node: SimNode, event: Event) -> None:
        """Give one event to a node and carry its effects out."""
        if node.core is None:
            return
        if node.is_paused:
            if len(node.inbox) < INBOX_MAX:
                node.inbox.append(event)
            return
        self.step_count += 1
        for effect in node.core.step(event, node.local_s(self.now_s)):
            match effect:
                case SendPacket():
                    self._send(node, effect)
                case OpenStream():
                    self._open(node, effect)
                case AnswerStream(stream=stream):
                    if answer := self._streams.pop(stream, None):
                        answer(effect)
                case Warn():
                    pass
                case _:
                    node.noticed.append(Noticed(node.life, self.now_s, effect))
        self._arm(node)

    def _arm(self, node: SimNode) -> None:
        deadline = node.core.next_deadline if node.core is not None else None
        if deadline is None or node.is_paused:
            return
        at_s = max(self.now_s, node.world_s(deadline)) + STEP_AFTER_S
        if at_s < node.wake_at_s:
            node.wake_at_s = at_s
            life = node.life
            self.at(at_s, lambda: self._wake(node, life, at_s))

    def _wake(self, node: SimNode, life: int, at_s: float) -> None:
        if node.wake_at_s == at_s:
            node.wake_at_s = float("inf")
        if node.life != life or node.core is None or node.is_paused:
            return
        deadline = node.core.next_deadline
        if deadline is not None and deadline <= node.local_s(self.now_s):
            self.step(node, Woke())
        else:
            self._arm(node)

    def _send(self, source: SimNode, packet: SendPacket) -> None:
        source.packet_count += 1
        source.packet_bytes += HEADER_BYTES + packet_bytes(packet)
        target = self._by_address.get(packet.to)
        if target is None:
            return
        for delay_s in self.network.packet_delays_s(source.index, target.index):
            self.at(self.now_s + delay_s, lambda: self._receive(source, target, packet))

    def _receive(self, source: SimNode, target: SimNode, packet: SendPacket) -> None:
        for message in packet.messages:
            self.step(target, PacketReceived(message, source.address))

    def _open(self, source: SimNode, request: OpenStream) -> None:
        target = self._by_address[request.to]
        life = source.life

        def report(answered: StreamAnswered) -> None:
            if source.life == life:
                self.step(source, answered)

        def answer(effect: AnswerStream) -> None:
            error = "" if effect.message is not None else "EOF"
            answered = StreamAnswered(request.stream, effect.message, error)
            self.at(self.now_s + self.network.delay_s(), lambda: report(answered))

        def arrive() -> None:
            if not target.is_up:
                report(StreamAnswered(request.stream, None, "connection refused"))
                return
            self._count += 1
            self._streams[self._count] = answer
            self.step(target, StreamRequested(self._count, request.message))

        if self.network.stream_works(source.index, target.index):
            self.at(self.now_s + self.network.delay_s(), arrive)
            return
        failed = StreamAnswered(request.stream, None, "timed out")
        self.at(max(self.now_s, source.world_s(request.deadline)), lambda: report(failed))


def packet_bytes(packet: SendPacket) -> int:
    """Bytes of the datagram before compression and encryption."""
    sizes = [message_bytes(message) for message in packet.messages]
    compound = 2 + 2 * len(sizes) if len(sizes) > 1 else 0
    return sum(sizes) + compound + (5 if packet.checksum else 0)
