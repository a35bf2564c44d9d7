"""Join and leave intents: what tells a member that left from one that failed.

A node that leaves says so before it goes silent; an operator may say it for a failed node. Each
intent carries a Lamport time, and only a newer one changes what is known of a member. An intent
about an unknown member is kept for a while, as it may overtake the news that the member joined.
Differences to Serf: the time is stored whatever the status (else two leaves echo for ever); a node
that hears a newer intent about itself from a former life joins again with a newer time; and of a
join and a leave of one time the leave wins, as a table exchanged with a node that is leaving tells
its leave's time as if it had joined then.
Source: Serf's intents.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from gossip.core.broadcast import BroadcastQueue
from gossip.core.coalesce import Announcer
from gossip.core.effects import Change
from gossip.core.lamport import LamportClock
from gossip.core.roster import Roster, RosterEntry
from gossip.core.schedule import Timer, TimerKind
from gossip.core.sizes import message_bytes
from gossip.core.surroundings import Surroundings
from gossip.core.types import JoinIntent, LamportTime, LeaveIntent, Status, UserMessage

RECENT_MAX: Final = 8192  # intents about unknown names; forged ones push out the oldest


class _Recent(NamedTuple):
    """An intent about a member that is not known yet."""

    is_leave: bool
    time: LamportTime
    heard_at: float


class Intents:
    """The rules for intents. ``erase`` removes a member from every table."""

    def __init__(
        self,
        around: Surroundings,
        roster: Roster,
        clock: LamportClock,
        queue: BroadcastQueue,
        announcer: Announcer,
        erase: Callable[[RosterEntry], None],
    ) -> None:
        self._around = around
        self._roster = roster
        self._clock = clock
        self._queue = queue
        self._announcer = announcer
        self._erase = erase
        self._recent: dict[str, _Recent] = {}

    def announce_join(self) -> None:
        """Tell everybody that we are (again) a member, later than anything heard so far."""
        intent = JoinIntent(self._clock.time, self._around.config.name)
        self._clock.witness(intent.time)
        entry = self._roster.get(intent.node)
        assert entry is not None
        entry.status_time = intent.time
        self._broadcast(intent)

    def announce_leave(
        self, node: str, *, prune: bool = False, done: Callable[[], None] | None = None
    ) -> None:
        """Tell everybody that ``node`` leaves: ourselves, or a failed member."""
        intent = LeaveIntent(self._clock.time, node, prune)
        self._clock.increment()
        self.leave(intent, done)

    def leave(self, intent: LeaveIntent, done: Callable[[], None] | None = None) -> None:
        """Take in a leave intent."""
        self._clock.witness(intent.time)
        entry = self._roster.get(intent.node)
        if entry is None:
            self._remember(intent.node, intent, is_leave=True)
            return
        is_here = entry.status in {Status.ALIVE, Status.FAILED}
        if intent.time < entry.status_time or (intent.time == entry.status_time and not is_here):
            return
        if self._is_me_alive(entry):
            self.announce_join()
            return
        entry.status_time = intent.time
        if entry.status is Status.ALIVE:
            self._roster.set_status(entry, Status.LEAVING, self._around.now)
        elif entry.status is Status.FAILED:
            self._roster.set_status(entry, Status.LEFT, self._around.now)
            self._announcer.member_changed(Change.LEAVE, entry.member())
        self._broadcast(intent, done)
        if intent.prune:
            self._prune(entry)

    def join(self, intent: JoinIntent) -> None:
        """Take in a join intent."""
        self._clock.witness(intent.time)
        entry = self._roster.get(intent.node)
        if entry is None:
            self._remember(intent.node, intent, is_leave=False)
            return
        if intent.time <= entry.status_time:
            return
        entry.status_time = intent.time
        if self._is_me_alive(entry):
            # Others may hold a leave of that time against us; only a newer join lifts it.
            self.announce_join()
            return
        if entry.status is Status.LEAVING and entry.name != self._around.config.name:
            self._roster.set_status(entry, Status.ALIVE, self._around.now)
        self._broadcast(intent)

    def recall(self, name: str) -> tuple[Status, LamportTime]:
        """Status and time that a member starts with, by the intents heard before it joined."""
        recent = self._recent.pop(name, None)
        if recent is None:
            return Status.ALIVE, LamportTime(0)
        return Status.LEAVING if recent.is_leave else Status.ALIVE, recent.time

    def forget_old(self) -> None:
        """Drop kept intents whose member never came."""
        since = self._around.now - self._around.config.recent_intent_s
        self._recent = {n: recent for n, recent in self._recent.items() if recent.heard_at > since}

    def prune_due(self, name: str) -> None:
        """A leaving member that is to be erased had its time to leave; it may still be here."""
        entry = self._roster.get(name)
        if entry is not None and entry.node.is_gone:
            self._erase_now(entry)

    def _prune(self, entry: RosterEntry) -> None:
        config = self._around.config
        if entry.status is Status.LEAVING:
            wait_s = config.broadcast_timeout_s + config.leave_propagate_s
            self._around.schedule.set(Timer(TimerKind.PRUNE, entry.name), self._around.now + wait_s)
        elif entry.status is Status.LEFT:
            self._erase_now(entry)

    def _erase_now(self, entry: RosterEntry) -> None:
        self._erase(entry)
        self._announcer.member_changed(Change.REAP, entry.member())

    def _is_me_alive(self, entry: RosterEntry) -> bool:
        return entry.name == self._around.config.name and entry.status is Status.ALIVE

    def _remember(self, name: str, intent: JoinIntent | LeaveIntent, *, is_leave: bool) -> None:
        known = self._recent.get(name)
        if known is not None and intent.time <= known.time:
            return
        if known is None and len(self._recent) >= RECENT_MAX:
            del self._recent[next(iter(self._recent))]
        self._recent[name] = _Recent(is_leave, intent.time, self._around.now)
        self._broadcast(intent)

    def _broadcast(
        self, intent: JoinIntent | LeaveIntent, done: Callable[[], None] | None = None
    ) -> None:
        message = UserMessage(intent)
        self._queue.add(message, message_bytes(message), done=done)
