"""Keys of the cluster's machinery: gossip, raft, autopilot, cache and RPC. Source: surface §5.2."""

import math

from agent.config.rules import at_least, between, not_negative, one_of
from agent.config.schema import LIVE, Section, opt, section
from catalog.duration import MILLISECOND, SECOND, Duration


class Performance(Section, frozen=True):
    """Timing of servers."""

    leave_drain_time: Duration = opt(
        5 * SECOND, "Time a leaving server still answers.", check=not_negative
    )
    raft_multiplier: int = opt(
        5, "Stretches raft's timeouts; 1 is the fastest.", check=between(1, 10)
    )
    rpc_hold_timeout: Duration = opt(
        7 * SECOND, "Time an RPC waits for a leader.", check=not_negative
    )
    grpc_keepalive_interval: Duration = opt(
        30 * SECOND, "Time between gRPC pings.", check=not_negative
    )
    grpc_keepalive_timeout: Duration = opt(
        20 * SECOND, "Wait for the answer to a gRPC ping.", check=not_negative
    )
    enable_xds_load_balancing: bool = opt(True, "Spread xDS streams over the servers.")


class Cache(Section, frozen=True):
    """The agent's cache of answers."""

    entry_fetch_max_burst: int = opt(2, "Fetches at once of one entry.", reload=LIVE)
    entry_fetch_rate: float = opt(
        math.inf, "Fetches a second of one entry.", reload=LIVE, check=not_negative
    )


class GossipLan(Section, frozen=True):
    """Gossip in the datacenter."""

    gossip_nodes: int = opt(3, "Nodes told in one round.", check=at_least(1))
    gossip_interval: Duration = opt(200 * MILLISECOND, "Time between rounds.", check=at_least(1))
    probe_interval: Duration = opt(SECOND, "Time between probes.", check=at_least(1))
    probe_timeout: Duration = opt(
        500 * MILLISECOND, "Wait for a probe's answer.", check=at_least(1)
    )
    suspicion_mult: int = opt(4, "Stretches the time a node is only suspected.", check=at_least(1))
    retransmit_mult: int = opt(4, "Stretches how often news is told.", check=at_least(1))


class GossipWan(Section, frozen=True):
    """Gossip between datacenters."""

    gossip_nodes: int = opt(3, "Nodes told in one round.", check=at_least(1))
    gossip_interval: Duration = opt(500 * MILLISECOND, "Time between rounds.", check=at_least(1))
    probe_interval: Duration = opt(5 * SECOND, "Time between probes.", check=at_least(1))
    probe_timeout: Duration = opt(3 * SECOND, "Wait for a probe's answer.", check=at_least(1))
    suspicion_mult: int = opt(6, "Stretches the time a node is only suspected.", check=at_least(1))
    retransmit_mult: int = opt(4, "Stretches how often news is told.", check=at_least(1))


class Autopilot(Section, frozen=True):
    """First values of the replicated autopilot configuration."""

    cleanup_dead_servers: bool = opt(True, "Remove dead servers from raft.")
    last_contact_threshold: Duration = opt(
        200 * MILLISECOND, "Silence after which a server is unhealthy.", check=not_negative
    )
    max_trailing_logs: int = opt(
        250, "Entries a healthy server may lag behind.", check=not_negative
    )
    min_quorum: int = opt(0, "Servers that are never cleaned up below.", check=not_negative)
    server_stabilization_time: Duration = opt(
        10 * SECOND, "Time a server must be healthy before it votes.", check=not_negative
    )
    redundancy_zone_tag: str = opt("", "Node metadata that names a zone (not supported).")
    disable_upgrade_migration: bool = opt(False, "Turn upgrade migrations off (not supported).")
    upgrade_version_tag: str = opt("", "Node metadata that holds a version (not supported).")


class Segment(Section, frozen=True):
    """A network segment (not supported, parsed)."""

    name: str = opt("", "Name of the segment.")
    bind: str = opt("", "Address to bind.")
    advertise: str = opt("", "Address to tell others.")
    port: int = opt(0, "Port of the segment.", check=not_negative)
    rpc_listener: bool = opt(False, "Listen for RPC on the segment's address.")


class RPC(Section, frozen=True):
    """RPC between agents."""

    enable_streaming: bool = opt(False, "Serve event streams to clients.")


class Peering(Section, frozen=True):
    """Links to clusters that are no federation members."""

    enabled: bool = opt(True, "Allow peering.")


class XDS(Section, frozen=True):
    """The xDS service."""

    update_max_per_second: float = opt(
        250.0, "Updates a second to all proxies.", reload=LIVE, check=not_negative
    )


class RaftVerification(Section, frozen=True):
    """Checking of the raft log."""

    enabled: bool = opt(False, "Compare checksums with the leader.")
    interval: Duration = opt(60 * SECOND, "Time between checks.", check=not_negative)


class RaftBoltDB(Section, frozen=True):
    """Settings of the BoltDB log (accepted, without effect)."""

    no_freelist_sync: bool = opt(False, "Do not write the freelist.")


class RaftWal(Section, frozen=True):
    """Settings of the write-ahead log."""

    segment_size_mb: int = opt(64, "MiB of one segment file.", check=at_least(1))


class RaftLogStore(Section, frozen=True):
    """Where raft keeps its log."""

    backend: str = opt("wal", "Kind of the log.", check=one_of("", "default", "wal", "boltdb"))
    disable_log_cache: bool = opt(False, "Keep no recent entries in memory.")
    verification: RaftVerification = section(RaftVerification, "Checking of the log.")
    boltdb: RaftBoltDB = section(RaftBoltDB, "The BoltDB log.")
    wal: RaftWal = section(RaftWal, "The write-ahead log.")


class Locality(Section, frozen=True):
    """Where this agent runs."""

    region: str = opt("", "Region.")
    zone: str = opt("", "Zone in the region.")


class Proxy(Section, frozen=True):
    """The built-in data plane, and its worker processes."""

    enabled: bool = opt(True, "Carry the traffic of the sidecars and gateways registered here.")
    workers: int = opt(1, "Worker processes; each uses one core.", check=between(1, 64))
    drain_time: Duration = opt(
        30 * SECOND,
        "Time that connections of a changed or removed listener may go on.",
        reload=LIVE,
        check=not_negative,
    )
