import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.json_text import parse_json
from agent.config.tree import ConfigError, Origin


def parse(text):
    return parse_json(text, file="f.json")


def test_keys_remember_their_lines():
    tree = parse('{\n "a": {\n  "b": 1\n }\n}')

    assert Origin("f.json", 3) == tree.origin_of("a.b")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1\n"b": 2}', "f.json:2: expected , or } after the value of a, found '\"'"),
        ('{"a": 1,\n"a": 2}', "f.json:2: duplicate key a, first set at f.json:1"),
        ('{"a": 1,}', "expected a key in double quotes after a, found '}'"),
        ('{"a" 1}', "a: expected : after the key"),
        ('{"a": [1 2]}', "expected , or ] in the list of a"),
        ('{"a": 01}', "a: expected a value"),
        ('{"a": tru}', "a: expected a value"),
        ('{"a": "\\q"}', "is not valid"),
        ('{"a": "\\ud800"}', "is not valid"),
        ('{"a": "x', "string is not closed"),
        ("[1]", "expected an object"),
        ("", "expected a value, found the end of the text"),
        ("{} x", "expected the end of the text"),
        ('{"a":' * 100, "nested deeper than 64 levels"),
        ('{"a": ' + "1" * 65 + "}", "longer than 64"),
    ],
)
def test_slip_is_refused_with_line_and_key(text, reason):
    with pytest.raises(ConfigError) as caught:
        parse(text)

    assert reason in str(caught.value)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), values), st.sampled_from([None, 1]))
def test_json_reads_as_the_standard_decoder_reads_it(tree, indent):
    text = json.dumps(tree, indent=indent)

    assert json.loads(text) == parse(text)


@given(st.text(alphabet='{}[]",:\\u0123 tfn-.e\n', max_size=60) | st.text(max_size=40))
def test_what_the_standard_decoder_refuses_is_refused(text):
    try:
        tree = parse(text)
    except ConfigError:
        return

    assert json.loads(text) == tree
