"""Taking proposals into the log of the leader, within limits; each refusal has its own reason.

Memory is bounded also when no quorum answers for hours. What is uncommitted is computed from the
log, not counted up and down, so nothing can leak (cockroach#31689, etcd-io/raft#11).
"""

from collections.abc import Sequence

from raft.core.log import ENTRY_OVERHEAD_BYTES
from raft.core.state import State
from raft.core.transfer import Transfer
from raft.core.types import Accepted, Refusal, Refused
from raft.entries import Entry, Kind


class Proposals:
    """Commands of clients; no-ops and configurations are not limited."""

    __slots__ = ("_state", "_transfer")

    def __init__(self, state: State, transfer: Transfer) -> None:
        self._state = state
        self._transfer = transfer

    def propose(self, payloads: Sequence[bytes], term: int) -> Accepted | Refused:
        """All of them or none. ``term``: refuse in any other term than this one; 0: any."""
        state = self._state
        assert payloads
        if term and term != state.term:
            return Refused(Refusal.STALE_TERM, state.leader_id)
        if not state.is_leader:
            return state.refusal()
        if self._transfer.is_active:
            return Refused(Refusal.TRANSFERRING, state.leader_id)
        if len(max(payloads, key=len)) > state.settings.command_bytes_max:
            return Refused(Refusal.TOO_LARGE, state.leader_id)
        if self._is_overloaded(payloads):
            return Refused(Refusal.OVERLOADED, state.leader_id)
        first_index = state.log.last_index + 1
        own_term, command = state.term, Kind.COMMAND
        state.append(
            [
                Entry(index, own_term, command, payload)
                for index, payload in enumerate(payloads, first_index)
            ]
        )
        return Accepted(first_index, own_term)

    def _is_overloaded(self, payloads: Sequence[bytes]) -> bool:
        """With nothing uncommitted any size passes, or a large batch never would."""
        log, settings = self._state.log, self._state.settings
        count = log.last_index - self._state.commit_index
        if count == 0:
            return False
        size_bytes = sum(map(len, payloads)) + ENTRY_OVERHEAD_BYTES * len(payloads)
        size_bytes += log.bytes_between(self._state.commit_index, log.last_index)
        return (
            count + len(payloads) > settings.uncommitted_count_max
            or size_bytes > settings.uncommitted_bytes_max
        )
