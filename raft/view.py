"""What can be seen of one server's log from outside; nothing here changes anything."""

from collections.abc import Callable

from raft.core.types import PeerStatus, Role
from raft.engine import Engine
from raft.entries import Configuration


class View:
    """The present state of ``engine``; ``now`` is a monotonic clock in seconds."""

    def __init__(self, engine: Engine, now: Callable[[], float]) -> None:
        self._engine = engine
        self._now = now
        self._cluster_id = b""

    @property
    def first_index(self) -> int:
        """Index of the oldest entry that is kept in memory for others; 0 before ``start``."""
        return self._engine.raft.first_index if self._engine.raft else 0

    @property
    def last_index(self) -> int:
        """Index of the newest entry, durable or not; 0 before ``start``."""
        return self._engine.raft.last_index if self._engine.raft else 0

    @property
    def commit_index(self) -> int:
        """Index of the newest entry that is known to be durable on a quorum."""
        return self._engine.raft.commit_index if self._engine.raft else 0

    @property
    def applied_index(self) -> int:
        """Index of the newest entry that the state machine has seen."""
        return self._engine.applier.applied_index

    @property
    def term(self) -> int:
        """The current term."""
        return self._engine.raft.term if self._engine.raft else 0

    @property
    def last_term(self) -> int:
        """Term of the newest entry."""
        return self._engine.raft.last_term if self._engine.raft else 0

    @property
    def role(self) -> Role:
        """What this server is in its term."""
        return self._engine.raft.role if self._engine.raft else Role.FOLLOWER

    @property
    def last_snapshot_index(self) -> int:
        """Index that the newest snapshot covers; 0 when there is none."""
        newest = self._engine.newest
        return newest.index if newest else 0

    @property
    def last_snapshot_term(self) -> int:
        """Term of the entry at ``last_snapshot_index``; 0 when there is none."""
        newest = self._engine.newest
        return newest.term if newest else 0

    @property
    def configuration(self) -> Configuration:
        """The membership in force: the newest in the log."""
        return self._engine.raft.configuration if self._engine.raft else Configuration()

    @property
    def configuration_index(self) -> int:
        """Index of the entry that brought the membership."""
        return self._engine.raft.configuration_index if self._engine.raft else 0

    @property
    def cluster_id(self) -> bytes:
        """16 bytes; empty until this server is part of a cluster."""
        return self._cluster_id

    @property
    def is_leader(self) -> bool:
        """Whether this server leads, as far as it knows."""
        return self._engine.leadership.is_leader

    @property
    def epoch(self) -> int:
        """One more each time that this server begins or ends to lead."""
        return self._engine.leadership.epoch

    @property
    def leader_id(self) -> str:
        """The leader, as far as it is known; else ""."""
        return self._engine.raft.leader_id if self._engine.raft else ""

    @property
    def leader_address(self) -> str:
        """Where the known leader is; else ""."""
        return self._engine.address(self.leader_id)

    @property
    def last_contact_s(self) -> float:
        """Seconds since a leader was last heard; 0 on the leader, infinity when never."""
        raft = self._engine.raft
        if raft is None or self.is_leader:
            return 0.0 if self.is_leader else float("inf")
        return self._now() - max(raft.last_contact_at, self._engine.led_until_s)

    @property
    def has_applied_since_boot(self) -> bool:
        """Whether a snapshot or an entry was applied since this process began."""
        return self._engine.applier.has_applied

    def can_read_now(self) -> bool:
        """Whether the own state is the newest, so that a linearizable read need not wait."""
        engine, now_s = self._engine, self._now()
        raft = engine.raft
        if raft is None or engine.applier.applied_index < raft.commit_index:
            return False
        if now_s >= engine.lease_ends_at_s:
            engine.lease_ends_at_s = raft.lease_ends_at(now_s)
        return now_s < engine.lease_ends_at_s

    def peer_status(self, peer_id: str) -> PeerStatus | None:
        """What a leader knows of one member; None on others, or when it is none."""
        return self._engine.raft.peer_status(peer_id) if self._engine.raft else None

    def peer_contact_s(self, peer_id: str) -> float | None:
        """Seconds since a member last answered this leader; None where that is not known."""
        status = self.peer_status(peer_id)
        return None if status is None else self._now() - status.last_contact_at
