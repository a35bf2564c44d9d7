"""From the configuration to the settings of a server's parts, as ``agent.settings`` for the others.

A client agent loads nothing of the log.
"""

from agent.config import RuntimeConfig
from agent.rpc.peer_server import PeerLimits
from catalog.duration import SECOND
from catalog.rows.system import AutopilotConfiguration
from raft.machine import ELECTION_TIMEOUT_S, Settings


def autopilot_configuration(config: RuntimeConfig) -> AutopilotConfiguration:
    """What autopilot starts with, until its replicated configuration is changed."""
    keys = config.autopilot
    return AutopilotConfiguration(
        cleanup_dead_servers=keys.cleanup_dead_servers,
        last_contact_threshold=keys.last_contact_threshold,
        max_trailing_logs=keys.max_trailing_logs,
        min_quorum=keys.min_quorum,
        server_stabilization_time=keys.server_stabilization_time,
        redundancy_zone_tag=keys.redundancy_zone_tag,
        disable_upgrade_migration=keys.disable_upgrade_migration,
        upgrade_version_tag=keys.upgrade_version_tag,
    )


def raft_settings(config: RuntimeConfig) -> Settings:
    """How patient the log's servers are with each other, and when the log is compacted."""
    return Settings(
        election_timeout_s=ELECTION_TIMEOUT_S * config.performance.raft_multiplier,
        snapshot_threshold=config.raft_snapshot_threshold,
        snapshot_interval_s=config.raft_snapshot_interval / SECOND,
        trailing_logs=config.raft_trailing_logs,
    )


def peer_limits(config: RuntimeConfig) -> PeerLimits:
    """What other agents may ask of this server at once."""
    limits = config.limits
    return PeerLimits(
        handshake_timeout_s=limits.rpc_handshake_timeout / SECOND,
        connections_per_client_max=limits.rpc_max_conns_per_client,
    )
