from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.hcl import parse_hcl
from agent.config.json_text import parse_json
from agent.config.normalise import normalise
from agent.config.root import Root
from agent.config.schema import walk
from agent.config.tree import Block, ConfigError, Origin


def check(text):
    return normalise(parse_hcl(text, file="f.hcl"))[0]


def test_durations_become_nanoseconds():
    tree = check('dns_config { node_ttl = "5s" service_ttl { "*" = "1ms" } }')

    assert tree["dns_config"] == {"node_ttl": 5_000_000_000, "service_ttl": {"*": 1_000_000}}


def test_repeated_section_merges_and_null_is_unset():
    text = '{"ports": [{"http": 1}, {"dns": 2}], "node_name": null}'

    tree, _ = normalise(parse_json(text, file="f.json"))

    assert tree == {"ports": {"http": 1, "dns": 2}}


def test_keys_are_found_in_any_case():
    assert check('Datacenter = "x"') == {"datacenter": "x"}


def test_empty_list_of_objects_is_empty():
    assert check("services = []") == {"services": ()}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('\ndatacentre = "x"', "f.hcl:2: invalid config key datacentre"),
        ("ports {\n htp = 1\n}", "f.hcl:2: invalid config key ports.htp"),
        ("ports { http = 1 }\nports { http = 2 }", "f.hcl:2: duplicate key ports.http"),
        ('ports { http = "x" }', 'ports.http: must be a whole number, not "x"'),
        ("ports { http = 70000 }", "ports.http: must be a port from 1 to 65535"),
        ("ports = 3", "ports: must be an object, not 3"),
        ("server = 1", "server: must be true or false, not 1"),
        ("node_name = 1", "node_name: must be a string, not 1"),
        ("retry_interval = 5", "retry_interval: must be a duration in quotes"),
        ('retry_interval = "5"', "missing unit in duration"),
        ('retry_interval = "99999999999999h"', "retry_interval: must be a duration"),
        ('retry_join = "a"', 'retry_join: must be a list of strings, not "a"'),
        ("limits { rpc_rate = true }", "limits.rpc_rate: must be a number, not true"),
        ("node_meta { a = 1 }", "node_meta.a: must be a string, not 1"),
        ("performance { raft_multiplier = 11 }", "must be between 1 and 10, not 11"),
        ('connect { ca_provider = "zz" }', "must be one of"),
        ("service { id = 1 }", "f.hcl:1: services[0].name: needs a name"),
        ('watches = [{ type = "zz" }]', "watches[0].type: must be one of key, keyprefix"),
        ('encrypt = "secret"', "encrypt: must be base64"),
    ],
)
def test_wrong_value_is_refused_with_file_line_and_key(text, reason):
    with pytest.raises(ConfigError) as caught:
        check(text)

    assert reason in str(caught.value)
    assert "f.hcl:" in str(caught.value)


def test_secrets_are_not_shown_in_complaints():
    with pytest.raises(ConfigError) as caught:
        check('encrypt = "hush"')

    assert "hush" not in str(caught.value)


def as_block(value):
    if isinstance(value, dict):
        block = Block()
        for key, item in value.items():
            block.put(key, as_block(item), Origin("f", 1))
        return block
    return [as_block(item) for item in value] if isinstance(value, list) else value


keys = st.sampled_from(sorted({part for path, _ in walk(Root) for part in path.split(".")}))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=2),
    max_leaves=6,
)


@given(st.dictionaries(keys, values, max_size=3))
def test_any_tree_is_checked_or_refused_with_config_error(tree):
    with suppress(ConfigError):
        normalise(as_block(tree))
