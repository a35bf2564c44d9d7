import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import Invalid
from catalog.filters import compile_filter
from catalog.intentions import (
    Decision,
    create_by_id,
    decide,
    find_by_id,
    find_exact,
    intentions_of,
    keep_legacy_fields,
    match,
    parse_name,
    source_of,
    undecided,
    update_by_id,
    upsert,
    without,
)
from catalog.rows.config_entry import ServiceIntentions, normalize, validate
from catalog.rows.config_entry.service_intentions import (
    JWTProviderUse,
    JWTRequirement,
    Permission,
    PermissionHTTP,
    SourceIntention,
)
from catalog.rows.intention import Intention

NOW = "2026-01-02T03:04:05.6Z"
LATER = "2026-01-03T00:00:00Z"


def entry(destination: str, **actions: str) -> ServiceIntentions:
    sources = tuple(
        SourceIntention(name=name.replace("any", "*"), action=action)
        for name, action in actions.items()
    )
    made = normalize(ServiceIntentions(name=destination, sources=sources))
    assert isinstance(made, ServiceIntentions)
    return made


ENTRIES = (
    entry("*", any="deny", web="allow"),
    entry("db", any="deny", web="allow"),
    entry("api", web="deny"),
)


def pairs(intentions):
    return [(intention.source_name, intention.destination_name) for intention in intentions]


def test_intentions_are_listed_by_precedence_then_by_names():
    expected = [("web", "api"), ("web", "db"), ("*", "db"), ("web", "*"), ("*", "*")]

    assert expected == pairs(intentions_of(ENTRIES))


def test_match_finds_the_name_and_the_wildcard():
    listed = intentions_of(ENTRIES)

    assert pairs(match(listed, "destination", "DB")) == [
        ("web", "db"),
        ("*", "db"),
        ("web", "*"),
        ("*", "*"),
    ]
    assert pairs(match(listed, "source", "none")) == [("*", "db"), ("*", "*")]


@pytest.mark.parametrize(
    ("source", "destination", "allowed", "why"),
    [
        ("web", "db", True, "default/web => default/db (Precedence: 9, Action: ALLOW)"),
        ("api", "db", False, "default/* => default/db (Precedence: 8, Action: DENY)"),
        ("web", "new", True, "default/web => default/* (Precedence: 6, Action: ALLOW)"),
        ("api", "new", False, "default/* => default/* (Precedence: 5, Action: DENY)"),
    ],
)
def test_most_specific_intention_decides(source, destination, allowed, why):
    decision = decide(source, destination, intentions_of(ENTRIES))

    assert Decision(allowed, f"Matched intention: {why}") == decision


def test_without_intention_the_default_decides():
    acls_deny = undecided("", "deny")

    assert Decision(False, "Default behavior configured by ACLs") == decide("a", "b", (), acls_deny)
    assert Decision(True, "ACLs disabled, access is allowed by default") == decide("a", "b", ())


def test_policy_of_intentions_comes_before_the_one_of_access_control():
    assert Decision(False, "Default intention policy") == undecided("deny", "allow")
    assert Decision(True, "Default intention policy") == undecided("allow", "")
    assert undecided("", "allow").allowed
    assert undecided("", "").allowed


WITH_PEER = normalize(
    ServiceIntentions(
        name="db",
        jwt=JWTRequirement(providers=(JWTProviderUse(name="okta"),)),
        sources=(
            SourceIntention(name="web", peer="west", action="deny"),
            SourceIntention(name="web", action="allow"),
        ),
    )
)


def test_source_of_a_peer_is_another_service():
    listed = intentions_of([WITH_PEER])

    assert ["west", ""] == [each.source_peer for each in match(listed, "destination", "db")]
    assert [""] == [each.source_peer for each in match(listed, "source", "web")]
    assert decide("web", "db", listed).allowed
    assert "" == find_exact(WITH_PEER, "web").source_peer
    assert ("west",) == tuple(each.peer for each in without(WITH_PEER, "web").sources)


def test_intention_tells_of_the_token_that_requests_need():
    assert all(WITH_PEER.jwt == each.jwt for each in intentions_of([WITH_PEER]))


def test_change_of_a_pair_leaves_the_source_of_a_peer_alone():
    changed = upsert(WITH_PEER, "db", SourceIntention(name="web", action="deny"))

    assert [("west", "deny"), ("", "deny")] == [
        (each.peer, each.action) for each in changed.sources
    ]


