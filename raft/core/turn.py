"""The end of a turn: everything that came up in it becomes one ``Effects`` value.

Entries are handed out for applying only when they are committed and durable here, too: what was
answered to a client must survive the crash of the server that answered it (etcd#14370).
"""

import math
from collections.abc import Sequence
from typing import TypeVar

from raft.core.state import State
from raft.core.types import Effects
from raft.entries import Entry, SnapshotMeta

T = TypeVar("T")


class Turn:
    """Collects from ``State`` what the driver has to do."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state = state

    def close(self, deadline: float) -> Effects:
        """Take everything; ``deadline`` infinity: nothing to wait for."""
        state = self._state
        restore = self._take_restore()
        write = state.writes.close(state.commit_index, state.now)
        is_changed, state.membership.is_changed = state.membership.is_changed, False
        is_wanted, state.is_snapshot_wanted = state.is_snapshot_wanted, False
        return Effects(
            writes=(write,) if write is not None else (),
            messages=state.outbox.take(),
            restore=restore,
            committed=self._take_committed(),
            reads_ready=_taken(state.reads_ready),
            reads_failed=_taken(state.reads_failed),
            role_changes=_taken(state.role_changes),
            transfers_ended=_taken(state.transfers_ended),
            configuration=state.membership.configuration if is_changed else None,
            snapshot_reads=_taken(state.snapshot_reads),
            snapshot_stores=_taken(state.snapshot_stores),
            snapshot_wanted=is_wanted,
            next_deadline=None if deadline == math.inf else deadline,
        )

    def _take_restore(self) -> SnapshotMeta | None:
        """The received snapshot, once the log says durably that it begins there."""
        state = self._state
        if state.restoring is None or state.writes.persisted_sequence < state.restoring[1]:
            return None
        meta, state.restoring = state.restoring[0], None
        state.applying_index = meta.index
        return meta

    def _take_committed(self) -> Sequence[Entry]:
        """As many entries as the state machine may have on hand."""
        state, log = self._state, self._state.log
        last_index = min(state.commit_index, state.writes.stable_index)
        if state.restoring is not None or state.applying_index >= last_index:
            return ()
        on_hand_index = max(state.applied_index, log.base_index)
        room_bytes = state.settings.unapplied_bytes_max
        if state.applying_index > on_hand_index:
            room_bytes -= log.bytes_between(on_hand_index, state.applying_index)
        if room_bytes <= 0:
            return ()
        count_max = last_index - state.applying_index
        entries = log.batch(state.applying_index + 1, count_max, room_bytes)
        state.applying_index = entries[-1].index
        return entries


def _taken(items: list[T]) -> Sequence[T]:
    """The items; the list is empty afterwards."""
    if not items:
        return ()
    taken = tuple(items)
    items.clear()
    return taken
