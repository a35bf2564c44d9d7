"""One node of a gossip pool: the rules put together behind ``step(event, now) -> effects``.

The node reads no clock, opens no socket and rolls no dice of its own: time and chance are
arguments, everything else goes out as effects. A driver steps it with what arrives, carries the
effects out in order, and wakes it at ``next_deadline``.
"""

from typing import assert_never

import msgspec

from gossip.core.broadcast import BroadcastQueue
from gossip.core.cluster import Cluster
from gossip.core.coalesce import Announcer
from gossip.core.config import Config
from gossip.core.conflict import NameConflicts
from gossip.core.coordinates import Vivaldi
from gossip.core.effects import Completed, Effect
from gossip.core.events import UserEvents
from gossip.core.inputs import (
    Ask,
    ChangeKeyring,
    Command,
    Event,
    ForceLeave,
    Join,
    Leave,
    PacketReceived,
    Respond,
    SendEvent,
    SendRefused,
    SetTags,
    Start,
    StreamAnswered,
    StreamRequested,
    Woke,
)
from gossip.core.intents import Intents
from gossip.core.keyring import Keyring
from gossip.core.lamport import Clocks, following
from gossip.core.leave import Leaver, Phase
from gossip.core.members import Members
from gossip.core.piggyback import Piggyback
from gossip.core.policy import Policy
from gossip.core.probe import Prober
from gossip.core.push_pull import Exchanger
from gossip.core.queries import Queries
from gossip.core.reap import Reaper
from gossip.core.roster import Roster, RosterEntry
from gossip.core.schedule import Timer, TimerKind
from gossip.core.snapshot import Recorder, Replay
from gossip.core.spread import Spreader
from gossip.core.surroundings import Surroundings
from gossip.core.swim import Swim
from gossip.core.table import NodeTable
from gossip.core.tags import OwnTags
from gossip.core.types import Address, Member, Payloads, Rng, normalized_ip

HAS_LEFT_ERROR = "this node is leaving or has left"


