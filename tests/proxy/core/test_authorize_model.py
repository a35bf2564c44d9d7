"""Who may make a request, beside a model that tries everything in turn."""

from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from proxy.api import Intention, Permission, Policy
from proxy.connection import Peer
from proxy.core.authorize import decide_request
from proxy.core.request import RequestFacts
from proxy.http import RequestHead

DOMAIN = "11.consul"
NAMES = st.sampled_from(["api", "web", "db", "*"])
PATHS = st.sampled_from(["", "/", "/a", "/a/b", "/b"])
METHODS = st.sampled_from([(), ("GET",), ("GET", "POST")])
PERMISSIONS = st.builds(
    Permission, allow=st.booleans(), path_prefix=PATHS, methods=METHODS
) | st.builds(Permission, allow=st.booleans(), path_exact=PATHS, methods=METHODS)
INTENTIONS = st.builds(
    Intention,
    source=NAMES,
    precedence=st.sampled_from([9, 8, 6, 5]),
    allow=st.booleans(),
    permissions=st.just(()) | st.lists(PERMISSIONS, max_size=3).map(tuple),
)
POLICIES = st.builds(
    Policy,
    destination=st.just("web"),
    intentions=st.lists(INTENTIONS, max_size=5).map(tuple),
    default_allow=st.booleans(),
    trust_domains=st.sampled_from([(), (DOMAIN,), ("22.consul", DOMAIN)]),
)


def naive(policy: Policy, service: str, path: str, method: str) -> bool:
    if DOMAIN not in policy.trust_domains:
        return False
    fitting = [each for each in policy.intentions if each.source in {service, "*"}]
    if not fitting:
        return policy.default_allow
    decisive = max(fitting, key=lambda each: each.precedence)  # the first of equal ones
    if not decisive.permissions:
        return decisive.allow
    for rule in decisive.permissions:
        fits_path = (
            path == rule.path_exact
            if rule.path_exact
            else unquote(path).startswith(rule.path_prefix)
        )
        if fits_path and (not rule.methods or method in rule.methods):
            return rule.allow
    return policy.default_allow


@given(
    POLICIES,
    st.sampled_from(["api", "web", "db", "other"]),
    st.sampled_from(["/", "/a", "/a/b", "/b", "/abc", "/c"]),
    st.sampled_from(["GET", "POST", "PUT"]),
)
def test_requests_are_decided_as_the_naive_model_says(
    policy: Policy, service: str, path: str, method: str
) -> None:
    peer = Peer(uri="", trust_domain=DOMAIN, service=service)
    head = RequestHead(
        method=method.encode(), scheme=b"http", authority=b"web", target=path.encode(), headers=[]
    )

    decision = decide_request(policy, peer, RequestFacts(head))

    assert naive(policy, service, path, method) == decision.allowed
