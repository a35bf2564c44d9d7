"""One server of a Raft cluster: the mechanisms put together; this file only dispatches.

Inputs change what the server knows; ``take_effects`` draws the conclusions once a turn: commit,
send, write, apply. The contract is in ``README.md``.
"""

from collections.abc import Mapping, Sequence

from raft.core import compaction
from raft.core.inbox import Inbox
from raft.core.invariants import check
from raft.core.mechanisms import Mechanisms
from raft.core.progress import Progress
from raft.core.replacement import replace_state
from raft.core.settings import Settings
from raft.core.state import State
from raft.core.types import (
    Accepted,
    Effects,
    Message,
    PeerStatus,
    Refused,
    Restart,
    Rng,
    Role,
    Token,
)
from raft.entries import (
    Configuration,
    Entry,
    Kind,
    Server,
    SnapshotMeta,
    encode_configuration,
)

_BOOTSTRAP_TERM = 1  # the first configuration is nobody's proposal; Consul writes it so


class Raft:
    """Server ``server_id``, as it starts from what storage recovered.

    The state machine holds ``restart.snapshot``; what was known to be committed after it comes
    with the first effects.
    """

    def __init__(
        self, server_id: str, settings: Settings, rng: Rng, now: float, restart: Restart
    ) -> None:
        self._state = state = State(server_id, settings, rng, now, restart)
        self._parts = Mechanisms(state)
        self._inbox = Inbox(self._parts)

    # --- inputs ---

    def bootstrap(self, configuration: Configuration, now: float) -> None:
        """Begin a cluster with these members; all of them write the same first entry."""
        state = self._advance(now)
        assert state.term == 0, "there is a log already"
        assert state.log.last_index == 0, "there is a log already"
        state.set_term(_BOOTSTRAP_TERM)
        payload = encode_configuration(configuration)
        state.append([Entry(1, _BOOTSTRAP_TERM, Kind.CONFIGURATION, payload)])
        self._parts.election.schedule()

    def step(self, sender_id: str, message: Message, now: float) -> None:
        """Take a message; late, repeated and lost ones do no harm."""
        self._advance(now)
        self._inbox.take(sender_id, message)

    def tick(self, now: float) -> None:
        """Do what time asks for."""
        self._advance(now)
        self._parts.heartbeats.tick()
        self._parts.election.tick()
        self._parts.transfer.tick()
        self._parts.reads.tick()

    def propose(self, payloads: Sequence[bytes], now: float, term: int = 0) -> Accepted | Refused:
        """Take commands, all or none (at least one); ``term`` as the proposer knew it, 0: any."""
        self._advance(now)
        return self._parts.proposals.propose(payloads, term)

    def propose_configuration(
        self, servers: Sequence[Server], now: float, previous_index: int = 0
    ) -> Accepted | Refused:
        """Change the members to ``servers``, if the configuration is still ``previous_index``."""
        self._advance(now)
        return self._parts.changes.propose(servers, previous_index)

    def read(self, token: Token, now: float, *, lease_allowed: bool = True) -> None:
        """Ask when the own state is at least as new as now; the answer is in later effects."""
        self._advance(now)
        self._parts.reads.read(token, lease_allowed=lease_allowed)

    def transfer(self, target_id: str | None, now: float) -> str | Refused:
        """Hand leadership over, to the best voter when None; returns who it is."""
        self._advance(now)
        return self._parts.transfer.start(target_id)

    def persisted(self, sequence: int, now: float) -> None:
        """Every write up to ``sequence`` is durable."""
        state = self._advance(now)
        state.writes.persisted(sequence)
        for message in state.outbox.release(sequence):
            self._inbox.handle(state.server_id, message)

    def applied(self, index: int, now: float) -> None:
        """The state machine has everything up to ``index``."""
        state = self._advance(now)
        assert state.applied_index <= index <= state.applying_index
        state.applied_index = index
        state.membership.settle(index)

    def snapshot_made(self, meta: SnapshotMeta, now: float) -> None:
        """A snapshot of the own state machine is durable; one older than the known is ignored."""
        state = self._advance(now)
        compaction.compact(
            state, meta, self._parts.sender.held_back_index(self._parts.peers.progress)
        )

    def state_replaced(self, meta: SnapshotMeta, now: float) -> None:
        """An operator replaced the leader's state; ``meta`` is durable and already restored.

        Only a leader that has applied its whole log, with a committed simple membership and no
        transfer; ``meta``: an index above the last, the own term, the present membership.
        """
        replace_state(self._advance(now), meta)

    def snapshot_read(
        self, peer_id: str, snapshot_id: str, offset: int, content: bytes, now: float
    ) -> None:
        """The chunk that ``Effects.snapshot_reads`` asked for."""
        self._advance(now)
        progress = self._parts.peers.progress.get(peer_id)
        if progress is not None:
            self._parts.sender.on_read(peer_id, progress, snapshot_id, offset, content)

    def snapshot_unreadable(self, snapshot_id: str, now: float) -> None:
        """A snapshot that ``Effects.snapshot_reads`` asked for is gone or damaged."""
        self._advance(now)
        self._parts.sender.on_unreadable(snapshot_id, self._parts.peers.progress)

    def snapshot_stored(self, snapshot_id: str, offset_next: int, now: float) -> None:
        """A chunk is stored; with the last one the whole snapshot is verified and durable."""
        self._advance(now)
        self._parts.receiver.on_stored(snapshot_id, offset_next)

    def snapshot_store_failed(self, snapshot_id: str, now: float) -> None:
        """A chunk, or the whole at the end, could not be stored; nothing of it is kept."""
        self._advance(now)
        self._parts.receiver.on_store_failed(snapshot_id)

    def peer_unreachable(self, peer_id: str, now: float) -> None:
        """The connection to a peer broke: what was sent lately may be lost."""
        self._advance(now)
        self._parts.replication.on_unreachable(peer_id)
        self._parts.transfer.on_unreachable(peer_id)

    # --- outputs ---

    def take_effects(self, now: float) -> Effects:
        """Draw the conclusions of the turn."""
        state = self._advance(now)
        if state.is_leader:
            self._parts.replication.advance_commit()
            self._parts.changes.settle()
            self._parts.replication.feed()
            self._parts.transfer.settle()
            self._parts.changes.finish()
        self._parts.reads.settle()
        compaction.check_size(state)
        deadlines = (
            self._parts.election.deadline(),
            self._parts.heartbeats.deadline(),
            self._parts.replication.deadline(),
            self._parts.transfer.deadline(),
            self._parts.reads.deadline(),
        )
        return self._parts.turn.close(min(deadlines))

    def invariant_check(self) -> None:
        """Raises ``AssertionError`` when the own rules are broken; costs O(members)."""
        check(self._state, self._parts.peers.progress)

    # --- to look at ---

    @property
    def server_id(self) -> str:
        """The own id."""
        return self._state.server_id

    @property
    def settings(self) -> Settings:
        """The numbers in use; others may be set at any time and count from the next input on."""
        return self._state.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._state.settings = settings

    @property
    def term(self) -> int:
        """The newest term known."""
        return self._state.term

    @property
    def vote(self) -> str:
        """Who got the own vote in this term; "" for nobody."""
        return self._state.vote

    @property
    def role(self) -> Role:
        """The own role in this term."""
        return self._state.role

    @property
    def leader_id(self) -> str:
        """The leader of this term; "" when it is not known."""
        return self._state.leader_id

    @property
    def epoch(self) -> int:
        """One more with each win and each loss of leadership."""
        return self._state.epoch

    @property
    def commit_index(self) -> int:
        """Entries up to here are final."""
        return self._state.commit_index

    @property
    def applied_index(self) -> int:
        """Entries up to here were reported as applied."""
        return self._state.applied_index

    @property
    def first_index(self) -> int:
        """The oldest entry in memory."""
        return self._state.log.first_index

    @property
    def last_index(self) -> int:
        """The newest entry, durable or not."""
        return self._state.log.last_index

    @property
    def last_term(self) -> int:
        """Term of the newest entry."""
        return self._state.log.last_term

    @property
    def stable_index(self) -> int:
        """Entries up to here are durable on this server."""
        return self._state.writes.stable_index

    @property
    def snapshot(self) -> SnapshotMeta | None:
        """The newest snapshot that is noted in the log."""
        return self._state.snapshot

    @property
    def configuration(self) -> Configuration:
        """The membership in force: the newest in the log."""
        return self._state.membership.configuration

    @property
    def configuration_index(self) -> int:
        """The entry that brought it; 0 when there is none."""
        return self._state.membership.index

    @property
    def last_contact_at(self) -> float:
        """When a leader was last heard, minus infinity if never."""
        return self._state.last_contact_at

    @property
    def is_disk_stalled(self) -> bool:
        """Whether storage has been silent for too long, as of the last input."""
        return self._state.is_disk_stalled

    @property
    def progress(self) -> Mapping[str, Progress]:
        """What a leader knows of the other members; empty on others."""
        return self._parts.peers.progress

    def peer_status(self, peer_id: str) -> PeerStatus | None:
        """What a leader knows of one member; None on others, or when it is none."""
        progress = self._parts.peers.progress.get(peer_id)
        return None if progress is None else progress.status(self._state.log.last_index)

    def entry_term(self, index: int) -> int | None:
        """Term of an entry, or of the one before the first; None when it is not known."""
        return self._state.log.term(index)

    def entries(self, first_index: int, last_index: int) -> Sequence[Entry]:
        """Entries in memory, ``first_index`` and ``last_index`` included."""
        return self._state.log.entries(first_index, last_index)

    def configuration_at(self, index: int) -> tuple[Configuration, int]:
        """The membership in force at an applied index or later, and the index that brought it."""
        return self._state.membership.at(index)

    def has_lease(self, now: float) -> bool:
        """Whether the own state is the newest, without asking anybody."""
        self._advance(now)
        return self._parts.heartbeats.has_lease()

    def lease_ends_at(self, now: float) -> float:
        """Until when that will be so, if nothing happens before the next input; minus infinity
        where it is not so.
        """
        self._advance(now)
        return self._parts.heartbeats.lease_ends_at()

    # --- dispatch ---

    def _advance(self, now: float) -> State:
        state = self._state
        state.now = max(now, state.now)
        return state
