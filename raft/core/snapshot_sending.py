"""The leader's side of snapshots: chunk after chunk to a follower whose entries are gone.

One chunk is under way at a time; the follower says from where to go on, so nothing that is lost
can leave it in limbo (etcd#10225). A follower that is silent gets none.
"""

from typing import Final

from raft.core.progress import Mode, Progress
from raft.core.state import State
from raft.core.types import SnapshotAnswer, SnapshotChunk, SnapshotRead, SnapshotStatus

_NONE: Final = ""


class SnapshotSender:
    """Acts on a leader only; what was sent is in each ``Progress.sending``."""

    __slots__ = ("_state", "_unreadable_id")

    def __init__(self, state: State) -> None:
        self._state = state
        self._unreadable_id = _NONE

    def begin_sending(self, peer_id: str, progress: Progress) -> None:
        """The newest snapshot, from its start; without a readable one, ask for it to be made."""
        state = self._state
        meta = state.snapshot
        if state.now >= progress.contact_at + state.settings.election_timeout_s:
            return
        if meta is None or meta.id == self._unreadable_id:
            state.is_snapshot_wanted = True
            return
        progress.await_snapshot(meta, state.now)
        self._ask(peer_id, progress)

    def retry(self, peer_id: str, progress: Progress) -> None:
        """A chunk or its answer seems lost: once more, if the follower is there."""
        state, sending = self._state, progress.sending
        assert sending is not None
        is_late = state.now >= sending.asked_at + state.settings.election_timeout_s
        if progress.is_answering and is_late:
            self._ask(peer_id, progress)

    def on_read(
        self, peer_id: str, progress: Progress, snapshot_id: str, offset: int, content: bytes
    ) -> None:
        """The driver has read a chunk; send it if it is still the one to send."""
        sending = progress.sending
        if sending is None or (sending.meta.id, sending.offset) != (snapshot_id, offset):
            return
        sending.asked_at = self._state.now
        chunk = SnapshotChunk(self._state.term, sending.meta, offset, content)
        self._state.send(peer_id, chunk)

    def on_unreadable(self, snapshot_id: str, progress: dict[str, Progress]) -> None:
        """Begin again with another one; ask for it if there is none (hashicorp/raft#522)."""
        state = self._state
        self._unreadable_id = snapshot_id
        if state.snapshot is not None and state.snapshot.id == snapshot_id:
            state.is_snapshot_wanted = True
        for peer in progress.values():
            if peer.sending is not None and peer.sending.meta.id == snapshot_id:
                peer.probe()

    def on_answer(self, peer_id: str, progress: Progress, message: SnapshotAnswer) -> None:
        """Go on where the follower says, or begin again after a while."""
        sending = progress.sending
        if sending is None or sending.meta.id != message.snapshot_id:
            return
        if message.status is SnapshotStatus.FAILED:
            sending.offset = 0
            sending.asked_at = self._state.now
        elif message.offset_next != sending.offset:  # else it repeats an earlier answer
            sending.offset = message.offset_next
            self._ask(peer_id, progress)

    def held_back_index(self, progress: dict[str, Progress]) -> int | None:
        """Entries after this one must stay: a follower will need them after its snapshot."""
        return min(
            (
                peer.sending.meta.index
                for peer in progress.values()
                if peer.mode is Mode.SNAPSHOT and peer.sending is not None
            ),
            default=None,
        )

    def _ask(self, peer_id: str, progress: Progress) -> None:
        state, sending = self._state, progress.sending
        assert sending is not None
        sending.asked_at = state.now
        bytes_max = state.settings.snapshot_chunk_bytes
        state.snapshot_reads.append(
            SnapshotRead(peer_id, sending.meta.id, sending.offset, bytes_max)
        )
