"""From the configuration to the pools."""

import base64

from agent.config.addresses import Listen
from agent.membership.policy import LanPolicy, WanPolicy
from agent.membership.settings import lan_settings, wan_settings
from catalog.duration import HOUR, SECOND
from gossip.core.types import Address
from tests.agent.membership.agents import make_client_config, make_config

KEY = bytes(range(16))


def test_the_profile_is_consuls_and_the_timers_are_the_users():
    lan = lan_settings(make_config(), "id", None, wan_join_port=8302).config
    wan = wan_settings(make_config(), "id", None).config

    assert ("node-a", "node-a.dc1") == (lan.name, wan.name)
    assert "8302" == lan.tags["wan_join_port"]
    for pool in (lan, wan):  # of -dev
        assert (0.1, 0.1, 0.1, 3, 4, 3) == (
            pool.gossip_interval_s,
            pool.probe_interval_s,
            pool.probe_timeout_s,
            pool.suspicion_mult,
            pool.retransmit_mult,
            pool.gossip_nodes,
        )
        assert (3.0, 512, 72 * 3600.0, False) == (
            pool.leave_propagate_s,
            pool.event_bytes_max,
            pool.reconnect_timeout_s,
            pool.resolve_name_conflicts,
        )
    assert (30.0, 60.0) == (lan.push_pull_interval_s, wan.push_pull_interval_s)
    assert (15.0, 30.0) == (lan.dead_reclaim_s, wan.dead_reclaim_s)


def test_each_pool_has_its_own_reconnect_timeout():
    config = make_config(reconnect_timeout=HOUR, reconnect_timeout_wan=2 * HOUR + SECOND)

    lan, wan = lan_settings(config, "id", None, wan_join_port=0), wan_settings(config, "id", None)

    assert (3600.0, 7201.0) == (lan.config.reconnect_timeout_s, wan.config.reconnect_timeout_s)


def test_the_announced_address_and_the_bound_one_differ_when_told():
    config = make_config(
        serf_lan_addr=Listen("tcp", "0.0.0.0", 8301),
        serf_lan_advertise=Listen("tcp", "10.0.0.7", 8301),
    )

    lan = lan_settings(config, "id", None, wan_join_port=0)

    assert Address(bytes((10, 0, 0, 7)), 8301) == lan.config.address
    assert "0.0.0.0" == lan.settings.bind_host


def test_switches_are_passed_on():
    config = make_config(
        encrypt=base64.b64encode(KEY).decode(),
        encrypt_verify_incoming=False,
        encrypt_verify_outgoing=False,
        disable_coordinates=True,
        rejoin_after_leave=True,
    )

    lan = lan_settings(config, "id", None, wan_join_port=0)

    assert ((KEY,), False, True) == (
        lan.config.keys,
        lan.config.coordinates,
        lan.config.rejoin_after_leave,
    )
    assert not lan.settings.verify_incoming
    assert not lan.settings.verify_outgoing


def test_pools_keep_their_files_apart(tmp_path):
    config = make_config(disable_keyring_file=False)

    lan = lan_settings(config, "id", tmp_path, wan_join_port=0).settings
    wan = wan_settings(config, "id", tmp_path).settings

    serf = tmp_path / "serf"
    assert (serf / "local.keyring", serf / "local.snapshot") == (
        lan.keyring_path,
        lan.snapshot_path,
    )
    assert (serf / "remote.keyring", serf / "remote.snapshot") == (
        wan.keyring_path,
        wan.snapshot_path,
    )


def test_without_a_directory_nothing_is_kept():
    lan = lan_settings(make_config(), "id", None, wan_join_port=0).settings

    assert (None, None) == (lan.keyring_path, lan.snapshot_path)


def test_only_a_server_with_a_wan_port_has_a_wan_pool():
    assert wan_settings(make_client_config("c"), "id", None) is None
    assert wan_settings(make_config(serf_wan_addr=None), "id", None) is None
    assert isinstance(wan_settings(make_config(), "id", None).policy, WanPolicy)
    assert isinstance(lan_settings(make_config(), "id", None, wan_join_port=0).policy, LanPolicy)
