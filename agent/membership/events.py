"""User events: the ring of those that this agent received, and which of them concern it.

Delivery to other agents is the gossip's; an event that this agent fires is received by it too.
Source: Consul API, /v1/event.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from catalog.errors import Invalid
from catalog.patterns import PatternError, compile_pattern
from catalog.rows.service import NodeService
from catalog.schema import Row

RING_MAX: Final = 256  # events remembered, as Consul does
EVENT_BYTES_MAX: Final = 512  # of an encoded event: one gossip packet carries several
PROTOCOL_VERSION: Final = 1


class UserEvent(Row, frozen=True, kw_only=True):
    """An event; ``payload`` is opaque. Filters are regular expressions, empty for all."""

    id: str
    name: str
    payload: bytes = b""
    node_filter: str = ""
    service_filter: str = ""
    tag_filter: str = ""
    version: int = PROTOCOL_VERSION
    l_time: int = 0


def check(event: UserEvent) -> None:
    """Refuse an event that cannot be sent. Raises Invalid."""
    for what, pattern in (
        ("node", event.node_filter),
        ("service", event.service_filter),
        ("tag", event.tag_filter),
    ):
        try:
            compile_pattern(pattern)
        except PatternError as error:
            raise Invalid(f"Invalid {what} filter: {error}") from None
    if event.tag_filter and not event.service_filter:
        raise Invalid("Cannot provide tag filter without service filter")
    size = sum(
        len(text)
        for text in (event.name, event.node_filter, event.service_filter, event.tag_filter)
    ) + len(event.payload)
    if size > EVENT_BYTES_MAX:
        raise Invalid(
            f"user event of {size} bytes exceeds configured limit of {EVENT_BYTES_MAX} bytes "
            "before encoding"
        )


def concerns(event: UserEvent, node_name: str, services: Iterable[NodeService]) -> bool:
    """Whether an event is meant for this node and its services."""
    if event.node_filter and not compile_pattern(event.node_filter).search(node_name):
        return False
    if not event.service_filter:
        return True
    service_pattern = compile_pattern(event.service_filter)
    tag_pattern = compile_pattern(event.tag_filter)
    return any(
        service_pattern.search(service.id)
        and (not event.tag_filter or any(map(tag_pattern.search, service.tags or ())))
        for service in services
    )


def index_of(event_id: str) -> int:
    """The index of a list that ends with this event: both halves of its id, combined."""
    digits = re.sub("-", "", event_id)
    return int(digits[:16], 16) ^ int(digits[16:], 16)


class EventRing:
    """The last events received, oldest first."""

    def __init__(self) -> None:
        self._events: deque[UserEvent] = deque(maxlen=RING_MAX)
        self._waiting: list[Callable[[], None]] = []
        self._taken: dict[str, Callable[[UserEvent], None]] = {}
        self.lamport_time = 1

    def take(self, name: str, handle: Callable[[UserEvent], None]) -> None:
        """Events of a name that agents use among themselves go to ``handle`` and are not kept."""
        self._taken[name] = handle

    def receive(self, event: UserEvent) -> None:
        """Keep an event and wake who waits for one."""
        handle = self._taken.get(event.name)
        if handle is not None:
            handle(event)
            return
        self._events.append(event)
        waiting, self._waiting = self._waiting, []
        for wake_up in waiting:
            wake_up()

    def list(self, name: str) -> list[UserEvent]:
        """The events of a name, or all of them."""
        return [event for event in self._events if not name or event.name == name]

    def wake(self, wake_up: Callable[[], None]) -> None:
        """Call ``wake_up`` once, at the next event."""
        self._waiting.append(wake_up)

    def forget(self, wake_up: Callable[[], None]) -> None:
        """Forget a wait."""
        if wake_up in self._waiting:
            self._waiting.remove(wake_up)
