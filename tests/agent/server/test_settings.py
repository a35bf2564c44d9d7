"""Claims about how the configuration reaches a server's parts."""

from agent.server.settings import autopilot_configuration, peer_limits, raft_settings
from catalog.duration import SECOND
from tests.agent.harness import make_config


def test_the_log_is_as_patient_as_the_multiplier_says():
    config = make_config("-hcl", "performance { raft_multiplier = 3 } raft_trailing_logs = 77")

    settings = raft_settings(config)

    assert (settings.election_timeout_s, settings.trailing_logs) == (3.0, 77)


def test_zero_means_consuls_defaults():
    settings = raft_settings(make_config())

    assert settings.snapshot_threshold == 16_384
    assert settings.snapshot_interval_s == 30.0


def test_limits_of_other_agents_are_those_of_the_configuration():
    config = make_config(
        "-hcl", 'limits { rpc_max_conns_per_client = 7 rpc_handshake_timeout = "3s" }'
    )

    limits = peer_limits(config)

    assert (limits.connections_per_client_max, limits.handshake_timeout_s) == (7, 3.0)


def test_autopilot_begins_with_what_is_configured():
    config = make_config(
        "-hcl", 'autopilot { cleanup_dead_servers = false server_stabilization_time = "15s" }'
    )

    begun = autopilot_configuration(config)

    assert not begun.cleanup_dead_servers
    assert begun.server_stabilization_time == 15 * SECOND
