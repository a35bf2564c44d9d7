from contextlib import suppress

import hcl as pyhcl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.hcl import parse_hcl
from agent.config.tree import ConfigError, Origin


def parse(text):
    return parse_hcl(text, file="f.hcl")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ('node_meta { "k" = "v" }', {"node_meta": {"k": "v"}}),
        ('"ports" { http = 1, dns = 2 }', {"ports": {"http": 1, "dns": 2}}),
        ("ports = { http = 1 }", {"ports": {"http": 1}}),
        ("service { }\nservice { }", {"service": [{}, {}]}),
        ("service { } service { } service { }", {"service": [{}, {}, {}]}),
        ('key "a" { x = 1 }\nkey "b" { }', {"key": {"a": {"x": 1}, "b": {}}}),
        ('key "a" { } key "a" { }', {"key": {"a": [{}, {}]}}),
        ('a = [1, "b", [true], { c = 1 },]', {"a": [1, "b", [True], {"c": 1}]}),
        ('\ufeff{"a": {"b": [1]}}', {"a": {"b": [1]}}),
    ],
)
def test_text_gives_its_tree(text, expected):
    assert expected == parse(text)


def test_keys_remember_their_lines():
    tree = parse("a = 1\n\nb {\n  c = 2\n}")

    assert Origin("f.hcl", 4) == tree.origin_of("b.c")


def test_many_repeats_of_a_block_stay_cheap():
    assert len(parse("a { }\n" * 20_000)["a"]) == 20_000


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = 1\na = 2", "f.hcl:2: duplicate key a, first set at f.hcl:1"),
        ("a { }\na = 2", "f.hcl:2: duplicate key a"),
        ("a = [1 2]", "a: expected , or ] in the list, found 2"),
        ("a = [1,,2]", "a: expected a value, found ','"),
        ("a = x", "a text value needs quotes: x"),
        ("a: 1", "a : between key and value is JSON"),
        ('a "b" = 1', "expected { after the label 'b', found ="),
        ("a {", "expected a key, found the end of the text"),
        ("a = ", "a: expected a value, found the end of the text"),
        ("}", "expected a key, found '}'"),
        ("a = " + "[" * 100, "nested deeper than 64 levels"),
        ("a { " * 100, "nested deeper than 64 levels"),
    ],
)
def test_slip_is_refused_with_line_and_key(text, reason):
    with pytest.raises(ConfigError) as caught:
        parse(text)

    assert reason in str(caught.value)


def test_missing_comma_in_json_like_text_names_line_and_key():
    """co-01: the real agent drops node_ttl here and calls the file valid."""
    text = '{"dns_config":\n{"service_ttl":{"*":"0s"}\n"node_ttl":"5s"}}'

    with pytest.raises(ConfigError, match=r"f\.hcl:3: expected , or } after .* service_ttl"):
        parse(text)


@given(st.text(alphabet='ab ={}[],:"\\$<\n#/*-.019E', max_size=60) | st.text(max_size=40))
def test_any_text_parses_or_raises_config_error(text):
    with suppress(ConfigError):
        parse(text)


names = st.from_regex(r"[a-z][a-z_]{0,5}", fullmatch=True).filter(
    lambda name: not name.startswith(("true", "false"))
)
scalars = (
    st.integers(-(10**6), 10**6) | st.booleans() | st.from_regex(r"[a-z0-9 .]*", fullmatch=True)
)
trees = st.recursive(
    scalars,
    lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3),
    max_leaves=8,
)


def write(tree, depth=0):
    lines = []
    for key, value in tree.items():
        if isinstance(value, dict):
            lines.append(f"{key} {{\n{write(value, depth + 1)}\n}}")
        elif isinstance(value, bool):
            lines.append(f"{key} = {str(value).lower()}")
        else:
            lines.append(f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}")
    return "\n".join(lines)


@given(st.dictionaries(names, trees, min_size=1, max_size=4))
def test_plain_texts_read_as_pyhcl_reads_them(tree):
    text = write(tree)

    assert pyhcl.loads(text) == parse(text)
