"""The follower's side of replication: take what follows the own log, cut what does not.

Source: Raft §5.3, with the hint of etcd-io/raft. Every rule is idempotent: repeated, late and
reordered messages never cut entries that match, and never anything committed.
"""

from collections.abc import Sequence
from typing import Final

from raft.core.roles import Roles
from raft.core.state import State
from raft.core.types import Append, AppendAnswer, Heartbeat, HeartbeatAnswer, Role
from raft.entries import Entry

_CONTRADICTION: Final = "the leader's log contradicts what is final here"


class Follower:
    """Handles what the leader of the present term says; the caller has dealt with other terms."""

    __slots__ = ("_roles", "_state")

    def __init__(self, state: State, roles: Roles) -> None:
        self._state = state
        self._roles = roles

    def hear(self, leader_id: str) -> None:
        """The leader of this term spoke: follow it, and wait for it anew."""
        state = self._state
        assert state.role is not Role.LEADER, "two leaders in one term"
        self._roles.follow(state.term, leader_id)
        state.last_contact_at = state.now
        state.put_off_election()

    def on_heartbeat(self, leader_id: str, message: Heartbeat) -> None:
        """Answer, with no disk work on the way but for a new term."""
        state = self._state
        self.hear(leader_id)
        state.commit(min(message.commit_index, state.log.last_index))
        state.send_in_term(leader_id, HeartbeatAnswer(state.term, message.round))

    def on_append(self, leader_id: str, message: Append) -> None:
        """Take the entries if they follow the own log; answer once they are durable."""
        state = self._state
        self.hear(leader_id)
        entries = message.entries
        previous = message.previous_index
        last_named = previous + len(entries)
        if previous < state.commit_index:  # what is committed matches
            self._check_committed(message)
            entries = entries[state.commit_index - previous :]
        elif state.log.term(previous) != message.previous_term:
            assert previous > state.commit_index, _CONTRADICTION
            hint_index = state.log.conflict_hint(previous, message.previous_term)
            hint_term = state.log.term(hint_index) or 0
            answer = AppendAnswer(state.term, False, previous, hint_index, hint_term)
            state.send(leader_id, answer)
            return
        self._take(entries)
        # Not the own last index: beyond what this message names nothing is known to match.
        state.commit(min(message.commit_index, last_named))
        state.send_durable(leader_id, AppendAnswer(state.term, True, last_named))

    def _check_committed(self, message: Append) -> None:
        """Two histories of what is final cannot be mended: better stop than go on with one."""
        log, commit_index = self._state.log, self._state.commit_index
        known_terms = (None, message.previous_term)
        assert log.term(message.previous_index) in known_terms, _CONTRADICTION
        for entry in message.entries:
            if entry.index > commit_index:
                return
            assert log.term(entry.index) in (None, entry.term), _CONTRADICTION

    def _take(self, entries: Sequence[Entry]) -> None:
        """Skip what is there already, cut at the first conflict, append the rest."""
        state, log = self._state, self._state.log
        known_count = 0
        for entry in entries:
            if entry.index > log.last_index:
                break
            if log.term(entry.index) != entry.term:
                state.truncate(entry.index - 1)
                break
            known_count += 1
        if known_count < len(entries):
            state.append(entries[known_count:] if known_count else entries)
