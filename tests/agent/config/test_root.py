from agent.config.root import Root
from agent.config.schema import fields_of, walk
from catalog.duration import HOUR, SECOND

# Top-level keys of surface §5.2 that are neither aliases nor singular forms.
_KEYS = """
datacenter primary_datacenter node_name node_id node_meta domain alt_domain data_dir server
server_name segment segments bootstrap bootstrap_expect start_join retry_join retry_interval
retry_max start_join_wan retry_join_wan retry_interval_wan retry_max_wan rejoin_after_leave
leave_on_terminate skip_leave_on_interrupt reconnect_timeout reconnect_timeout_wan
advertise_reconnect_timeout encrypt encrypt_verify_incoming encrypt_verify_outgoing
disable_keyring_file protocol raft_protocol raft_snapshot_threshold raft_snapshot_interval
raft_trailing_logs primary_gateways primary_gateways_interval serf_lan_allowed_cidrs
serf_wan_allowed_cidrs read_replica bind_addr client_addr advertise_addr advertise_addr_ipv4
advertise_addr_ipv6 advertise_addr_wan advertise_addr_wan_ipv4 advertise_addr_wan_ipv6 serf_lan
serf_wan addresses translate_wan_addrs recursors unix_sockets ports acl
default_intention_policy dns_config http_config disable_http_unprintable_char_filter ui_config
enable_debug discovery_max_stale default_query_time max_query_time limits performance cache
gossip_lan gossip_wan check_update_interval check_output_max_size discard_check_output
enable_script_checks enable_local_script_checks enable_agent_tls_for_checks disable_remote_exec
session_ttl_min services checks connect config_entries enable_central_service_config
auto_encrypt auto_config tls autopilot log_level log_json log_file log_rotate_duration
log_rotate_bytes log_rotate_max_files enable_syslog syslog_facility pid_file telemetry
disable_coordinates disable_update_check disable_anonymous_signature disable_host_node_id
use_streaming_backend rpc watches license_path snapshot_agent peering xds raft_logstore
raft_prevote_disabled server_rejoin_age_max locality auto_reload_config proxy
"""
KEYS = _KEYS.split()


def test_every_documented_key_is_known():
    assert sorted(KEYS) == sorted(fields_of(Root))


def test_defaults_of_the_cluster_are_the_documented_ones():
    defaults = {path: field.option.default for path, field in walk(Root)}

    expected = {
        "retry_interval": 30 * SECOND,
        "raft_snapshot_threshold": 16384,
        "raft_trailing_logs": 10240,
        "raft_protocol": 3,
        "protocol": 2,
        "server_rejoin_age_max": 168 * HOUR,
        "disable_host_node_id": True,
        "enable_central_service_config": True,
    }
    assert expected == {path: defaults[path] for path in expected}
