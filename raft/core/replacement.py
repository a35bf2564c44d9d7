"""The operator's restore: another state takes the place of the leader's, and of everybody's.

The log goes on behind a snapshot at an index that nobody has, so that every follower needs it.
That index is final here before a quorum holds it: should this leader be deposed before, another
history may go on elsewhere. Then this server refuses to mix the two, and stops, when it meets the
other one (``Follower``): an operator restores again. hashicorp/raft takes the same risk silently.
"""

from raft.core.state import State
from raft.entries import Entry, Kind, Mark, SnapshotMeta


def replace_state(state: State, meta: SnapshotMeta) -> None:
    """``meta`` is durable, and the state machine has it; the own log was applied to its end."""
    last_index = state.log.last_index
    assert state.is_leader
    assert state.applied_index == state.commit_index == last_index < meta.index
    assert meta.term == state.term
    mark = Mark(meta.index, meta.term)
    state.writes.restart(mark, last_index)
    state.writes.mark(mark, meta.index + 1)
    state.log.restart(meta.index, meta.term)
    state.membership.restart(meta.configuration_index, meta.configuration)
    state.snapshot = meta
    state.commit_index = state.applying_index = state.applied_index = meta.index
    state.append([Entry(meta.index + 1, state.term, Kind.NO_OP)])
