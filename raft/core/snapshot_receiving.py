"""The follower's side of snapshots: store the chunks, then put the whole in place of the log.

Only the last step changes anything. A snapshot that the log already leads up to is not installed;
one that it does not replaces the whole log, its tail too: a tail that conflicts below could never
be repaired (hashicorp/raft#697).
"""

from raft.core.follower import Follower
from raft.core.state import State
from raft.core.types import (
    Role,
    SnapshotAnswer,
    SnapshotChunk,
    SnapshotStatus,
    SnapshotStore,
)
from raft.entries import SnapshotMeta


class _Receiving:
    """``offset`` bytes are stored; ``is_storing``: a chunk is with the driver."""

    __slots__ = ("is_storing", "meta", "offset", "sender_id")

    def __init__(self, sender_id: str, meta: SnapshotMeta) -> None:
        self.sender_id = sender_id
        self.meta = meta
        self.offset = 0
        self.is_storing = False


class SnapshotReceiver:
    """At most one snapshot is being received; another one, or another sender, begins anew."""

    __slots__ = ("_follower", "_receiving", "_state")

    def __init__(self, state: State, follower: Follower) -> None:
        self._state = state
        self._follower = follower
        self._receiving: _Receiving | None = None

    def on_chunk(self, leader_id: str, message: SnapshotChunk) -> None:
        """Have the chunk stored if it is the next one; say which one is."""
        self._follower.hear(leader_id)
        if self._has_all(message.meta):
            self._answer(leader_id, message.meta, SnapshotStatus.DONE)
            return
        receiving = self._receiving
        if receiving is not None and receiving.is_storing:
            return  # a repetition, or a new sender that is too early; it will ask again
        key = (leader_id, message.meta.id)
        if receiving is None or (receiving.sender_id, receiving.meta.id) != key:
            self._receiving = receiving = _Receiving(leader_id, message.meta)
        if message.offset != receiving.offset:
            self._answer(leader_id, message.meta, SnapshotStatus.MORE, receiving.offset)
            return
        receiving.is_storing = True
        store = SnapshotStore(message.meta, message.offset, message.content, message.is_last)
        self._state.snapshot_stores.append(store)

    def on_stored(self, snapshot_id: str, offset_next: int) -> None:
        """The driver has stored a chunk; with the last one the snapshot is durable as a whole."""
        receiving = self._receiving
        if receiving is None or receiving.meta.id != snapshot_id or not receiving.is_storing:
            return
        receiving.is_storing = False
        receiving.offset = offset_next
        meta = receiving.meta
        if offset_next < meta.size_bytes:
            self._answer(receiving.sender_id, meta, SnapshotStatus.MORE, offset_next)
            return
        self._receiving = None
        if self._state.role is not Role.FOLLOWER:
            return  # its log may be the one that counts now
        if not self._has_all(meta):
            self._state.restart_log(meta)
        self._answer(receiving.sender_id, meta, SnapshotStatus.DONE)

    def on_store_failed(self, snapshot_id: str) -> None:
        """Nothing of it is kept; the sender begins again."""
        receiving = self._receiving
        if receiving is not None and receiving.meta.id == snapshot_id:
            self._receiving = None
            self._answer(receiving.sender_id, receiving.meta, SnapshotStatus.FAILED)

    def _has_all(self, meta: SnapshotMeta) -> bool:
        """Whether the log leads up to the snapshot; then its index is committed."""
        state = self._state
        if meta.index > state.commit_index and state.log.term(meta.index) == meta.term:
            state.commit(meta.index)
        return meta.index <= state.commit_index

    def _answer(
        self, leader_id: str, meta: SnapshotMeta, status: SnapshotStatus, offset_next: int = 0
    ) -> None:
        state = self._state
        answer = SnapshotAnswer(state.term, meta.id, meta.index, offset_next, status)
        if status is SnapshotStatus.DONE:
            state.send_durable(leader_id, answer)
        else:
            state.send(leader_id, answer)
