"""What the application hears: effects of the core as calls of its listener."""

import logging
from collections.abc import Callable
from functools import partial
from typing import TypeAlias, assert_never

from gossip.core.effects import (
    ConflictSeen,
    EventReceived,
    KeyringChanged,
    MembersChanged,
    QueryReceived,
    Stop,
)
from gossip.core.types import Coordinate, Query
from gossip.surroundings import Listener

Told: TypeAlias = (
    MembersChanged | EventReceived | QueryReceived | KeyringChanged | ConflictSeen | Stop
)

_log = logging.getLogger("gossip")


class Notices:
    """Calls the listener; its faults stay its own. ``respond`` sends the answer to a query."""

    def __init__(self, listener: Listener, respond: Callable[[Query, bytes], None]) -> None:
        self._listener = listener
        self._respond = respond

    def tell(self, told: Told | Coordinate) -> None:
        """Tell the application one thing."""
        try:
            self._call(told)
        except Exception:  # noqa: BLE001 - gossip must go on whatever its listener does
            _log.exception("the gossip listener failed on %s", type(told).__name__)

    def _call(self, told: Told | Coordinate) -> None:
        listener = self._listener
        match told:
            case MembersChanged(change=change, members=members):
                listener.members_changed(change, members)
            case EventReceived(event=event):
                listener.event_received(event)
            case QueryReceived(query=query):
                listener.query_received(query, partial(self._respond, query))
            case KeyringChanged(keys=keys):
                listener.keyring_changed(keys)
            case ConflictSeen(node=node, known=known, other=other):
                listener.conflict_seen(node, known, other)
            case Stop(reason=reason):
                listener.stopped(reason)
            case Coordinate():
                listener.coordinate_updated(told)
            case _:
                assert_never(told)
