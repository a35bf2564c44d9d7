import pytest

from proxy.api import (
    ClaimMatch,
    HeaderMatch,
    HttpOptions,
    Intention,
    JwtRequirement,
    Permission,
    Policy,
)
from proxy.connection import Peer
from proxy.core.authorize import (
    FOREIGN,
    NO_PEER,
    NOT_A_SERVICE,
    decide_connection,
    decide_request,
    is_shut_out,
)
from proxy.core.request import RequestFacts
from proxy.core.screen import screen
from proxy.http import Headers, RequestHead

DOMAIN = "11.consul"
API = Peer(uri="spiffe://11.consul/ns/default/dc/dc1/svc/api", trust_domain=DOMAIN, service="api")
JWT = JwtRequirement(providers=(("okta", (ClaimMatch(path=("role",), value="admin"),)),))
ADMIN = {"okta": {"role": "admin"}}


def facts_of(
    target: bytes = b"/", method: bytes = b"GET", headers: Headers | None = None
) -> RequestFacts:
    head = RequestHead(
        method=method, scheme=b"http", authority=b"web", target=target, headers=headers or []
    )
    facts = screen(head, HttpOptions())
    assert isinstance(facts, RequestFacts)
    return facts


def policy_of(*intentions: Intention, default_allow: bool = False) -> Policy:
    return Policy(
        destination="web",
        intentions=intentions,
        default_allow=default_allow,
        default_reason="Default behavior configured by ACLs",
        trust_domains=(DOMAIN,),
    )


def permitted(*permissions: Permission, default_allow: bool = False) -> Policy:
    intention = Intention(source="api", precedence=9, permissions=permissions, name="api => web")
    return policy_of(intention, default_allow=default_allow)


def is_allowed(policy: Policy, facts: RequestFacts) -> bool:
    return decide_request(policy, API, facts, {}).allowed


ALLOW_API = Intention(source="api", precedence=9, allow=True, name="api => web (allow)")
DENY_ALL = Intention(source="*", precedence=8, name="* => web (deny)")


# Who it is.


@pytest.mark.parametrize(
    ("peer", "reason"),
    [
        (None, NO_PEER),
        (Peer(uri="", trust_domain="22.consul", service="api"), FOREIGN),
        (Peer(uri="", service="api"), FOREIGN),
        (Peer(uri="", trust_domain=DOMAIN), NOT_A_SERVICE),
    ],
)
def test_who_is_nobody_is_denied_whatever_is_allowed(peer: Peer | None, reason: str) -> None:
    policy = policy_of(Intention(source="*", precedence=8, allow=True), default_allow=True)

    for decision in (decide_connection(policy, peer), decide_request(policy, peer, facts_of())):
        assert (False, reason) == (decision.allowed, decision.reason)


def test_without_trust_domains_nobody_is_believed() -> None:
    policy = Policy(destination="web", default_allow=True)

    assert not decide_connection(policy, API).allowed


# Which intention.


@pytest.mark.parametrize("default_allow", [True, False])
def test_default_decides_where_no_intention_is(default_allow: bool) -> None:
    policy = policy_of(
        Intention(source="other", precedence=9, allow=not default_allow),
        default_allow=default_allow,
    )

    for decision in (decide_connection(policy, API), decide_request(policy, API, facts_of())):
        assert (default_allow, "Default behavior configured by ACLs", None) == (
            decision.allowed,
            decision.reason,
            decision.intention,
        )


@pytest.mark.parametrize("intentions", [(ALLOW_API, DENY_ALL), (DENY_ALL, ALLOW_API)])
def test_highest_precedence_decides_in_any_order(intentions: tuple[Intention, ...]) -> None:
    decision = decide_connection(policy_of(*intentions), API)

    assert (True, "Matched intention: api => web (allow)", ALLOW_API) == (
        decision.allowed,
        decision.reason,
        decision.intention,
    )


def test_wildcard_of_higher_precedence_hides_an_exact_source() -> None:
    policy = policy_of(
        Intention(source="*", precedence=8), Intention(source="api", precedence=6, allow=True)
    )

    assert not decide_connection(policy, API).allowed


def test_wildcard_takes_every_other_service() -> None:
    other = Peer(uri="", trust_domain=DOMAIN, service="other")

    assert not decide_connection(policy_of(ALLOW_API, DENY_ALL), other).allowed


def test_names_of_services_are_compared_without_case() -> None:
    loud = Peer(uri="", trust_domain=DOMAIN, service="API")

    assert decide_connection(policy_of(ALLOW_API), loud).allowed
    assert not decide_connection(
        policy_of(Intention(source="Api", precedence=9), default_allow=True), API
    ).allowed


