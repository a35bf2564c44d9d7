import pytest

from catalog.acl.rights import Access, Resource
from catalog.acl.rules import Rule, Scope, parse_rules, write_rules
from catalog.errors import BadRequest

NAMED = ["agent", "event", "key", "node", "query", "service", "session"]
WHOLE = ["acl", "keyring", "mesh", "operator", "peering"]


@pytest.mark.parametrize("word", NAMED)
@pytest.mark.parametrize("level", ["deny", "read", "write"])
def test_named_resource_takes_exact_and_prefix_rules(word, level):
    tree = {word: {"a": {"policy": level}}, f"{word}_prefix": {"": {"policy": level}}}

    rules = parse_rules(tree)

    access, resource = Access[level.upper()], Resource(word)
    assert rules == (
        Rule(resource, access, Scope.EXACT, "a"),
        Rule(resource, access, Scope.PREFIX, ""),
    )


@pytest.mark.parametrize("word", WHOLE)
def test_whole_resource_takes_a_level(word):
    assert parse_rules({word: "write"}) == (Rule(Resource(word), Access.WRITE),)
    assert parse_rules({word: ""}) == ()


def test_words_and_levels_are_known_whatever_their_case():
    assert parse_rules({"Key_Prefix": {"A": {"Policy": "READ"}}}) == (
        Rule(Resource.KEY, Access.READ, Scope.PREFIX, "A"),
    )


def test_keys_alone_may_be_listed():
    assert parse_rules({"key": {"a": {"policy": "list"}}})[0].access is Access.LIST
    with pytest.raises(BadRequest, match=r"^Invalid node policy: "):
        parse_rules({"node": {"a": {"policy": "list"}}})
    with pytest.raises(BadRequest, match=r"^Invalid acl policy: "):
        parse_rules({"acl": "list"})


def test_service_may_say_what_holds_for_its_intentions():
    rules = parse_rules({"service": {"web": {"policy": "read", "intentions": "deny"}}})

    assert rules == (Rule(Resource.SERVICE, Access.READ, Scope.EXACT, "web", Access.DENY),)


def test_repeated_blocks_are_all_rules():
    tree = {"key": [{"a": [{"policy": "read"}, {"policy": "deny"}]}, {"b": {"policy": "write"}}]}

    assert [(rule.name, rule.access) for rule in parse_rules(tree)] == [
        ("a", Access.READ),
        ("a", Access.DENY),
        ("b", Access.WRITE),
    ]


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ({"kee": {"x": {"policy": "read"}}}, 'Invalid rule "kee": allowed are acl, agent, agent_p'),
        (
            {"key": {"x": {"policy": "rw"}}},
            'Invalid key policy: "rw" of "x": allowed: deny, read, list, write',
        ),
        ({"key_prefix": {"x": {}}}, 'Invalid key_prefix policy: "" of "x": allowed: deny, read,'),
        ({"operator": "rw"}, 'Invalid operator policy: "rw": allowed: deny, read, write'),
        ({"operator": {"a": {}}}, "Invalid operator policy: "),
        ({"acl": 1}, "Invalid acl policy: 1: allowed: deny, read, write"),
        (
            {"service_prefix": {"x": {"policy": "read", "intentions": "list"}}},
            'Invalid service_prefix intentions policy: "list" of "x": allowed: deny, read, write',
        ),
        (
            {"node": {"x": {"policy": "read", "intentions": "read"}}},
            'Invalid node policy: "intentions" of "x": allowed: policy',
        ),
        (
            {"key": {"x": {"policy": "write", "sentinel": {"code": ""}}}},
            'Invalid key policy: "sentinel" of "x": allowed: policy',
        ),
        ({"key": "read"}, 'Invalid key policy: "read" is no block such as key "name" { policy ='),
        ({"key": {"x": "read"}}, 'Invalid key policy: "read" is no block such as key "name" {'),
    ],
)
def test_fault_is_named(tree, text):
    with pytest.raises(BadRequest) as refusal:
        parse_rules(tree)

    assert str(refusal.value).startswith(text)


def test_rules_are_written_in_the_layout_of_the_built_in_policies():
    rules = [
        Rule(Resource.ACL, Access.WRITE),
        Rule(Resource.SERVICE, Access.READ, Scope.PREFIX, "", Access.WRITE),
        Rule(Resource.KEY, Access.LIST, Scope.EXACT, 'a"b'),
    ]

    assert write_rules(rules) == (
        '\nacl = "write"'
        '\nservice_prefix "" {\n\tpolicy = "read"\n\tintentions = "write"\n}'
        '\nkey "a\\"b" {\n\tpolicy = "list"\n}'
    )
    assert write_rules(()) == ""
