import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.acl.rules_text import parse_rules_text
from catalog.acl.authorizer import MANAGE_ALL, Authorizer, Default
from catalog.acl.identities import node_policy
from catalog.acl.rights import (
    ACL_READ,
    ACL_WRITE,
    KEYRING_READ,
    KEYRING_WRITE,
    MESH_READ,
    MESH_WRITE,
    OPERATOR_READ,
    OPERATOR_WRITE,
    PEERING_WRITE,
    Access,
    Denial,
    Extent,
    Resource,
    Right,
)
from catalog.acl.rules import Rule, Scope
from catalog.acl.templates import GLOBAL_MANAGEMENT
from catalog.errors import PermissionDenied
from catalog.rows.acl import NodeIdentity

READ, LIST, WRITE = Access.READ, Access.LIST, Access.WRITE


def authorizer(*texts, default=Default.DENY):
    rules = [rule for text in texts for rule in parse_rules_text(text)]
    return Authorizer(rules, default=default, accessor="a1")


def right(words):
    """``"service:write web"`` or ``"key:write app/ under"`` as a right."""
    what, _, rest = words.partition(" ")
    resource, _, access = what.partition(":")
    name, _, extent = rest.partition(" ")
    return Right(Resource(resource), Access[access.upper()], name, Extent(extent or "one"))


KV = """key "exact" { policy = "write" }
key_prefix "ro/" { policy = "read" }
key_prefix "rw/" { policy = "write" }
key_prefix "rw/secret" { policy = "deny" }
key_prefix "ls/" { policy = "list" }"""
OPERATOR = 'operator = "read"\nkeyring = "read"\nagent_prefix "" { policy = "read" }'
EVENTS = """event "ok" { policy = "write" }
event_prefix "r" { policy = "read" }
query "q" { policy = "write" }
service_prefix "" { policy = "read" }"""
INTENTIONS = """service "a" { policy = "write" intentions = "write" }
service "b" { policy = "write" }
service "c" { policy = "read" intentions = "read" }"""
SECRETARY = """key_prefix "app/" { policy = "read" }
key_prefix "app/secret" { policy = "deny" }
key "app/secretary" { policy = "write" }"""
PREFIX_WRITE, PREFIX_DENY = (f'key_prefix "a/" {{ policy = "{x}" }}' for x in ("write", "deny"))

# What Consul 1.9.8 was recorded to allow and to refuse, by scenario: rules, rights, refusals.
RECORDED = {
    "kv-rules": (
        [KV],
        "key:read exact, key:read ro/a, key:read rw/a, key:read ls/a, key:write exact,"
        "key:write rw/a, key:list ls/, key:write rw/b/ under",
        "key:read exact2, key:read rw/secret1, key:read hidden, key:write exact2, key:write ro/a,"
        "key:write rw/secret1, key:write ls/a, key:list ro/, key:write rw/ under,"
        "key:write exact under",
    ),
    "deny-beats": ([PREFIX_WRITE, PREFIX_DENY], "", "key:write a/a, key:read a/a"),
    "specificity": (
        [PREFIX_DENY, 'key "a/only" { policy = "read" }'],
        "key:read a/only",
        "key:read a/other, key:write a/only",
    ),
    "acl-read": (['acl = "read"'], "acl:read", "acl:write"),
    "acl-write": (['acl = "write"'], "acl:read, acl:write", "operator:read"),
    "operator-rules": (
        [OPERATOR],
        "operator:read, keyring:read, agent:read n, mesh:read",
        "operator:write, keyring:write, agent:write n, acl:read, mesh:write, node:write n",
    ),
    "session-rules": (
        ['session "node-a" { policy = "write" }'],
        "session:write node-a, session:read node-a",
        "session:write node-b, session:read node-b",
    ),
    "session-read": (
        ['session_prefix "" { policy = "read" }'],
        "session:read node-a",
        "session:write node-a",
    ),
    "event-query-rules": (
        [EVENTS],
        "event:write ok, event:read r1, query:write q, query:read q, service:read x",
        "event:write r1, event:read other, query:write other, query:read other",
    ),
    "intention-rules": (
        [INTENTIONS],
        "intention:write a, intention:read a, intention:read b, intention:read c, intention:read *,"
        "service:write b",
        "intention:write b, intention:write c, intention:read zz, intention:write *,"
        "service:write c",
    ),
    "secret and secretary": (
        [SECRETARY],
        "key:read app/a, key:read app/secretary, key:write app/secretary",
        "key:read app/secret/s, key:write app/a, key:write app/secretary under,"
        "key:write app/ under",
    ),
    "dns-anonymous": (
        ['service_prefix "d" { policy = "read" } node_prefix "d" { policy = "read" }'],
        "service:read d, service:read dns, node:read dn",
        "service:read e, node:read e, service:write d, query:read d",
    ),
    "roles": (
        ['key_prefix "acl-roles/" { policy = "write" }'],
        "key:write acl-roles/a",
        "key:write acl-roles-other",
    ),
    "no token": ([], "", "key:read a, node:read n, service:read s, operator:read, acl:read"),
}


