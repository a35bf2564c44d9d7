import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.acl.rules_text import RULES_CHARS_MAX, parse_rules_text
from catalog.acl.rights import Access, Resource
from catalog.acl.rules import Rule, Scope, write_rules
from catalog.errors import BadRequest

HCL = """
operator = "read"
key_prefix "a/" {
  policy = "write"
}
key "b" { policy = "deny" }  # one line
service "web" { policy = "write" intentions = "read" }
"""
JSON = """{"operator": "read", "key_prefix": {"a/": {"policy": "write"}},
"key": {"b": {"policy": "deny"}},
"service": {"web": {"policy": "write", "intentions": "read"}}}"""
RULES = (
    Rule(Resource.OPERATOR, Access.READ),
    Rule(Resource.KEY, Access.WRITE, Scope.PREFIX, "a/"),
    Rule(Resource.KEY, Access.DENY, Scope.EXACT, "b"),
    Rule(Resource.SERVICE, Access.WRITE, Scope.EXACT, "web", Access.READ),
)


@pytest.mark.parametrize("text", [HCL, JSON])
def test_hcl_and_json_give_the_same_rules(text):
    assert RULES == parse_rules_text(text)


@pytest.mark.parametrize("text", ["", " \n", "# nothing\n", "{}"])
def test_text_without_rules_gives_none(text):
    assert () == parse_rules_text(text)


def test_block_for_a_name_may_be_repeated():
    text = 'key "a" { policy = "read" }\nkey "a" { policy = "deny" }\nkey "b" { policy = "list" }'

    assert [("a", Access.READ), ("a", Access.DENY), ("b", Access.LIST)] == [
        (rule.name, rule.access) for rule in parse_rules_text(text)
    ]


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("{", "Failed to parse ACL rules: line 1: "),
        ('key "a" {\n policy = \n}', "Failed to parse ACL rules: line 3: policy: expected a value"),
        ('acl = "read"\nacl = "write"', "Failed to parse ACL rules: line 2: duplicate key acl"),
        ('kee "x" { policy = "read" }', 'Invalid rule "kee": '),
        ('key "x" { policy = "rw" }', 'Invalid key policy: "rw" of "x": '),
        ('key "x" "y" { policy = "read" }', 'Invalid key policy: "" of "x"'),
        ("#" * (RULES_CHARS_MAX + 1), "Failed to parse ACL rules: longer than 524288 characters"),
    ],
)
def test_fault_is_named(text, refusal):
    with pytest.raises(BadRequest) as error:
        parse_rules_text(text)

    assert str(error.value).startswith(refusal)


LEVELS = st.sampled_from([Access.DENY, Access.READ, Access.WRITE])
SCOPES = st.sampled_from([Scope.EXACT, Scope.PREFIX])
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(
    lambda name: "${" not in name
)


@given(
    st.lists(
        st.builds(Rule, st.just(Resource.KEY), LEVELS, SCOPES, NAMES)
        | st.builds(Rule, st.just(Resource.SERVICE), LEVELS, SCOPES, NAMES, st.none() | LEVELS),
        max_size=5,
    )
)
def test_written_rules_are_read_back(rules):
    def sorted_rules(some):
        return sorted(some, key=repr)

    assert sorted_rules(rules) == sorted_rules(parse_rules_text(write_rules(rules)))
