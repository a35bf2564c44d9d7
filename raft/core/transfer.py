"""Handing leadership over: stop taking proposals, let the target catch up, tell it to stand.

Source: thesis §3.10. It belongs to one leadership and ends with it, whatever happens
(hashicorp/raft#696). Once a server was told to stand, leases are void for the rest of the term:
the message may be late and still make it win.
"""

import math
from typing import Final

from raft.core.heartbeats import Heartbeats
from raft.core.peers import Peers
from raft.core.state import State
from raft.core.types import Refusal, Refused, TimeoutNow, TransferEnded

_NOBODY: Final = ""


class Transfer:
    """A duty of the leader; at most one target."""

    __slots__ = (
        "_asked_in_round",
        "_deadline",
        "_heartbeats",
        "_peers",
        "_state",
        "_term",
        "target_id",
    )

    def __init__(self, state: State, peers: Peers, heartbeats: Heartbeats) -> None:
        self._state = state
        self._peers = peers
        self._heartbeats = heartbeats
        self._forget()

    def _forget(self) -> None:
        self.target_id = _NOBODY
        self._deadline = math.inf
        self._asked_in_round = 0  # 0: the target was not told to stand yet
        self._term = self._state.term

    @property
    def is_active(self) -> bool:
        """Whether proposals are to be refused."""
        return self.target_id != _NOBODY

    def begin(self) -> None:
        """No transfer of an earlier leadership is left."""
        assert not self.is_active

    def end(self) -> None:
        """Somebody else leads, perhaps the target."""
        if self.is_active:
            took_over = self._asked_in_round > 0 and self._state.term > self._term
            self._finish(succeeded=took_over)

    def start(self, target_id: str | None) -> str | Refused:
        """Begin, or replace the transfer to another target; returns the target."""
        state = self._state
        if not state.is_leader:
            return state.refusal()
        target = self._best_target() if target_id is None else target_id
        if target is None or not self._is_eligible(target):
            return Refused(Refusal.BAD_TARGET, state.leader_id)
        if target == self.target_id:
            return target
        self.abort()
        self._forget()
        self.target_id = target
        self._deadline = state.now + state.settings.election_timeout_s
        return target

    def abort(self) -> None:
        """Give up; proposals are taken again."""
        if self.is_active:
            self._finish(succeeded=False)

    def on_unreachable(self, peer_id: str) -> None:
        """A target that cannot be reached cannot catch up."""
        if peer_id == self.target_id and not self._asked_in_round:
            self.abort()

    def tick(self) -> None:
        """Give up when an election timeout has passed."""
        if self._state.now >= self._deadline:
            self.abort()

    def settle(self) -> None:
        """Tell the target to stand once it has everything; again while it does not seem to hear."""
        if not self.is_active:
            return
        progress = self._peers.progress.get(self.target_id)
        if progress is None or not self._state.membership.voters.include(self.target_id):
            self.abort()
        elif (
            progress.match_index == self._state.log.last_index
            and self._asked_in_round < self._heartbeats.round
        ):
            self._asked_in_round = self._heartbeats.round
            self._tell(self.target_id)

    def leave_to_best(self) -> None:
        """Ask the best voter to stand, as this server stops leading without waiting for it."""
        target = self._best_target()
        if target is not None:
            self._tell(target)

    def deadline(self) -> float:
        """When the transfer is given up."""
        return self._deadline

    def _tell(self, target_id: str) -> None:
        self._heartbeats.hand_over()  # before the message can have any effect
        self._state.send(target_id, TimeoutNow(self._state.term))

    def _finish(self, *, succeeded: bool) -> None:
        self._state.transfers_ended.append(TransferEnded(self.target_id, succeeded))
        self._forget()

    def _is_eligible(self, server_id: str) -> bool:
        state = self._state
        progress = self._peers.progress.get(server_id)
        if progress is None or not state.membership.voters.include(server_id):
            return False
        return state.now < progress.contact_at + state.settings.election_timeout_s

    def _best_target(self) -> str | None:
        """The voter with the longest matching log, then the latest contact."""
        progress = self._peers.progress
        eligible = [peer_id for peer_id in progress if self._is_eligible(peer_id)]
        return max(
            eligible,
            key=lambda peer_id: (progress[peer_id].match_index, progress[peer_id].contact_at),
            default=None,
        )
