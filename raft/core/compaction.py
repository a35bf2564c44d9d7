"""Letting go of entries behind a durable snapshot, and asking for one in time.

Entries stay behind it for followers that lag a little, and for those that are receiving a snapshot
and will go on from there, unless they would take too much memory.
"""

from raft.core.state import State
from raft.entries import Mark, SnapshotMeta


def compact(state: State, meta: SnapshotMeta, held_back_index: int | None) -> None:
    """``meta`` is durable: note it in the log, and release what nobody needs.

    ``held_back_index``: entries after it are wanted by a follower; None: by nobody.
    """
    if state.snapshot is not None and meta.index <= state.snapshot.index:
        if meta.index == state.snapshot.index:
            state.snapshot = meta  # made anew, as the other could not be read
        return
    assert meta.index <= state.applied_index, "a snapshot of what was not applied"
    assert state.log.term(meta.index) == meta.term, "a snapshot of another log"
    state.snapshot = meta
    log, settings = state.log, state.settings
    base_index = min(meta.index, log.last_index - settings.trailing_count)
    if held_back_index is not None:
        base_index = min(base_index, held_back_index)
    too_large_index = log.first_of_last_bytes(settings.log_bytes_max) - 1
    base_index = min(max(base_index, too_large_index, log.base_index), meta.index)
    if base_index > log.base_index:
        log.release(base_index)
    state.writes.mark(Mark(meta.index, meta.term), log.first_index)


def check_size(state: State) -> None:
    """Want a snapshot when what it would cover takes too much memory."""
    covered_index = max(state.snapshot.index if state.snapshot else 0, state.log.base_index)
    applied_index = min(state.applied_index, state.log.last_index)
    if applied_index > covered_index:
        size_bytes = state.log.bytes_between(covered_index, applied_index)
        count, settings = applied_index - covered_index, state.settings
        if size_bytes > settings.log_bytes_max or count > settings.log_count_max:
            state.is_snapshot_wanted = True
