"""Gossip proper: at each tick a few random nodes get a packet of what is queued.

Dead nodes are told for a while, so that one that is not dead after all hears of it. A node gets
more than one packet while there is as little told news that is not in them: when a whole site joins
at once, memberlist's one packet a tick makes the last news wait for all that came before.
Source: SWIM §4.1; memberlist's separate gossip interval.
"""

from typing import Final

from gossip.core.broadcast import EVER
from gossip.core.effects import SendPacket
from gossip.core.piggyback import Piggyback
from gossip.core.probe import CHECKSUM_VERSION
from gossip.core.schedule import Timer, TimerKind
from gossip.core.surroundings import Surroundings
from gossip.core.table import Node, NodeTable
from gossip.core.types import State

PACKETS_MAX: Final = 4  # to one node at a tick: a burst that no socket buffer loses


class Spreader:
    """The gossip loop of one node."""

    def __init__(self, around: Surroundings, table: NodeTable, piggyback: Piggyback) -> None:
        self._around = around
        self._table = table
        self._piggyback = piggyback

    def start(self) -> None:
        """Begin after a random part of the interval."""
        around = self._around
        stagger_s = around.rng.random() * around.config.gossip_interval_s
        around.schedule.set(Timer(TimerKind.GOSSIP), around.now + stagger_s)

    def tick(self) -> None:
        """Send to each chosen node its own helping from the queues, until they are empty."""
        around, config = self._around, self._around.config
        around.schedule.set(Timer(TimerKind.GOSSIP), around.now + config.gossip_interval_s)
        if self._piggyback.is_empty():
            return
        for node in self._table.choose(config.gossip_nodes, self._should_hear):
            self._tell(node)

    def _tell(self, node: Node) -> None:
        checksum = node.versions.protocol_max >= CHECKSUM_VERSION
        least = self._piggyback.transmits_min()
        transmits_max = EVER
        for _ in range(PACKETS_MAX):
            messages = self._piggyback.fill(0, 0, transmits_max)
            if not messages:
                return
            self._around.emit(SendPacket(node.address, tuple(messages), checksum))
            if least is None or self._piggyback.transmits_min() != least:
                return
            transmits_max = least  # all that is above may have gone to this node just now

    def _should_hear(self, node: Node) -> bool:
        config = self._around.config
        if node.state is State.LEFT or node.name == config.name:
            return False
        dead_s = self._around.now - node.changed_at
        return node.state is not State.DEAD or dead_s <= config.gossip_to_dead_s
