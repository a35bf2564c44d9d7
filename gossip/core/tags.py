"""Changing our own tags: announced with a higher incarnation, done when it was sent often enough.

How tags become the ``meta`` of an alive message is the wire layer's business (``Payloads``).
Source: Serf's tag update.
"""

from typing import Final

from gossip.core.effects import Completed
from gossip.core.inputs import SetTags
from gossip.core.members import Members
from gossip.core.schedule import Timer, TimerKind
from gossip.core.surroundings import Surroundings
from gossip.core.table import NodeTable
from gossip.core.types import META_BYTES_MAX

UPDATES_MAX: Final = 64  # updates waiting for their broadcast; each ends within its timeout


class OwnTags:
    """What this node says of itself."""

    def __init__(self, around: Surroundings, table: NodeTable, members: Members) -> None:
        self._around = around
        self._table = table
        self._members = members
        self._waiting: set[int] = set()

    def announce(self) -> None:
        """Tell everybody that we are here, with the configured tags.

        Raises ``ValueError`` when they are too large.
        """
        meta = self._around.payloads.encode_tags(self._around.config.tags)
        if error := _too_large(meta):
            raise ValueError(error)
        self._members.announce(meta)

    def set(self, command: SetTags) -> None:
        """Replace our tags; ``Completed`` comes when everybody should know."""
        around, request = self._around, command.request
        meta = around.payloads.encode_tags(command.tags)
        error = _too_large(meta)
        if self._members.has_left:
            error = "this node has left"
        elif len(self._waiting) >= UPDATES_MAX:
            error = "too many tag updates at once"
        if error:
            around.emit(Completed(request, error))
            return
        self._waiting.add(request)
        self._members.announce(meta, lambda: self.sent(request))
        if self._table.alive_count > 1:
            timeout_s = around.config.broadcast_timeout_s
            around.schedule.set(Timer(TimerKind.TAGS_SENT, request), around.now + timeout_s)
        else:
            self.sent(request)

    def sent(self, request: int) -> None:
        """The update was sent, replaced by a newer one, or took too long."""
        if request in self._waiting:
            self._waiting.remove(request)
            self._around.schedule.cancel(Timer(TimerKind.TAGS_SENT, request))
            self._around.emit(Completed(request))


def _too_large(meta: bytes) -> str:
    size = len(meta)
    return f"tags take {size} bytes, allowed are {META_BYTES_MAX}" if size > META_BYTES_MAX else ""
