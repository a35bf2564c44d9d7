"""What the application hears, optionally gathered for a moment so that storms become few calls.

Of each member only the latest change of the moment is told, and only if it differs from what was
told last (updates always are). Of user events that allow it only the newest of each name is told.
Without a configured moment everything is told at once. Source: Serf's event coalescing.
"""

from gossip.core.effects import Change, EventReceived, MembersChanged
from gossip.core.schedule import Timer, TimerKind
from gossip.core.surroundings import Surroundings
from gossip.core.types import Member, UserEvent


class Announcer:
    """Tells the application. Pending changes are bounded by the members, events by the ring."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._is_gathering = around.config.coalesce_s > 0
        self._changes: dict[str, tuple[Change, Member]] = {}
        self._told: dict[str, Change] = {}
        self._events: dict[str, list[UserEvent]] = {}

    def member_changed(self, change: Change, member: Member) -> None:
        """Tell, or gather, that ``member`` changed."""
        if not self._is_gathering:
            self._around.emit(MembersChanged(change, (member,)))
            return
        self._changes[member.name] = (change, member)
        self._gather()

    def event_received(self, event: UserEvent) -> None:
        """Tell, or gather, a user event."""
        if not (self._is_gathering and event.coalesce):
            self._around.emit(EventReceived(event))
            return
        newest = self._events.get(event.name, [])
        if not newest or event.time > newest[0].time:
            self._events[event.name] = [event]
        elif event.time == newest[0].time:
            newest.append(event)
        self._gather()

    def flush(self) -> None:
        """The moment is over: tell what was gathered."""
        schedule = self._around.schedule
        schedule.cancel(Timer(TimerKind.COALESCE))
        schedule.cancel(Timer(TimerKind.QUIESCENT))
        by_change: dict[Change, list[Member]] = {}
        for name, (change, member) in self._changes.items():
            if self._told.get(name) is not change or change is Change.UPDATE:
                by_change.setdefault(change, []).append(member)
            self._told[name] = change
            if change is Change.REAP:
                del self._told[name]
        for change, members in by_change.items():
            self._around.emit(MembersChanged(change, tuple(members)))
        for events in self._events.values():
            for event in events:
                self._around.emit(EventReceived(event))
        self._changes.clear()
        self._events.clear()

    def _gather(self) -> None:
        schedule, config, now = self._around.schedule, self._around.config, self._around.now
        if not schedule.is_set(Timer(TimerKind.COALESCE)):
            schedule.set(Timer(TimerKind.COALESCE), now + config.coalesce_s)
        if config.quiescent_s > 0:
            schedule.set(Timer(TimerKind.QUIESCENT), now + config.quiescent_s)
