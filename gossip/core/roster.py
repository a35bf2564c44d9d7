"""The members as the cluster layer sees them: those who failed or left stay for a while.

Membership forgets a dead node within a minute; the roster keeps it until it is reaped, to
reconnect it and to show it. Source: Serf's member table.
"""

from collections.abc import Iterator

import msgspec

from gossip.core.table import Node
from gossip.core.types import LamportTime, Member, Status


class RosterEntry(msgspec.Struct):
    """One member; ``gone_at`` is when it failed or left."""

    node: Node
    status: Status
    status_time: LamportTime
    gone_at: float = 0.0

    @property
    def name(self) -> str:
        """The member's name."""
        return self.node.name

    def member(self) -> Member:
        """The member as a value."""
        node = self.node
        return Member(
            node.name, node.address, node.tags, self.status, node.versions, self.status_time
        )


class Roster:
    """All members by name, the failed and the left ones also in the order they went."""

    __slots__ = ("_entries", "failed", "left")

    def __init__(self) -> None:
        self._entries: dict[str, RosterEntry] = {}
        self.failed: dict[str, RosterEntry] = {}
        self.left: dict[str, RosterEntry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[RosterEntry]:
        return iter(self._entries.values())

    @property
    def alive_count(self) -> int:
        """Members that are alive or leaving."""
        return len(self._entries) - len(self.failed) - len(self.left)

    def get(self, name: str) -> RosterEntry | None:
        """The member called ``name``."""
        return self._entries.get(name)

    def add(self, entry: RosterEntry) -> None:
        """Add an unknown member."""
        assert entry.name not in self._entries
        self._entries[entry.name] = entry

    def set_status(self, entry: RosterEntry, status: Status, now: float) -> None:
        """Move a member to ``status``; a member that goes is gone since ``now``."""
        self.failed.pop(entry.name, None)
        self.left.pop(entry.name, None)
        if status is Status.FAILED:
            self.failed[entry.name] = entry
        elif status is Status.LEFT:
            self.left[entry.name] = entry
        if status in {Status.FAILED, Status.LEFT} and entry.status not in {
            Status.FAILED,
            Status.LEFT,
        }:
            entry.gone_at = now
        entry.status = status

    def erase(self, entry: RosterEntry) -> None:
        """Forget a member."""
        for place in (self._entries, self.failed, self.left):
            place.pop(entry.name, None)
