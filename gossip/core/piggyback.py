"""Filling packets: what is queued rides along with every packet that has room.

Membership news first, then the cluster layer's queues: intents, queries, events. Every fourth
packet the cluster layer goes first, so that a storm of membership news does not starve events.
Source: SWIM §4.1 (piggybacked dissemination).
"""

from typing import Final

from gossip.core.broadcast import EVER, BroadcastQueue
from gossip.core.config import Config
from gossip.core.effects import SendPacket
from gossip.core.sizes import message_bytes
from gossip.core.surroundings import Surroundings
from gossip.core.types import Address, PacketMessage

COMPOUND_HEAD_BYTES: Final = 2  # type and count
COMPOUND_PART_BYTES: Final = 2  # each part's entry in the length table
COMPOUND_PARTS_MAX: Final = 255  # the count is one byte
CLUSTER_TURN: Final = 4  # one packet in this many is filled by the cluster layer first


class Piggyback:
    """The queues of one node and the way packets are filled from them."""

    __slots__ = ("_around", "_packet_count", "cluster", "membership")

    def __init__(
        self, around: Surroundings, membership: BroadcastQueue, cluster: tuple[BroadcastQueue, ...]
    ) -> None:
        self._around = around
        self._packet_count = 0
        self.membership = membership
        self.cluster = cluster

    def is_empty(self) -> bool:
        """Whether nothing is queued."""
        return not self.membership and not any(self.cluster)

    def transmits_min(self) -> int | None:
        """How often the least told news was told; None when there is none."""
        found = (queue.transmits_min for queue in (self.membership, *self.cluster))
        return min((transmits for transmits in found if transmits is not None), default=None)

    def fill(
        self, main_bytes: int, part_count: int, transmits_max: int = EVER
    ) -> list[PacketMessage]:
        """Queued messages that fit beside ``part_count`` parts of ``main_bytes``.

        Only those that were sent at most ``transmits_max`` times.
        """
        if self.is_empty():
            return []
        self._packet_count += 1
        queues = (self.membership, *self.cluster)
        if self._packet_count % CLUSTER_TURN == 0:
            queues = (*self.cluster, self.membership)
        free = (
            packet_room_bytes(self._around.config) - main_bytes - COMPOUND_PART_BYTES * part_count
        )
        taken: list[PacketMessage] = []
        for queue in queues:
            room = COMPOUND_PARTS_MAX - part_count - len(taken)
            for entry in queue.take(free, COMPOUND_PART_BYTES, room, transmits_max):
                free -= entry.bytes + COMPOUND_PART_BYTES
                taken.append(entry.message)
        return taken

    def send(self, to: Address, message: PacketMessage, *, checksum: bool = False) -> None:
        """Send ``message`` and whatever fits beside it."""
        extras = self.fill(message_bytes(message), 1)
        self._around.emit(SendPacket(to, (message, *extras), checksum))


def packet_room_bytes(config: Config) -> int:
    """Bytes of a packet that compound parts and their length entries may take."""
    return config.packet_bytes_max - COMPOUND_HEAD_BYTES - config.packet_overhead_bytes
