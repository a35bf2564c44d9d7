"""From role to role: follower, pre-candidate, candidate, leader (Raft §5.2; thesis §9.6).

What is bound to leadership registers as a ``Duty``: it begins with each win and ends with each
loss, so that nothing of one leadership survives into the next (hashicorp/raft#696).
"""

from typing import Final, Protocol

from raft.core.state import State
from raft.core.types import Role
from raft.entries import Entry, Kind

NOBODY: Final = ""


class Duty(Protocol):
    """Something that only a leader does."""

    def begin(self) -> None:
        """This server leads a new term; its no-op is the last entry of the log."""

    def end(self) -> None:
        """It leads no more."""


class Roles:
    """Every change of role passes here; ``duties`` begin in order and end in reverse."""

    __slots__ = ("_state", "duties")

    def __init__(self, state: State) -> None:
        self._state = state
        self.duties: list[Duty] = []

    def follow(self, term: int, leader_id: str) -> None:
        """Follow ``leader_id`` (``NOBODY``: not known yet) in ``term``; fine when it is so."""
        state = self._state
        if (term, leader_id, Role.FOLLOWER) == (state.term, state.leader_id, state.role):
            return
        was_leader = state.is_leader
        if term > state.term:
            state.set_term(term)
        state.role, state.leader_id = Role.FOLLOWER, leader_id
        state.set_election_deadline()
        if was_leader:
            state.epoch += 1
            for duty in reversed(self.duties):
                duty.end()
        state.note_role()

    def step_down(self) -> None:
        """Lead no more, in the same term; nobody else leads it."""
        assert self._state.is_leader
        self.follow(self._state.term, NOBODY)

    def stand_for_pre_vote(self) -> None:
        """Ask who would vote.

        No leader is known from here on, or two such servers refuse each other (etcd#8334).
        """
        state = self._state
        assert not state.is_leader
        state.role, state.leader_id = Role.PRE_CANDIDATE, NOBODY
        state.set_election_deadline()
        state.note_role()

    def stand_for_election(self) -> None:
        """A new term, and the own vote in it."""
        state = self._state
        assert not state.is_leader
        state.set_term(state.term + 1, state.server_id)
        state.role, state.leader_id = Role.CANDIDATE, NOBODY
        state.set_election_deadline()
        state.note_role()

    def lead(self) -> None:
        """Won: the term begins with a no-op, which commits what earlier terms left behind."""
        state = self._state
        assert state.role is Role.CANDIDATE
        state.role, state.leader_id = Role.LEADER, state.server_id
        state.epoch += 1
        state.own_term_index = state.log.last_index + 1
        state.append([Entry(state.own_term_index, state.term, Kind.NO_OP)])
        for duty in self.duties:
            duty.begin()
        state.note_role()
