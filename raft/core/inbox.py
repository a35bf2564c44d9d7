"""What a message does: terms first (Raft §5.1), then whoever it is for."""

from typing import assert_never

from raft.core.mechanisms import Mechanisms
from raft.core.roles import NOBODY
from raft.core.types import (
    Append,
    AppendAnswer,
    Heartbeat,
    HeartbeatAnswer,
    Message,
    PreVote,
    PreVoteAnswer,
    ReadIndex,
    ReadIndexAnswer,
    SnapshotAnswer,
    SnapshotChunk,
    SnapshotStatus,
    TimeoutNow,
    Vote,
    VoteAnswer,
)


class Inbox:
    """Messages for one server."""

    __slots__ = ("_parts",)

    def __init__(self, mechanisms: Mechanisms) -> None:
        self._parts = mechanisms

    def take(self, sender_id: str, message: Message) -> None:
        """A later term begins with it, an earlier one is over, and the present one counts."""
        state = self._parts.state
        if message.term > state.term:
            if not _asks_before_its_term(message):
                from_leader = isinstance(message, Append | Heartbeat | SnapshotChunk)
                leader_id = sender_id if from_leader else NOBODY
                self._parts.roles.follow(message.term, leader_id)
        elif message.term < state.term:
            self._answer_late(sender_id, message)
            return
        self.handle(sender_id, message)

    def handle(self, sender_id: str, message: Message) -> None:  # noqa: C901, PLR0912 - the union
        """A message of the present term, or a question about the next one."""
        match message:
            case Append():
                self._parts.follower.on_append(sender_id, message)
            case AppendAnswer():
                self._parts.replication.on_answer(sender_id, message)
            case Heartbeat():
                self._parts.follower.on_heartbeat(sender_id, message)
            case HeartbeatAnswer():
                self._parts.heartbeats.on_answer(sender_id, message)
            case PreVote():
                self._parts.election.on_pre_vote(sender_id, message)
            case PreVoteAnswer():
                self._parts.election.on_pre_vote_answer(sender_id, message)
            case Vote():
                self._parts.election.on_vote(sender_id, message)
            case VoteAnswer():
                self._parts.election.on_vote_answer(sender_id, message)
            case SnapshotChunk():
                self._parts.receiver.on_chunk(sender_id, message)
            case SnapshotAnswer():
                self._on_snapshot_answer(sender_id, message)
            case TimeoutNow():
                self._parts.election.on_timeout_now(sender_id)
            case ReadIndex():
                self._parts.reads.on_read_index(sender_id, message)
            case ReadIndexAnswer():
                self._parts.reads.on_answer(message)
            case _:
                assert_never(message)

    def _on_snapshot_answer(self, sender_id: str, message: SnapshotAnswer) -> None:
        progress = self._parts.peers.progress.get(sender_id)
        if progress is None:
            return
        progress.contact_at = self._parts.state.now
        if message.status is SnapshotStatus.DONE:
            self._parts.replication.on_snapshot_done(progress, message.index)
        else:
            self._parts.sender.on_answer(sender_id, progress, message)

    def _answer_late(self, sender_id: str, message: Message) -> None:
        """Tell who lags behind in term, where it would otherwise be stuck or wait in vain."""
        state = self._parts.state
        match message:
            case Append() | Heartbeat() | SnapshotChunk():
                state.send(sender_id, HeartbeatAnswer(state.term, 0))
            case PreVote():
                state.send(sender_id, PreVoteAnswer(state.term, False, message.round))
            case ReadIndex():
                state.send(sender_id, ReadIndexAnswer(state.term, message.request, 0, False))
            case _:
                pass


def _asks_before_its_term(message: Message) -> bool:
    """Whether a message of a later term does not by itself make that term begin.

    A pre-vote only asks, its grant only answers, and a vote may be ignored.
    """
    match message:
        case PreVote() | Vote():
            return True
        case PreVoteAnswer():
            return message.granted
        case _:
            return False
