import pytest

from gossip.core import config
from gossip.core.types import Versions
from tests.gossip.core.solo import address


def test_profiles_have_memberlists_numbers():
    """memberlist's DefaultLANConfig, DefaultWANConfig and DefaultLocalConfig."""
    profiles = [make("a", address(1)) for make in (config.lan, config.wan, config.local)]

    assert [10.0, 30.0, 1.0] == [p.tcp_timeout_s for p in profiles]
    assert [3, 3, 1] == [p.indirect_checks for p in profiles]
    assert [4, 4, 2] == [p.retransmit_mult for p in profiles]
    assert [4, 6, 3] == [p.suspicion_mult for p in profiles]
    assert [30.0, 60.0, 15.0] == [p.push_pull_interval_s for p in profiles]
    assert [1.0, 5.0, 1.0] == [p.probe_interval_s for p in profiles]
    assert [0.5, 3.0, 0.2] == [p.probe_timeout_s for p in profiles]
    assert [0.2, 0.5, 0.1] == [p.gossip_interval_s for p in profiles]
    assert [3, 4, 3] == [p.gossip_nodes for p in profiles]
    assert [30.0, 60.0, 15.0] == [p.gossip_to_dead_s for p in profiles]


def test_consul_profiles_differ_where_consul_does():
    lan, wan = config.consul_lan("a", address(1)), config.consul_wan("a.dc1", address(1))

    assert (30.0, 30.0) == (lan.dead_reclaim_s, wan.dead_reclaim_s)
    assert 72 * 3600.0 == lan.reconnect_timeout_s
    assert (3, 5.0) == (wan.gossip_nodes, wan.probe_interval_s)
    assert not lan.resolve_name_conflicts
    assert 0.1 == config.consul_dev("a", address(1)).probe_interval_s


def test_versions_are_what_a_consul_member_announces():
    assert Versions(1, 5, 2, 2, 5, 4) == config.consul_lan("a", address(1)).versions


def test_unknown_setting_is_named():
    with pytest.raises(ValueError, match="probe_intervall_s"):
        config.lan("a", address(1), probe_intervall_s=1.0)
