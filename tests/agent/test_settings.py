"""From the configuration to the settings of each part."""

import ipaddress

from agent.settings import dns_settings, http_settings, local_settings, log_settings
from tests.agent.harness import make_config


def configured(text: str):
    return make_config("-hcl", text)


def test_the_http_door_goes_by_http_config_and_limits():
    settings = http_settings(
        configured(
            """http_config {
                response_headers { "X-A" = "b" }
                block_endpoints = ["/v1/agent/self"]
                allow_write_http_from = ["10.0.0.0/8", "127.0.0.1/32"]
                use_cache = false
                max_header_bytes = 4096
            }
            limits { http_max_conns_per_client = 7 kv_max_value_size = 9 txn_max_req_len = 11 }
            disable_http_unprintable_char_filter = true
            translate_wan_addrs = true"""
        )
    )

    assert (settings.datacenter, settings.node_name) == ("dc1", "node-a")
    assert settings.response_headers == (("X-A", "b"),)
    assert settings.block_endpoints == ("/v1/agent/self",)
    assert settings.allow_write_from == (
        ipaddress.ip_network("10.0.0.0/8"),
        ipaddress.ip_network("127.0.0.1/32"),
    )
    assert (settings.use_cache, settings.refuse_unprintable) == (False, False)
    assert (settings.head_bytes_max, settings.connections_per_client_max) == (4096, 7)
    assert (settings.kv_value_bytes_max, settings.txn_body_bytes_max) == (9, 11)
    assert (settings.translate_wan_addresses, settings.always_pretty) == (True, True)


def test_the_dns_door_counts_in_seconds():
    settings = dns_settings(
        configured(
            """dns_config {
                node_ttl = "2m" service_ttl { "*" = "5s" "web" = "1h" }
                recursor_timeout = "1500ms" only_passing = true
                soa { min_ttl = 60 }
            }
            recursors = ["8.8.8.8"]"""
        )
    )

    assert (settings.node_ttl_s, settings.service_ttl_s) == (120, {"*": 5, "web": 3600})
    assert (settings.recursor_timeout_s, settings.only_passing) == (1.5, True)
    assert settings.soa.min_ttl_s == 60
    assert len(settings.recursors) == 1


def test_registrations_go_by_ports_and_script_switches():
    settings = local_settings(
        configured(
            "ports { sidecar_min_port = 1 sidecar_max_port = 2 } enable_script_checks = true"
        )
    )

    assert (settings.node, settings.sidecar_port_min, settings.sidecar_port_max) == ("node-a", 1, 2)
    assert settings.enable_script_checks


def test_the_log_goes_by_its_keys():
    settings = log_settings(
        configured(
            'log_level = "WARN" log_json = true log_file = "/tmp/a.log" '
            'log_rotate_bytes = 5 log_rotate_duration = "1h" log_rotate_max_files = 3'
        )
    )

    assert (settings.level, settings.as_json, settings.file) == ("WARN", True, "/tmp/a.log")
    rotation = settings.rotation
    assert (rotation.bytes_max, rotation.files_max) == (5, 3)
    assert rotation.duration_ns == 3_600_000_000_000
