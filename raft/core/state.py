"""What every mechanism of one server stands on: term, role, log, membership, and the ways out."""

import math
from collections.abc import Sequence
from typing import Final

from raft.core.log import RaftLog
from raft.core.membership import Membership
from raft.core.outbox import Outbox
from raft.core.settings import Settings
from raft.core.types import (
    Message,
    ReadFailed,
    ReadReady,
    Refusal,
    Refused,
    Restart,
    Rng,
    Role,
    RoleChange,
    SnapshotRead,
    SnapshotStore,
    TransferEnded,
)
from raft.core.writes import Writes
from raft.entries import (
    Configuration,
    Entry,
    Kind,
    Mark,
    SnapshotMeta,
    decode_configuration,
)

_NUMBERS: Final = 2**48  # two lives that meet in as many numbers are less likely than a bad disk


class State:
    """Shared by the mechanisms of one server; ``now`` is the time of the input being handled.

    ``commit_index``: final; ``applying_index``: handed out; ``applied_index``: reported back.
    ``last_contact_at``: when a leader was last heard; ``own_term_index``: the leader's no-op.
    ``refuses_votes_until``: who was just started may have promised to stay with a leader.
    ``patience``: how many election timeouts to wait for a leader, in [1, 2).
    """

    __slots__ = (
        "applied_index",
        "applying_index",
        "commit_index",
        "election_deadline",
        "epoch",
        "is_snapshot_wanted",
        "last_contact_at",
        "leader_id",
        "log",
        "membership",
        "now",
        "outbox",
        "own_term_index",
        "patience",
        "reads_failed",
        "reads_ready",
        "refuses_votes_until",
        "restoring",
        "rng",
        "role",
        "role_changes",
        "server_id",
        "settings",
        "snapshot",
        "snapshot_reads",
        "snapshot_stores",
        "term",
        "transfers_ended",
        "vote",
        "writes",
    )

    def __init__(
        self, server_id: str, settings: Settings, rng: Rng, now: float, restart: Restart
    ) -> None:
        assert server_id
        self.server_id = server_id
        self.settings = settings
        self.rng = rng
        self.now = now
        self.outbox = Outbox(server_id)
        self.snapshot = snapshot = restart.snapshot
        self.log, entries = _recovered_log(snapshot, restart.entries)
        hard_state = restart.hard_state
        self.writes = Writes(hard_state, self.log.last_index)
        if snapshot and restart.entries and not _leads_up_to(snapshot, restart.entries):
            # The crash came between a received snapshot and its mark: void what storage has.
            self.writes.restart(Mark(snapshot.index, snapshot.term), snapshot.index)
        self.term = max(hard_state.term, self.log.last_term)
        self.vote = hard_state.vote if self.term == hard_state.term else ""
        self.role = Role.FOLLOWER
        self.leader_id = ""
        self.epoch = 0
        snapshot_index = snapshot.index if snapshot else 0
        hint_index = min(hard_state.commit_index, self.log.last_index)
        self.commit_index = max(snapshot_index, hint_index)
        self.applying_index = self.applied_index = snapshot_index
        self.own_term_index = 0
        self.membership = (
            Membership(snapshot.configuration_index, snapshot.configuration)
            if snapshot
            else Membership(0, Configuration())
        )
        self._note_configurations(entries)
        # A voter that forgets in a crash when it heard the leader must not break a lease.
        is_fresh = hard_state.term == 0
        self.refuses_votes_until = -math.inf if is_fresh else now + settings.election_timeout_s
        self.last_contact_at = -math.inf
        self.election_deadline = math.inf
        self.patience = 1.0
        self.restoring: tuple[SnapshotMeta, int] | None = None  # and the write that marks it
        self.is_snapshot_wanted = False
        self.reads_ready: list[ReadReady] = []
        self.reads_failed: list[ReadFailed] = []
        self.role_changes: list[RoleChange] = []
        self.transfers_ended: list[TransferEnded] = []
        self.snapshot_reads: list[SnapshotRead] = []
        self.snapshot_stores: list[SnapshotStore] = []

    # --- questions ---

    @property
    def is_leader(self) -> bool:
        """Whether this server leads its term."""
        return self.role is Role.LEADER

    @property
    def has_committed_in_term(self) -> bool:
        """Whether a leader knows that its commit index is the newest there is (Raft §8)."""
        return self.is_leader and self.commit_index >= self.own_term_index

    @property
    def disk_stalls_at(self) -> float:
        """When the oldest write under way will have taken too long; infinity when idle."""
        since = self.writes.oldest_issued_at
        return math.inf if since is None else since + self.settings.disk_stall_limit_s

    @property
    def is_disk_stalled(self) -> bool:
        """Whether storage hangs, although nobody could see it from outside."""
        return self.now >= self.disk_stalls_at

    @property
    def can_campaign(self) -> bool:
        """Whether this server may stand for election: it has a vote, and its disk answers."""
        return self.may_lead and not self.is_disk_stalled

    @property
    def may_lead(self) -> bool:
        """Whether this server votes in a membership that is, or may still be, in force."""
        return self.membership.may_lead(self.server_id, self.commit_index)

    def refusal(self) -> Refused:
        """Why somebody who is not the leader does not take what is for the leader."""
        if self.leader_id:
            return Refused(Refusal.NOT_LEADER, self.leader_id)
        if self.membership.index and not self.membership.has_member(self.server_id):
            return Refused(Refusal.REMOVED)
        return Refused(Refusal.NO_LEADER)

    # --- changes ---

    def set_term(self, term: int, vote: str = "") -> None:
        """A new term, or a vote in this one; what was promised in an earlier term is void."""
        assert term >= self.term
        if term > self.term:
            self.outbox.forget_held()
        self.term, self.vote = term, vote
        self.writes.set_vote(term, vote)

    def set_election_deadline(self) -> None:
        """Uniform in [T, 2T), so that split votes do not repeat (Raft §5.2)."""
        self.patience = 1 + self.rng.random()
        self.put_off_election()

    def put_off_election(self) -> None:
        """Wait from now on, as long as was drawn: words of one leader need no new dice."""
        self.election_deadline = self.now + self.settings.election_timeout_s * self.patience

    def fresh_number(self) -> int:
        """Where to begin to count, so that no late answer to a former life of this server fits."""
        return int(self.rng.random() * _NUMBERS) + 1

    def note_role(self) -> None:
        """Tell the driver of role, term and leader."""
        self.role_changes.append(RoleChange(self.role, self.term, self.leader_id, self.epoch))

    def append(self, entries: Sequence[Entry]) -> None:
        """Put entries at the end of the log and on their way to storage."""
        self.log.append(entries)
        self.writes.append(entries)
        self._note_configurations(entries)

    def truncate(self, index_last: int) -> None:
        """Cut the log above ``index_last``; what is committed is never cut."""
        assert index_last >= self.commit_index, "a committed entry would be lost"
        self.log.truncate(index_last)
        self.writes.truncate(index_last)
        self.membership.truncate(index_last)

    def restart_log(self, meta: SnapshotMeta) -> None:
        """A stored snapshot takes the place of the whole log, tail included."""
        self.writes.restart(Mark(meta.index, meta.term), self.commit_index)
        self.log.restart(meta.index, meta.term)
        self.membership.restart(meta.configuration_index, meta.configuration)
        self.commit_index = meta.index
        self.snapshot = meta
        self.restoring = (meta, self.writes.sequence_needed)

    def commit(self, index: int) -> None:
        """Everything up to ``index`` is final."""
        if index > self.commit_index:
            assert index <= self.log.last_index
            self.commit_index = index

    # --- ways out ---

    def send(self, peer_id: str, message: Message) -> None:
        """Say something that promises nothing."""
        self.outbox.send(peer_id, message)

    def send_durable(self, peer_id: str, message: Message) -> None:
        """Say it once all that was decided so far is durable."""
        self._send_after(self.writes.sequence_needed, peer_id, message)

    def send_in_term(self, peer_id: str, message: Message) -> None:
        """Say it once the term is durable; entries under way do not delay it."""
        self._send_after(self.writes.vote_sequence, peer_id, message)

    def _send_after(self, sequence: int, peer_id: str, message: Message) -> None:
        # To itself it waits at least for the next report, never within the same input.
        if sequence <= self.writes.persisted_sequence and peer_id != self.server_id:
            self.outbox.send(peer_id, message)
        else:
            self.outbox.hold(peer_id, message, sequence)

    def _note_configurations(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.kind is Kind.CONFIGURATION:
                self.membership.append(entry.index, decode_configuration(entry.payload))


def _recovered_log(
    snapshot: SnapshotMeta | None, entries: Sequence[Entry]
) -> tuple[RaftLog, Sequence[Entry]]:
    """The log, and the entries whose configurations are newer than the snapshot's."""
    snapshot_index = snapshot.index if snapshot else 0
    if not _leads_up_to(snapshot, entries):
        return RaftLog(snapshot_index, snapshot.term if snapshot else 0), ()
    first = entries[0]
    assert first.index <= snapshot_index + 1, "entries are missing behind the snapshot"
    if first.index == snapshot_index + 1:
        log = RaftLog(snapshot_index, snapshot.term if snapshot else 0)
    elif first.index == 1:
        log = RaftLog()
    else:  # the term before it is not known, so the first one serves as the base
        log = RaftLog(first.index, first.term)
        entries = entries[1:]
    if entries:
        log.append(entries)
    return log, [entry for entry in entries if entry.index > snapshot_index]


def _leads_up_to(snapshot: SnapshotMeta | None, entries: Sequence[Entry]) -> bool:
    """Whether the log goes on behind the snapshot, or contains its last entry."""
    if not entries or snapshot is None:
        return bool(entries)
    position = snapshot.index - entries[0].index
    if position < 0:
        return True
    return position < len(entries) and entries[position].term == snapshot.term
