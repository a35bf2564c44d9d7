"""The numbers of one gossip pool: timers, multipliers and limits, with the known profiles.

``lan``, ``wan`` and ``local`` are memberlist's and Serf's profiles; ``consul_lan``, ``consul_wan``
and ``consul_dev`` are what Consul makes of them. All times are seconds.
"""

from typing import Final

import msgspec

from gossip.core.types import Address, Versions

PROTOCOL: Final = (1, 5, 2)  # memberlist: min, max, spoken
DELEGATE: Final = (2, 5)  # Serf: min, max


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """How one node of a pool behaves. The defaults are the LAN profile."""

    name: str
    address: Address
    tags: dict[str, str] = {}
    delegate_version: int = 5
    keys: tuple[bytes, ...] = ()

    tcp_timeout_s: float = 10.0
    tcp_pings: bool = True
    indirect_checks: int = 3
    retransmit_mult: int = 4
    suspicion_mult: int = 4
    suspicion_max_mult: int = 6
    push_pull_interval_s: float = 30.0
    probe_interval_s: float = 1.0
    probe_timeout_s: float = 0.5
    awareness_max: int = 8
    gossip_interval_s: float = 0.2
    gossip_nodes: int = 3
    gossip_to_dead_s: float = 30.0
    dead_reclaim_s: float = 0.0
    packet_bytes_max: int = 1400
    packet_overhead_bytes: int = 0

    broadcast_timeout_s: float = 5.0
    leave_propagate_s: float = 1.0
    reap_interval_s: float = 15.0
    reconnect_interval_s: float = 30.0
    reconnect_timeout_s: float = 24 * 3600.0
    tombstone_timeout_s: float = 24 * 3600.0
    recent_intent_s: float = 300.0
    queue_check_interval_s: float = 30.0
    queue_warning_depth: int = 128
    queue_depth_max: int = 4096
    queue_depth_min: int = 0
    event_bytes_max: int = 512
    query_bytes_max: int = 1024
    query_response_bytes_max: int = 1024
    query_timeout_mult: int = 16
    coalesce_s: float = 0.0
    quiescent_s: float = 0.0
    resolve_name_conflicts: bool = True
    coordinates: bool = True
    snapshot: bool = False
    rejoin_after_leave: bool = False

    @property
    def versions(self) -> Versions:
        """The version bytes this node announces."""
        return Versions(*PROTOCOL, *DELEGATE, self.delegate_version)


def lan(name: str, address: Address, **changes: object) -> Config:
    """The profile for one data centre's network."""
    return _profile(name, address, {}, changes)


def wan(name: str, address: Address, **changes: object) -> Config:
    """The profile for links between data centres."""
    return _profile(name, address, _WAN, changes)


def local(name: str, address: Address, **changes: object) -> Config:
    """The profile for the loopback interface."""
    return _profile(name, address, _LOCAL, changes)


def consul_lan(name: str, address: Address, **changes: object) -> Config:
    """What a Consul agent uses inside its data centre."""
    return _profile(name, address, _CONSUL, changes)


def consul_wan(name: str, address: Address, **changes: object) -> Config:
    """What a Consul server uses between data centres: fan-out and retransmits as on the LAN."""
    return _profile(name, address, _WAN | _CONSUL | {"gossip_nodes": 3}, changes)


def consul_dev(name: str, address: Address, **changes: object) -> Config:
    """What ``-dev`` uses on both pools."""
    return _profile(name, address, _CONSUL | _DEV, changes)


_WAN: Final[dict[str, object]] = {
    "tcp_timeout_s": 30.0,
    "suspicion_mult": 6,
    "push_pull_interval_s": 60.0,
    "probe_interval_s": 5.0,
    "probe_timeout_s": 3.0,
    "gossip_interval_s": 0.5,
    "gossip_nodes": 4,
    "gossip_to_dead_s": 60.0,
}
_LOCAL: Final[dict[str, object]] = {
    "tcp_timeout_s": 1.0,
    "indirect_checks": 1,
    "retransmit_mult": 2,
    "suspicion_mult": 3,
    "push_pull_interval_s": 15.0,
    "probe_timeout_s": 0.2,
    "gossip_interval_s": 0.1,
    "gossip_to_dead_s": 15.0,
}
_CONSUL: Final[dict[str, object]] = {
    "delegate_version": 4,
    "dead_reclaim_s": 30.0,
    "leave_propagate_s": 3.0,
    "reconnect_timeout_s": 72 * 3600.0,
    "queue_depth_min": 4096,
    "queue_warning_depth": 1_000_000,
    "resolve_name_conflicts": False,
}
_DEV: Final[dict[str, object]] = {
    "gossip_interval_s": 0.1,
    "probe_interval_s": 0.1,
    "probe_timeout_s": 0.1,
    "suspicion_mult": 3,
}


def _profile(
    name: str, address: Address, profile: dict[str, object], changes: dict[str, object]
) -> Config:
    unknown = changes.keys() - set(Config.__struct_fields__)
    if unknown:
        raise ValueError(f"unknown gossip setting {sorted(unknown)[0]!r}")
    config = Config(name=name, address=address)
    return msgspec.structs.replace(config, **profile | changes)
