import base64

import pytest

from agent.config import rules


@pytest.mark.parametrize("value", [-1, 0, 1, 65535])
def test_port_or_off_takes_ports_and_off(value):
    assert rules.port_or_off(value) == ""


@pytest.mark.parametrize("value", [-2, 65536])
def test_port_or_off_refuses_the_rest(value):
    assert "must be a port" in rules.port_or_off(value)


@pytest.mark.parametrize("size", [16, 24, 32])
def test_gossip_key_takes_aes_sizes(size):
    assert rules.gossip_key(base64.b64encode(bytes(size)).decode()) == ""


@pytest.mark.parametrize("text", ["abc", base64.b64encode(bytes(15)).decode(), "é"])
def test_gossip_key_refuses_other_texts(text):
    assert "16, 24 or 32 bytes" in rules.gossip_key(text)


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ({f"k{number}": "" for number in range(65)}, "at most 64 pairs"),
        ({"": "v"}, "Key cannot be blank"),
        ({"a b": "v"}, "Key contains invalid characters"),
        ({"k" * 129: "v"}, "Key is too long (limit: 128 characters)"),
        ({"consul-x": "1"}, "('consul-x', '1'): Key prefix 'consul-' is reserved"),
        ({"k": "v" * 513}, "Value is too long (limit: 512 characters)"),
    ],
)
def test_node_meta_has_the_limits_of_the_catalog(pairs, reason):
    assert reason in rules.node_meta(pairs)


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (rules.datacenter, "DC_1-a", "d c"),
        (rules.datacenter, "a", ""),
        (rules.node_id, "9fb8bd16-3ec5-4ab8-b8f0-d02e1a2c4d5e", "9fb8"),
        (rules.cidrs, ["10.0.0.0/8", "::1/128"], ["10.0.0.1"]),
        (rules.cidrs, [], ["x/8"]),
        (rules.ip_addresses, ["::1"], ["host"]),
        (rules.ui_content_path, "/a-b/", "/a b/"),
        (rules.ui_provider, "prom_1", "Prom"),
        (rules.json_object, '{"a":1}', "[1]"),
        (rules.json_object, "", "{"),
        (rules.web_url, "https://x", "ftp://x"),
        (rules.web_urls, {"a": "http://x/{{Service.Name}}"}, {"a": "x"}),
        (rules.name_filters, ["+a", "-b"], ["a"]),
        (rules.octal_mode, "0660", "rw"),
        (rules.dns_domain, "a.consul.", "a..b"),
        (rules.tls_version, "tls12", "ssl3"),
        (rules.log_level, "warn", "loud"),
        (rules.rate, -1, -2),
        (rules.not_negative, 0, -1),
        (rules.at_least(1), 1, 0),
        (rules.between(1, 10), 10, 11),
        (rules.each(rules.not_negative, "TTL"), {"a": 0}, {"a": -1}),
        (rules.port, 0, -1),
    ],
)
def test_rule_passes_the_good_and_explains_the_bad(check, good, bad):
    assert check(good) == ""
    assert check(bad)
