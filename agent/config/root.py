"""All keys of the configuration: those about the node (``keys_node``) and about the cluster.

Source: surface §5.2.
"""

from agent.config.keys_node import LogKeys
from agent.config.rules import between, cidrs, gossip_key, not_negative, one_of
from agent.config.schema import LIVE, computed, opt, section
from agent.config.sections_cluster import (
    RPC,
    XDS,
    Autopilot,
    Cache,
    GossipLan,
    GossipWan,
    Locality,
    Peering,
    Performance,
    Proxy,
    RaftLogStore,
    Segment,
)
from agent.config.sections_security import (
    ACL,
    TLS,
    AutoConfig,
    AutoEncrypt,
    ConfigEntries,
    Connect,
)
from catalog.duration import HOUR, SECOND, Duration


class JoinKeys(LogKeys, frozen=True):
    """How the cluster is found, left and rejoined."""

    bootstrap: bool = opt(False, "Elect this server alone.", flag="-bootstrap")
    bootstrap_expect: int = opt(
        0,
        "Servers to wait for before the first election.",
        flag="-bootstrap-expect",
        check=not_negative,
    )
    start_join: tuple[str, ...] = opt((), "Agents to join at start.", flag="-join")
    start_join_wan: tuple[str, ...] = opt((), "Servers to join at start.", flag="-join-wan")
    retry_join: tuple[str, ...] = opt((), "Agents to join until it works.", flag="-retry-join")
    retry_join_wan: tuple[str, ...] = opt(
        (), "Servers to join until it works.", flag="-retry-join-wan"
    )
    retry_interval: Duration = opt(
        30 * SECOND, "Time between joins.", flag="-retry-interval", check=not_negative
    )
    retry_interval_wan: Duration = opt(
        30 * SECOND, "Time between WAN joins.", flag="-retry-interval-wan", check=not_negative
    )
    retry_max: int = opt(
        0, "Joins before giving up; 0: never.", flag="-retry-max", check=not_negative
    )
    retry_max_wan: int = opt(
        0, "WAN joins before giving up; 0: never.", flag="-retry-max-wan", check=not_negative
    )
    rejoin_after_leave: bool = opt(False, "Rejoin after a leave.", flag="-rejoin")
    leave_on_terminate: bool = computed("true on clients", "Leave the cluster on SIGTERM.")
    skip_leave_on_interrupt: bool = computed("true on servers", "Do not leave on SIGINT.")
    reconnect_timeout: Duration = opt(
        72 * HOUR, "Time until a failed node is forgotten.", check=not_negative
    )
    reconnect_timeout_wan: Duration = opt(
        72 * HOUR, "Time until a failed remote server is forgotten.", check=not_negative
    )
    advertise_reconnect_timeout: Duration = opt(
        0, "Time until others forget this client.", check=not_negative
    )
    primary_gateways: tuple[str, ...] = opt(
        (), "Mesh gateways of the primary datacenter.", flag="-primary-gateway"
    )
    primary_gateways_interval: Duration = opt(
        30 * SECOND, "Time between looks for gateways.", check=not_negative
    )


class Root(JoinKeys, frozen=True):
    """Every key that a file may set."""

    encrypt: str = opt(
        "", "Key of the gossip, base64.", flag="-encrypt", check=gossip_key, secret=True
    )
    encrypt_verify_incoming: bool = opt(True, "Refuse plain gossip.")
    encrypt_verify_outgoing: bool = opt(True, "Send no plain gossip.")
    disable_keyring_file: bool = opt(
        False, "Keep gossip keys in memory only.", flag="-disable-keyring-file"
    )
    serf_lan_allowed_cidrs: tuple[str, ...] = opt(
        (), "Ranges that LAN members may have.", flag="-serf-lan-allowed-cidrs", check=cidrs
    )
    serf_wan_allowed_cidrs: tuple[str, ...] = opt(
        (), "Ranges that WAN members may have.", flag="-serf-wan-allowed-cidrs", check=cidrs
    )
    protocol: int = opt(
        2, "Version of the cluster's protocol.", flag="-protocol", check=between(2, 3)
    )
    raft_protocol: int = opt(
        3, "Version of the raft protocol.", flag="-raft-protocol", check=between(2, 3)
    )
    raft_snapshot_threshold: int = opt(
        16384, "Entries between snapshots.", reload=LIVE, check=not_negative
    )
    raft_snapshot_interval: Duration = opt(
        30 * SECOND, "Time between looks at the threshold.", reload=LIVE, check=not_negative
    )
    raft_trailing_logs: int = opt(
        10240, "Entries kept after a snapshot.", reload=LIVE, check=not_negative
    )
    raft_prevote_disabled: bool = opt(False, "Vote without asking first.")
    raft_logstore: RaftLogStore = section(RaftLogStore, "Where raft keeps its log.")
    server_rejoin_age_max: Duration = opt(
        168 * HOUR, "Age of a server's state that may rejoin.", check=not_negative
    )
    read_replica: bool = opt(False, "A server without a vote.", flag="-read-replica")
    segments: tuple[Segment, ...] = opt((), "Network segments (not supported).")
    performance: Performance = section(Performance, "Timing of servers.")
    cache: Cache = section(Cache, "The agent's cache.")
    gossip_lan: GossipLan = section(GossipLan, "Gossip in the datacenter.")
    gossip_wan: GossipWan = section(GossipWan, "Gossip between datacenters.")
    autopilot: Autopilot = section(Autopilot, "First values of autopilot.")
    acl: ACL = section(ACL, "Access control.")
    tls: TLS = section(TLS, "TLS by protocol.")
    auto_encrypt: AutoEncrypt = section(AutoEncrypt, "Certificates from servers.")
    auto_config: AutoConfig = section(AutoConfig, "Configuration from servers.")
    connect: Connect = section(Connect, "The service mesh.")
    config_entries: ConfigEntries = section(ConfigEntries, "Central configuration.")
    default_intention_policy: str = opt(
        "", "What no intention decides; else the ACL default.", check=one_of("", "allow", "deny")
    )
    enable_central_service_config: bool = opt(True, "Apply central configuration to services.")
    disable_coordinates: bool = opt(False, "Keep no network coordinates.")
    disable_host_node_id: bool = opt(
        True, "Make a random node id, not one of the host.", flag="-disable-host-node-id"
    )
    use_streaming_backend: bool = opt(False, "Ask servers for event streams.")
    rpc: RPC = section(RPC, "RPC between agents.")
    peering: Peering = section(Peering, "Links to other clusters.")
    xds: XDS = section(XDS, "The xDS service.")
    locality: Locality = section(Locality, "Where this agent runs.")
    auto_reload_config: bool = opt(False, "Reload when a file changes.")
    proxy: Proxy = section(Proxy, "Worker processes of the data plane.")
