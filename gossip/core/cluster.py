"""The cluster layer over membership: what a node's join, death or update means to the pool.

Membership knows who answers; this layer knows who left and who failed, in which order, and hands
over tables in push/pulls. Source: Serf's delegates.
"""

from gossip.core.coalesce import Announcer
from gossip.core.conflict import NameConflicts
from gossip.core.effects import Change
from gossip.core.events import UserEvents
from gossip.core.intents import Intents
from gossip.core.lamport import Clocks, following
from gossip.core.queries import Queries
from gossip.core.roster import Roster, RosterEntry
from gossip.core.snapshot import Recorder
from gossip.core.surroundings import Surroundings
from gossip.core.table import Node
from gossip.core.types import (
    Address,
    ClusterMessage,
    ClusterState,
    JoinIntent,
    LamportTime,
    LeaveIntent,
    Query,
    QueryResponse,
    Relay,
    Status,
    UserEvent,
)


class Cluster:
    """Listens to membership and speaks for the cluster layer in push/pulls."""

    def __init__(
        self,
        around: Surroundings,
        roster: Roster,
        clocks: Clocks,
        announcer: Announcer,
        recorder: Recorder,
    ) -> None:
        self._around = around
        self._roster = roster
        self._clocks = clocks
        self._announcer = announcer
        self._recorder = recorder

    def connect(
        self, intents: Intents, events: UserEvents, queries: Queries, conflicts: NameConflicts
    ) -> None:
        """Bind the mechanisms; before the first step."""
        self._intents = intents
        self._events = events
        self._queries = queries
        self._conflicts = conflicts

    def deliver(self, message: ClusterMessage) -> None:
        """Take a message that came as a user message."""
        match message:
            case JoinIntent():
                self._intents.join(message)
            case LeaveIntent():
                self._intents.leave(message)
            case UserEvent():
                self._events.receive(message)
            case Query():
                self._queries.receive(message)
            case QueryResponse():
                self._queries.answers.take(message)
            case Relay():
                self._queries.relay(message)
            case ClusterState():
                self._around.warn("push/pull state outside of a push/pull")

    # --- Listener ---

    def node_joined(self, node: Node) -> None:
        """A node is alive: a new member, or one that came back."""
        entry = self._roster.get(node.name)
        if entry is None:
            status, time = self._intents.recall(node.name)
            entry = RosterEntry(node, status, time)
            self._roster.add(entry)
        else:
            entry.node = node
            self._roster.set_status(entry, Status.ALIVE, self._around.now)
        self._recorder.joined(node.name, node.address)
        self._announcer.member_changed(Change.JOIN, entry.member())

    def node_left(self, node: Node) -> None:
        """A node is gone: on purpose if it said so before."""
        entry = self._roster.get(node.name)
        if entry is None:
            return
        if entry.status is Status.LEAVING:
            self._roster.set_status(entry, Status.LEFT, self._around.now)
            self._announcer.member_changed(Change.LEAVE, entry.member())
        elif entry.status is Status.ALIVE:
            self._roster.set_status(entry, Status.FAILED, self._around.now)
            self._announcer.member_changed(Change.FAILED, entry.member())
        self._recorder.gone(node.name)

    def node_updated(self, node: Node) -> None:
        """The tags of a member changed."""
        entry = self._roster.get(node.name)
        if entry is not None:
            self._announcer.member_changed(Change.UPDATE, entry.member())

    def node_conflict(self, node: Node, other: Address) -> None:
        """Two addresses claim one name."""
        self._conflicts.seen(node, other)

    # --- ClusterStates ---

    def local_state(self) -> ClusterState:
        """What we tell in a push/pull."""
        return ClusterState(
            time=self._clocks.member.time,
            status_times={entry.name: _time_told(entry) for entry in self._roster},
            left_members=tuple(self._roster.left),
            event_time=self._clocks.event.time,
            events=self._events.slots(),
            query_time=self._clocks.query.time,
        )

    def merge_state(self, state: ClusterState, *, ignore_old_events: bool) -> None:
        """Take in what a peer told: clocks, then leaves, joins and events."""
        for clock, time in (
            (self._clocks.member, state.time),
            (self._clocks.event, state.event_time),
            (self._clocks.query, state.query_time),
        ):
            if time > 0:
                clock.witness(LamportTime(time - 1))
        left = set(state.left_members)
        for name in state.left_members:
            time = state.status_times.get(name, LamportTime(0))
            if not self._knows_it_left(name, time):
                self._intents.leave(LeaveIntent(following(time), name))
        for name, time in state.status_times.items():
            if name not in left:
                self._intents.join(JoinIntent(time, name))
        if ignore_old_events:
            self._events.time_min = max(self._events.time_min, state.event_time)
        self._events.merge(state.events)

    def joined(self) -> None:
        """A join worked: tell everybody that we are a member."""
        self._intents.announce_join()

    def _knows_it_left(self, name: str, time: LamportTime) -> bool:
        """Whether the peer has no news of a leave; else two peers would raise its time for ever."""
        entry = self._roster.get(name)
        return entry is not None and entry.status is Status.LEFT and entry.status_time >= time


def _time_told(entry: RosterEntry) -> LamportTime:
    """The time of a member in our table: a peer takes it for that of a join if it has not left.

    A leave's own time would make the peer refuse the leave itself, when it comes by gossip.
    """
    if entry.status is Status.LEAVING:
        return LamportTime(max(entry.status_time - 1, 0))
    return entry.status_time