@pytest.mark.parametrize(
    ("intention", "reason"),
    [
        (
            Intention(source="api", precedence=9),
            "Matched intention: default/api => default/web (Precedence: 9, Action: DENY)",
        ),
        (
            Intention(source="api", precedence=9, permissions=(Permission(allow=True),)),
            "Matched L7 intention: default/api => default/web (Precedence: 9, Permissions: 1)",
        ),
    ],
)
def test_reason_describes_an_intention_without_a_name(intention: Intention, reason: str) -> None:
    assert reason == decide_connection(policy_of(intention), API).reason


# Permissions.


def test_permissions_deny_a_connection_without_requests() -> None:
    decision = decide_connection(permitted(Permission(allow=True), default_allow=True), API)

    assert (False, "Matched L7 intention: api => web") == (decision.allowed, decision.reason)


def test_first_matching_permission_decides_and_is_named() -> None:
    policy = permitted(
        Permission(allow=False, path_exact="/a"),
        Permission(allow=True, path_prefix="/a"),
        Permission(allow=False, path_prefix="/a/b"),
    )

    decisions = [decide_request(policy, API, facts_of(path)) for path in (b"/a", b"/a/b")]

    assert [(False, 0), (True, 1)] == [(each.allowed, each.rule) for each in decisions]


@pytest.mark.parametrize("default_allow", [True, False])
def test_default_decides_where_no_permission_matches(default_allow: bool) -> None:
    policy = permitted(Permission(allow=True, path_exact="/a"), default_allow=default_allow)

    decision = decide_request(policy, API, facts_of(b"/b"))

    assert (default_allow, None) == (decision.allowed, decision.rule)


def test_all_conditions_of_a_permission_must_hold() -> None:
    policy = permitted(
        Permission(
            allow=True,
            path_regex="/v[0-9]+/.*",
            methods=("GET", "POST"),
            headers=(HeaderMatch(name="x", present=True), HeaderMatch(name="y", exact="1")),
        )
    )
    headers = [(b"X", b""), (b"Y", b"1")]

    assert is_allowed(policy, facts_of(b"/v1/a", headers=headers))
    assert not is_allowed(policy, facts_of(b"/v1", headers=headers))
    assert not is_allowed(policy, facts_of(b"/v1/a", b"PUT", headers))
    assert not is_allowed(policy, facts_of(b"/v1/a", headers=headers[:1]))


# What must not sneak past.

DENY_ADMIN = permitted(
    Permission(allow=False, path_prefix="/admin"), Permission(allow=True, path_prefix="/")
)
ALLOW_PUBLIC = permitted(Permission(allow=True, path_prefix="/public/"))
TRICKS = [
    b"/admin",
    b"/admin/x",
    b"//admin",
    b"/x/../admin",
    b"/x/%2e%2e/admin",
    b"/x/.%2E/admin",
    b"/./admin",
    b"/%61dmin",
    b"/%2fadmin",
    b"/%5Cadmin",
    b"/public/..%2fadmin",
    b"/public/..%5cadmin",
    b"/public/..;/admin",
    b"/public/..;x=y/admin",
    b"/public/%2e%2e;/admin",
    b"/public/..//admin",
    b"/;x/admin",
    b"/ADMIN",
    b"/x/..%2FAdmin",
]


@pytest.mark.parametrize("target", TRICKS)
def test_no_way_of_writing_a_path_gets_around_a_denial(target: bytes) -> None:
    assert not is_allowed(DENY_ADMIN, facts_of(target))


@pytest.mark.parametrize(
    "target",
    [
        b"/admin?x",
        b"/admin/?/../x",
        b"/admin;x=1",
        b"/admin/.",
        b"/admin/\xff",
        b"/x/..%2fadmin/%0a",
        b"/x/..%2fadmin/%ff",
    ],
)
def test_exact_denial_and_regex_denial_hold_too(target: bytes) -> None:
    for denial in (
        Permission(allow=False, path_regex="/admin(/.*)?"),
        Permission(allow=False, path_prefix="/admin"),
    ):
        assert not is_allowed(
            permitted(denial, Permission(allow=True, path_prefix="/")), facts_of(target)
        )


@pytest.mark.parametrize("target", TRICKS)
def test_no_way_of_writing_a_path_widens_an_allowance(target: bytes) -> None:
    assert not is_allowed(ALLOW_PUBLIC, facts_of(target))


@pytest.mark.parametrize(
    "target", [b"/public/a", b"/public/a%2Fb", b"/public//a", b"/public/a;v=1", b"/public/%7Eme"]
)
def test_harmless_paths_are_allowed(target: bytes) -> None:
    assert is_allowed(ALLOW_PUBLIC, facts_of(target))
    assert is_allowed(DENY_ADMIN, facts_of(target))


