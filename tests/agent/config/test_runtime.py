import pytest

from agent.config import ConfigError
from agent.config.runtime import raft_timings
from catalog.duration import HOUR, MILLISECOND, SECOND


def test_dev_mode_needs_nothing_and_has_its_own_defaults(start):
    config = start("-dev")

    assert (
        config.dev_mode,
        config.server,
        config.bind_addr,
        config.node_name,
    ) == (True, True, "127.0.0.1", "host-a")
    assert (
        config.ports.dns,
        config.ports.http,
        config.ports.grpc,
        config.ports.https,
    ) == (8600, 8500, 8502, -1)
    assert (
        config.log_level,
        config.enable_debug,
        config.ui_config.enabled,
        config.connect.enabled,
    ) == ("DEBUG", True, True, True)
    assert config.gossip_lan.probe_interval == 100 * MILLISECOND
    assert config.raft_timings.heartbeat_timeout == 35 * MILLISECOND


def test_plain_client_takes_the_first_private_address(start):
    config = start("-data-dir", "/nonexistent/x")

    assert (
        config.bind_addr,
        config.advertise_addr,
        config.advertise_addr_wan,
    ) == ("0.0.0.0", "10.0.0.9", "10.0.0.9")
    assert tuple(map(str, config.http_addrs)) == ("tcp://127.0.0.1:8500",)
    assert (config.leave_on_terminate, config.skip_leave_on_interrupt) == (True, False)


def test_server_stays_on_terminate_and_interrupt(start):
    config = start("-data-dir", "/nonexistent/x", "-server")

    assert (config.leave_on_terminate, config.skip_leave_on_interrupt) == (False, True)


def test_no_private_address_is_an_error_that_says_what_to_set(start):
    with pytest.raises(ConfigError, match="advertise_addr: no private IPv4 address found"):
        start("-data-dir", "/nonexistent/x", interfaces=())


def test_doors_follow_client_addr_and_their_own_addresses(start):
    config = start(
        "-dev",
        "-client",
        "127.0.0.1 ::1 unix:///run/c",
        "-hcl",
        'addresses { http = "unix:///run/h {{ GetPrivateIP }}" }',
    )

    assert list(map(str, config.http_addrs)) == ["unix:///run/h", "tcp://10.0.0.9:8500"]
    assert list(map(str, config.dns_addrs)) == ["tcp://127.0.0.1:8600", "tcp://[::1]:8600"]
    assert list(map(str, config.grpc_addrs)) == [
        "tcp://127.0.0.1:8502",
        "tcp://[::1]:8502",
        "unix:///run/c",
    ]
    assert config.client_addrs == ("127.0.0.1", "::1", "unix:///run/c")


def test_gossip_addresses_and_wan_off(start):
    config = start("-dev", "-serf-lan-bind", "10.0.0.9", "-serf-wan-port", "-1")

    assert str(config.serf_lan_addr) == "tcp://10.0.0.9:8301"
    assert (config.serf_wan_addr, config.serf_wan_advertise) == (None, None)


def test_names_are_brought_to_their_form(start):
    config = start("-dev", "-datacenter", "DC2", "-ui-content-path", "a/b", "-log-level", "warn")

    assert (
        config.datacenter,
        config.primary_datacenter,
        config.ui_config.content_path,
        config.log_level,
    ) == ("dc2", "dc2", "/a/b/", "WARN")


def test_tls_protocols_inherit_what_they_leave_out(start):
    config = start(
        "-dev",
        "-hcl",
        'ca_file = "ca" cert_file = "c" key_file = "k" tls_min_version = "tls13"',
        "-hcl",
        'verify_server_hostname = true tls { https { ca_file = "own" } }',
    )

    assert (
        config.tls.https.ca_file,
        config.tls.https.cert_file,
        config.tls.https.tls_min_version,
    ) == ("own", "c", "TLSv1_3")
    assert (
        config.tls.internal_rpc.ca_file,
        config.tls.internal_rpc.verify_server_hostname,
        config.tls.internal_rpc.verify_outgoing,
    ) == ("ca", True, True)


def test_reconnect_timeout_of_zero_is_the_default(start):
    config = start("-dev", "-hcl", 'reconnect_timeout = "0s" reconnect_timeout_wan = "9h"')

    assert (config.reconnect_timeout, config.reconnect_timeout_wan) == (72 * HOUR, 9 * HOUR)


def test_expecting_one_server_is_bootstrap(start):
    config = start("-server", "-data-dir", "/nonexistent/x", "-bootstrap-expect", "1")

    assert (config.bootstrap, config.bootstrap_expect) == (True, 0)
    assert any("same as bootstrap mode" in warning for warning in config.warnings)


def test_raft_multiplier_stretches_the_timeouts():
    timings = raft_timings(5, dev=False)

    assert (
        timings.heartbeat_timeout,
        timings.election_timeout,
        timings.leader_lease_timeout,
    ) == (5 * SECOND, 5 * SECOND, 2500 * MILLISECOND)


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["-bind", ""], "bind_addr cannot be empty"),
        (["-client", " "], "client_addr cannot be empty"),
        (["-bind", "1.1.1.1 2.2.2.2"], "bind_addr: must be one address"),
        (["-bind", "unix:///x"], "bind_addr: cannot be a Unix socket"),
        (["-advertise", "0.0.0.0"], "Advertise address cannot be 0.0.0.0, :: or [::]"),
        (["-advertise-wan", "[::]"], "Advertise WAN address cannot be 0.0.0.0, :: or [::]"),
        (["-advertise", "host"], 'must be an IP address, not "host"'),
    ],
)
def test_unusable_address_stops_the_start_and_names_the_flag(start, argv, reason):
    with pytest.raises(ConfigError) as caught:
        start("-dev", *argv)

    assert reason in str(caught.value)
    assert f"flag {argv[0]}" in str(caught.value)
