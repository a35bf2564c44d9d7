import pytest

from agent.config.aliases import ALIASES, resolve_aliases
from agent.config.hcl import parse_hcl
from agent.config.root import Root
from agent.config.schema import walk
from agent.config.tree import ConfigError


def resolve(text):
    return resolve_aliases(parse_hcl(text, file="f.hcl"))


def test_tls_keys_of_1_9_mean_the_tls_section():
    tree, warnings = resolve('ca_file = "a"\nverify_incoming_rpc = true')

    assert tree == {
        "tls": {"defaults": {"ca_file": "a"}, "internal_rpc": {"verify_incoming": True}}
    }
    assert warnings == []


def test_deprecated_key_warns_with_its_line():
    tree, warnings = resolve("\nui = true")

    assert tree == {"ui_config": {"enabled": True}}
    assert warnings == ["f.hcl:2: ui is deprecated, use ui_config.enabled"]


def test_both_spellings_at_once_are_refused():
    with pytest.raises(ConfigError, match=r"f\.hcl:2: acl\.tokens\.initial_management: set twice"):
        resolve('acl { tokens { master = "a" } }\nacl_master_token = "b"')


def test_singular_adds_to_the_plural_list():
    tree, _ = resolve('services = [{ name = "a" }]\nservice { name = "b" }\nservice { name = "c" }')

    assert [item["name"] for item in tree["services"]] == ["a", "b", "c"]


def test_key_without_effect_warns():
    tree, warnings = resolve("tls_prefer_server_cipher_suites = true")

    assert (tree, len(warnings)) == ({}, 1)


def test_the_parsed_text_stays_as_it_was():
    block = parse_hcl('acl { tokens { master = "a" } }', file="f.hcl")

    resolve_aliases(block)

    assert block == {"acl": {"tokens": {"master": "a"}}}


def test_each_alias_leads_to_a_key_of_the_schema():
    paths = {path for path, _ in walk(Root)}

    assert [alias for alias in ALIASES if ".".join(alias.path) not in paths] == []