def listed(words):
    return [right(word.strip()) for word in words.split(",") if word.strip()]


@pytest.mark.parametrize("scenario", RECORDED)
def test_rules_allow_and_refuse_what_consul_did(scenario):
    texts, allowed, refused = RECORDED[scenario]
    token = authorizer(*texts)

    assert [] == [r for r in listed(allowed) if not token.allows(r)]
    assert [] == [r for r in listed(refused) if token.allows(r)]


def test_node_identity_may_register_its_node_alone():
    policy = node_policy(NodeIdentity(node_name="n", datacenter="dc1"))
    token = Authorizer(policy.rules, default=Default.DENY)

    assert token.allows(right("node:write n"))
    assert token.allows(right("service:read any"))
    assert not token.allows(right("node:write n-other"))


def test_default_allow_allows_all_but_access_control():
    token = authorizer(default=Default.ALLOW)

    assert token.allows(right("key:write a under"))
    assert token.allows(right("node:read  all"))
    assert token.allows(right("service:write  any"))
    assert token.allows(right("intention:write *"))
    assert token.allows(KEYRING_WRITE)
    assert token.allows(MESH_WRITE)
    assert not token.allows(ACL_READ)
    assert not token.allows(ACL_WRITE)


@pytest.mark.parametrize("resource", Resource)
def test_management_allows_everything(resource):
    by_policy = authorizer(GLOBAL_MANAGEMENT.rules)

    for token in (MANAGE_ALL, by_policy):
        assert token.allows(Right(resource, WRITE, "x"))
        assert token.allows(Right(resource, WRITE, "x", Extent.UNDER))
        assert token.allows(Right(resource, WRITE, extent=Extent.ALL))


def test_keyring_is_apart_from_operator_and_mesh_and_peering_follow_it():
    token = authorizer('operator = "write"')
    own = authorizer('operator = "write" mesh = "read" peering = "deny"')

    assert token.allows(MESH_WRITE)
    assert token.allows(PEERING_WRITE)
    assert not token.allows(KEYRING_READ)
    assert own.allows(MESH_READ)
    assert not own.allows(MESH_WRITE)
    assert not own.allows(PEERING_WRITE)


def test_scalar_deny_beats_write_of_another_policy_and_write_beats_read():
    denied = authorizer('operator = "write"', 'operator = "deny"')
    widest = authorizer('operator = "read"', 'operator = "write"')

    assert not denied.allows(OPERATOR_READ)
    assert widest.allows(OPERATOR_WRITE)


def test_intentions_merge_apart_from_the_policy_of_their_service():
    token = authorizer(
        'service "web" { policy = "write" }',
        'service "web" { policy = "read" intentions = "deny" }',
    )

    assert token.allows(right("service:write web"))
    assert not token.allows(right("intention:read web"))


def test_denied_service_denies_its_intentions_unless_they_are_said():
    denied = authorizer('service "web" { policy = "deny" }', default=Default.ALLOW)
    said = authorizer('service "web" { policy = "deny" intentions = "read" }')

    assert not denied.allows(right("intention:read web"))
    assert said.allows(right("intention:read web"))


def test_all_intentions_may_be_written_with_the_right_to_each():
    every = authorizer('service_prefix "" { policy = "write" intentions = "write" }')
    but_one = authorizer(
        'service_prefix "" { policy = "write" intentions = "write" }',
        'service "db" { policy = "read" }',
    )

    assert every.allows(right("intention:write *"))
    assert not but_one.allows(right("intention:write *"))
    assert but_one.allows(right("intention:read *"))


def test_star_is_a_plain_name_of_other_resources():
    token = authorizer('key "*" { policy = "read" }')

    assert token.allows(right("key:read *"))
    assert not token.allows(right("key:read a"))


