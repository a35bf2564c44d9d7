"""User events that came by gossip: read, judged by their filters, put into the ring once.

Gossip itself delivers an event once a run; an id seen before is dropped all the same, because a
restarted peer may tell an old event anew. Source: Consul's user event handling.
"""

from collections.abc import Callable, Iterable

import structlog

from agent.membership.event_message import MalformedEvent, decode
from agent.membership.events import PROTOCOL_VERSION, EventRing, UserEvent, concerns
from catalog.patterns import PatternError
from catalog.rows.service import NodeService
from gossip.core.types import UserEvent as GossipEvent

_log = structlog.get_logger("agent.events")


class ReceivedEvents:
    """Fills the ring of one agent. ``own_services`` are those that filters are held against."""

    def __init__(
        self,
        node_name: str,
        ring: EventRing,
        own_services: Callable[[], Iterable[NodeService]],
    ) -> None:
        self._node_name = node_name
        self._ring = ring
        self._own_services = own_services

    def take(self, received: GossipEvent) -> None:
        """Put an event that concerns this agent into the ring."""
        self._ring.lamport_time = max(self._ring.lamport_time, received.time)
        try:
            event = decode(received.payload, received.time)
            wanted = concerns(event, self._node_name, self._own_services())
        except (MalformedEvent, PatternError) as error:
            _log.warning("user event not understood", name=received.name, error=str(error))
            return
        if event.version > PROTOCOL_VERSION:
            _log.warning("user event may have unknown features", version=event.version, id=event.id)
        if wanted and not self._is_known(event):
            self._ring.receive(event)

    def _is_known(self, event: UserEvent) -> bool:
        return any(event.id == known.id for known in self._ring.list(event.name))
