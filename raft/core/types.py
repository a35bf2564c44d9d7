"""The vocabulary of consensus: messages between servers, answers to the driver, and effects.

Everything here is a value. Indexes start at 1, 0 means "none"; terms start at 1; times are seconds
of a clock that never goes back and counts suspends (CLOCK_BOOTTIME); ids are the servers' ids.
Source: Raft (Ongaro and Ousterhout 2014) §5-§8, Ongaro's thesis (2014) §3-§6 and §9.6 (pre-vote).
"""

from collections.abc import Hashable, Sequence
from enum import Enum
from typing import Protocol, TypeAlias

import msgspec

from raft.entries import Configuration, Entry, HardState, SnapshotMeta, Write


class Rng(Protocol):
    """The part of ``random.Random`` that the rules use."""

    def random(self) -> float:
        """A float in [0, 1)."""
        ...


class Role(Enum):
    """What a server is in its term."""

    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre-candidate"
    CANDIDATE = "candidate"
    LEADER = "leader"


# --- messages ----------------------------------------------------------------------------------


class PreVote(msgspec.Struct, frozen=True, gc=False):
    """Would you vote for me in ``term`` (one above mine)? Changes nothing at the receiver."""

    term: int
    last_index: int
    last_term: int
    round: int


class PreVoteAnswer(msgspec.Struct, frozen=True, gc=False):
    """``term`` is the asked one when granted, else the answering server's own."""

    term: int
    granted: bool
    round: int


class Vote(msgspec.Struct, frozen=True, gc=False):
    """Vote for me. ``is_transfer``: the leader told me to; do not wait for it to fall silent."""

    term: int
    last_index: int
    last_term: int
    is_transfer: bool = False


class VoteAnswer(msgspec.Struct, frozen=True, gc=False):
    """A granted vote is durable before this leaves."""

    term: int
    granted: bool


class Append(msgspec.Struct, frozen=True):
    """Entries that follow (``previous_index``, ``previous_term``); none of them: a question.

    Entry indexes are ``previous_index + 1`` and up, without holes.
    """

    term: int
    previous_index: int
    previous_term: int
    commit_index: int
    entries: Sequence[Entry] = ()


class AppendAnswer(msgspec.Struct, frozen=True, gc=False):
    """Accepted: everything up to ``index`` equals the leader's log and is durable here.

    Refused: ``index`` is the ``previous_index`` that did not match, and (``hint_index``,
    ``hint_term``) the last entry here that may.
    """

    term: int
    accepted: bool
    index: int
    hint_index: int = 0
    hint_term: int = 0


class Heartbeat(msgspec.Struct, frozen=True, gc=False):
    """I lead. ``commit_index`` never passes what the receiver is known to hold."""

    term: int
    commit_index: int
    round: int


class HeartbeatAnswer(msgspec.Struct, frozen=True, gc=False):
    """``round`` is that of the heartbeat; 0 when its term was too old (then ``term`` is newer)."""

    term: int
    round: int


class SnapshotChunk(msgspec.Struct, frozen=True):
    """Bytes ``[offset, offset + len(content))`` of the state of ``meta``.

    The last chunk ends at ``meta.size_bytes``; an empty state is one empty chunk.
    """

    term: int
    meta: SnapshotMeta
    offset: int
    content: bytes

    @property
    def is_last(self) -> bool:
        """Whether nothing follows."""
        return self.offset + len(self.content) >= self.meta.size_bytes


class SnapshotStatus(Enum):
    """What became of a chunk."""

    MORE = "more"  # go on at ``offset_next``
    DONE = "done"  # everything up to the snapshot's index is durable here
    FAILED = "failed"  # could not be stored: begin again later


class SnapshotAnswer(msgspec.Struct, frozen=True, gc=False):
    """Answers a chunk; ``index`` is that of the snapshot."""

    term: int
    snapshot_id: str
    index: int
    offset_next: int
    status: SnapshotStatus


class TimeoutNow(msgspec.Struct, frozen=True, gc=False):
    """Stand for election at once: your log is complete (thesis §3.10)."""

    term: int


class ReadIndex(msgspec.Struct, frozen=True, gc=False):
    """A follower asks from where on its state is new enough; ``request`` is its own number."""

    term: int
    request: int


class ReadIndexAnswer(msgspec.Struct, frozen=True, gc=False):
    """Reads of ``request`` may be served once ``index`` is applied; or not at all."""

    term: int
    request: int
    index: int
    accepted: bool


Message: TypeAlias = (
    PreVote
    | PreVoteAnswer
    | Vote
    | VoteAnswer
    | Append
    | AppendAnswer
    | Heartbeat
    | HeartbeatAnswer
    | SnapshotChunk
    | SnapshotAnswer
    | TimeoutNow
    | ReadIndex
    | ReadIndexAnswer
)


# --- answers to the driver ---------------------------------------------------------------------


