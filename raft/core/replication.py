"""The leader's side of replication: feed every follower, and find out what is committed.

Entries leave in parallel with the own write; only the own match waits for it (thesis §10.2.1).
Everything that piled up in a turn leaves as one message a follower. Source: Raft §5.3-§5.4.

A commit goes along with the next entries or heartbeat. Only when there are none for a moment does
it go by itself: that costs a message, an answer and a turn on either side. It goes at once to who
waits for it: a follower that is to read; and everybody after a change of members, as those that
were removed are told nothing later.
"""

import math

from raft.core.peers import Peers
from raft.core.progress import Mode, Progress
from raft.core.snapshot_sending import SnapshotSender
from raft.core.state import State
from raft.core.types import Append, AppendAnswer


class Replication:
    """Acts on a leader only; all state is in ``Peers``."""

    __slots__ = ("_peers", "_snapshots", "_state")

    def __init__(self, state: State, peers: Peers, snapshots: SnapshotSender) -> None:
        self._state = state
        self._peers = peers
        self._snapshots = snapshots

    def advance_commit(self) -> None:
        """Commit what is durable on a quorum, if it is of this term (Raft §5.4.2, figure 8)."""
        state = self._state
        index = self._peers.reached(
            min(state.writes.stable_index, state.log.last_index),
            lambda progress: progress.match_index,
        )
        if index > state.commit_index and state.log.term(int(index)) == state.term:
            state.commit(int(index))

    def feed(self) -> None:
        """Send everybody what it lacks and has room for."""
        for peer_id, progress in self._peers.progress.items():
            if progress.mode is Mode.PROBE:
                if not progress.is_paused:
                    progress.is_paused = self._send_entries(peer_id, progress)
            elif progress.mode is Mode.REPLICATE:
                self._replicate(peer_id, progress)
            else:
                self._snapshots.retry(peer_id, progress)
            progress.is_answering = False

    def deadline(self) -> float:
        """When ``feed`` has a commit to tell that nothing else told."""
        return min(
            (progress.notice_at for progress in self._peers.progress.values()), default=math.inf
        )

    def on_answer(self, sender_id: str, message: AppendAnswer) -> None:
        """Note what matches; a refusal leads to another probe."""
        state = self._state
        progress = self._peers.progress.get(sender_id)
        if progress is None:
            return
        progress.contact_at = state.now
        if message.accepted:
            assert message.index <= state.log.last_index, "a follower has more than its leader"
            self.accept(progress, message.index)
        else:
            hint_index = state.log.conflict_hint(message.hint_index, message.hint_term)
            progress.refuse(message.index, hint_index)

    def accept(self, progress: Progress, index: int) -> None:
        """The follower holds the log up to ``index``, by whatever way it got it.

        So a snapshot under way ends as soon as the follower can go on without it, even when the
        answer to it was lost (etcd-io/raft#110).
        """
        progress.accept(index)
        if progress.mode is Mode.SNAPSHOT and progress.match_index >= self._state.log.base_index:
            progress.replicate()

    def on_snapshot_done(self, progress: Progress, index: int) -> None:
        """Its snapshot is durable; what was released meanwhile needs another one."""
        self.accept(progress, index)
        if progress.mode is Mode.SNAPSHOT:
            progress.probe()

    def on_unreachable(self, peer_id: str) -> None:
        """What was sent ahead is probably lost: find out with a probe, or send the chunk again."""
        progress = self._peers.progress.get(peer_id)
        if progress is None:
            return
        if progress.mode is Mode.REPLICATE:
            progress.probe()
        elif progress.sending is not None:
            progress.sending.asked_at = -math.inf

    def _replicate(self, peer_id: str, progress: Progress) -> None:
        state, settings = self._state, self._state.settings
        has_sent = False
        while (
            progress.next_index <= state.log.last_index
            and len(progress.in_flight) < settings.window_count_max
        ):
            if not self._send_entries(peer_id, progress):
                return  # these entries are gone
            has_sent = True
        if has_sent:
            return
        # A heartbeat came back but acknowledgements are missing: messages may have been lost, and
        # an empty one finds out, whether the window is full or not.
        is_suspicious = progress.is_answering and progress.match_index < progress.next_index - 1
        if is_suspicious or self._is_notice_due(progress):
            self._send_append(peer_id, progress, 0)

    def _is_notice_due(self, progress: Progress) -> bool:
        """Whether the follower must be told of a commit now; notes until when it can wait."""
        state = self._state
        if progress.commit_sent >= min(state.commit_index, progress.next_index - 1):
            progress.notice_at = math.inf
            return False
        if progress.commit_sent < max(progress.commit_asked, state.membership.index):
            return True
        if progress.notice_at == math.inf:
            progress.notice_at = state.now + state.settings.commit_notice_delay_s
        return state.now >= progress.notice_at

    def _send_entries(self, peer_id: str, progress: Progress) -> bool:
        """One message with as many entries as fit; a snapshot when they are gone."""
        return self._send_append(peer_id, progress, self._state.settings.batch_count_max)

    def _send_append(self, peer_id: str, progress: Progress, count_max: int) -> bool:
        state = self._state
        progress.notice_at = math.inf
        previous_index = progress.next_index - 1
        previous_term = state.log.term(previous_index)
        if previous_term is None:
            self._snapshots.begin_sending(peer_id, progress)
            return False
        entries = (
            state.log.batch(progress.next_index, count_max, state.settings.batch_bytes_max)
            if count_max and progress.next_index <= state.log.last_index
            else ()
        )
        last_named = previous_index + len(entries)
        progress.commit_sent = min(state.commit_index, last_named)
        state.send(
            peer_id, Append(state.term, previous_index, previous_term, state.commit_index, entries)
        )
        if entries and progress.mode is Mode.REPLICATE:
            progress.next_index = last_named + 1
            progress.in_flight.append(last_named)
        return True
