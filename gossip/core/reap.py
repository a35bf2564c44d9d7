"""Members that are gone: try to reach the failed ones again, and forget all in the end.

Also the slow upkeep that needs no timer of its own: old intents, answered queries, long queues.
Source: Serf's reaper, reconnect loop and queue checker.
"""

from collections.abc import Callable
from typing import Final

from gossip.core.broadcast import BroadcastQueue
from gossip.core.coalesce import Announcer
from gossip.core.effects import Change
from gossip.core.inputs import Join, JoinTarget
from gossip.core.policy import Policy
from gossip.core.push_pull import REQUESTLESS, Exchanger
from gossip.core.roster import Roster, RosterEntry
from gossip.core.schedule import Timer, TimerKind
from gossip.core.surroundings import Surroundings

MEMBERS_PER_QUEUE_SLOT: Final = 2  # with a minimum depth set, a queue holds two a member


class Reaper:
    """The upkeep of one node. ``erase`` removes a member from every table."""

    def __init__(
        self,
        around: Surroundings,
        roster: Roster,
        exchanger: Exchanger,
        policy: Policy,
        announcer: Announcer,
        erase: Callable[[RosterEntry], None],
    ) -> None:
        self._around = around
        self._roster = roster
        self._exchanger = exchanger
        self._policy = policy
        self._announcer = announcer
        self._erase = erase

    def start(self) -> None:
        """Start the three loops."""
        self._again(TimerKind.REAP, self._around.config.reap_interval_s)
        self._again(TimerKind.RECONNECT, self._around.config.reconnect_interval_s)
        self._again(TimerKind.QUEUE_CHECK, self._around.config.queue_check_interval_s)

    def reap(self) -> None:
        """Erase members that have been gone for too long."""
        config, now = self._around.config, self._around.now
        self._again(TimerKind.REAP, config.reap_interval_s)
        overdue = [
            entry
            for entry in self._roster.failed.values()
            if now - entry.gone_at
            > self._policy.reconnect_timeout_s(entry.node.tags, config.reconnect_timeout_s)
        ]
        overdue += [
            entry
            for entry in self._roster.left.values()
            if now - entry.gone_at > config.tombstone_timeout_s
        ]
        for entry in overdue:
            self._erase(entry)
            self._announcer.member_changed(Change.REAP, entry.member())

    def reconnect(self) -> None:
        """Join one failed member, more likely the more of them there are."""
        around, roster = self._around, self._roster
        self._again(TimerKind.RECONNECT, around.config.reconnect_interval_s)
        failed = roster.failed
        if not failed or around.rng.random() > len(failed) / max(1, roster.alive_count):
            return
        entry = list(failed.values())[around.rng.randrange(len(failed))]
        target = JoinTarget(entry.node.address, entry.name)
        self._exchanger.join(Join(REQUESTLESS, (target,), ignore_old_events=False))

    def check_queues(self, queues: dict[str, BroadcastQueue]) -> None:
        """Warn of long queues of the cluster layer and cut those that are too long."""
        config = self._around.config
        self._again(TimerKind.QUEUE_CHECK, config.queue_check_interval_s)
        depth_max = config.queue_depth_max
        if config.queue_depth_min > 0:
            depth_max = max(config.queue_depth_min, MEMBERS_PER_QUEUE_SLOT * len(self._roster))
        for name, queue in queues.items():
            depth = len(queue)
            if depth >= config.queue_warning_depth:
                self._around.warn("queue is long", detail=f"{name}: {depth}")
            queue.prune(depth_max)

    def _again(self, kind: TimerKind, interval_s: float) -> None:
        self._around.schedule.set(Timer(kind), self._around.now + interval_s)
