"""Changing who belongs to the cluster: one change at a time, from the log, by the leader.

Before its first own entry is committed a leader proposes none: two leaders' single steps from one
base need not overlap (Ongaro, raft-dev 2015). A joint configuration is left exactly once, by
whoever leads when it is committed: what is in the log last says whether that has been done
(etcd#12136, #11046).
"""

from collections.abc import Sequence

from raft.core.membership import is_valid, next_configuration
from raft.core.peers import Peers
from raft.core.roles import Roles
from raft.core.state import State
from raft.core.transfer import Transfer
from raft.core.types import Accepted, Refusal, Refused
from raft.entries import Configuration, Entry, Kind, Server, encode_configuration


class Changes:
    """Acts on a leader only. ``_finished_index``: the committed one that is dealt with."""

    __slots__ = ("_finished_index", "_peers", "_roles", "_state", "_transfer")

    def __init__(self, state: State, roles: Roles, peers: Peers, transfer: Transfer) -> None:
        self._state = state
        self._roles = roles
        self._peers = peers
        self._transfer = transfer
        self._finished_index = 0

    def propose(self, servers: Sequence[Server], previous_index: int) -> Accepted | Refused:
        """Make ``servers`` the members; see the README for the conditions."""
        state, membership = self._state, self._state.membership
        if not state.is_leader:
            return state.refusal()
        refusal = None
        if not is_valid(servers):
            refusal = Refusal.INVALID
        elif self._transfer.is_active:
            refusal = Refusal.TRANSFERRING
        elif not state.has_committed_in_term:
            refusal = Refusal.NOT_READY
        elif membership.index > state.commit_index or membership.configuration.is_joint:
            refusal = Refusal.PENDING_CHANGE
        elif previous_index not in (0, membership.index):
            refusal = Refusal.CHANGED
        if refusal is not None:
            return Refused(refusal, state.leader_id)
        return self._append(next_configuration(membership.configuration, servers))

    def settle(self) -> None:
        """Leave a joint configuration once it is committed."""
        state, membership = self._state, self._state.membership
        configuration = membership.configuration
        if configuration.is_joint and membership.index <= state.commit_index:
            self._append(Configuration(configuration.servers))

    def finish(self) -> None:
        """Part from who was removed, this server included, once that is committed and told."""
        state, membership = self._state, self._state.membership
        if membership.index > state.commit_index or membership.index == self._finished_index:
            return
        self._finished_index = membership.index
        self._peers.drop_removed()
        if not membership.voters.include(state.server_id):
            self._transfer.leave_to_best()
            self._roles.step_down()

    def _append(self, configuration: Configuration) -> Accepted:
        state = self._state
        index = state.log.last_index + 1
        payload = encode_configuration(configuration)
        state.append([Entry(index, state.term, Kind.CONFIGURATION, payload)])
        self._peers.follow_membership()
        return Accepted(index, state.term)
