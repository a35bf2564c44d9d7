from agent.config.keys_node import LogKeys
from agent.config.schema import LIVE, walk
from catalog.duration import MINUTE, SECOND


def test_defaults_of_the_node_are_the_documented_ones():
    defaults = {path: field.option.default for path, field in walk(LogKeys)}

    expected = {
        "datacenter": "dc1",
        "domain": "consul.",
        "bind_addr": "0.0.0.0",
        "client_addr": "127.0.0.1",
        "default_query_time": 300 * SECOND,
        "max_query_time": 600 * SECOND,
        "check_update_interval": 5 * MINUTE,
        "check_output_max_size": 4096,
        "disable_remote_exec": True,
        "log_level": "INFO",
    }
    assert expected == {path: defaults[path] for path in expected}


def test_reload_covers_the_documented_keys():
    live = {path for path, field in walk(LogKeys) if field.option.reload is LIVE}

    assert {
        "log_level", "services", "checks", "watches", "node_meta", "dns_config.only_passing",
        "http_config.allow_write_http_from", "limits.rpc_rate", "discard_check_output",
    } <= live  # fmt: skip
    assert not {"ports.http", "bind_addr", "server"} & live