def test_listing_keys_needs_the_right_only_where_that_is_configured():
    token = authorizer(KV)

    assert token.may_list_keys("hidden", key_list_policy=False)
    assert not token.may_list_keys("hidden", key_list_policy=True)
    assert token.may_list_keys("ls/", key_list_policy=True)
    assert token.may_list_keys("rw/", key_list_policy=True)


def test_unmatched_intentions_follow_the_default_and_no_rule():
    assert not authorizer(GLOBAL_MANAGEMENT.rules).allows_unmatched_intentions
    assert authorizer(default=Default.ALLOW).allows_unmatched_intentions
    assert MANAGE_ALL.allows_unmatched_intentions


def test_refusal_is_a_value_and_an_error():
    token = authorizer(KV)
    refused = right("key:write ro/a")

    assert Denial(refused, "a1") == token.denial(refused)
    assert token.denial(right("key:read ro/a")) is None
    token.require(right("key:read ro/a"))
    with pytest.raises(PermissionDenied, match=r"^Permission denied$"):
        token.require(refused)


# A naive reading of the words, one rule after the other, for the differential test.
WORDS = ["agent", "event", "key", "node", "query", "service", "session"]
NAMED = [Resource(word) for word in WORDS]
UNNAMED = [r for r in Resource if r not in NAMED and r is not Resource.INTENTION]
NAMES = st.text("ab", max_size=3)
SCOPES = st.sampled_from([Scope.EXACT, Scope.PREFIX])
LEVELS = st.sampled_from(Access)
RULES = st.lists(
    st.one_of(
        st.builds(Rule, st.sampled_from(UNNAMED), LEVELS),
        st.builds(
            Rule,
            st.sampled_from(NAMED),
            LEVELS,
            SCOPES,
            NAMES,
        ),
        st.builds(
            Rule,
            st.just(Resource.SERVICE),
            LEVELS,
            SCOPES,
            NAMES,
            st.none() | LEVELS,
        ),
    ),
    max_size=8,
)


def strongest(levels):
    return Access.DENY if Access.DENY in levels else max(levels)


def level_in_words(rules, default, resource, name):
    of_resource = [rule for rule in rules if rule.resource is resource]
    if resource is Resource.INTENTION:
        of_resource = [rule for rule in rules if rule.resource is Resource.SERVICE]
    if resource in (Resource.MESH, Resource.PEERING) and not of_resource:
        of_resource = [rule for rule in rules if rule.resource is Resource.OPERATOR]
    deciding = [rule for rule in of_resource if rule.scope is Scope.EXACT and rule.name == name]
    if not deciding:
        covering = [
            r for r in of_resource if r.scope is not Scope.EXACT and name.startswith(r.name)
        ]
        longest = max((len(rule.name) for rule in covering), default=0)
        deciding = [rule for rule in covering if len(rule.name) == longest]
    if not deciding:
        allows = default is Default.MANAGE or (
            default is Default.ALLOW and resource is not Resource.ACL
        )
        return WRITE if allows else Access.DENY
    if resource is Resource.INTENTION:
        said = [rule.intentions for rule in deciding if rule.intentions is not None]
        return strongest(said) if said else min(strongest([r.access for r in deciding]), READ)
    return strongest([rule.access for rule in deciding])


@given(
    RULES,
    st.sampled_from(Default),
    st.sampled_from(Resource),
    st.sampled_from([READ, LIST, WRITE]),
    NAMES,
)
def test_authorizer_agrees_with_a_naive_reading(rules, default, resource, access, name):
    asked = "" if resource in UNNAMED else name
    token = Authorizer(rules, default=default)

    expected = level_in_words(rules, default, resource, asked) >= access
    assert expected == token.allows(Right(resource, access, asked))
    assert expected == token.permits(resource, access)(asked)


@given(RULES, st.sampled_from(Default), st.randoms(use_true_random=False))
def test_order_of_rules_does_not_matter(rules, default, rng):
    shuffled = list(rules)
    rng.shuffle(shuffled)
    one, other = (Authorizer(some, default=default) for some in (rules, shuffled))

    asked = [
        Right(res, acc, name) for res in Resource for acc in Access for name in ("", "a", "ab")
    ]
    assert [one.allows(r) for r in asked] == [other.allows(r) for r in asked]
