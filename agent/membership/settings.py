"""From the configuration to the two gossip pools: the LAN's, and on servers the WAN's.

Plain translations. The user's timers lie over Consul's profile, which sets the rest: a goodbye may
spread for 3 s, an event has at most 512 bytes.
Source: surface §5.2 and §8; gossip data: ``serf/`` in the data directory.
"""

import base64
import ipaddress
from pathlib import Path
from typing import Final

import msgspec

from agent.config import RuntimeConfig
from agent.config.addresses import Listen
from agent.config.sections_cluster import GossipLan, GossipWan
from agent.membership.policy import LanPolicy, WanPolicy, networks
from agent.membership.tags import tags_of, wan_name
from catalog.duration import SECOND
from gossip.core.config import Config, consul_lan, consul_wan
from gossip.core.policy import Policy
from gossip.core.types import Address
from gossip.surroundings import Settings

# A dead agent's name may be taken over this much later on the LAN. With Consul's 30 s an agent that
# lost its data directory and its address is back after up to a minute; with these within 30 s.
DEAD_RECLAIM_S: Final = 15.0


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What one pool's node is made from."""

    config: Config
    settings: Settings
    policy: Policy


def lan_settings(
    config: RuntimeConfig, node_id: str, data_dir: Path | None, *, wan_join_port: int
) -> PoolSettings:
    """The pool of this datacenter's agents. ``wan_join_port`` is 0 without a WAN pool."""
    return PoolSettings(
        config=consul_lan(
            config.node_name,
            _address(config.serf_lan_advertise, config.serf_lan_addr),
            tags=tags_of(config, node_id, wan_join_port=wan_join_port),
            reconnect_timeout_s=config.reconnect_timeout / SECOND,
            dead_reclaim_s=DEAD_RECLAIM_S,
            **_timers(config.gossip_lan),
            **_shared(config),
        ),
        settings=_settings(config, config.serf_lan_addr, data_dir, "local"),
        policy=LanPolicy(
            config.datacenter,
            node_id,
            networks(config.serf_lan_allowed_cidrs),
            name=config.node_name,
        ),
    )


def wan_settings(config: RuntimeConfig, node_id: str, data_dir: Path | None) -> PoolSettings | None:
    """The pool of all datacenters' servers; None for a client, or when it is off."""
    listen, advertise = config.serf_wan_addr, config.serf_wan_advertise
    if not config.server or listen is None or advertise is None:
        return None
    return PoolSettings(
        config=consul_wan(
            wan_name(config.node_name, config.datacenter),
            _address(advertise, listen),
            tags=tags_of(config, node_id, wide=True),
            reconnect_timeout_s=config.reconnect_timeout_wan / SECOND,
            **_timers(config.gossip_wan),
            **_shared(config),
        ),
        settings=_settings(config, listen, data_dir, "remote"),
        policy=WanPolicy(networks(config.serf_wan_allowed_cidrs)),
    )


def _address(advertise: Listen, listen: Listen) -> Address:
    return Address(ipaddress.ip_address(advertise.host).packed, listen.port)


def _timers(timers: GossipLan | GossipWan) -> dict[str, object]:
    return {
        "gossip_nodes": timers.gossip_nodes,
        "gossip_interval_s": timers.gossip_interval / SECOND,
        "probe_interval_s": timers.probe_interval / SECOND,
        "probe_timeout_s": timers.probe_timeout / SECOND,
        "suspicion_mult": timers.suspicion_mult,
        "retransmit_mult": timers.retransmit_mult,
    }


def _shared(config: RuntimeConfig) -> dict[str, object]:
    return {
        "keys": (base64.b64decode(config.encrypt),) if config.encrypt else (),
        "coordinates": not config.disable_coordinates,
        "rejoin_after_leave": config.rejoin_after_leave,
    }


def _settings(config: RuntimeConfig, listen: Listen, data_dir: Path | None, pool: str) -> Settings:
    directory = data_dir / "serf" if data_dir is not None else None
    keeps_keys = directory is not None and not config.disable_keyring_file
    return Settings(
        bind_host=listen.host,
        verify_incoming=config.encrypt_verify_incoming,
        verify_outgoing=config.encrypt_verify_outgoing,
        keyring_path=directory / f"{pool}.keyring" if directory and keeps_keys else None,
        snapshot_path=directory / f"{pool}.snapshot" if directory else None,
    )