def test_rule_with_odd_slashes_still_matches_what_it_says() -> None:
    policy = permitted(Permission(allow=True, path_exact="/a//b;v=1/c%2Fd"))

    assert is_allowed(policy, facts_of(b"/a//b;v=1/c%2Fd"))
    assert not is_allowed(policy, facts_of(b"/a/b/c/d"))


def test_allowances_keep_to_case() -> None:
    assert not is_allowed(ALLOW_PUBLIC, facts_of(b"/Public/a"))


def test_denied_method_is_denied_in_any_case() -> None:
    policy = permitted(Permission(allow=False, methods=("DELETE",)), Permission(allow=True))

    assert not is_allowed(policy, facts_of(method=b"delete"))
    assert is_allowed(policy, facts_of(method=b"GET"))


def test_leaving_a_header_out_does_not_get_around_a_denial() -> None:
    policy = permitted(
        Permission(allow=False, headers=(HeaderMatch(name="x", exact="ok", invert=True),)),
        Permission(allow=True),
    )

    assert not is_allowed(policy, facts_of())
    assert is_allowed(policy, facts_of(headers=[(b"x", b"ok")]))


@pytest.mark.parametrize(
    "unclear",
    [{"path_regex": "("}, {"headers": (HeaderMatch(name="x", regex="(", invert=True),)}],
)
def test_what_is_no_pattern_allows_nothing_and_denies_everything(unclear: dict) -> None:
    headers = [(b"x", b"(")]
    allowing = permitted(Permission(allow=True, **unclear))
    denying = permitted(Permission(allow=False, **unclear), Permission(allow=True))

    assert not is_allowed(allowing, facts_of(b"/(", headers=headers))
    assert not is_allowed(denying, facts_of(b"/(", headers=headers))


# Tokens.


def test_connection_without_requests_needs_no_token() -> None:
    policy = policy_of(Intention(source="api", precedence=9, allow=True, jwt=JWT))

    assert decide_connection(policy, API).allowed


def test_token_of_an_intention_is_needed_for_each_request() -> None:
    policy = policy_of(
        Intention(source="api", precedence=9, allow=True, jwt=JWT, name="api => web"),
        default_allow=True,
    )

    without = decide_request(policy, API, facts_of(), {})

    assert (False, "Matched intention: api => web: no valid token of okta") == (
        without.allowed,
        without.reason,
    )
    assert not decide_request(policy, API, facts_of(), {"okta": {"role": "user"}}).allowed
    assert decide_request(policy, API, facts_of(), ADMIN).allowed


def test_token_does_not_open_what_is_denied() -> None:
    policy = policy_of(Intention(source="api", precedence=9, jwt=JWT))

    assert not decide_request(policy, API, facts_of(), ADMIN).allowed


def test_token_of_a_permission_is_one_of_its_conditions() -> None:
    policy = permitted(
        Permission(allow=True, path_prefix="/admin", jwt=JWT),
        Permission(allow=True, path_exact="/admin/health"),
    )

    decisions = [
        decide_request(policy, API, facts_of(path), claims)
        for path, claims in (
            (b"/admin/x", ADMIN),
            (b"/admin/x", {}),
            (b"/admin/health", {}),
        )
    ]

    assert [(True, 0), (False, None), (True, 1)] == [
        (each.allowed, each.rule) for each in decisions
    ]


def test_token_of_an_intention_is_needed_beside_its_permissions() -> None:
    policy = policy_of(
        Intention(source="api", precedence=9, permissions=(Permission(allow=True),), jwt=JWT)
    )

    assert not decide_request(policy, API, facts_of(), {}).allowed
    assert decide_request(policy, API, facts_of(), ADMIN).allowed


@pytest.mark.parametrize(
    ("policy", "peer", "expected"),
    [
        (policy_of(default_allow=True), API, False),
        (policy_of(default_allow=True), None, True),
        (policy_of(), API, True),
        (policy_of(Intention(source="api", precedence=9, allow=True)), API, False),
        (policy_of(Intention(source="api", precedence=9), default_allow=True), API, True),
        (permitted(Permission(allow=True, path_exact="/a")), API, False),
        (permitted(Permission(allow=False, path_exact="/a")), API, True),
        (permitted(Permission(allow=False, path_exact="/a"), default_allow=True), API, False),
    ],
)
def test_who_may_make_no_request_at_all_is_shut_out(
    policy: Policy, peer: Peer | None, expected: bool
) -> None:
    assert expected == is_shut_out(policy, peer)