class Refusal(Enum):
    """Why something was not taken; nothing of it was or will be done."""

    NOT_LEADER = "not the leader"  # ask the one of the hint
    NO_LEADER = "no leader"  # wait for an election
    STALE_TERM = "leadership changed"  # meant for another term than the present one
    OVERLOADED = "overloaded"  # too much is waiting; try again later
    TRANSFERRING = "leadership is being transferred"  # try again within an election timeout
    TOO_LARGE = "too large"
    REMOVED = "removed"  # this server is no member (any more)
    PENDING_CHANGE = "another membership change is under way"
    NOT_READY = "the leader has not committed an entry of its term yet"
    CHANGED = "the membership is not the one that was expected"
    INVALID = "the membership is not valid"  # no voter, or one id twice
    BAD_TARGET = "not a voter that can be reached"


class Refused(msgspec.Struct, frozen=True, gc=False):
    """``leader_id`` is the known leader, "" when there is none."""

    reason: Refusal
    leader_id: str = ""


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """The proposals are entries ``first_index`` and up of ``term``.

    An entry of another term applied at one of these indexes means: lost, never applied. A lost
    leadership (``RoleChange``) means: unknown until then.
    """

    first_index: int
    term: int


# --- effects -----------------------------------------------------------------------------------

Token: TypeAlias = Hashable  # the driver's name for a read; comes back as given


class Outgoing(msgspec.Struct, frozen=True):
    """A message that is free to leave now."""

    peer_id: str
    message: Message


class ReadReady(msgspec.Struct, frozen=True):
    """Serve the read from the applied state now; ``index`` is what it had to wait for."""

    token: Token
    index: int


class ReadFailed(msgspec.Struct, frozen=True):
    """The read cannot be served here: try again, or elsewhere."""

    token: Token
    reason: Refusal


class RoleChange(msgspec.Struct, frozen=True, gc=False):
    """Role, term or known leader changed; these come in order and none is left out.

    ``epoch`` grows by one each time this server wins and each time it stops leading: a callback
    that carries another epoch than the present one is late. When it stops leading, proposals not
    yet applied have an unknown outcome.
    """

    role: Role
    term: int
    leader_id: str
    epoch: int


class TransferEnded(msgspec.Struct, frozen=True, gc=False):
    """A transfer is over: ``succeeded`` when another server took over because of it."""

    target_id: str
    succeeded: bool


class SnapshotRead(msgspec.Struct, frozen=True, gc=False):
    """Read up to ``bytes_max`` of a stored snapshot's state and report ``snapshot_read``."""

    peer_id: str
    snapshot_id: str
    offset: int
    bytes_max: int


class SnapshotStore(msgspec.Struct, frozen=True):
    """Store a chunk and report ``snapshot_stored``; offset 0 begins a new file.

    After the last chunk (``is_last``) the snapshot must be verified, synced and renamed, durably,
    before the report. One at a time.
    """

    meta: SnapshotMeta
    offset: int
    content: bytes
    is_last: bool


class Effects(msgspec.Struct, frozen=True, kw_only=True):
    """What to do after a turn, in this order within each field.

    ``writes`` go to storage; ``messages`` may leave at once, also before the writes are durable.
    ``restore``, when given, replaces the state machine before ``committed`` is applied to it.
    ``committed`` are consecutive entries to apply, durable and final; ``applied(index)`` reports.
    ``configuration`` is the newest membership when it changed (connect to these servers).
    ``snapshot_wanted``: take a snapshot of the state machine soon. ``next_deadline``: call
    ``tick`` then; None when there is nothing to wait for.
    """

    writes: Sequence[Write] = ()
    messages: Sequence[Outgoing] = ()
    restore: SnapshotMeta | None = None
    committed: Sequence[Entry] = ()
    reads_ready: Sequence[ReadReady] = ()
    reads_failed: Sequence[ReadFailed] = ()
    role_changes: Sequence[RoleChange] = ()
    transfers_ended: Sequence[TransferEnded] = ()
    configuration: Configuration | None = None
    snapshot_reads: Sequence[SnapshotRead] = ()
    snapshot_stores: Sequence[SnapshotStore] = ()
    snapshot_wanted: bool = False
    next_deadline: float | None = None


class Restart(msgspec.Struct, frozen=True, kw_only=True):
    """What a server starts from: what storage recovered, and nothing else.

    ``entries`` are consecutive and end the log. They begin at or below ``snapshot.index + 1`` (1
    without a snapshot); when the log ends before the snapshot they are empty.
    """

    hard_state: HardState = HardState()
    snapshot: SnapshotMeta | None = None
    entries: Sequence[Entry] = ()


class PeerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a leader knows of one peer; ``last_contact_at`` is when it last answered."""

    match_index: int
    next_index: int
    state: str
    last_contact_at: float
    is_caught_up: bool