class GossipNode:
    """A node of one pool. Step it with ``Start`` first.

    ``history`` is what the snapshot file of the last run added up to (``snapshot.replay``).
    """

    def __init__(
        self,
        config: Config,
        rng: Rng,
        now: float,
        *,
        payloads: Payloads,
        policy: Policy,
        history: Replay | None = None,
    ) -> None:
        ip, port = config.address
        config = msgspec.structs.replace(config, address=Address(normalized_ip(ip), port))
        self.config = config
        self._around = around = Surroundings(config, rng, payloads, now)
        self._table = table = NodeTable(rng)
        self._roster = roster = Roster()
        clocks = Clocks()
        self._queues = {
            "membership": BroadcastQueue(config.retransmit_mult, table.__len__),
            "intents": BroadcastQueue(config.retransmit_mult, roster.__len__),
            "queries": BroadcastQueue(config.retransmit_mult, roster.__len__),
            "events": BroadcastQueue(config.retransmit_mult, roster.__len__),
        }
        membership, intent_queue, query_queue, event_queue = self._queues.values()
        self._cluster_queues = {n: queue for n, queue in self._queues.items() if n != "membership"}
        piggyback = Piggyback(around, membership, (intent_queue, query_queue, event_queue))

        # The cluster layer.
        self._vivaldi = vivaldi = Vivaldi(rng, enabled=config.coordinates)
        self._announcer = announcer = Announcer(around)
        self._recorder = recorder = Recorder(around, clocks)
        self._intents = intents = Intents(
            around, roster, clocks.member, intent_queue, announcer, self._erase
        )
        self._events = UserEvents(around, clocks.event, event_queue, announcer)
        self._queries = Queries(around, table, roster, clocks.query, query_queue, piggyback)
        self._keyring = Keyring(around, roster, self._queries)
        cluster = Cluster(around, roster, clocks, announcer, recorder)
        conflicts = NameConflicts(around, roster, self._queries)
        cluster.connect(intents, self._events, self._queries, conflicts)

        # The membership layer.
        self._members = Members(around, table, membership, policy, cluster)
        self._prober = Prober(around, table, self._members, piggyback, vivaldi)
        self._exchanger = Exchanger(around, table, self._members, policy, cluster)
        spreader = Spreader(around, table, piggyback)
        self._swim = Swim(
            around, self._members, self._prober, self._exchanger, spreader, cluster.deliver
        )

        # What needs both.
        self._tags = OwnTags(around, table, self._members)
        self._leaver = Leaver(around, table, roster, self._members, intents, recorder)
        self._reaper = Reaper(around, roster, self._exchanger, policy, announcer, self._erase)
        if history is not None:
            self._restore(history, clocks)
            recorder.restore(history)

    # --- what the driver reads ---

    @property
    def next_deadline(self) -> float | None:
        """When to step with ``Woke``; None when there is nothing to wait for."""
        return self._around.schedule.next_deadline()

    @property
    def members(self) -> tuple[Member, ...]:
        """All members, the failed and the left ones included, ourselves too."""
        return tuple(entry.member() for entry in self._roster)

    @property
    def nodes(self) -> NodeTable:
        """Membership's own view, to look at only."""
        return self._table

    @property
    def health_score(self) -> int:
        """0 is healthy; see ``awareness``."""
        return self._members.awareness.score

    @property
    def coordinates(self) -> Vivaldi:
        """Our coordinate and those of the others."""
        return self._vivaldi

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The keyring, primary first."""
        return self._keyring.keys

    @property
    def queue_depths(self) -> dict[str, int]:
        """Messages waiting in each broadcast queue."""
        return {name: len(queue) for name, queue in self._queues.items()}

    # --- the one way in ---

    def step(self, event: Event, now: float) -> list[Effect]:
        """Take ``event`` and fire every timer that is due; returns what the driver is to do.

        ``now`` never goes back. Raises ``ValueError`` only for ``Start`` with tags too large.
        """
        around = self._around
        around.now = max(now, around.now)
        self._take(event)
        while (timer := around.schedule.pop_due(around.now)) is not None:
            if not self._swim.timer(timer):
                self._cluster_timer(timer)
        return around.take_effects()

    def _take(self, event: Event) -> None:
        match event:
            case PacketReceived(message=message, sender=sender):
                self._swim.packet(message, sender)
            case Woke():
                pass
            case StreamRequested(stream=stream, message=request):
                self._swim.stream(stream, request)
            case StreamAnswered(stream=stream, message=answer, error=error):
                self._swim.stream_answered(stream, answer, error)
            case SendRefused(sequence=sequence):
                self._prober.send_refused(sequence)
            case Start():
                self._start(event)
            case Leave():
                self._leaver.leave(event)
            case _:
                self._command(event)

    def _command(self, command: Command) -> None:
        if self._leaver.phase is not Phase.MEMBER:
            self._around.emit(Completed(command.request, HAS_LEFT_ERROR))
            return
        match command:
            case Join():
                self._exchanger.join(command)
            case ForceLeave():
                self._intents.announce_leave(command.node, prune=command.prune)
                self._around.emit(Completed(command.request))
            case SendEvent():
                self._events.send(command)
            case Ask():
                self._queries.ask(command)
            case Respond():
                self._queries.respond(command)
            case SetTags():
                self._tags.set(command)
            case ChangeKeyring():
                self._keyring.change(command)
            case _:
                assert_never(command)

    def _start(self, command: Start) -> None:
        self._tags.announce()
        self._swim.start()
        self._reaper.start()
        self._recorder.start()
        targets = [t for t in command.previous if t.name != self.config.name]
        if targets:
            self._around.rng.shuffle(targets)
            self._exchanger.join(Join(command.request, tuple(targets)), stop_at_first=True)

    def _cluster_timer(self, timer: Timer) -> None:
        match timer:
            case Timer(TimerKind.REAP):
                self._reaper.reap()
                self._intents.forget_old()
                self._queries.forget_old()
            case Timer(TimerKind.RECONNECT):
                self._reaper.reconnect()
            case Timer(TimerKind.QUEUE_CHECK):
                self._reaper.check_queues(self._cluster_queues)
            case Timer(TimerKind.QUERY_END, (time, query_id)):
                self._queries.answers.end((time, query_id))
            case Timer(TimerKind.LEAVE_STEP):
                self._leaver.step()
            case Timer(TimerKind.TAGS_SENT, int(request)):
                self._tags.sent(request)
            case Timer(TimerKind.PRUNE, str(name)):
                self._intents.prune_due(name)
            case Timer(TimerKind.COALESCE | TimerKind.QUIESCENT):
                self._announcer.flush()
            case Timer(TimerKind.SNAPSHOT):
                self._recorder.tick()
            case _:
                raise AssertionError(f"nobody waits for {timer}")

    def _restore(self, history: Replay, clocks: Clocks) -> None:
        """Go on where the last run stopped: no old event or query is delivered again."""
        clocks.member.witness(history.time)
        clocks.event.witness(history.event_time)
        clocks.query.witness(history.query_time)
        self._events.time_min = following(history.event_time)
        self._queries.time_min = following(history.query_time)

    def _erase(self, entry: RosterEntry) -> None:
        self._roster.erase(entry)
        self._vivaldi.forget(entry.name)
