import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent.mesh.xds.access import rules_of
from proxy.api import HeaderMatch, Intention, JwtRequirement, Permission, Policy

DOMAIN = "11111111-2222-3333-4444-555555555555.consul"
SERVICES = ("web", "api", "db")
PATHS = ("/", "/admin", "/admin/x", "/v1")


def uri_of(service: str) -> str:
    return f"spiffe://{DOMAIN}/ns/default/dc/dc1/svc/{service}"


class Request:
    """A request as the evaluator of the rules sees it."""

    def __init__(self, uri: str, path: str = "/", method: str = "GET", team: str = "") -> None:
        self.uri = uri
        self.path = path
        self.headers = {":method": method, "x-team": team}


def lets_in(rules: dict[str, Any], request: Request) -> bool:
    """What Envoy does with the rules."""
    matched = any(
        any(holds(rule, request) for rule in policy["permissions"])
        and any(holds(who, request) for who in policy["principals"])
        for policy in rules["policies"].values()
    )
    return matched == (rules["action"] == "ALLOW")


def holds(rule: dict[str, Any], request: Request) -> bool:
    ((kind, value),) = rule.items()
    match kind:
        case "any":
            return True
        case "and_rules":
            return all(holds(each, request) for each in value["rules"])
        case "and_ids":
            return all(holds(each, request) for each in value["ids"])
        case "not_rule" | "not_id":
            return not holds(value, request)
        case "authenticated":
            return text_holds(value["principal_name"], request.uri)
        case "url_path":
            return text_holds(value["path"], request.path)
        case "header":
            found = text_holds(value["string_match"], request.headers[value["name"]])
            return found != value.get("invert_match", False)
    raise AssertionError(kind)


def text_holds(matcher: dict[str, Any], text: str) -> bool:
    match matcher:
        case {"safe_regex": {"regex": regex}}:
            return re.fullmatch(regex, text) is not None
        case {"exact": exact}:
            return text == exact
        case {"prefix": prefix}:
            return text.startswith(prefix)
    raise AssertionError(matcher)


def naive(policy: Policy, source: str, path: str, method: str, *, is_http: bool) -> bool:
    """The rule in the words of its description: the first intention decides, then the first
    permission.
    """
    for intention in policy.intentions:
        if intention.source not in {source, "*"}:
            continue
        if not intention.permissions:
            return intention.allow
        if not is_http:
            return False
        for permission in intention.permissions:
            right_path = path.startswith(permission.path_prefix)
            if right_path and (not permission.methods or method in permission.methods):
                return permission.allow
        return policy.default_allow
    return policy.default_allow


permissions = st.builds(
    Permission,
    allow=st.booleans(),
    path_prefix=st.sampled_from(("", "/admin", "/v1")),
    methods=st.sampled_from(((), ("GET",), ("POST", "PUT"))),
)
intentions = st.builds(
    Intention,
    source=st.sampled_from(SERVICES),
    precedence=st.just(9),
    allow=st.booleans(),
    permissions=st.lists(permissions, max_size=3).map(tuple),
)
policies = st.builds(
    Policy,
    destination=st.just("back"),
    intentions=st.tuples(
        st.lists(intentions, max_size=3, unique_by=lambda each: each.source),
        st.lists(
            st.builds(Intention, source=st.just("*"), precedence=st.just(8), allow=st.booleans()),
            max_size=1,
        ),
    ).map(lambda parts: (*parts[0], *parts[1])),
    default_allow=st.booleans(),
)


@given(
    policy=policies,
    source=st.sampled_from((*SERVICES, "other")),
    path=st.sampled_from(PATHS),
    method=st.sampled_from(("GET", "POST")),
    is_http=st.booleans(),
)
def test_the_rules_decide_as_the_intentions_do(
    policy: Policy, source: str, path: str, method: str, is_http: bool
) -> None:
    rules = rules_of(policy, is_http=is_http)

    request = Request(uri_of(source), path, method)
    assert naive(policy, source, path, method, is_http=is_http) == lets_in(rules, request)


@given(policy=policies)
def test_who_is_no_service_of_the_mesh_is_never_let_in(policy: Policy) -> None:
    rules = rules_of(policy, is_http=True)

    assert not lets_in(rules, Request(f"spiffe://{DOMAIN}/agent/client/dc/dc1/id/node"))
    assert not lets_in(rules, Request(""))


def test_a_permission_with_a_token_lets_nobody_in() -> None:
    needed = JwtRequirement(providers=(("okta", ()),))
    for default_allow in (True, False):
        policy = Policy(
            destination="back",
            intentions=(
                Intention(
                    source="web",
                    precedence=9,
                    permissions=(Permission(allow=True, path_prefix="/", jwt=needed),),
                ),
            ),
            default_allow=default_allow,
        )

        assert not lets_in(rules_of(policy, is_http=True), Request(uri_of("web")))


def test_a_name_is_no_pattern() -> None:
    policy = Policy(
        destination="back", intentions=(Intention(source="a.b", precedence=9, allow=True),)
    )

    rules = rules_of(policy, is_http=False)

    assert lets_in(rules, Request(uri_of("a.b")))
    assert not lets_in(rules, Request(uri_of("axb")))


def test_headers_are_conditions_too() -> None:
    permission = Permission(allow=True, headers=(HeaderMatch(name="x-team", exact="red"),))
    policy = Policy(
        destination="back",
        intentions=(Intention(source="*", precedence=8, permissions=(permission,)),),
    )

    rules = rules_of(policy, is_http=True)

    assert lets_in(rules, Request(uri_of("web"), team="red"))
    assert not lets_in(rules, Request(uri_of("web"), team="blue"))


def test_a_source_is_known_by_how_its_certificate_writes_it() -> None:
    denied = Intention(source="Web shop", precedence=9)
    rules = rules_of(
        Policy(destination="back", intentions=(denied,), default_allow=True), is_http=False
    )

    assert not lets_in(rules, Request(uri_of("web%20shop")))
    assert lets_in(rules, Request(uri_of("web")))
