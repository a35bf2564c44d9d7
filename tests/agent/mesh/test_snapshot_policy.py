"""Who may come in."""

from msgspec.structs import replace

from agent.mesh.snapshot_policy import policy_of, trust_domains
from agent.mesh.watch_questions import Entry
from catalog.rows.config_entry import ServiceIntentions
from catalog.rows.config_entry.http_match import HeaderMatch as HeaderRow
from catalog.rows.config_entry.service_intentions import (
    JWTProviderUse,
    JWTRequirement,
    Permission,
    PermissionHTTP,
    SourceIntention,
)
from catalog.rows.connect import CARoots
from proxy.api import HeaderMatch, JwtRequirement, Policy
from tests.agent.mesh.world import PLACE, ROOT, ROOTS, TRUST_DOMAIN, World


def policy(*entries: ServiceIntentions) -> Policy:
    found = policy_of("web", PLACE, ROOTS, World(*entries).answers())
    assert found is not None
    return found


def intentions(destination: str, *sources: SourceIntention) -> ServiceIntentions:
    return ServiceIntentions(name=destination, sources=sources)


def test_those_of_the_service_come_before_those_of_all() -> None:
    found = policy(
        intentions(
            "*",
            SourceIntention(name="*", action="deny"),
            SourceIntention(name="api", action="deny"),
        ),
        intentions(
            "web",
            SourceIntention(name="*", action="deny"),
            SourceIntention(name="api", action="allow"),
        ),
        intentions("other", SourceIntention(name="api", action="allow")),
    )

    assert [(9, "api", True), (8, "*", False), (6, "api", False), (5, "*", False)] == [
        (each.precedence, each.source, each.allow) for each in found.intentions
    ]


def test_an_intention_is_described_as_the_api_does() -> None:
    (found,) = policy(intentions("web", SourceIntention(name="api", action="allow"))).intentions

    assert "default/api => default/web (Precedence: 9, Action: ALLOW)" == found.name


def test_permissions_keep_their_order_and_all_conditions() -> None:
    header = HeaderRow(name="x", contains="y", ignore_case=True, invert=True)
    http = PermissionHTTP(path_prefix="/a", header=(header,), methods=("GET",))
    source = SourceIntention(
        name="api",
        permissions=(
            Permission(action="allow", http=http),
            Permission(action="deny", http=PermissionHTTP(path_regex="/.*")),
        ),
    )

    (found,) = policy(intentions("web", source)).intentions

    first, second = found.permissions
    assert not found.allow
    assert (True, "/a", ("GET",)) == (first.allow, first.path_prefix, first.methods)
    assert (HeaderMatch(name="x", contains="y", ignore_case=True, invert=True),) == first.headers
    assert (False, "/.*") == (second.allow, second.path_regex)


def test_a_source_of_another_cluster_is_not_the_service_of_its_name() -> None:
    found = policy(
        intentions(
            "web",
            SourceIntention(name="api", peer="abroad", action="allow"),
            SourceIntention(name="db", action="allow"),
        )
    )

    assert ["db"] == [each.source for each in found.intentions]


def test_tokens_are_asked_for_by_the_entry_and_by_permissions() -> None:
    okta = JWTRequirement(providers=(JWTProviderUse(name="okta"),))
    auth0 = JWTRequirement(providers=(JWTProviderUse(name="auth0"),))
    permission = Permission(action="allow", http=PermissionHTTP(path_prefix="/"), jwt=auth0)
    source = SourceIntention(name="api", permissions=(permission,))

    (found,) = policy(replace(intentions("web", source), jwt=okta)).intentions

    assert JwtRequirement(providers=(("okta", ()),)) == found.jwt
    assert JwtRequirement(providers=(("auth0", ()),)) == found.permissions[0].jwt


def test_the_default_is_the_agents() -> None:
    found = policy()

    assert (False, "Default intention policy") == (found.default_allow, found.default_reason)
    assert (TRUST_DOMAIN,) == found.trust_domains


def test_nobody_is_judged_before_intentions_are_known() -> None:
    assert policy_of("web", PLACE, ROOTS, World().lacks(Entry).answers()) is None


def test_roots_of_other_meshes_bring_their_trust_domains() -> None:
    other = replace(ROOT, external_trust_domain="other")
    roots = CARoots(active_root_id="aa", trust_domain="mine.consul", roots=(other, ROOT))

    assert ("mine.consul", "other.consul") == trust_domains(roots)
