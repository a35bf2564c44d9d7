"""Versions of the core's methods that break one rule each: see ``mutations`` for which."""

import math
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import msgspec

from raft.core.changes import Changes, next_configuration
from raft.core.election import Election
from raft.core.follower import Follower
from raft.core.heartbeats import Heartbeats
from raft.core.membership import Membership
from raft.core.proposals import Proposals
from raft.core.quorum import Voters
from raft.core.reads import Reads
from raft.core.replication import Replication
from raft.core.snapshot_receiving import SnapshotReceiver
from raft.core.state import State
from raft.core.transfer import Transfer
from raft.core.turn import Turn
from raft.core.writes import Writes
from raft.entries import HardState, SnapshotMeta

Patch = tuple[Any, str, Any]  # owner, name, replacement


def hurried(kind: type) -> Patch:
    """Messages of ``kind`` leave without waiting for the disk."""
    original = State.send_durable

    def send_durable(self: State, peer_id: str, message: Any) -> None:
        if isinstance(message, kind) and peer_id != self.server_id:
            self.send(peer_id, message)
        else:
            original(self, peer_id, message)

    return State, "send_durable", send_durable


def restarted(forget: Callable[[HardState], HardState]) -> Patch:
    """A process starts without part of its hard state."""
    original = State.__init__

    def init(self: State, *arguments: Any) -> None:
        *others, restart = arguments
        hard_state = forget(restart.hard_state)
        original(self, *others, msgspec.structs.replace(restart, hard_state=hard_state))

    return State, "__init__", init


def no_wait_after_start() -> Patch:
    """A process that was just started votes at once, whatever it promised before."""
    original = State.__init__

    def init(self: State, *arguments: Any) -> None:
        original(self, *arguments)
        self.refuses_votes_until = 0.0

    return State, "__init__", init


def commit_by_counting(self: Replication) -> None:
    state = self._state
    index = int(
        self._peers.reached(
            min(state.writes.stable_index, state.log.last_index),
            lambda progress: progress.match_index,
        )
    )
    state.commit(min(index, state.log.last_index))


def commit_own_last_index() -> Patch:
    original = Follower.on_append

    def on_append(self: Follower, leader_id: str, message: Any) -> None:
        original(self, leader_id, message)
        self._state.commit(min(message.commit_index, self._state.log.last_index))

    return Follower, "on_append", on_append


def keep_conflicting_tail(self: Follower, entries: Any) -> None:
    state = self._state
    new = [entry for entry in entries if entry.index > state.log.last_index]
    if new:
        state.append(new)


def count_votes_by_message() -> Patch:
    original = Election.on_vote_answer

    def on_vote_answer(self: Election, sender_id: str, message: Any) -> None:
        if message.granted and sender_id in self._votes:
            missing = [v for v in self._state.membership.voters.ids() if v not in self._votes]
            sender_id = missing[0] if missing else sender_id
        original(self, sender_id, message)

    return Election, "on_vote_answer", on_vote_answer


def without_own_term(owner: type, name: str) -> Patch:
    """A method that does not care whether an entry of the leader's own term is committed."""
    original = getattr(owner, name)

    def method(self: Any, *arguments: Any) -> Any:
        state = self._state
        before, state.own_term_index = state.own_term_index, 0
        try:
            return original(self, *arguments)
        finally:
            state.own_term_index = before

    return owner, name, method


def second_change(self: Changes, servers: Any, previous_index: int) -> Any:
    state = self._state
    if not state.is_leader or not servers or self._transfer.is_active:
        return state.refusal()
    return self._append(next_configuration(state.membership.configuration, servers))


def count_all_members(self: Membership) -> None:
    self.index, self.configuration = self._history[-1]
    everybody = tuple(server.id for server in self.configuration.servers)
    self.voters = Voters(everybody, self.configuration.old_voter_ids())
    self.is_changed = True


def count_newer_half(self: Membership) -> None:
    self.index, self.configuration = self._history[-1]
    self.voters = Voters(self.configuration.voter_ids(), ())
    self.is_changed = True


def propose_in_transfer() -> Patch:
    original = Proposals.propose

    def propose(self: Proposals, payloads: Any, term: int) -> Any:
        with patch.object(Transfer, "is_active", False):
            return original(self, payloads, term)

    return Proposals, "propose", propose


def apply_before_durable() -> Patch:
    original = Turn._take_committed

    def take(self: Turn) -> Any:
        writes = self._state.writes
        before, writes.stable_index = writes.stable_index, self._state.log.last_index
        try:
            return original(self)
        finally:
            writes.stable_index = before

    return Turn, "_take_committed", take


def count_own_entry_at_once() -> Patch:
    original = Replication.advance_commit

    def advance(self: Replication) -> None:
        writes = self._state.writes
        before, writes.stable_index = writes.stable_index, self._state.log.last_index
        try:
            original(self)
        finally:
            writes.stable_index = before

    return Replication, "advance_commit", advance


def confirm_by_past_round() -> Patch:
    original = Reads._await_round

    def await_round(self: Reads, *arguments: Any) -> None:
        original(self, *arguments)
        last = self._waiting[-1]
        earlier = last.round_needed - 1
        self._waiting[-1] = msgspec.structs.replace(last, round_needed=earlier)

    return Reads, "_await_round", await_round


def tick_on_and_on(self: Election) -> None:
    state = self._state
    if not state.is_leader and state.now >= state.election_deadline and state.can_campaign:
        self._ask_around()


def read_what_is_here(self: Reads, token: Any, *, lease_allowed: bool) -> None:
    self._await_applied(token, self._state.commit_index)


def lease_without_end(self: Heartbeats) -> float:
    has_lease = self._state.has_committed_in_term and not self._is_handing_over
    return math.inf if has_lease else -math.inf


def has_snapshot_by_length(self: SnapshotReceiver, meta: Any) -> bool:
    state = self._state
    if meta.index <= state.log.last_index:
        state.commit(meta.index)
    return meta.index <= state.commit_index


def hint_before_durable() -> Patch:
    original = Writes.close

    def close(self: Writes, commit_index: int, now: float) -> Any:
        before, self.stable_index = self.stable_index, self.end_index
        try:
            return original(self, commit_index, now)
        finally:
            self.stable_index = before

    return Writes, "close", close


def reaches(snapshot: SnapshotMeta | None, entries: Any) -> bool:
    return bool(entries) and entries[-1].index >= (snapshot.index if snapshot else 0)


def stand_as_learner(self: State) -> bool:
    return self.membership.has_member(self.server_id)