def test_intention_about_requests_refuses_a_bare_connection():
    http = Intention(
        source_name="a",
        destination_name="b",
        permissions=(Permission(action="allow", http=PermissionHTTP(path_prefix="/")),),
        precedence=9,
    )

    decision = decide("a", "b", (http,))

    assert (
        Decision(
            False, "Matched L7 intention: default/a => default/b (Precedence: 9, Permissions: 1)"
        )
        == decision
    )


@given(st.permutations(intentions_of(ENTRIES)))
def test_decision_does_not_depend_on_the_order_given(intentions):
    assert decide("web", "db", intentions).allowed


def test_upsert_replaces_the_source_of_the_same_name():
    first = upsert(None, "db", SourceIntention(name="web", action="allow"))
    second = upsert(first, "db", SourceIntention(name="api", action="deny"))
    third = upsert(second, "db", SourceIntention(name="web", action="deny"))

    assert [source.name for source in third.sources or ()] == ["web", "api"]
    found = find_exact(third, "web")
    assert found is not None
    assert found.action == "deny"


def test_entry_goes_with_its_last_source():
    made = upsert(None, "db", SourceIntention(name="web", action="allow"))

    assert made == without(made, "none")
    assert without(made, "web") is None
    assert find_exact(None, "web") is None


def test_names_may_have_one_namespace():
    assert parse_name("source", "default/a") == "a"
    with pytest.raises(Invalid, match=r"^source \"a/b/c\" is invalid: input can contain at most"):
        parse_name("source", "a/b/c")


WEB_TO_DB = Intention(
    source_name="web", destination_name="db", action="allow", meta={"k": "v"}, description="d"
)


def test_intention_with_id_keeps_its_creation_time():
    created = create_by_id(None, WEB_TO_DB, "id-1", NOW)
    updated = update_by_id(created, WEB_TO_DB, "id-1", LATER)

    found = find_by_id([updated], "id-1")

    assert found is not None
    assert (found.created_at, found.updated_at) == (NOW, LATER)
    assert found.meta == {"k": "v"}
    assert found.hash
    assert find_by_id([updated], "id-2") is None


def test_second_intention_of_a_pair_is_refused_by_validation():
    created = create_by_id(None, WEB_TO_DB, "id-1", NOW)
    doubled = normalize(create_by_id(created, WEB_TO_DB, "id-2", NOW))

    with pytest.raises(Invalid, match=r'^Sources\[1\] defines "web" more than once$'):
        validate(doubled)


@pytest.mark.parametrize(
    ("intention", "text"),
    [
        (Intention(destination_name="b", action="allow"), "SourceName must be set"),
        (Intention(source_name="a", action="allow"), "DestinationName must be set"),
        (Intention(source_name="a", destination_name="b"), "Action must be set to 'allow' or"),
        (
            Intention(source_name="a*", destination_name="b", action="allow"),
            "SourceName: wildcard character",
        ),
        (
            Intention(source_name="a", destination_name="b", action="allow", source_type="x"),
            "SourceType must be set to 'consul'",
        ),
        (
            Intention(source_name="a", destination_name="b", action="allow", id="x"),
            "ID must be empty when creating a new intention",
        ),
        (
            Intention(source_name="a", destination_name="b", action="deny", description="d" * 513),
            "description exceeds maximum length 512",
        ),
    ],
)
def test_wrong_intention_with_id_is_refused(intention, text):
    with pytest.raises(Invalid, match=text):
        create_by_id(None, intention, "id-1", NOW)


def test_destination_of_an_intention_cannot_change():
    with pytest.raises(Invalid, match="Cannot modify DestinationNS or DestinationName"):
        update_by_id(entry("api", web="deny"), WEB_TO_DB, "id-1", NOW)


def test_entry_of_a_user_keeps_ids_that_were_there():
    stored = create_by_id(None, WEB_TO_DB, "id-1", NOW)
    written = ServiceIntentions(
        name="db", sources=(source_of(WEB_TO_DB), SourceIntention(name="api", action="deny"))
    )

    kept = keep_legacy_fields(written, stored)

    assert [source.legacy_id for source in kept.sources or ()] == ["id-1", ""]
    assert written == keep_legacy_fields(written, None)


def test_intentions_can_be_filtered():
    accepts = compile_filter('DestinationName == "db" and Action == deny', Intention)

    assert pairs(filter(accepts, intentions_of(ENTRIES))) == [("*", "db")]
