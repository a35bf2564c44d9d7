"""The numbers of one server: timers, batches and limits.

Times follow Consul's: ``election_timeout_s`` is its HeartbeatTimeout (1 s times raft_multiplier).
"""

from typing import Final

import msgspec

from raft.entries import COMMAND_BYTES_MAX

HEARTBEAT_INTERVAL_MAX_S: Final = 0.1  # autopilot calls a server healthy within 200 ms of contact
CLOCK_DRIFT_MAX: Final = 0.1  # fraction by which two servers' clocks may differ in rate


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How one server behaves; all servers of a cluster share the times.

    A follower waits ``election_timeout_s`` to twice that, at random, for its leader. A leader that
    no quorum answers for ``lease_timeout_s`` steps down. Zero ``heartbeat_interval_s``,
    ``lease_timeout_s`` and ``disk_stall_limit_s`` mean a tenth (at most 0.1 s), a half and twice
    the election timeout.
    """

    election_timeout_s: float = 1.0
    heartbeat_interval_s: float = 0.0
    lease_timeout_s: float = 0.0
    disk_stall_limit_s: float = 0.0

    commit_notice_delay_s: float = 0.005  # a commit waits so long for entries to go along with
    batch_bytes_max: int = 1024 * 1024  # one Append; the entry that crosses it still goes along
    batch_count_max: int = 1024  # entries in one Append
    window_count_max: int = 2  # Appends under way to one peer; deeper ones defeat batching
    command_bytes_max: int = COMMAND_BYTES_MAX
    uncommitted_bytes_max: int = 64 * 1024 * 1024  # proposals without a quorum are held in memory
    uncommitted_count_max: int = 65_536  # the same for small ones
    unapplied_bytes_max: int = 16 * 1024 * 1024  # handed to the state machine and not yet applied
    reads_waiting_max: int = 65_536  # reads that wait for a quorum or for the state machine
    trailing_count: int = 10_240  # entries kept behind a snapshot for followers that lag
    log_bytes_max: int = 64 * 1024 * 1024  # of entries in memory, beyond which a snapshot is wanted
    log_count_max: int = 65_536  # the same for small ones, which cost more as objects than as bytes
    snapshot_chunk_bytes: int = 256 * 1024  # one chunk: large for the disk, small for the loop

    def __post_init__(self) -> None:
        timeout_s = self.election_timeout_s
        defaults = {
            "heartbeat_interval_s": min(timeout_s / 10, HEARTBEAT_INTERVAL_MAX_S),
            "lease_timeout_s": timeout_s / 2,
            "disk_stall_limit_s": 2 * timeout_s,
        }
        for name, value in defaults.items():
            if not getattr(self, name):
                msgspec.structs.force_setattr(self, name, value)

    @property
    def lease_s(self) -> float:
        """How long after a confirmed round no other server can have been elected."""
        return self.lease_timeout_s * (1 - CLOCK_DRIFT_MAX)
