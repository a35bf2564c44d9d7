"""The leader's pulse: numbered rounds of heartbeats, contact with a quorum, and the lease.

A round number is made by the leader and unique in its term, so a late answer to an earlier round
never confirms a later question (etcd-io/raft#397). Who has answered a round sent at ``t`` will vote
for nobody else before ``t`` plus its election timeout; hence the lease. It is void for the rest of
a term in which this leader asked another server to take over.
"""

import math
from collections import OrderedDict

from raft.core.peers import Peers
from raft.core.roles import Roles
from raft.core.state import State
from raft.core.types import Heartbeat, HeartbeatAnswer


class Heartbeats:
    """A duty of the leader. ``round`` is the newest one sent, 0 before the first."""

    __slots__ = ("_is_handing_over", "_next_at", "_peers", "_roles", "_sent_at", "_state", "round")

    def __init__(self, state: State, roles: Roles, peers: Peers) -> None:
        self._state = state
        self._roles = roles
        self._peers = peers
        self._end()

    def _end(self) -> None:
        self.round = 0
        self._next_at = math.inf
        self._sent_at = OrderedDict[int, float]()  # of the rounds that can still matter
        self._is_handing_over = False

    def begin(self) -> None:
        """The first round tells everybody who won."""
        self._end()
        self.send_round()

    def end(self) -> None:
        """No more heartbeats, and no lease."""
        self._end()

    def tick(self) -> None:
        """Step down without a quorum or a disk; send the next round when it is due.

        Heartbeats of a leader whose disk hangs would keep a frozen cluster together for ever
        (hashicorp/raft#503, #666).
        """
        state = self._state
        if not state.is_leader:
            return
        if state.is_disk_stalled or state.now >= self._contact_ends_at():
            self._roles.step_down()
        elif state.now >= self._next_at:
            self.send_round()

    def send_round(self) -> None:
        """Ask everybody whether this server still leads; a new round number."""
        state = self._state
        self.round += 1
        self._next_at = state.now + state.settings.heartbeat_interval_s
        horizon = state.now - state.settings.lease_timeout_s
        while self._sent_at and next(iter(self._sent_at.values())) < horizon:
            self._sent_at.popitem(last=False)
        self._sent_at[self.round] = state.now
        for peer_id, progress in self._peers.progress.items():
            # Not beyond what it is known to hold: its own tail may be somebody else's.
            commit_index = min(progress.match_index, state.commit_index)
            progress.commit_sent = max(progress.commit_sent, commit_index)
            state.send(peer_id, Heartbeat(state.term, commit_index, self.round))

    def on_answer(self, sender_id: str, message: HeartbeatAnswer) -> None:
        """The peer is there, and still took this server for its leader when it answered."""
        progress = self._peers.progress.get(sender_id)
        if progress is None:
            return
        progress.contact_at = self._state.now
        progress.is_paused = False
        progress.is_answering = True
        if message.round > progress.round:
            progress.round = message.round
            progress.round_sent_at = self._sent_at.get(message.round, progress.round_sent_at)

    def confirmed_round(self) -> float:
        """The newest round that a quorum has answered; infinity when this server is the quorum."""
        return self._peers.reached(math.inf, lambda progress: progress.round)

    def hand_over(self) -> None:
        """Another server may win from now on, whoever hears of this one: no lease."""
        self._is_handing_over = True

    def has_lease(self) -> bool:
        """Whether no other server can have been elected yet, so that the own state is newest."""
        return self._state.now < self.lease_ends_at()

    def lease_ends_at(self) -> float:
        """Until when that holds by what is known now; minus infinity without a lease."""
        state = self._state
        if self._is_handing_over or not state.is_leader or not state.has_committed_in_term:
            return -math.inf
        confirmed_at = self._peers.reached(state.now, lambda progress: progress.round_sent_at)
        return confirmed_at + state.settings.lease_s

    def deadline(self) -> float:
        """When ``tick`` has something to do; it looks for a quorum with every round at least."""
        return min(self._next_at, self._state.disk_stalls_at if self._state.is_leader else math.inf)

    def _contact_ends_at(self) -> float:
        contact_at = self._peers.reached(math.inf, lambda progress: progress.contact_at)
        return contact_at + self._state.settings.lease_timeout_s
