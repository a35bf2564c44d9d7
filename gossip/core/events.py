"""User events: told to everybody once, in spite of many ways to hear of them.

A ring of the last 512 Lamport times remembers what was delivered; what is older than the ring or
than the minimum time (set by a join that wants no history, or by the snapshot) is dropped.
Source: Serf's user events.
"""

from typing import Final

from gossip.core.broadcast import BroadcastQueue
from gossip.core.coalesce import Announcer
from gossip.core.effects import Completed
from gossip.core.inputs import SendEvent
from gossip.core.lamport import LamportClock
from gossip.core.piggyback import COMPOUND_PART_BYTES, packet_room_bytes
from gossip.core.sizes import cluster_bytes, message_bytes
from gossip.core.surroundings import Surroundings
from gossip.core.types import (
    EVENT_RING_SLOTS,
    EventBody,
    EventSlot,
    LamportTime,
    UserEvent,
    UserMessage,
)

EVENT_BYTES_CAP: Final = 9 * 1024  # no configuration may allow more; Serf's hard limit
SLOT_EVENTS_MAX: Final = 512  # events of one Lamport time; a pool never reaches it, a forger may


class UserEvents:
    """Sends, deduplicates and passes on user events."""

    def __init__(
        self,
        around: Surroundings,
        clock: LamportClock,
        queue: BroadcastQueue,
        announcer: Announcer,
    ) -> None:
        self._around = around
        self._clock = clock
        self._queue = queue
        self._announcer = announcer
        self._ring: list[tuple[LamportTime, list[EventBody]] | None] = [None] * EVENT_RING_SLOTS
        self.time_min = LamportTime(0)

    def send(self, command: SendEvent) -> None:
        """Tell everybody; too large an event is refused."""
        event = UserEvent(self._clock.time, command.name, command.payload, command.coalesce)
        limit = self._bytes_max()
        error = ""
        if len(command.name.encode(errors="replace")) + len(command.payload) > limit:
            error = f"user event exceeds configured limit of {limit} bytes before encoding"
        elif cluster_bytes(event) > limit:
            error = f"encoded user event exceeds configured limit of {limit} bytes after encoding"
        if not error:
            self._clock.increment()
            self.receive(event)
        self._around.emit(Completed(command.request, error))

    def receive(self, event: UserEvent) -> None:
        """Deliver and pass on an event that is new."""
        self._clock.witness(event.time)
        if event.time < self.time_min:
            return
        if is_too_old(event.time, self._clock.time):
            self._around.warn("user event too old", detail=event.name)
            return
        body = EventBody(event.name, event.payload)
        place = event.time % EVENT_RING_SLOTS
        slot = self._ring[place]
        if slot is None or slot[0] != event.time:
            self._ring[place] = (event.time, [body])
        elif body in slot[1]:
            return
        elif len(slot[1]) >= SLOT_EVENTS_MAX:
            self._around.warn("too many user events at one time", detail=event.name)
            return
        else:
            slot[1].append(body)
        self._announcer.event_received(event)
        message = UserMessage(event)
        self._queue.add(message, message_bytes(message))

    def slots(self) -> tuple[EventSlot, ...]:
        """What is in the ring, for a push/pull."""
        return tuple(EventSlot(slot[0], tuple(slot[1])) for slot in self._ring if slot is not None)

    def merge(self, slots: tuple[EventSlot, ...]) -> None:
        """Take in the ring of a peer."""
        for slot in slots:
            for body in slot.events:
                self.receive(UserEvent(slot.time, body.name, body.payload, coalesce=False))

    def _bytes_max(self) -> int:
        config = self._around.config
        room = packet_room_bytes(config) - COMPOUND_PART_BYTES - 1
        return min(config.event_bytes_max, EVENT_BYTES_CAP, room)


def is_too_old(time: LamportTime, clock: LamportTime) -> bool:
    """Whether ``time`` has fallen out of a ring at ``clock``."""
    return clock > EVENT_RING_SLOTS and time < clock - EVENT_RING_SLOTS
